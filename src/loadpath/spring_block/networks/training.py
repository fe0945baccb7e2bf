"""Train a classifier: the plain way, with PyTorch's own parts, or by the compiled engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from typing import Literal, Protocol

import numpy as np
import scipy.linalg  # noqa: F401 (its BLAS is what compiled code calls, and `blas_libraries` must find it)
import torch
from threadpoolctl import ThreadpoolController
from torch import nn

from loadpath.checks import check_count
from loadpath.data import Data
from loadpath.measures.separation import KINDS, SeparationKind, check_kind
from loadpath.results import Status
from loadpath.spring_block.networks.classifiers import MLP, Classifier
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.recipe import Recipe
from loadpath.spring_block.networks.shapes import MLPShape, Shape
from loadpath.spring_block.networks.trained import Trained, accuracy, separation
from loadpath.threads import torch_threads

try:
    from loadpath.spring_block.networks import compiled
except ImportError:  # numba is an extra
    compiled = None  # type: ignore[assignment]

Engine = Literal["compiled", "plain"]
"""What trains: the compiled engine, or PyTorch's own parts."""

LARGEST = 1e18
"""Largest input that a net takes. The square of a larger one overflows in float32, and BatchNorm,
which divides by the standard deviation, would make 0 of all inputs."""


class Stepper(Protocol):
    """Something that trains one net, an epoch at a time."""

    def epoch(self) -> float:
        """Train on one more epoch and return its loss, the mean over its samples."""

    def finish(self) -> None:
        """Bring the net that was passed up to date, running statistics included."""


