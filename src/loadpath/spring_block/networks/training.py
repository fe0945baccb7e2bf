"""Train a classifier: the plain way, with PyTorch's own parts, or by the compiled engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from typing import Literal, Protocol

import numpy as np
import scipy.linalg  # noqa: F401 (its BLAS is what compiled code calls, and `blas` must find it)
import torch
from threadpoolctl import ThreadpoolController
from torch import nn

from loadpath.checks import check_count
from loadpath.data import Data
from loadpath.measures.separation import KINDS, SeparationKind, check_kind
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.networks import MLP, Classifier
from loadpath.spring_block.networks.outcome import Status, Trained, accuracy, separation
from loadpath.spring_block.networks.recipe import Recipe
from loadpath.threads import torch_threads

try:
    from loadpath.spring_block.networks import compiled
except ImportError:  # numba is an extra
    compiled = None  # type: ignore[assignment]

Engine = Literal["compiled", "plain"]

LARGEST = 1e18
"""Input that a net takes: BatchNorm makes nothing of those whose squares overflow."""


class Stepper(Protocol):
    """One way to train: whose weights change, an epoch at a time."""

    def epoch(self) -> float:
        """Train on one more epoch and return its loss, the mean over its samples."""

    def finish(self) -> None:
        """Bring the net that was passed up to date, running statistics included."""


class Plain:
    """Stepper made of PyTorch's own parts: autograd, nn.Dropout, torch.optim.Adam."""

    def __init__(self, network: nn.Module, draws: Draws, recipe: Recipe) -> None:
        """Start Adam afresh."""
        self._network, self._draws = network, draws
        self._optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate)
        # nn.Dropout draws from torch's global stream: this one takes its place during an epoch.
        self._masks = torch.Generator().manual_seed(draws.dropout_seed % 2**32).get_state()

    def epoch(self) -> float:
        """Train on one more epoch and return its loss, the mean over its samples."""
        x, labels = self._draws.epoch()
        bounds, total = self._draws.bounds, 0.0
        self._network.train()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._masks)
            for a, b in zip(bounds, bounds[1:], strict=False):
                loss = nn.functional.cross_entropy(self._network(x[a:b]), labels[a:b])
                self._optimizer.zero_grad()
                loss.backward()
                self._optimizer.step()
                total += loss.item() * (b - a)
            self._masks = torch.get_rng_state()
        return total / len(x)

    def finish(self) -> None:
        """Nothing to do: the net is the one that was trained."""


