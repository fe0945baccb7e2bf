"""What a phase diagram says about its claim: accuracy is best where the load curve is linear."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from loadpath.checks import check_count
from loadpath.measures.separation import SeparationKind, check_kind

Method = Literal["spearman", "pearson"]
Over = Literal["seeds", "seeds and cells"]
Array = np.ndarray[Any, np.dtype[np.float64]]
METHODS: tuple[Method, ...] = ("spearman", "pearson")
OVERS: tuple[Over, ...] = ("seeds", "seeds and cells")


@dataclass(frozen=True)
class Correlation:
    """A correlation coefficient with its bootstrap confidence interval; dimensionless."""

    value: float
    """Of all nets together."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end."""
    n_nets: int
    """Nets that count."""
    n_left_out: int
    """Nets that do not: training diverged, or a layer's separation is infinite."""


def correlation(
    ds: xr.Dataset,
    *,
    kind: SeparationKind = "fuzziness",
    method: Method = "spearman",
    over: Over = "seeds",
    n_bootstrap: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Correlation:
    r"""Correlation of test accuracy with $-|\mathrm{concavity}|$ over the nets of a phase diagram.

    1 if accuracy falls with every step of the load curve away from a straight line.

    Parameters
    ----------
    ds: test_accuracy (slope, noise, seed) and concavity (slope, noise, seed, kind), as `collect`
        returns them.
    kind: convention of the log separation.
    method: "spearman", of ranks, or "pearson", of the numbers themselves.
    over: what is drawn anew, with replacement. "seeds": the interval is about nets of other
        seeds on the same grid, and each seed brings all its cells along. "seeds and cells": also
        about other slopes and levels of noise; cells are drawn by themselves, the same for all
        seeds (Owen's pigeonhole bootstrap, which errs on the wide side).
    n_bootstrap, confidence: draws, and share of their coefficients within the interval.

    Cost O(n_bootstrap nets).
    Raises: ValueError for an unknown name, a confidence not between 0 and 1, fewer than 2 seeds, 3
    nets or 2 / (1 - confidence) draws, and where all nets are equally good or equally bent.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353 (the claim); Owen, The pigeonhole bootstrap,
    Annals of Applied Statistics 1 (2007) 386.
    """
    check_kind(kind)
    for name, given, known in (("method", method, METHODS), ("over", over, OVERS)):
        if given not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {given!r}.")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, got {confidence}.")
    check_count("n_bootstrap", n_bootstrap, math.ceil(2 / (1 - confidence) - 1e-9))
    straight = -abs(ds["concavity"].sel(kind=kind))
    x, y = (
        v.transpose("seed", "slope", "noise").to_numpy().reshape(ds.sizes["seed"], -1)
        for v in (straight, ds["test_accuracy"])
    )
    counts = np.isfinite(x) & np.isfinite(y)  # (seed, cell)
    if len(x) < 2:
        raise ValueError(f"ds must have at least 2 seeds to draw from, got {len(x)}.")
    if counts.sum() < 3:
        raise ValueError(f"ds must have at least 3 nets with numbers, got {int(counts.sum())}.")
    for name, values in (("concavity", x[counts]), ("test_accuracy", y[counts])):
        if np.ptp(values) == 0:
            raise ValueError(f"{name} must not be the same for all nets, got {abs(values[0])}.")
    weights = _draws(counts, over, n_bootstrap, np.random.default_rng(seed))
    everyone = np.ones((1, int(counts.sum())))
    coefficient = _spearman if method == "spearman" else _pearson
    value = float(coefficient(x[counts], y[counts], everyone)[0])
    drawn = coefficient(x[counts], y[counts], weights)
    # A draw of few cells may be constant, which has no coefficient.
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Correlation(
        value, float(low), float(high), int(counts.sum()), int(counts.size - counts.sum())
    )


def _draws(counts: Any, over: Over, n: int, rng: np.random.Generator) -> Array:
    """How often each net is in each draw, (draw, net) for the nets that count."""
    seeds, cells = counts.shape
    weights = rng.multinomial(seeds, [1 / seeds] * seeds, size=n)[:, :, None]
    if over == "seeds and cells":
        weights = weights * rng.multinomial(cells, [1 / cells] * cells, size=n)[:, None, :]
    return np.broadcast_to(weights, (n, *counts.shape))[:, counts].astype(np.float64)


def _pearson(x: Array, y: Array, weights: Array) -> Array:
    """Correlation of x and y, (net,) or (draw, net), each net counted `weights` times; (draw,)."""
    total = weights.sum(1, keepdims=True)
    dx = x - (weights * x).sum(1, keepdims=True) / total
    dy = y - (weights * y).sum(1, keepdims=True) / total
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (weights * dx * dy).sum(1)
            / np.sqrt((weights * dx**2).sum(1) * (weights * dy**2).sum(1))
        )


def _spearman(x: Array, y: Array, weights: Array) -> Array:
    return _pearson(_ranks(x, weights), _ranks(y, weights), weights)


def _ranks(values: Array, weights: Array) -> Array:
    """Ranks (draw, net) of the values when each net is counted `weights` times; ties share one."""
    different, which = np.unique(values, return_inverse=True)
    mass = np.zeros((len(weights), len(different)))
    np.add.at(mass.T, which, weights.T)
    return np.asarray((np.cumsum(mass, axis=1) - mass / 2)[:, which])
