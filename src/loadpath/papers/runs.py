"""The runs: the set-ups of [LR]'s Figures 1 and 2, and real digits.

[LR] is Jacot and Kaiser, arXiv:2405.17573. What the paper leaves open (the weight decay of every
panel, the random nets' scales, the optimizer's rates) is chosen here; docs/figures.md says how.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable

import torch
import xarray as xr

from loadpath import data as sources
from loadpath import results
from loadpath.leaky_resnet import LeakyResNet, mechanics
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.training import LBFGS, Adam, Run, fit
from loadpath.papers.audit import AUDITS
from loadpath.papers.experiment import Experiment
from loadpath.papers.geodesics import GEODESICS
from loadpath.papers.kernel_ridge import LEARNABILITIES
from loadpath.papers.learnable import LEARNABLES
from loadpath.papers.limit import LIMITS
from loadpath.papers.paths import PATHS
from loadpath.papers.surgery import SURGERIES
from loadpath.sweep import Cell

WIDTH, DEPTH = 100, 20
EFFECTIVE_DEPTHS = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
RULES = ("equidistant", "irregular", "adaptive")
IRREGULARITY = 0.9
DEPTHS = (5, 7, 10, 14, 20)
EQUAL_DEPTH = 10
"""The depth whose parameters at width 100 every depth gets in the equal-parameter family."""
KEPT = (
    "layer_step",
    "cost_of_identity",
    "representation_norm",
    "stationarity",
    "bottleneck_rank",
    "objective",
    "data_term",
)
"""What is kept of a profile where nets are only compared: results in docs stay small."""
DETAILED = (WIDTH, DEPTH, 0)
"""Width, depth and seed of the nets of Figure 2 that are kept whole, for spectra and paths."""
SCALE = 0.3
"""The default of `LeakyResNet`, written here because it names no file of the main grid."""
SCALES = (0.1, 0.3, 1.0)
GAMMA0S = (1e-2, 1e-3, 1e-4)
SHORT = (Adam(400), LBFGS(400))
"""Training where many nets are compared rather than one measured to the last digit."""
DIGITS_DECAYS = (0.1, 0.03, 0.01, 0.003)


def bottleneck(*, effective_depth: float, seed: int, scale: float = SCALE) -> xr.Dataset:
    """Train and measure one net of Figures 1 and 3: the 30-3-30 teacher, w = 100, L = 20.

    Parameters
    ----------
    effective_depth : float
        L~ of the net.
    seed : int
        Seed of the data and the initial weights.
    scale : float, optional
        Size of the representations beside the bias.

    Returns
    -------
    xr.Dataset
        The net's profile, with what its training ended with.
    """
    data = sources.teacher((30, 3, 30), seed=seed)
    model = LeakyResNet(
        30,
        30,
        width=WIDTH,
        depth=DEPTH,
        effective_depth=effective_depth,
        scale=scale,
        seed=seed,
    )
    trained = fit(model, data, threads=1, progress=False)

    def measured(gamma0: float) -> xr.Dataset:
        return mechanics.profile(
            model,
            data.x_train,
            data.y_train,
            weight_decay=trained.weight_decay,
            gamma0=gamma0,
        )

    profile = measured(GAMMA0S[0])
    # What the stabilizer does to the cost of identity, for whoever doubts it.
    costs = [measured(gamma0)["cost_of_identity"] for gamma0 in GAMMA0S]
    profile["cost_of_identity_by_gamma0"] = xr.concat(costs, xr.Variable("gamma0", list(GAMMA0S)))
    return _with_outcome(profile, trained, seed=seed, teacher_rank=3)


def discretization(*, rule: str, depth: int, width: int, seed: int) -> xr.Dataset:
    """Train and measure one net of Figure 2: three random ResNets through 30-6-3-30, L~ = 3.

    Parameters
    ----------
    rule : {"equidistant", "irregular", "adaptive"}
        How its layer steps are chosen.
    depth, width : int
        Its size.
    seed : int
        Seed of the data and the initial weights.

    Returns
    -------
    xr.Dataset
        The net's profile, with what its training ended with.
    """
    data = sources.teacher((30, 6, 3, 30), kind="leaky-resnet", seed=seed)
    steps = meshes.irregular(depth, IRREGULARITY) if rule == "irregular" else None
    model = LeakyResNet(
        30, 30, width=width, depth=depth, effective_depth=3.0, layer_steps=steps, seed=seed
    )
    mesh = meshes.Adaptive(model) if rule == "adaptive" else None
    trained = fit(model, data, stages=SHORT, mesh=mesh, threads=1, progress=False)
    profile = mechanics.profile(
        model, data.x_train, data.y_train, weight_decay=trained.weight_decay
    )
    if (width, depth, seed) != DETAILED:
        profile = profile[list(KEPT)]
    return _with_outcome(profile, trained, seed=seed, rule=rule)


def digits(*, targets: str, effective_depth: float, weight_decay: float, seed: int) -> xr.Dataset:
    """Train and measure one net on the 8x8 digits.

    Parameters
    ----------
    targets : {"labels", "onehot"}
        Cross-entropy, or one-hot regression.
    effective_depth : float
        L~ of the net.
    weight_decay : float
        Lambda.
    seed : int
        Seed of the data and the initial weights.

    Returns
    -------
    xr.Dataset
        The net's profile, with what its training ended with.
    """
    data = sources.digits(targets="onehot" if targets == "onehot" else "labels", seed=seed)
    model = LeakyResNet(
        data.in_features,
        data.out_features,
        width=WIDTH,
        depth=DEPTH,
        effective_depth=effective_depth,
        seed=seed,
    )
    trained = fit(
        model,
        data,
        weight_decay=weight_decay,
        stages=SHORT,
        threads=1,
        progress=False,
    )
    profile = mechanics.profile(
        model, data.x_train, data.y_train, weight_decay=weight_decay, loss=trained.loss
    )
    with torch.no_grad():
        guess = model(data.x_test.to(model.weights)).argmax(1)
    # One-hot targets are normalized output by output; the largest output still names the class.
    profile = profile[list(KEPT)]
    profile["misclassified"] = float((guess != data.labels_test).double().mean())
    return _with_outcome(profile, trained, seed=seed, targets=targets)


def _with_outcome(profile: xr.Dataset, trained: Run, **labels: object) -> xr.Dataset:
    """Put what the run ended with beside its profile."""
    last = trained.history.isel(record=-1)
    for name in ("train_error", "test_error", "seconds"):
        profile[name] = last[name].drop_vars(("iteration", "stage"))
    return results.stamp(
        profile,
        **_parameters(profile),
        status=trained.status,
        iterations=int(last["iteration"]),
        **labels,
    )


def _parameters(profile: xr.Dataset) -> dict[str, object]:
    """Return the parameters among a profile's attrs."""
    parameters: dict[str, object] = json.loads(profile.attrs["parameters"])
    return parameters


