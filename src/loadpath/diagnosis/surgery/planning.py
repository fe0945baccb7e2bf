"""The plan: which layers go together, found by prediction, races and exchanges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import xarray as xr
from torch import nn

from loadpath.checks import (
    as_list,
    check_choice,
    check_count,
    check_level,
    check_number,
    check_seed,
)
from loadpath.diagnosis.skipping import LossFunction
from loadpath.diagnosis.surgery.cuts import WAYS, Cut, Way
from loadpath.diagnosis.surgery.search import (
    Calling,
    Subject,
    lacking,
    subject_of,
)
from loadpath.diagnosis.surgery.searching import Search
from loadpath.record import Layers, Loader, Output, Split, TokenMask
from loadpath.results import Shown
from loadpath.statistics import Estimate, unknown


@dataclass(frozen=True, eq=False, repr=False)
class Plan(Shown):
    """Which layers go, how that was found, and what it costs on the samples of the search."""

    cut: Cut
    """The layers and the way in which they go."""
    loss_change: Estimate
    """The change of the loss on the samples of the search, or of the outputs where there is no
    loss; chosen to be low, so that the proof on other samples is what counts."""
    accuracy_change: Estimate
    """The change of the accuracy on the same samples; no number where there are no classes."""
    dataset: xr.Dataset
    """Over `layer`: the predicted harm of each layer alone, whether it goes, and the layers that
    cannot go with the reason in `status`."""
    tried: tuple[tuple[Cut, float], ...]
    """All sets that were measured, each with its mean harm as far as it ran, the best first."""
    passes: float
    """Forward passes over the whole search sample that were made; a backward pass counts as two."""
    n_layers: int
    """How many layers may go."""
    n_samples: int
    """How many samples the search has seen."""
    harm_kind: str
    """What the harm is, in words."""
    calling: Calling = field(default_factory=Calling)
    """How the model is called; `cut` and `prove` call it alike."""
    example: Any = None
    """The first batch of the search, on which `cut` checks the cut model."""
    seen: frozenset[bytes] = frozenset()
    """Fingerprints of the samples of the search, which `prove` leaves out."""

    def check_model(self, model: nn.Module) -> None:
        """Refuse a model that is not the one that was planned: one that lacks a layer of it."""
        for layer in lacking(model, map(str, self.dataset["layer"].values)):
            raise ValueError(f"model must be the one that was planned, and has no layer {layer!r}.")

    def sentences(self) -> list[str]:
        """Return what was found, in words."""
        harm = self.loss_change
        lines = [
            f"{str(self.cut)[0].upper()}{str(self.cut)[1:]}: {len(self.cut.layers)} of "
            f"{self.n_layers} layers that may go.",
            f"On the {self.n_samples:,} samples of the search the harm is {harm.value:.3g} "
            f"({harm.low:.3g} to {harm.high:.3g}; {self.harm_kind}). It was chosen to be low "
            "there: see the proof.",
        ]
        if self.accuracy_change.known:
            low, high = (100 * x for x in (self.accuracy_change.low, self.accuracy_change.high))
            lines.append(
                f"The accuracy changes by {100 * self.accuracy_change.value:.2g} points there "
                f"({low:.2g} to {high:.2g})."
            )
        lines.append(
            f"The search measured {len(self.tried)} sets in {self.passes:.3g} forward passes over "
            f"its sample, {self.passes / self.n_layers:.2g} for each layer that may go."
        )
        return lines


def plan(
    model: nn.Module,
    loader: Loader,
    *,
    drop: int | None = None,
    budget: float | None = None,
    budget_in: str = "loss",
    ways: Way | Sequence[Way] = "drop",
    layers: Layers = None,
    loss: LossFunction | None = None,
    tokens_first: bool = False,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
    output: Output = None,
    answer: Output = None,
    class_scores: bool | None = None,
    token_mask: TokenMask | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> Plan:
    r"""Find the layers of a model that can go together with the least harm.

    Parameters
    ----------
    model : nn.Module
        Any module; it is left as it was.
    loader : iterable
        Batches of the search, as in `loadpath.diagnosis.skip_layers`. They are kept in memory. The
        proof takes other samples: `halves` deals batches into both.
    drop : int, optional
        How many layers go.
    budget : float, optional
        What the cut may cost at most, at the upper end of its interval on the search sample: the
        most layers go that this allows. Either this or `drop` is given.
    budget_in : {"loss", "accuracy"}
        Whether the budget is a rise of the loss, or a loss of points of accuracy, 1 for 1 % of the
        samples. Without labels "loss" means the squared change of the outputs over their spread.
    ways : {"drop", "merge", "linear", "convolution"} or several
        The ways in which layers may go; of several the least harmful is taken. A linear map in the
        place of a run costs time and parameters of its own, and most tools can load only models
        whose layers were dropped. A convolution also reads the places beside each: three tokens
        before, if no layer of the run reads those behind, and one on each side of sequences and
        images if one does.
    layers : str, class, sequence of these, or None
        Which layers may go, as in `skip_layers`; found by themselves if left out.
    loss, tokens_first, device, max_batches, split, pass_labels
        As in `skip_layers`.
    output, answer, class_scores, token_mask
        As in `skip_layers`.
    level : float, default 0.95
        Confidence level of the intervals.
    seed : int, default 0
        The seed of the order of batches and of the draws for the prediction.

    Returns
    -------
    Plan
        The cut, what it costs on the search sample, and how it was found.

    Raises
    ------
    ValueError
        If no layer can go, or fewer than `drop`; if no cut meets the budget; for a budget in
        accuracy without classes; for maps in the place of layers of a path, and convolutions in the
        place of layers that are given vectors, or sequences whose padding they would read; as
        `skip_layers`.

    Notes
    -----
    The harm of every set is predicted from gradients of the loss and the curvature of Gauss and
    Newton, interactions included, in one forward and three backward passes in all. The sets of
    least predicted harm, and runs of neighbours, race on growing samples: what is clearly worse by
    paired differences drops out. Then the neighbours of the winner by one exchange race, and so on,
    while the prediction learns from what was measured. All together takes at most 3 L forward
    passes over the sample, for L layers that may go; `Plan.passes` has the count.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> class Block(nn.Module):
    ...     def __init__(self, scale):
    ...         super().__init__()
    ...         self.inner = nn.Linear(4, 4, bias=False)
    ...         self.inner.weight.data.copy_(scale * torch.eye(4))
    ...     def forward(self, h):
    ...         return h + self.inner(h)
    >>> model = nn.Sequential(*map(Block, (0.5, 0.0, 0.3)), nn.Linear(4, 3))
    >>> x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    >>> batches = list(x.split(10))
    >>> plan = lp.surgery.plan(model, batches, drop=1)
    >>> print(plan.cut)
    drop 1
    >>> smaller = lp.surgery.cut(model, plan)
    >>> len(smaller), bool(torch.equal(smaller(x), model(x)))
    (3, True)
    """
    calling = Calling(
        layers,
        loss,
        tokens_first,
        device,
        max_batches,
        split,
        pass_labels,
        output,
        answer,
        class_scores,
        token_mask,
    )
    check_level(level)
    check_seed("seed", seed)
    chosen_ways = _checked_ways(ways)
    if (drop is None) == (budget is None):
        raise ValueError(f"drop or budget must be given, and not both, got {drop} and {budget}.")
    if drop is not None:
        check_count("drop", drop, 1)
    if budget is not None:
        check_number("budget", budget, least=0)
    check_choice("budget_in", budget_in, ("loss", "accuracy"))
    subject = subject_of(model, loader, calling)
    if drop is not None and drop > len(subject.calls):
        raise ValueError(_too_many(drop, subject))
    search = Search(subject, chosen_ways, seed, level)
    if budget_in == "accuracy" and budget is not None and not search.harm.has_classes:
        raise ValueError(
            "budget_in must be 'loss' where there are no classes to be right on, got 'accuracy': "
            f"{search.harm.words}."
        )
    if drop is not None:
        best = search.best(drop)
    else:
        assert budget is not None
        best = search.most_within(budget, right=budget_in == "accuracy")
    race = search.race
    race.measure([best], race.order)  # what is chosen is measured on all batches
    right = unknown(0, "not enough samples")
    if search.harm.has_classes:
        right = race.change(best, level=level, right=True)
    found = Plan(
        cut=search.cut(best),
        loss_change=race.change(best, level=level),
        accuracy_change=right,
        dataset=search.dataset(best),
        tried=tuple(search.tried()),
        passes=subject.spent,
        n_layers=len(subject.calls),
        n_samples=sum(subject.sizes),
        harm_kind=search.harm.words,
        calling=calling,
        example=subject.batches[0],
        seen=frozenset(subject.seen),
    )
    found.dataset.attrs["sentences"] = "\n".join(found.sentences())
    return found


def _checked_ways(ways: Way | Sequence[Way]) -> tuple[Way, ...]:
    """Return the ways as a tuple, each once."""
    given = [ways] if isinstance(ways, str) else as_list("ways", ways, "ways to cut")
    if not given:
        raise ValueError("ways must have at least one way, got none.")
    for way in given:
        check_choice("ways", way, WAYS)
    return tuple(dict.fromkeys(given))


def _too_many(drop: int, subject: Subject) -> str:
    """Return the sentence about more layers than can go."""
    names = subject.names
    told = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    stay = "".join(f"; {name} stays: {why}" for name, why in list(subject.kept.items())[:3])
    return f"drop must be at most {len(names)}, the layers that can go ({told}), got {drop}{stay}."
