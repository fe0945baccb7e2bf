"""The runs of mesh surgery: halving the depth of a trained net, and growing a net in training.

Every comparison is of nets on the same data, of the same seed, so results are ratios to a
reference of that seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from loadpath import data as sources
from loadpath import results
from loadpath.leaky_resnet import LeakyResNet, data_term
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.training import LBFGS, Adam, Run, fit
from loadpath.papers.experiment import Experiment
from loadpath.sweep import Cell

WIDTH, DEPTH = 100, 20
STAGES = (Adam(300), LBFGS(300))
RETRAINING = (LBFGS(100),)
TASKS = ("teacher", "bottleneck", "digits", "onehot")
"""30-6-3-30 at L~ = 3; 30-3-30 at L~ = 7 with exponential steps; digits with cross-entropy and as
one-hot regression, both at L~ = 3."""
GROWTH_TASKS = TASKS[:3]
GROWTHS = (
    "full",
    "inserted where fast",
    "inserted evenly",
    "full, adaptive",
    "full, less Adam",
)
START = 5
"""Depth at which a growing net starts; it doubles until it has `DEPTH` layers."""


def _data(task: str, seed: int) -> sources.Data:
    """Return the samples of a task."""
    if task == "teacher":
        return sources.teacher((30, 6, 3, 30), kind="leaky-resnet", seed=seed)
    if task == "bottleneck":
        return sources.teacher((30, 3, 30), seed=seed)
    return sources.digits(targets="labels" if task == "digits" else "onehot", seed=seed)


def _net(task: str, data: sources.Data, depth: int, seed: int, **options: Any) -> LeakyResNet:
    """Return the untrained net of a task."""
    return LeakyResNet(
        data.in_features,
        data.out_features,
        width=WIDTH,
        depth=depth,
        effective_depth=7.0 if task == "bottleneck" else 3.0,
        step="exponential" if task == "bottleneck" else "euler",
        seed=seed,
        **options,
    )


def surgery(*, task: str, seed: int) -> xr.Dataset:
    r"""Halve the depth of one trained net in three ways, and train each a little.

    Nets are "full", all 20 layers; "adaptive" and "equidistant", 10 layers of the same function
    W(p), on steps of equal arclength and on equal ones; "dropped", without the 10 slowest;
    "scratch" and "scratch, adaptive", 10 layers trained from initial weights, on equal steps and on
    those of "adaptive".

    Parameters
    ----------
    task : str
        One of `TASKS`.
    seed : int
        Seed of the data and the initial weights.

    Returns
    -------
    xr.Dataset
        Over `net` and `stage` ("before" or "after" the retraining): objective, test_loss,
        misclassified (digits only) and residual (the median layer's).
    """
    data = _data(task, seed)
    full = _net(task, data, DEPTH, seed)
    _train(full, data, STAGES)
    with torch.no_grad():
        path = full.path(data.x_train.to(full.weights))
    steps, half = full.layer_steps, DEPTH // 2
    adaptive = meshes.equal_arclength(steps, path, half, longest=_longest(full))
    # c_l is |A_l - A_{l-1}| / |A_l| but for a factor, since these steps are equal.
    moves = torch.stack([(b - a).norm() / b.norm() for a, b in zip(path, path[1:], strict=False)])
    nets = {
        "full": full,
        "adaptive": meshes.remesh(full, adaptive),
        "equidistant": meshes.remesh(full, meshes.merged(steps)),
        "dropped": meshes.without(full, moves.argsort()[: DEPTH - half].tolist()),
        "scratch": _net(task, data, half, seed),
        "scratch, adaptive": _net(task, data, half, seed, layer_steps=adaptive),
    }
    for name in ("scratch", "scratch, adaptive"):
        _train(nets[name], data, STAGES)
    rows = {name: _before_and_after(net, data) for name, net in nets.items()}
    variables = {
        name: (("net", "stage"), np.array([[row[name] for row in pair] for pair in rows.values()]))
        for name in ("objective", "test_loss", "misclassified", "residual")
    }
    ds = xr.Dataset(variables, {"net": list(rows), "stage": ["before", "after"]})
    ds["effective_depth"] = ("net", np.array([net.effective_depth for net in nets.values()]))
    return results.stamp(ds, task=task, seed=seed, stages=repr(STAGES), retraining=repr(RETRAINING))


def growth(*, task: str, net: str, seed: int) -> xr.Dataset:
    """Train one net of 20 layers, from the start or grown from 5 over 10, at equal compute.

    Compute is the sum over iterations of the number of layers. "inserted where fast" doubles the
    depth by `layer_steps.refined`, "inserted evenly" by `layer_steps.split`; "full, adaptive" is on
    an adaptive mesh from the start. Each phase but the first is the L-BFGS of `STAGES`; a full net
    has all of Adam and L-BFGS at its depth. "full, less Adam" gives Adam no more compute than a
    growing net does, and L-BFGS the rest.

    Parameters
    ----------
    task : str
        One of `TASKS`.
    net : str
        One of `GROWTHS`.
    seed : int
        Seed of the data and the initial weights.

    Returns
    -------
    xr.Dataset
        Over `record`: layer_iterations, objective and test_error. Of the end: test_loss,
        misclassified (digits only), residual (the median layer's), residual_worst and seconds.
    """
    data = _data(task, seed)
    model = _net(task, data, DEPTH if net.startswith("full") else START, seed)
    mesh = meshes.Adaptive(model) if net == "full, adaptive" else None
    curve: dict[str, list[np.ndarray]] = {"layer_iterations": [], "objective": [], "test_error": []}
    spent, seconds = 0.0, 0.0
    stages: tuple[Adam | LBFGS, ...] = STAGES
    if net == "full, less Adam":
        adam, lbfgs = STAGES
        few = adam.steps * START // DEPTH
        stages = (replace(adam, steps=few), replace(lbfgs, steps=lbfgs.steps + adam.steps - few))
    while True:
        run = _train(model, data, stages, mesh=mesh)
        work = spent + model.depth * run.history["iteration"].values
        curve["layer_iterations"].append(work)
        for name in ("objective", "test_error"):
            curve[name].append(run.history[name].values)
        spent, seconds = float(work[-1]), seconds + run.seconds
        if model.depth >= DEPTH:
            break
        if net == "inserted where fast":
            path = model.path(data.x_train.to(model.weights))
            steps = meshes.refined(model.layer_steps, path, model.depth)
        else:
            steps = meshes.split(model.layer_steps)
        model = meshes.remesh(model, steps)
        stages = STAGES[1:]
    variables = {name: ("record", np.concatenate(parts)) for name, parts in curve.items()}
    last = run.history.isel(record=-1)
    ends = _outcome(model, data, run.loss) | {
        "residual": float(last["stationarity"]),
        "residual_worst": float(last["stationarity_worst"]),
        "seconds": seconds,
    }
    ds = xr.Dataset({**variables, **{name: ((), value) for name, value in ends.items()}})
    ds["layer_step"] = ("step", model.layer_steps.numpy().copy())
    parameters = dict(task=task, net=net, seed=seed, stages=repr(STAGES))
    return results.stamp(ds, status=run.status, **parameters)


def _train(
    model: LeakyResNet,
    data: sources.Data,
    stages: tuple[Adam | LBFGS, ...],
    mesh: meshes.Adaptive | None = None,
) -> Run:
    """Train a net in place, on one thread."""
    return fit(model, data, stages=stages, mesh=mesh, threads=1, progress=False)


def _longest(model: LeakyResNet) -> float:
    """Return the longest step that an adaptive mesh of `model` may have.

    It is that of `layer_steps.Adaptive`.
    """
    return 0.9 / model.effective_depth if model.step == "euler" else 1.0


def _before_and_after(model: LeakyResNet, data: sources.Data) -> list[dict[str, float]]:
    """Return what a net is worth before and after the retraining."""
    loss = "mse" if data.task == "regression" else "cross-entropy"
    before = _outcome(model, data, loss)
    history = _train(model, data, RETRAINING).history
    rows = []
    for record, outcome in ((0, before), (-1, _outcome(model, data, loss))):
        then = history.isel(record=record)
        measured = {"objective": then["objective"], "residual": then["stationarity"]}
        rows.append(outcome | {name: float(value) for name, value in measured.items()})
    return rows


@torch.no_grad()
def _outcome(model: LeakyResNet, data: sources.Data, loss: Any) -> dict[str, float]:
    """Return the test loss, and the fraction misclassified where there are classes."""
    outputs = model(data.x_test.to(model.weights))
    misclassified = np.nan
    if data.labels_test is not None:
        misclassified = float((outputs.argmax(1) != data.labels_test).double().mean())
    targets = data.y_test.to(outputs) if loss == "mse" else data.y_test
    return {
        "test_loss": float(data_term(outputs, targets, loss)),
        "misclassified": misclassified,
    }


def _surgery_cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells of "surgery" for some seeds."""
    return [{"task": task, "seed": seed} for task in TASKS for seed in seeds]


def _growth_cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells of "growth" for some seeds."""
    seeds = list(seeds)
    return [
        {"task": task, "net": net, "seed": seed}
        for net in GROWTHS
        for task in GROWTH_TASKS
        for seed in seeds
    ]


SURGERIES = {
    "surgery": Experiment("surgery", surgery, _surgery_cells),
    "growth": Experiment("growth", growth, _growth_cells),
}