def equal_width(depth: int) -> int:
    """Return the width at which `depth` layers have the weights of `EQUAL_DEPTH` of width 100."""
    budget = EQUAL_DEPTH * WIDTH * (WIDTH + 1) / depth
    return round((math.sqrt(1 + 4 * budget) - 1) / 2)


def _bottleneck_cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells of "bottleneck" for some seeds."""
    return [
        {"effective_depth": depth, "seed": seed} for seed in seeds for depth in EFFECTIVE_DEPTHS
    ]


def _scale_cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells of "scale" for some seeds."""
    return [
        {"effective_depth": 7.0, "seed": seed, "scale": scale} for seed in seeds for scale in SCALES
    ]


def _discretization_cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells of "discretization" for some seeds."""
    return [
        {"rule": rule, "depth": depth, "width": width, "seed": seed}
        for seed in seeds
        for depth in DEPTHS
        for width in sorted({WIDTH, equal_width(depth)})
        for rule in RULES
    ]


def _digits_cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells of "digits" for some seeds."""
    return [
        {"targets": targets, "effective_depth": depth, "weight_decay": decay, "seed": seed}
        for seed in seeds
        for targets in ("labels", "onehot")
        for depth in (0.0, 5.0)
        for decay in DIGITS_DECAYS
    ]


EXPERIMENTS = {
    "bottleneck": Experiment("bottleneck", bottleneck, _bottleneck_cells),
    "scale": Experiment("scale", bottleneck, _scale_cells),
    "discretization": Experiment("discretization", discretization, _discretization_cells),
    "digits": Experiment("digits", digits, _digits_cells),
    **SURGERIES,
    **GEODESICS,
    **AUDITS,
    **LIMITS,
    **PATHS,
    **LEARNABLES,
    **LEARNABILITIES,
}
"""The experiments by their names."""
