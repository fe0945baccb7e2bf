"""The claim of a phase diagram as a number: accuracy is best where load curves are straight."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from loadpath.checks import check_choice, check_count, check_dataset, check_level, check_seed
from loadpath.measures.separation import SeparationKind, check_kind

Method = Literal["spearman", "pearson"]
Over = Literal["seeds", "seeds and cells"]
Array = np.ndarray[Any, np.dtype[np.float64]]
METHODS: tuple[Method, ...] = ("spearman", "pearson")
OVERS: tuple[Over, ...] = ("seeds", "seeds and cells")


@dataclass(frozen=True)
class Correlation:
    """A correlation coefficient with its bootstrap interval; dimensionless."""

    value: float
    """The coefficient over all nets that count."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    n_nets: int
    """Number of nets that count."""
    n_left_out: int
    """Number of nets that do not: training diverged, or a layer's separation is infinite."""


def correlation(
    ds: xr.Dataset,
    *,
    kind: SeparationKind = "fuzziness",
    method: Method = "spearman",
    over: Over = "seeds",
    n_bootstrap: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Correlation:
    r"""Measure how far test accuracy goes along with $-|\mathrm{concavity}|$ over a diagram's nets.

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
    over : {"seeds", "seeds and cells"}
        What is drawn anew, with replacement. With "seeds" the interval is about nets of other
        seeds on the same grid, and each seed brings all its cells along. With "seeds and cells" it
        is also about other slopes and noises: cells are drawn by themselves, the same for all
        seeds, which errs on the wide side [2]_.
    n_bootstrap : int
        Number of draws.
    level : float
        Share of the drawn coefficients within the interval.
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
    for name, given, known in (("method", method, METHODS), ("over", over, OVERS)):
        check_choice(name, given, known)
    check_level(level)
    # At least one draw must lie beyond each end; 1 - level carries rounding.
    check_count("n_bootstrap", n_bootstrap, math.ceil(2 / (1 - level) - 1e-9))
    check_seed("seed", seed)
    nets = "slope, noise, seed"
    check_dataset("ds", ds, f"concavity({nets}, kind)", f"test_accuracy({nets})", kind=kind)
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
    weights = _draw_weights(counts, over, n_bootstrap, np.random.default_rng(seed))
    everyone = np.ones((1, int(counts.sum())))
    coefficient = _spearman if method == "spearman" else _pearson
    value = float(coefficient(x[counts], y[counts], everyone)[0])
    drawn = coefficient(x[counts], y[counts], weights)
    # A draw of few cells may be constant, which has no coefficient.
    tail = (1 - level) / 2
    low, high = np.nanquantile(drawn, [tail, 1 - tail])
    return Correlation(
        value, float(low), float(high), int(counts.sum()), int(counts.size - counts.sum())
    )


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
