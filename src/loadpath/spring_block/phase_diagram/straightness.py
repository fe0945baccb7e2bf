"""The claim of a phase diagram as a number: accuracy is best where load curves are straight."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy import special

from loadpath.checks import check_choice, check_count, check_dataset, check_level, check_seed
from loadpath.measures.separation import SeparationKind, check_kind
from loadpath.spring_block.phase_diagram.cell_curves import check_curves, mean_curves
from loadpath.spring_block.phase_diagram.curves import falling_curves, finite_concavity
from loadpath.spring_block.phase_diagram.subsets import Labels, subsets_and_nets
from loadpath.statistics import crossed_variance

Method = Literal["spearman", "pearson"]
Over = Literal["seeds", "seeds and cells"]
Between = Literal["nets", "cells"]
Array = np.ndarray[Any, np.dtype[np.float64]]
Mask = NDArray[np.bool_]
METHODS: tuple[Method, ...] = ("spearman", "pearson")
OVERS: tuple[Over, ...] = ("seeds", "seeds and cells")
BETWEENS: tuple[Between, ...] = ("nets", "cells")


@dataclass(frozen=True)
class Correlation:
    """A correlation coefficient with its interval; dimensionless."""

    value: float
    """The coefficient over all nets that count, or over the cells that they are in."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    n_nets: int
    """Number of nets that count."""
    n_left_out: int
    """Number of nets that do not: training diverged, or a layer's separation is infinite; between
    cells also those of cells whose mean curve does not surely fall."""