def train(
    network: Classifier,
    data: Data,
    recipe: Recipe = Recipe(),  # noqa: B008 (frozen)
    *,
    seed: int = 0,
    kinds: Sequence[SeparationKind] = KINDS,
    record_every: int | None = None,
    engine: Engine | None = None,
    progress: Callable[[int, float], object] = lambda epoch, loss: None,
) -> Trained:
    r"""Train `network` in place by `recipe`, and measure it on the clean data in evaluation mode.

    >>> net = MLP(100, 10, slope=0.2, dropout=0.1, seed=3)
    >>> run = train(net, data, Recipe(dropout=0.1), seed=3)
    >>> run.status, run.test_accuracy, run.log_separation["trace_ratio"]      # (layer,)

    Parameters
    ----------
    data: a classification task; its inputs are taken as float32.
    seed: of order, noise and dropout, in streams of their own; it may be that of the weights.
    kinds: conventions of log separation to measure.
    record_every: epochs from one record of the log separation to the next, the initial weights
        first; None for none. A record costs about as much as six epochs on the full batch.
    engine: "compiled" (an `MLP`, with numba installed), or "plain", which is PyTorch's own. None
        takes the compiled one where it can. With the same seed they train on the same numbers in
        the same order up to rounding, but their dropout masks differ.
    progress: told of every epoch as it ends, with its loss.

    Everything runs on one thread, so that the numbers do not depend on what runs beside it; see
    `train_all` for many nets.

    Raises: ValueError that names the argument and its value; also if the net does not suit the
    data, or its dropout is not that of the recipe.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353.
    """
    check_job(network, data, recipe, seed=seed, record_every=record_every, kinds=kinds)
    make = choose(network, engine)
    x, labels = data.x_train.float(), data.y_train
    draws = Draws(x, labels, n_classes=network.classes, recipe=recipe, seed=seed)
    with one_thread():
        stepper = make(network, draws, recipe)
        losses: list[float] = []
        records = []
        status: Status | None = None
        while status is None:
            if record_every is not None and len(losses) % record_every == 0:
                stepper.finish()
                records.append((len(losses), separation(network, x, labels, kinds)))
            losses.append(stepper.epoch())
            progress(len(losses), losses[-1])
            status = ended(losses, recipe)
        stepper.finish()
        return Trained(
            network=network,
            status=status,
            losses=np.array(losses),
            train_accuracy=accuracy(network, x, labels),
            test_accuracy=accuracy(network, data.x_test.float(), data.y_test),
            log_separation=separation(network, x, labels, kinds),
            recorded={
                kind: np.array([curves[kind] for _, curves in records]).reshape(-1, network.depth)
                for kind in kinds
            },
            recorded_epochs=np.array([epoch for epoch, _ in records], dtype=np.float64),
            settings={**network.settings(), **asdict(recipe), "seed": seed},
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch and BLAS on one thread within."""
    with torch_threads(1), blas().limit(limits=1, user_api="blas"):
        yield


@cache
def blas() -> ThreadpoolController:
    """The BLAS libraries of this process; finding them takes longer than a step of training."""
    return ThreadpoolController()


def ended(losses: Sequence[float], recipe: Recipe) -> Status | None:
    """Why training ends after these epochs; None if it goes on."""
    loss, before = losses[-1], losses[-2] if len(losses) > 1 else math.inf
    if not math.isfinite(loss):
        return "diverged"
    if loss < recipe.stop_below:
        return "stopped at loss"
    if abs(before - loss) < recipe.stop_change:
        return "stopped at change"
    return "all epochs" if len(losses) == recipe.epochs else None


def choose(network: Classifier, engine: Engine | None) -> Callable[..., Stepper]:
    """The stepper of an engine; ValueError if it cannot train this net here."""
    if engine not in (None, "compiled", "plain"):
        raise ValueError(f"engine must be 'compiled', 'plain' or None, got {engine!r}.")
    if engine == "compiled" and compiled is None:
        raise ValueError("engine must not be 'compiled' without numba: pip install loadpath[fast].")
    if engine == "compiled" and not isinstance(network, MLP):
        name = type(network).__name__
        raise ValueError(f"engine must be 'plain' for a net that is not an MLP, got a {name}.")
    if engine == "plain" or compiled is None or not isinstance(network, MLP):
        return Plain
    return compiled.Compiled


def check_job(
    network: Classifier,
    data: Data,
    recipe: Recipe,
    *,
    seed: int,
    record_every: int | None,
    kinds: Sequence[SeparationKind],
) -> None:
    """Refuse what cannot be trained, before any work."""
    check_count("seed", seed, 0)
    if record_every is not None:
        check_count("record_every", record_every, 1)
    if not kinds:
        raise ValueError("kinds must hold at least one convention, got none.")
    for kind in kinds:
        check_kind(kind)
    if data.task != "classification":
        raise ValueError(f"data must be of a classification task, got {data.task!r}.")
    largest = float(data.x_train.abs().max())
    if largest > LARGEST:
        raise ValueError(
            f"data must have inputs up to {LARGEST:g}, whose squares float32 holds, got one of "
            f"size {largest:.3g}."
        )
    for name, mine, its in (
        ("inputs", network.inputs, data.in_features),
        ("classes", network.classes, data.out_features),
    ):
        if mine != its:
            raise ValueError(f"network must have the {its} {name} of the data, got {mine}.")
    if network.dropout != recipe.dropout:
        raise ValueError(
            f"recipe.dropout must be that of the network, {network.dropout}, got {recipe.dropout}."
        )
    n = len(data.x_train)
    size = recipe.batch_size or n
    if size > n:
        raise ValueError(f"batch_size must be at most the {n} training samples, got {size}.")
    if network.batch_norm and 1 in (size, n % size):
        raise ValueError(
            "batch_size must leave at least 2 samples in every batch for BatchNorm, got "
            f"{recipe.batch_size} for {n} samples."
        )
