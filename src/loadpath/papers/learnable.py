"""Figure 2 of [LR] on teachers that can be learned: which layer steps give the lower test error.

[LR] is Jacot and Kaiser, arXiv:2405.17573. docs/registered/figure-2.md has the design and what
counts as a gain; it was written before the runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from loadpath import data as sources
from loadpath import results
from loadpath.leaky_resnet import LeakyResNet
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.geodesic import Descent, Phase
from loadpath.leaky_resnet.training import Adam, error
from loadpath.papers.experiment import Experiment
from loadpath.sweep import Cell

LEARNABLE = ("leak-0.1", "leak-0.3", "fully-connected")
CONTROL = "leak-1"
"""The teacher of Figure 2a, which 1,000 samples do not determine."""
EFFECTIVE_DEPTHS = (3.0, 8.0)
EULER = 4.0
"""Below this L~ steps are Euler's, as in the paper."""
DECAYS = (0.001, 0.01)
"""Weight decays for each output."""
DEPTHS = (4, 8, 18)
RULES = ("equidistant", "irregular", "adaptive")
IRREGULARITY = 0.9
WIDTH, SAMPLES, TEST_SAMPLES = 50, 1000, 4000
FIRST_SEED = 1000
"""Added to a cell's seed: trials that led to the design had small seeds, and these are fresh."""
WARM_START = Adam(200)
APPROACH = tuple(
    Phase(width, iterations=100, history=50, single=True, settled=False, tolerances=0.0)
    for width in (0.1, 0.03, 0.01)
)
"""Phases after each of which an adaptive mesh moves."""
FINAL = Phase(0.01, iterations=200, history=50)
"""The phase at the final rounding, which is repeated in fresh curvature coordinates: at weight
decay 0.001 these reach in 1,000 iterations what one set of coordinates does not reach in 1,400."""
MOST_PHASES = 7
"""How often it runs at most."""
GRADIENT = 5e-4
"""Where training stops: the worst layer's residual times the weight decay for an output. So
gradients are equally small at both weight decays, and the residual is 0.5 at 0.001, 0.05 at 0.01.
Test errors change by less than 1 % from there on."""
EARLIER = 4.0
"""At this many times `GRADIENT` the test error is noted as well, to show what training does."""
MOVES = 5
"""Moves that an adaptive mesh makes at once between phases: 83 % of the way to the rule."""
VARIABLES = {
    "test_error": "test error, as a share of the variance of the test outputs",
    "test_error_earlier": "the same at four times the residual",
    "train_error": "training error, as a share of the variance of the training outputs",
    "objective": "objective for an output",
    "residual": "worst layer's residual, kinks rounded by 0.01",
    "median_residual": "median layer's residual, likewise",
    "iterations": "iterations of Adam and L-BFGS",
    "mesh_gap": "largest relative distance of a layer step from the adaptive rule",
    "overshoot": "largest rho L~",
}
"""What is measured of each net; dimensionless."""


def learnable(
    *,
    teacher: str,
    effective_depth: float,
    weight_decay: float,
    seed: int,
    width: int = WIDTH,
    deepest: int = max(DEPTHS),
    dtype: str = "float32",
) -> xr.Dataset:
    """Train nets of three rules of layer steps on one teacher, at every depth, to equal residuals.

    All nets share the data, and at each depth the random numbers of their initial weights. Steps
    are Euler's at L~ = 3, as in the paper, and exponential ones at L~ = 8, where Euler's would need
    more layers than the shallow nets have.

    Parameters
    ----------
    teacher : str
        One of `LEARNABLE`, or `CONTROL`.
    effective_depth : float
        L~ of the nets.
    weight_decay : float
        Lambda for each output.
    seed : int
        Seed of the data and the initial weights, less `FIRST_SEED`.
    width : int, optional
        Width of the nets.
    deepest : int, optional
        The largest of `DEPTHS` that is trained.
    dtype : {"float32", "float64"}
        Precision of the iterations of L-BFGS.

    Returns
    -------
    xr.Dataset
        `VARIABLES` over depth and rule, and the layer steps.
    """
    data = samples(teacher, seed)
    depths = [depth for depth in DEPTHS if depth <= deepest]
    shape = (len(depths), len(RULES))
    values = {name: np.full(shape, np.nan) for name in VARIABLES}
    steps = np.full((*shape, max(depths)), np.nan)
    for i, depth in enumerate(depths):
        for j, rule in enumerate(RULES):
            net = _net(data, rule, depth, width, effective_depth, FIRST_SEED + seed)
            row = _train(net, data, rule, weight_decay, single=dtype == "float32")
            for name, value in row.items():
                values[name][i, j] = value
            steps[i, j, :depth] = net.layer_steps.numpy()
    ds = xr.Dataset(
        {
            name: (("depth", "rule"), value, {"long_name": VARIABLES[name], "units": "1"})
            for name, value in values.items()
        },
        {"depth": depths, "rule": list(RULES)},
    )
    ds["layer_step"] = ("depth", "rule", "step"), steps
    return results.stamp(
        ds,
        teacher=teacher,
        effective_depth=effective_depth,
        weight_decay=weight_decay,
        seed=seed,
        width=width,
        dtype=dtype,
        gradient=GRADIENT,
        data=data.provenance,
    )


