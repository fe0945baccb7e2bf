"""One net of a tuning: trained under a level of the knob, and its load curve with replicates."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import xarray as xr

from loadpath import results
from loadpath.measures.separation import KINDS, stacked_separations
from loadpath.record import evaluation_mode
from loadpath.results import Status
from loadpath.spring_block.networks import build_classifier, train
from loadpath.spring_block.phase_diagram import Setting

GROUPS = 5
"""Groups of training samples of which each is left out once, for the error over samples."""
FEWEST = 3
"""Samples of a class from which groups can be left out."""


def measure(*, noise: float, seed: int, slope: float, **setting: Any) -> xr.Dataset:
    """Train one net on all training samples, and measure its load curve on them.

    Parameters
    ----------
    noise : float
        The level of the knob.
    seed : int
        Seed of the weights and of the training.
    slope : float
        Slope of the activation below 0.
    **setting
        Fields of `Setting`.

    Returns
    -------
    xarray.Dataset
        log_separation (kind, layer) in nats, and log_separation_without (group, kind, layer), with
        each fifth of the samples left out; train_accuracy and test_accuracy; epochs, and status.
        All but these two are NaN for a net whose training diverged.
    """
    chosen = Setting(**setting)
    data, recipe = chosen.samples(), chosen.recipe(noise)
    net = build_classifier(chosen.shape(data, recipe, slope=slope), seed=seed)
    run = train(net, data, recipe, seed=seed, kinds=["trace_ratio"], engine=chosen.engine)
    lost = np.nan if run.status == Status.DIVERGED else 1.0
    x, labels = data.x_train.float(), data.y_train
    with evaluation_mode(net):
        path = [h for h in net.path(x)]
    group = group_of_samples(labels)
    D = _separations(path, labels) * lost
    without = np.array([
        _separations([h[group != g] for h in path], labels[group != g]) for g in range(GROUPS)
    ]) * lost if group is not None else np.full((GROUPS, *D.shape), np.nan)  # fmt: skip
    nats = {"units": "nats", "long_name": "log separation of the training set"}
    ds = xr.Dataset(
        {
            "status": ((), str(run.status)),
            "epochs": ((), run.epochs, {"units": "1"}),
            "train_accuracy": ((), run.train_accuracy * lost, {"units": "1"}),
            "test_accuracy": ((), run.test_accuracy * lost, {"units": "1"}),
            "log_separation": (("kind", "layer"), D, nats),
            "log_separation_without": (("group", "kind", "layer"), without, nats),
        },
        coords={"kind": np.array(KINDS, dtype=object), "layer": np.arange(D.shape[1])},
    )
    return results.stamp(ds, noise=noise, seed=seed, slope=slope)


def group_of_samples(labels: torch.Tensor) -> torch.Tensor | None:
    """Return the group of every sample (sample,): each class is dealt out in turn.

    Parameters
    ----------
    labels : Tensor
        (sample,) class numbers.

    Returns
    -------
    Tensor or None
        Group numbers; None where a class has too few samples to leave some out.
    """
    counts = labels.bincount()
    if int(counts.min()) < FEWEST:
        return None
    group = torch.zeros(len(labels), dtype=torch.int64)
    for k in range(len(counts)):
        here = (labels == k).nonzero()[:, 0]
        group[here] = torch.arange(len(here)) % GROUPS
    return group


def _separations(path: list[torch.Tensor], labels: torch.Tensor) -> np.ndarray:
    """Return the log separations (kind, layer) of the features of every layer."""
    if not all(bool(h.isfinite().all()) for h in path):
        return np.full((len(KINDS), len(path)), np.nan)
    return np.array([stacked_separations(path, labels, kind) for kind in KINDS])
