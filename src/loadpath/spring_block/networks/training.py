"""Train a classifier by either engine, and measure it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch

from loadpath.checks import (
    as_list,
    check_choice,
    check_count,
    check_seed,
    check_type,
    check_weights,
)
from loadpath.data import Data, as_data
from loadpath.measures.separation import (
    CLASS_WEIGHTS,
    KINDS,
    PSEUDO_INVERSES,
    ClassWeights,
    PseudoInverse,
    SeparationKind,
)
from loadpath.results import Status
from loadpath.spring_block.networks.classifiers import CNN, MLP, Classifier
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.engines import Engine, choose_engine, make_stepper, one_thread
from loadpath.spring_block.networks.recipe import Recipe
from loadpath.spring_block.networks.shapes import Shape
from loadpath.spring_block.networks.trained import Trained, accuracy, separation

LARGEST = 1e18
"""Largest input that a net takes. The square of a larger one overflows in float32, and BatchNorm,
which divides by the standard deviation, would make 0 of all inputs."""


def train(
    network: Classifier,
    data: Any,
    recipe: Recipe = Recipe(),  # noqa: B008 (frozen)
    *,
    seed: int = 0,
    kinds: Sequence[SeparationKind] = KINDS,
    class_weights: ClassWeights = "samples",
    pseudo_inverse: PseudoInverse = "exact",
    record_every: int | None = None,
    engine: Engine | None = None,
    progress: Callable[[int, float], object] = lambda epoch, loss: None,
) -> Trained:
    r"""Train a classifier in place, and measure it on the clean data in evaluation mode.

    Parameters
    ----------
    network : MLP or CNN
        The net, which is trained in place.
    data : Data, pair, Bunch or mapping
        A classification task; its inputs are taken as float32. What is no `Data` is made one by
        `loadpath.data.as_data`, without scaling; one sample in five is held back for testing.
    recipe : Recipe
        How the net is trained; its dropout must be the net's.
    seed : int
        Seed of order, noise and dropout, each in a stream of its own. It may be that of the
        weights.
    kinds : sequence of str
        Conventions of the log separation to measure.
    class_weights, pseudo_inverse
        What a class counts there, and what pseudo-inverses leave out, as of
        `loadpath.separation.log_separation`.
    record_every : int, optional
        Epochs from one record of the log separation and the test accuracy to the next, the initial
        weights first; no records if left out. A record costs about as much as six epochs on the
        full batch, and a pass over the test samples.
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
    >>> from loadpath.spring_block.networks import MLP
    >>> net = MLP(64, 10, width=20, depth=4, slope=0.2, seed=3)
    >>> run = train(net, digits(n_train=200), Recipe(epochs=2), seed=3)
    >>> str(run.status), run.log_separation["trace_ratio"].shape
    ('all epochs', (4,))
    """
    check_type("network", network, MLP | CNN, "an MLP or a CNN")
    check_weights("network", network)
    if any(p.dtype != torch.float32 or not p.requires_grad for p in network.parameters()):
        raise ValueError("network must have weights in float32 that can be trained, got others.")
    shape = network.shape
    check_seed("seed", seed)
    data = as_data(data, task="classification", normalize=False, seed=seed)
    check_job(shape, data, recipe, seed=seed, record_every=record_every, kinds=kinds)
    check_choice("class_weights", class_weights, CLASS_WEIGHTS)
    check_choice("pseudo_inverse", pseudo_inverse, PSEUDO_INVERSES)
    engine = choose_engine(shape, engine)
    x, labels = data.x_train.float(), data.y_train
    draws = Draws(
        x,
        labels,
        n_classes=shape.classes,
        recipe=recipe,
        seed=seed,
        raw_deviation=data.raw_deviation,
    )
    measured = partial(
        separation,
        network,
        x,
        labels,
        kinds,
        class_weights=class_weights,
        pseudo_inverse=pseudo_inverse,
    )
    with one_thread():
        stepper = make_stepper(network, draws, recipe, engine)
        losses: list[float] = []
        records = []
        status: Status | None = None
        while status is None:
            if record_every is not None and len(losses) % record_every == 0:
                stepper.finish()
                right = accuracy(network, data.x_test.float(), data.y_test)
                records.append((len(losses), measured(), right))
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
            log_separation=measured(),
            recorded={
                kind: np.array([curves[kind] for _, curves, _ in records]).reshape(-1, shape.depth)
                for kind in kinds
            },
            recorded_epochs=np.array([epoch for epoch, _, _ in records], dtype=np.float64),
            recorded_test_accuracy=np.array([right for _, _, right in records], dtype=np.float64),
            settings={
                **shape.settings(),
                **asdict(recipe),
                "seed": seed,
                "class_weights": class_weights,
                "pseudo_inverse": pseudo_inverse,
            },
        )


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
    check_seed("seed", seed)
    if record_every is not None:
        check_count("record_every", record_every, 1)
    check_type("data", data, Data, "a Data of loadpath.data")
    check_type("recipe", recipe, Recipe, "a Recipe of loadpath.networks")
    if not as_list("kinds", kinds, "conventions"):
        raise ValueError("kinds must hold at least one convention, got none.")
    for kind in kinds:
        check_choice("kinds", kind, KINDS)
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
