"""Geodesics of Figure 1's problems: what the trained nets of "bottleneck" would be at the end."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import xarray as xr

from loadpath import data as sources
from loadpath import results
from loadpath.leaky_resnet import geodesic, mechanics
from loadpath.leaky_resnet.training import error
from loadpath.papers.experiment import Experiment
from loadpath.sweep import Cell

WIDTH, DEPTH, SAMPLES = 100, 20, 1000
EFFECTIVE_DEPTHS = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0)
GAMMA0S = (1e-2, 1e-3, 1e-4)
KEPT = (
    "hamiltonian",
    "symmetric_hamiltonian",
    "dimension",
    "predicted_hamiltonian",
    "unexplained_hamiltonian",
    "cost_of_identity",
    "path_length",
    "bottleneck_rank",
    "centred_spectrum",
    "representation_norm",
    "momentum_norm",
    "momentum_activation_norm",
    "action",
    "data_term",
    "objective",
    "stationarity",
    "gradient_residual",
    "least_norm_residual",
    "worst_by_kink_width",
    "on_kink",
    "negative_share",
)
"""What is kept of a geodesic's Dataset: results in docs stay small."""


def geodesics(*, effective_depth: float, seed: int) -> xr.Dataset:
    """Solve one geodesic of Figure 1a: problem, mesh and seed of the net of "bottleneck".

    Parameters
    ----------
    effective_depth : float
        L~ of the path.
    seed : int
        Seed of the data and the initial weights.

    Returns
    -------
    xr.Dataset
        What is kept of the geodesic's Dataset.
    """
    data = sources.teacher((30, 3, 30), n_train=SAMPLES, seed=seed)
    # The weight decay is `fit`'s own, 0.01 per output, which `solve` takes too.
    found = geodesic.solve(
        data.x_train,
        data.y_train,
        effective_depth=effective_depth,
        width=WIDTH,
        depth=DEPTH,
        seed=seed,
        threads=1,
        progress=False,
    )
    return measure_geodesic(found, data, seed)


def measure_geodesic(found: geodesic.Geodesic, data: sources.Data, seed: int) -> xr.Dataset:
    """Return what is kept of a geodesic: part of its Dataset, and costs of identity by gamma0.

    Parameters
    ----------
    found : Geodesic
        The geodesic.
    data : Data
        Its samples, and those to test on.
    seed : int
        The seed of both.

    Returns
    -------
    xr.Dataset
        The Dataset, stamped.
    """
    ds = found.dataset(gamma0=GAMMA0S[0])[list(KEPT)]
    costs = [
        torch.stack(
            [
                mechanics.cost_of_identity(A, gamma=mechanics.kernel_gamma(A, gamma0))
                for A in found.A
            ]
        )
        for gamma0 in GAMMA0S
    ]
    ds["cost_of_identity_by_gamma0"] = xr.DataArray(
        torch.stack(costs), {"gamma0": list(GAMMA0S)}, ("gamma0", "layer")
    )
    ds["test_error"] = error(found.model, data.x_test, data.y_test, found.loss)
    return results.with_parameters(ds, seed=seed, teacher_rank=3, verdict=found.certificate.verdict)


def _cells(seeds: Iterable[int]) -> list[Cell]:
    # The deepest first: they take longest.
    """Return the cells for some seeds, the deepest first: they take longest."""
    depths = sorted(EFFECTIVE_DEPTHS, reverse=True)
    return [{"effective_depth": depth, "seed": seed} for depth in depths for seed in seeds]


GEODESICS = {"geodesics": Experiment("geodesics", geodesics, _cells)}
