"""The geodesics that the explorer shows: one problem, followed from a shallow L~ to a deep one.

Problem, mesh and continuation are those of `limit`. What is kept is what a page can draw: spectra,
energies at several gamma0, the paths of some samples in a plane, and the certificate's sentences.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
import xarray as xr

from loadpath import results
from loadpath.leaky_resnet import geodesic
from loadpath.papers.experiment import Experiment
from loadpath.papers.limit import samples, solve_rung
from loadpath.sweep import Cell

RUNGS = {
    **{2.0: 32, 2.83: 32, 4.0: 32, 5.66: 32, 8.0: 32, 11.3: 40, 16.0: 48},
    **{22.6: 56, 27.0: 60, 29.5: 62, 32.0: 64},
}
"""Layers at each L~, which grows by the square root of 2 or less from rung to rung; steps are of
rho L~ <= 0.5."""
GAMMA0S = (1e-2, 1e-3, 1e-4)
"""Stabilizers of the energies, as shares of the kernel."""
ENERGIES = ("kinetic_energy", "cost_of_identity", "stable_hamiltonian", "cross_term")
"""What depends on the stabilizer."""
KEPT = (
    "centred_spectrum",
    "representation_norm",
    "bottleneck_rank",
    "hamiltonian",
    "symmetric_hamiltonian",
    "predicted_hamiltonian",
    "dimension",
    "speed",
    "gradient_residual",
    "least_norm_residual",
    "waist",
    "projection",
    "objective",
    "data_term",
    "action",
)
"""What does not, and is drawn or said."""


def path(*, effective_depth: float, seed: int) -> xr.Dataset:
    """Solve one rung, from the rung before, and measure what the explorer shows of it.

    The rungs of a seed are to be measured one after another in one process, which remembers the
    last; else those before are solved again.

    Parameters
    ----------
    effective_depth : float
        L~, one of `RUNGS`.
    seed : int
        Seed of the data and the initial weights.

    Returns
    -------
    xr.Dataset
        Energies over gamma0 and the rest of `KEPT`; `target` is the first principal component of
        the outputs of the samples that are projected, in units of its standard deviation.
    """
    found = _solved(effective_depth, seed)
    profiles = [found.dataset(gamma0=gamma0) for gamma0 in GAMMA0S]
    ds = profiles[0][list(KEPT)]
    for name in ENERGIES:
        ds[name] = xr.concat([one[name] for one in profiles], xr.Variable("gamma0", list(GAMMA0S)))
    ds["target"] = xr.DataArray(
        _first_component(seed, ds.sizes["sample"]),
        dims="sample",
        attrs={"long_name": "first principal component of the outputs", "units": "1"},
    )
    return results.with_parameters(ds, seed=seed, teacher_rank=3, verdict=found.certificate.verdict)


@lru_cache(maxsize=len(RUNGS))
def _solved(effective_depth: float, seed: int) -> geodesic.Geodesic:
    """Return the geodesic of a rung."""
    before = None
    if effective_depth > min(RUNGS):
        before = _solved(max(leak for leak in RUNGS if leak < effective_depth), seed).model
    return solve_rung(effective_depth, RUNGS[effective_depth], seed, before)


def _first_component(seed: int, n_projected: int) -> torch.Tensor:
    """Return the scores of the projected samples' outputs; `mechanics.profile` spaces them so."""
    y = samples(seed).y_train.double()
    y = y - y.mean(0)
    scores = y @ torch.linalg.svd(y, full_matrices=False)[2][0]
    chosen = torch.linspace(0, len(y) - 1, n_projected, dtype=torch.float64).round().long()
    return (scores / scores.std())[chosen]


def _cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the rungs of one seed, and then those of the next."""
    return [{"effective_depth": leak, "seed": seed} for seed in seeds for leak in RUNGS]


PATHS = {"paths": Experiment("paths", path, _cells)}
"""The geodesics of the explorer."""
