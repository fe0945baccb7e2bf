"""Figure 1a of [LR] to the limit: geodesics followed to L~ = 32, on meshes that become finer.

[LR] is Jacot and Kaiser, arXiv:2405.17573. Where L~ is large, a descent from random weights ends
far from stationary, so each begins at the geodesic of the rung before. At L~ = 4 and 8, where both
converge, this ends 0.4 and 1.5 % lower too (seed 0).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from loadpath import data as sources
from loadpath.leaky_resnet import LeakyResNet, geodesic
from loadpath.papers.comparisons import Results, interval_text, student
from loadpath.papers.experiment import Experiment
from loadpath.papers.geodesics import measure_geodesic
from loadpath.results import Status
from loadpath.sweep import Cell

WIDTH, SAMPLES = 40, 200
WEIGHT_DECAY = 0.3
"""0.01 for each output, as everywhere."""
RUNGS = {
    **{2.0: 32, 4.0: 32, 8.0: 32, 11.3: 40, 16.0: 48},
    **{22.6: 56, 27.0: 60, 29.5: 62, 32.0: 64},
}
"""Layers at each L~: steps of rho L~ <= 0.5."""
FINER = {11.3: 80}
"""Layers of another geodesic at this L~, near the largest of Figure 1a, which tells what the mesh
does: it begins at that of the rung, and has half its steps."""
ROUNDS = 5
"""How often a rung is solved at most, each time from where it ended, until it converges: at
L~ = 32 one round from the rung at 22.6 left a residual of 0.026, and three from 27 did (seed 0)."""
SHOWN = (2.0, 4.0, 8.0, 11.3, 16.0, 22.6, 32.0)
"""The L~ that are figured; the others are steps from one to the next."""


def limit(*, effective_depth: float, depth: int, seed: int) -> xr.Dataset:
    """Solve one rung of the 30-3-30 teacher with exponential steps, from the rung before.

    The rungs of a seed are to be measured one after another in one process, which remembers the
    last; else those before are solved again.

    Parameters
    ----------
    effective_depth : float
        L~, one of `RUNGS`.
    depth : int
        Layers: those of the rung, or of `FINER`.
    seed : int
        Seed of the data and the initial weights.

    Returns
    -------
    xr.Dataset
        What is kept of the geodesic.
    """
    return measure_geodesic(_solved(effective_depth, depth, seed), samples(seed), seed)


def samples(seed: int) -> sources.Data:
    """Return the samples of a seed."""
    return sources.teacher((30, 3, 30), n_train=SAMPLES, seed=seed)


@lru_cache(maxsize=len(RUNGS) + len(FINER))
def _solved(effective_depth: float, depth: int, seed: int) -> geodesic.Geodesic:
    """Return the geodesic of a rung, or of the finer mesh at one."""
    before = None
    if depth != RUNGS[effective_depth]:
        before = _solved(effective_depth, RUNGS[effective_depth], seed).model
    elif effective_depth > min(RUNGS):
        last = max(leak for leak in RUNGS if leak < effective_depth)
        before = _solved(last, RUNGS[last], seed).model
    return solve_rung(effective_depth, depth, seed, before)


def solve_rung(
    effective_depth: float, depth: int, seed: int, before: LeakyResNet | None
) -> geodesic.Geodesic:
    """Solve one rung from the geodesic before it, and again from where it ended, to convergence.

    Parameters
    ----------
    effective_depth : float
        L~ of the rung.
    depth : int
        Its layers.
    seed : int
        Seed of the data and the initial weights.
    before : LeakyResNet, optional
        The net to begin at; random weights if None.

    Returns
    -------
    Geodesic
        What the last of at most `ROUNDS` rounds ended with, converged or not.
    """
    data = samples(seed)
    for _ in range(ROUNDS):
        found = geodesic.solve(
            data.x_train,
            data.y_train,
            effective_depth=effective_depth,
            weight_decay=WEIGHT_DECAY,
            width=WIDTH,
            depth=depth,
            step="exponential",
            start=before,
            seed=seed,
            threads=1,
            progress=False,
        )
        if found.status == Status.CONVERGED:
            break
        before = found.model
    return found


def _cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the rungs of one seed, its finer meshes, and then those of the next.

    A process remembers as many.
    """
    return [
        {"effective_depth": leak, "depth": depth, "seed": seed}
        for seed in seeds
        for leak, depth in (*RUNGS.items(), *FINER.items())
    ]


def on_shown_rungs(measured: Results) -> Results:
    """Return the rungs that are figured, their cells without their layers.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `limit`.

    Returns
    -------
    sequence of tuple
        Those of `SHOWN`, without the finer meshes.
    """
    return [
        ({"effective_depth": cell["effective_depth"], "seed": cell["seed"]}, ds)
        for cell, ds in measured
        if cell["effective_depth"] in SHOWN
        and cell["depth"] == RUNGS[float(cell["effective_depth"])]
    ]


def tabulate_rungs(measured: Results) -> pd.DataFrame:
    """Return each rung and finer mesh in numbers: means over seeds, with 95 % intervals.

    "dimension" is $-(2/L~) H$, the median over the steps, and "COI" the least cost of identity at
    each gamma0. "COI - dimension" is at the smallest gamma0. The residual is the worst step's of
    the worst seed.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `limit`.

    Returns
    -------
    pandas.DataFrame
        The table.
    """
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    keys: list[tuple[object, ...]] = [
        (cell["effective_depth"], cell["depth"]) for cell, _ in measured
    ]
    for key in dict.fromkeys(keys):
        nets = [ds for other, (_, ds) in zip(keys, measured, strict=True) if other == key]
        costs = [ds["cost_of_identity_by_gamma0"].min("layer") for ds in nets]
        dimension = np.array([float(ds["dimension"].median()) for ds in nets])
        smallest = np.array([float(cost[-1]) for cost in costs])
        rows[key] = {
            "dimension": interval_text(student(dimension)),
            **{
                f"COI at {gamma0:g}": interval_text(
                    student(np.array([float(cost[i]) for cost in costs]))
                )
                for i, gamma0 in enumerate(nets[0]["gamma0"].values)
            },
            "COI - dimension": interval_text(student(smallest - dimension)),
            "residual": max(float(ds["stationarity"].max()) for ds in nets),
            "rank": " ".join(f"{float(ds['bottleneck_rank']):g}" for ds in nets),
            "objective": float(np.mean([float(ds["objective"]) for ds in nets])),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["effective_depth", "depth"])
    return frame


LIMITS = {"limit": Experiment("limit", limit, _cells)}
"""Figure 1a to the limit."""