class Plain:
    """Stepper made of PyTorch's own parts: autograd, nn.Dropout, torch.optim.Adam.

    Parameters
    ----------
    network : torch.nn.Module
        The net, which is trained in place.
    draws : Draws
        What every epoch trains on.
    recipe : Recipe
        How it is trained; only the learning rate is read here.
    """

    def __init__(self, network: nn.Module, draws: Draws, recipe: Recipe) -> None:
        """Start Adam afresh."""
        self._network, self._draws = network, draws
        self._optimizer = torch.optim.Adam(network.parameters(), lr=recipe.rate)
        # nn.Dropout draws from torch's global stream: this one takes its place during an epoch.
        self._masks = torch.Generator().manual_seed(draws.dropout_seed % 2**32).get_state()

    def epoch(self) -> float:
        """Train on one more epoch.

        Returns
        -------
        float
            Loss of the epoch, as a mean over its samples; nats.
        """
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
        """Change nothing: the net that was passed is the one that is trained."""


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
    r"""Train a classifier in place, and measure it on the clean data in evaluation mode.

    Parameters
    ----------
    network : MLP or CNN
        The net, which is trained in place.
    data : Data
        A classification task; its inputs are taken as float32.
    recipe : Recipe
        How the net is trained; its dropout must be the net's.
    seed : int
        Seed of order, noise and dropout, each in a stream of its own. It may be that of the
        weights.
    kinds : sequence of str
        Conventions of the log separation to measure.
    record_every : int, optional
        Epochs from one record of the log separation to the next, the initial weights first; no
        records if left out. A record costs about as much as six epochs on the full batch.
    engine : {"compiled", "plain"}, optional
        What trains: "compiled" (for an `MLP`, with numba installed) or "plain", which is
        PyTorch's own. The compiled one if left out, where it can. With the same seed both train on
        the same numbers in the same order up to rounding, but their dropout masks differ.
    progress : callable
        Function that is called after every epoch with its number, from 1, and its loss.

    Returns
    -------
    Trained
        The net, how training ended, losses, accuracies and log separations.

    Raises
    ------
    ValueError
        If an argument is out of its range, the net does not suit the data, or its dropout is not
        that of the recipe; the sentence names the argument and its value.

    Notes
    -----
    Everything runs on one thread, so that the numbers do not depend on what runs beside it; see
    `train_all` for many nets.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    >>> from loadpath.data import digits
    >>> net = MLP(64, 10, width=20, depth=4, slope=0.2, seed=3)
    >>> run = train(net, digits(n_train=200), Recipe(epochs=2), seed=3)
    >>> str(run.status), run.log_separation["trace_ratio"].shape
    ('all epochs', (4,))
    """
    shape = network.shape
    check_job(shape, data, recipe, seed=seed, record_every=record_every, kinds=kinds)
    engine = choose_engine(shape, engine)
    x, labels = data.x_train.float(), data.y_train
    draws = Draws(x, labels, n_classes=shape.classes, recipe=recipe, seed=seed)
    with one_thread():
        stepper = make_stepper(network, draws, recipe, engine)
        losses: list[float] = []
        records = []
        status: Status | None = None
        while status is None:
            if record_every is not None and len(losses) % record_every == 0:
                stepper.finish()
                records.append((len(losses), separation(network, x, labels, kinds)))
            losses.append(stepper.epoch())
            progress(len(losses), losses[-1])
            status = reason_to_stop(losses, recipe)
        stepper.finish()
        return Trained(
            network=network,
            status=status,
            losses=np.array(losses),
            train_accuracy=accuracy(network, x, labels),
            test_accuracy=accuracy(network, data.x_test.float(), data.y_test),
            log_separation=separation(network, x, labels, kinds),
            recorded={
                kind: np.array([curves[kind] for _, curves in records]).reshape(-1, shape.depth)
                for kind in kinds
            },
            recorded_epochs=np.array([epoch for epoch, _ in records], dtype=np.float64),
            settings={**shape.settings(), **asdict(recipe), "seed": seed},
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch and BLAS on one thread within the block."""
    with torch_threads(1), blas_libraries().limit(limits=1, user_api="blas"):
        yield


@cache
def blas_libraries() -> ThreadpoolController:
    """Return the BLAS libraries of this process; finding them takes longer than a training step."""
    return ThreadpoolController()


def reason_to_stop(losses: Sequence[float], recipe: Recipe) -> Status | None:
    """Return why training ends after these epochs, or None if it goes on.

    Parameters
    ----------
    losses : sequence of float
        Loss of every epoch so far.
    recipe : Recipe
        The rules to stop.

    Returns
    -------
    Status or None
        The first rule that ends training.
    """
    loss, before = losses[-1], losses[-2] if len(losses) > 1 else math.inf
    if not math.isfinite(loss):
        return Status.DIVERGED
    if loss < recipe.stop_below:
        return Status.STOPPED_AT_LOSS
    if abs(before - loss) < recipe.stop_change:
        return Status.STOPPED_AT_CHANGE
    return Status.ALL_EPOCHS if len(losses) == recipe.epochs else None


def choose_engine(shape: Shape, engine: Engine | None) -> Engine:
    """Return the engine that trains a net of this shape here.

    Parameters
    ----------
    shape : MLPShape or CNNShape
        The net's sizes and settings.
    engine : {"compiled", "plain"}, optional
        What was asked for; the compiled one if left out, where it can.

    Returns
    -------
    str
        "compiled" or "plain".

    Raises
    ------
    ValueError
        If the engine is unknown, or cannot train this net here.
    """
    if engine not in (None, "compiled", "plain"):
        raise ValueError(f"engine must be 'compiled', 'plain' or None, got {engine!r}.")
    if engine == "compiled" and compiled is None:
        raise ValueError("engine must not be 'compiled' without numba: pip install loadpath[fast].")
    if engine == "compiled" and not isinstance(shape, MLPShape):
        name = shape.settings()["network"]
        raise ValueError(f"engine must be 'plain' for a net that is not an MLP, got a {name}.")
    if engine == "plain" or compiled is None or not isinstance(shape, MLPShape):
        return "plain"
    return "compiled"


def make_stepper(network: Classifier, draws: Draws, recipe: Recipe, engine: Engine) -> Stepper:
    """Return the stepper of an engine that `choose_engine` has allowed."""
    if engine == "compiled" and isinstance(network, MLP):
        return compiled.Compiled(network, draws, recipe)
    return Plain(network, draws, recipe)


def check_job(
    shape: Shape,
    data: Data,
    recipe: Recipe,
    *,
    seed: int,
    record_every: int | None,
    kinds: Sequence[SeparationKind],
) -> None:
    """Refuse what cannot be trained, before any work and before any net is built.

    Parameters
    ----------
    shape : MLPShape or CNNShape
        The net's sizes and settings.
    data : Data
        What it is to learn.
    recipe : Recipe
        How it is to be trained.
    seed : int
        Seed of the training.
    record_every : int or None
        Epochs between records.
    kinds : sequence of str
        Conventions of the log separation.

    Raises
    ------
    ValueError
        If it cannot be trained; the sentence names the argument and its value.
    """
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
        ("inputs", shape.inputs, data.in_features),
        ("classes", shape.classes, data.out_features),
    ):
        if mine != its:
            raise ValueError(f"network must have the {its} {name} of the data, got {mine}.")
    if shape.dropout != recipe.dropout:
        raise ValueError(
            f"recipe.dropout must be that of the network, {float(shape.dropout)}, got "
            f"{recipe.dropout}."
        )
    n = len(data.x_train)
    size = recipe.batch_size or n
    if size > n:
        raise ValueError(f"batch_size must be at most the {n} training samples, got {size}.")
    if shape.batch_norm and 1 in (size, n % size):
        raise ValueError(
            "batch_size must leave at least 2 samples in every batch for BatchNorm, got "
            f"{recipe.batch_size} for {n} samples."
        )
