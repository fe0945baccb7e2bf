"""Figure 1a of [LR] to the limit: geodesics followed to L~ = 32, on meshes that become finer.

[LR] is Jacot and Kaiser, arXiv:2405.17573. Where L~ is large, a descent from random weights ends
far from stationary, so from `CONTINUED` on each begins at the geodesic of the rung before.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import xarray as xr

from loadpath import data as sources
from loadpath.leaky_resnet import geodesic
from loadpath.papers.experiment import Experiment
from loadpath.papers.geodesics import measure_geodesic
from loadpath.sweep import Cell

WIDTH, SAMPLES = 40, 200
WEIGHT_DECAY = 0.3
"""0.01 for each output, as everywhere."""
RUNGS = {2.0: 32, 4.0: 32, 8.0: 32, 11.3: 40, 16.0: 48, 22.6: 56, 32.0: 64}
"""Layers at each L~: steps of rho L~ <= 0.5."""
CONTINUED = 11.3
SHOWN = (2.0, 4.0, 8.0, 16.0, 32.0)
"""The L~ that are figured; those between only lead from one to the next."""


def limit(*, effective_depth: float, seed: int) -> xr.Dataset:
    """Solve one rung of the 30-3-30 teacher with exponential steps, from the rung before.

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
        What is kept of the geodesic.
    """
    return measure_geodesic(_solved(effective_depth, seed), _samples(seed), seed)


def _samples(seed: int) -> sources.Data:
    """Return the samples of a seed."""
    return sources.teacher((30, 3, 30), n_train=SAMPLES, seed=seed)


@lru_cache(maxsize=2)
def _solved(effective_depth: float, seed: int) -> geodesic.Geodesic:
    """Return the geodesic of a rung."""
    rungs = list(RUNGS)
    at = rungs.index(effective_depth)
    before = None if effective_depth < CONTINUED else _solved(rungs[at - 1], seed).model
    data = _samples(seed)
    return geodesic.solve(
        data.x_train,
        data.y_train,
        effective_depth=effective_depth,
        weight_decay=WEIGHT_DECAY,
        width=WIDTH,
        depth=RUNGS[effective_depth],
        step="exponential",
        start=before,
        seed=seed,
        threads=1,
        progress=False,
    )


def _cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the rungs of one seed after those of another."""
    return [{"effective_depth": leak, "seed": seed} for seed in seeds for leak in RUNGS]


LIMITS = {"limit": Experiment("limit", limit, _cells)}
"""Figure 1a to the limit."""