def samples(teacher: str, seed: int) -> sources.Data:
    """Return the samples of one of the teachers.

    Parameters
    ----------
    teacher : str
        One of `LEARNABLE`, or `CONTROL`.
    seed : int
        The cell's seed, less `FIRST_SEED`.

    Returns
    -------
    Data
        1,000 samples to learn from, and 4,000 to test on.
    """
    train, test, seed = SAMPLES, TEST_SAMPLES, FIRST_SEED + seed
    if teacher == "fully-connected":
        return sources.teacher((20, 3, 20), n_train=train, n_test=test, seed=seed)
    return sources.teacher(
        (30, 6, 3, 30),
        kind="leaky-resnet",
        effective_depth=float(teacher.removeprefix("leak-")),
        n_train=train,
        n_test=test,
        seed=seed,
    )


def _net(
    data: sources.Data, rule: str, depth: int, width: int, effective_depth: float, seed: int
) -> LeakyResNet:
    """Return an untrained net, in float64 as a descent wants it."""
    return LeakyResNet(
        data.in_features,
        data.out_features,
        width=width,
        depth=depth,
        effective_depth=effective_depth,
        layer_steps=meshes.irregular(depth, IRREGULARITY) if rule == "irregular" else None,
        step="euler" if effective_depth < EULER else "exponential",
        seed=seed,
        dtype=torch.float64,
    )


def _train(
    net: LeakyResNet, data: sources.Data, rule: str, weight_decay: float, *, single: bool
) -> dict[str, float]:
    """Train a net until its gradient is as small as `GRADIENT` says, and measure it."""
    x, y = data.x_train.double(), data.y_train.double()
    x_test, y_test = data.x_test.double(), data.y_test.double()
    outputs = data.out_features
    variance = _variance(y_test)
    descent = Descent(
        net,
        x,
        y,
        weight_decay=weight_decay * outputs,
        loss="mse",
        tolerance=GRADIENT / weight_decay,
        adaptive=rule == "adaptive",
        threads=1,
        seed=FIRST_SEED,
    )
    for _ in descent.warm_start(WARM_START, slice(None)):
        pass
    for phase in APPROACH:
        for _ in descent.run(phase):
            pass
        if rule == "adaptive":
            meshes.Adaptive(net, every=1).step(x, calls=MOVES)
            descent.forget_best()
    earlier = np.nan
    for _ in range(MOST_PHASES):
        for _ in descent.run(replace(FINAL, single=single)):
            if np.isnan(earlier) and descent.residual <= EARLIER * descent.tolerance:
                earlier = error(net, x_test, y_test, "mse") / variance
        if descent.residual <= descent.tolerance:
            break
    row = descent.rows[-1]
    return {
        "test_error": error(net, x_test, y_test, "mse") / variance,
        "test_error_earlier": earlier,
        "train_error": row["data_term"] / _variance(y),
        "objective": row["objective"] / outputs,
        "residual": row["residual_worst"],
        "median_residual": row["residual"],
        "iterations": row["iteration"],
        "mesh_gap": _mesh_gap(net, x),
        "overshoot": float(net.layer_steps.max()) * net.effective_depth,
    }


def _variance(y: Tensor) -> float:
    """Return the variance of outputs, summed over them."""
    return float((y - y.mean(0)).square().sum(1).mean())


def _mesh_gap(net: LeakyResNet, x: Tensor) -> float:
    """Return how far the steps are from where the adaptive rule would have them now."""
    mesh = meshes.Adaptive(net, every=1, smoothing=1.0)
    before = net.layer_steps.clone()
    mesh.step(x)
    rule = net.layer_steps.clone()
    net.set_layer_steps(before)
    return float((rule / before - 1).abs().max())


def _cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells seed by seed, so that what is done is balanced at any time."""
    return [
        {"teacher": teacher, "effective_depth": leak, "weight_decay": decay, "seed": seed}
        for seed in seeds
        for teacher in (*LEARNABLE, CONTROL)
        for leak in (EFFECTIVE_DEPTHS if teacher != CONTROL else EFFECTIVE_DEPTHS[:1])
        for decay in (DECAYS if teacher != CONTROL else DECAYS[1:])
    ]


def _check_cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells that tell whether precision and width matter."""
    return [
        {
            "teacher": "fully-connected",
            "effective_depth": 8.0,
            "weight_decay": 0.001,
            "seed": seed,
            "width": width,
            "deepest": 8,
            "dtype": dtype,
        }
        for seed in seeds
        for width, dtype in ((WIDTH, "float64"), (2 * WIDTH, "float32"))
    ]


LEARNABLES = {
    "learnable": Experiment("learnable", learnable, _cells),
    "learnable-checks": Experiment("learnable-checks", learnable, _check_cells),
}
"""The grid, and the checks beside it."""
