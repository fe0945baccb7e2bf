"""Healing: a short training of a cut model to answer as the original does."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.checks import check_count, check_number, check_seed, check_type
from loadpath.diagnosis.surgery.planning import Plan
from loadpath.diagnosis.surgery.search import (
    Subject,
    batches_in_memory,
    fingerprints,
    own_memory,
    prepared,
    shuffled,
    subject_of,
)
from loadpath.record import Batch, Loader, OwnRandomness, evaluation_mode, unwrapped

DIVERGENCE, DISTANCE = "Kullback-Leibler divergence", "squared distance over the spread"
"""How far answers are from the original's: of classes, and else."""


@dataclass(frozen=True, eq=False)
class Healed:
    """A cut model after a short training, and what that took."""

    model: nn.Module
    """The healed copy."""
    distances: tuple[float, ...]
    """The distance to the original's answers at each step, on the batch of the step."""
    distance_kind: str
    """What the distance is, in words."""
    forward_passes: int
    """Forward passes of single samples, through the original and the cut model together."""
    backward_passes: int
    """Backward passes of single samples through the cut model."""

    def sentence(self) -> str:
        """Return what was done, in words."""
        return (
            f"The smaller model was healed in {len(self.distances)} steps, from a "
            f"{self.distance_kind} of {self.distances[0]:.3g} to {self.distances[-1]:.3g} on their "
            f"batches, with {self.forward_passes:,} forward and {self.backward_passes:,} backward "
            "passes of a sample."
        )


def heal(
    model: nn.Module,
    smaller: nn.Module,
    loader: Loader,
    plan: Plan,
    *,
    steps: int = 100,
    learning_rate: float = 1e-4,
    seed: int = 0,
) -> Healed:
    """Train a cut model a little, so that it answers as the original does. Labels are not used.

    Parameters
    ----------
    model : nn.Module
        The original, which is left as it is.
    smaller : nn.Module
        The cut model, which is left as it is.
    loader : iterable
        Batches of the search, so that those of the proof stay unseen.
    plan : Plan
        The plan of the cut.
    steps : int, default 100
        Steps of Adam, on a batch each; the rate falls to 0 along half a cosine.
    learning_rate : float, default 1e-4
        The rate of the first step, at most 1.
    seed : int, default 0
        The seed of the order of batches.

    Returns
    -------
    Healed
        A healed copy, and what it took.

    Raises
    ------
    ValueError
        For samples that the search has not seen, for a model that is not the one that was planned,
        if `smaller` has no parameters, and if the distance is not finite.

    Notes
    -----
    For classes the distance is the Kullback-Leibler divergence of the cut model's shares from the
    original's, a mean over samples or tokens; else it is the squared distance of the answers over
    their spread. Both models run in evaluation mode.
    """
    check_type("plan", plan, Plan, "a Plan")
    check_count("steps", steps, 1)
    check_number("learning_rate", learning_rate, above=0, most=1)
    check_seed("seed", seed)
    check_type("smaller", smaller, nn.Module, "an nn.Module")
    original, healed = unwrapped(model), copy.deepcopy(unwrapped(smaller))
    parameters = [p for p in healed.parameters() if p.is_floating_point()]
    if not parameters:
        raise ValueError("smaller must have parameters to train, and has none.")
    plan.check_model(original)
    subject = subject_of(original, [plan.example], plan.calling)
    batches = subject.batches = batches_of_search(original, loader, plan)
    scoring = subject.scoring
    shares = scoring is not None and scoring.units == "nats"
    learned = [p.requires_grad for p in parameters]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, learning_rate)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rounds = range(-(-steps // len(batches)))
    order = [n for turn in rounds for n in shuffled(len(batches), seed + turn)]
    answers: dict[int, Tensor] = {}
    distances, samples, targets = [], 0, 0
    device = subject.device
    with evaluation_mode(healed):
        for number in order[:steps]:
            batch = prepared(batches[number], number, original, plan.calling, device)
            if number not in answers:
                (answers[number],) = subject.passes(
                    [number], lambda b: _answer(subject, original, b)
                )
                targets += batch.count
            with torch.enable_grad(), OwnRandomness(device)():
                answer = _answer(subject, healed, batch)
                distance = distance_of_answers(answer, answers[number], batch, shares=shares)
                optimizer.zero_grad(set_to_none=True)
                distance.backward()
                optimizer.step()
            rate.step()
            distances.append(float(distance.detach()))
            samples += batch.count
            if not math.isfinite(distances[-1]):
                raise ValueError(
                    f"learning_rate must be smaller: the distance is {distances[-1]} in step "
                    f"{len(distances)}, got {learning_rate}."
                )
    for parameter, flag in zip(parameters, learned, strict=True):
        parameter.grad = None
        parameter.requires_grad_(flag)
    words = DIVERGENCE if shares else DISTANCE
    return Healed(healed, tuple(distances), words, targets + samples, samples)


def batches_of_search(model: nn.Module, loader: Loader, plan: Plan) -> list[Any]:
    """Return the batches of a loader, of samples of the search alone.

    Raises
    ------
    ValueError
        If there are others.
    """
    batches = batches_in_memory(model, loader, plan.calling)
    for number, raw in enumerate(batches):
        if not set(fingerprints(prepared(raw, number, model, plan.calling))) <= plan.seen:
            raise ValueError(
                "loader must have samples of the search alone, so that the proof has others, and "
                f"batch {number} has some that the search has not seen."
            )
    return batches


def _answer(subject: Subject, model: nn.Module, batch: Batch) -> Tensor:
    """Return what a model answers to a batch, with its graph where gradients are on."""
    answer = subject.reading.answer(own_memory(batch).run(model))
    assert answer is not None  # or the plan had refused it
    return answer


def distance_of_answers(answer: Tensor, target: Tensor, batch: Batch, *, shares: bool) -> Tensor:
    """Return how far an answer is from the original's, a mean over samples or tokens.

    Parameters
    ----------
    answer, target : Tensor
        What the cut model and the original answered, (sample, ..., output).
    batch : Batch
        The batch, whose mask says which tokens are padding.
    shares : bool
        Whether answers are logits of classes.

    Returns
    -------
    Tensor
        The divergence in nats, or the squared distance over the spread of `target`.
    """
    f, g = target.detach(), answer
    if batch.mask is not None and f.shape[:2] == batch.mask.shape:
        f, g = f[batch.mask], g[batch.mask]
    f, g = f.flatten(0, -2), g.flatten(0, -2)
    if shares:
        p, q = f.log_softmax(-1), g.log_softmax(-1)
        return (p.exp() * (p - q)).sum(-1).mean()
    spread = (f - f.mean(0)).square().sum().clamp_min(torch.finfo(f.dtype).tiny)
    return (g - f).square().sum() / spread