def correlation(
    ds: xr.Dataset,
    *,
    kind: SeparationKind = "fuzziness",
    method: Method = "spearman",
    between: Between = "nets",
    over: Over = "seeds",
    n_bootstrap: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Correlation:
    r"""Measure how far test accuracy goes along with $-|\mathrm{concavity}|$ over a diagram.

    The coefficient is 1 if accuracy falls with every step of the load curve away from a straight
    line.

    Parameters
    ----------
    ds : xarray.Dataset
        test_accuracy (slope, noise, seed) and concavity (slope, noise, seed, kind), as `collect`
        returns them.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        Convention of the log separation.
    method : {"spearman", "pearson"}
        Whether ranks or the numbers themselves are correlated.
    between : {"nets", "cells"}
        Between what: nets, each with its own accuracy and curve; or cells, each with the mean
        accuracy and the mean curve of its nets, as [SB] has it [1]_. Cells need log_separation
        (slope, noise, seed, kind, layer) in `ds`, and count if their mean curve surely falls, as
        `mean_curves` tells, or if there is one net.
    over : {"seeds", "seeds and cells"}
        What is drawn anew, with replacement. With "seeds" the interval is about nets of other
        seeds on the same grid, and each seed brings all its cells along. With "seeds and cells" it
        is also about other slopes and noises: cells are drawn by themselves, the same for all
        seeds, which errs on the wide side [2]_. Where nets were trained on several subsets of the
        data, as the coordinate data_seed says, either interval is also about other subsets.
    n_bootstrap : int
        Number of draws; there are none between cells or with several subsets.
    level : float
        Confidence level: the share of the drawn coefficients within the interval.
    seed : int
        Seed of the draws.

    Returns
    -------
    Correlation
        The coefficient, its interval, and how many nets count.

    Raises
    ------
    ValueError
        If a name is unknown, `level` is not between 0 and 1, there are fewer than 2 seeds, 3 nets
        or 2 / (1 - level) draws, or all nets are equally good or equally bent.

    Notes
    -----
    Costs O(n_bootstrap nets) of time and memory.

    Subsets are too few to draw from: of simulated diagrams with 5 subsets and 4 seeds,
    whose accuracy and bend hung on the subset, 95 % intervals of a bootstrap over both held the
    truth in 7 of 10. There the interval is that of a jackknife on Fisher's z, which leaves out one
    net with all its cells at a time and takes the pseudo-values as a two-way table of subsets and
    seeds (`loadpath.statistics.crossed_jackknife`; it held the truth in 9 of 10). For "seeds and
    cells" the variance of leaving out one cell at a time is added, which errs on the wide side.
    Between cells it is that jackknife with one subset too.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353, for the claim.
    .. [2] Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1 (2007) 386.

    Examples
    --------
    >>> bend = np.linspace(-0.3, 0.3, 12).reshape(3, 2, 2)
    >>> dims = ("slope", "noise", "seed")
    >>> ds = xr.Dataset(
    ...     {
    ...         "test_accuracy": (dims, 0.9 - abs(bend)),
    ...         "concavity": ((*dims, "kind"), bend[..., None]),
    ...     },
    ...     coords={"kind": ["fuzziness"]},
    ... )
    >>> found = correlation(ds, method="pearson")
    >>> round(found.value, 6), found.n_nets
    (1.0, 12)
    """
    check_kind(kind)
    for name, given, known in (
        ("method", method, METHODS),
        ("between", between, BETWEENS),
        ("over", over, OVERS),
    ):
        check_choice(name, given, known)
    check_level(level)
    # At least one draw must lie beyond each end; 1 - level carries rounding.
    check_count("n_bootstrap", n_bootstrap, math.ceil(2 / (1 - level) - 1e-9))
    check_seed("seed", seed)
    nets = "slope, noise, seed"
    check_dataset("ds", ds, f"concavity({nets}, kind)", f"test_accuracy({nets})", kind=kind)
    if between == "cells":
        return _between_cells(ds, kind, method, over, level)
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
    coefficient = _spearman if method == "spearman" else _pearson
    value = float(coefficient(x[counts], y[counts], np.ones((1, int(counts.sum()))))[0])
    groups = subsets_and_nets(ds)
    if groups is None:
        weights = _draw_weights(counts, over, n_bootstrap, np.random.default_rng(seed))
        drawn = coefficient(x[counts], y[counts], weights)
        # A draw of few cells may be constant, which has no coefficient.
        tail = (1 - level) / 2
        low, high = (float(end) for end in np.nanquantile(drawn, [tail, 1 - tail]))
    else:

        def found(kept: Mask) -> Array:
            return coefficient(x[counts], y[counts], kept[:, counts].astype(np.float64))

        low, high = _jackknifed(found, counts.shape, groups, over, level)
    return Correlation(value, low, high, int(counts.sum()), int(counts.size - counts.sum()))


def _between_cells(
    ds: xr.Dataset, kind: SeparationKind, method: Method, over: Over, level: float
) -> Correlation:
    """Correlate the mean accuracy of cells with the concavity of their mean curves."""
    check_curves("ds", ds)
    order = ("slope", "noise", "seed")
    one = ds[["log_separation", "test_accuracy"]].sel(kind=[kind])
    fall = mean_curves(one, level=level)["mean_curve_status"].isin(["falls", "one seed"])
    D = one["log_separation"].sel(kind=kind).transpose(*order, "layer").to_numpy()
    D = falling_curves(D.reshape(-1, *D.shape[2:]), kind)  # (cell, seed, layer)
    accuracy = one["test_accuracy"].transpose(*order).to_numpy().reshape(D.shape[:2])
    counts = np.isfinite(D).all(-1) & np.isfinite(accuracy)
    counts &= fall.transpose(*order[:2], ...).to_numpy().reshape(-1, 1)
    if counts.any(1).sum() < 3:
        raise ValueError(f"ds must have at least 3 cells that count, got {counts.any(1).sum()}.")
    coefficient = _spearman if method == "spearman" else _pearson

    def found(kept: Mask) -> Array:
        values = []
        for seeds_by_cells in kept:
            weights = counts * seeds_by_cells.T
            there = weights.any(1)
            share = weights[there] / weights[there].sum(1, keepdims=True)
            curves = (share[..., None] * np.nan_to_num(D[there])).sum(1)
            x = -abs(finite_concavity(curves))
            y = (share * np.nan_to_num(accuracy[there])).sum(1)
            values.append(coefficient(x, y, np.ones((1, len(x))))[0])
        return np.array(values)

    cells, seeds = counts.shape
    value = float(found(np.ones((1, seeds, cells), dtype=bool))[0])
    if not math.isfinite(value):
        raise ValueError("ds must have cells that differ in test_accuracy and in concavity.")
    groups = subsets_and_nets(ds) or (np.zeros(seeds, dtype=np.int64), np.arange(seeds))
    low, high = _jackknifed(found, (seeds, cells), groups, over, level)
    return Correlation(value, low, high, int(counts.sum()), int(counts.size - counts.sum()))


def _jackknifed(
    coefficient: Callable[[Mask], Array],
    shape: tuple[int, ...],
    groups: tuple[Labels, Labels],
    over: Over,
    level: float,
) -> tuple[float, float]:
    """Return the interval of a coefficient about other subsets and seeds.

    `coefficient` takes which nets are kept, (draw, seed, cell), and `shape` is (seed, cell).
    """
    value = float(coefficient(np.ones((1, *shape), dtype=bool))[0])
    if abs(value) >= 1:  # all lie on a line: no interval on Fisher's scale, and no doubt
        return value, value

    def pseudo_values(axis: int) -> Array:
        n = shape[axis]
        out = np.expand_dims(np.eye(n, dtype=bool), 2 - axis)
        without = coefficient(~np.broadcast_to(out, (n, *shape)))
        return np.asarray(n * np.arctanh(value) - (n - 1) * np.arctanh(without))

    with np.errstate(divide="ignore", invalid="ignore"):
        variance, freedom = crossed_variance(pseudo_values(0), *groups)
        if over == "seeds and cells":
            variance = variance + pseudo_values(1).var(ddof=1) / shape[1]
        reach = special.stdtrit(freedom, (1 + level) / 2) * np.sqrt(variance)
        low, high = np.tanh(np.arctanh(value) + reach * np.array([-1, 1]))
    return float(low), float(high)


def _draw_weights(counts: Any, over: Over, n: int, rng: np.random.Generator) -> Array:
    """Draw how often each net is in each draw, (draw, net) for the nets that count."""
    seeds, cells = counts.shape
    weights = rng.multinomial(seeds, [1 / seeds] * seeds, size=n)[:, :, None]
    if over == "seeds and cells":
        weights = weights * rng.multinomial(cells, [1 / cells] * cells, size=n)[:, None, :]
    return np.broadcast_to(weights, (n, *counts.shape))[:, counts].astype(np.float64)


def _pearson(x: Array, y: Array, weights: Array) -> Array:
    """Correlate x with y, (net,) or (draw, net), each net counted `weights` times; (draw,)."""
    total = weights.sum(1, keepdims=True)
    dx = x - (weights * x).sum(1, keepdims=True) / total
    dy = y - (weights * y).sum(1, keepdims=True) / total
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (weights * dx * dy).sum(1)
            / np.sqrt((weights * dx**2).sum(1) * (weights * dy**2).sum(1))
        )


def _spearman(x: Array, y: Array, weights: Array) -> Array:
    """Correlate the ranks of x with those of y, each net counted `weights` times; (draw,)."""
    return _pearson(_ranks(x, weights), _ranks(y, weights), weights)


def _ranks(values: Array, weights: Array) -> Array:
    """Rank the values when each net is counted `weights` times, (draw, net); ties share a rank."""
    different, which = np.unique(values, return_inverse=True)
    mass = np.zeros((len(weights), len(different)))
    np.add.at(mass.T, which, weights.T)
    return np.asarray((np.cumsum(mass, axis=1) - mass / 2)[:, which])
