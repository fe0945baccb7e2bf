"""From load curves over the levels of a knob to the level at which they are straight."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from loadpath.checks import as_array, as_numbers, check_level
from loadpath.measures.separation import SeparationKind, check_kind, concavity
from loadpath.spring_block.tuning.crossing import (
    Array,
    Crossing,
    find_crossing,
    pooled_errors,
)
from loadpath.statistics import jackknife_from_values


@dataclass(frozen=True, eq=False)
class Bends:
    """How the mean load curve bends at each level of a knob."""

    concavity: Array
    """(level,) concavity of the mean curve over seeds; NaN where it does not fall."""
    error: Array
    """(level,) its standard error over seeds; NaN likewise."""
    falls: np.ndarray
    """(level,) whether the mean curve surely falls."""
    dof: float
    """Degrees of freedom of the errors."""
    without: Array
    """(group, level) the concavity with each group of samples left out; no rows without them."""


def bends_of(curves: Array, without: Array | None = None) -> Bends:
    """Measure how mean curves bend.

    Parameters
    ----------
    curves : Array
        (level, seed, layer) falling curves; NaN where a seed was not run or diverged.
    without : Array, optional
        (group, level, seed, layer) the same with each group of samples left out.

    Returns
    -------
    Bends
        The concavities.

    Notes
    -----
    The concavity is that of the mean curve: single curves that hardly fall would count for
    anything. Its error is that of the jackknife over seeds, with variances drawn together by
    `pooled_errors`.
    """
    n_levels = len(curves)
    pseudo = np.full(curves.shape[:2], np.nan)
    value = np.full(n_levels, np.nan)
    falls = np.zeros(n_levels, dtype=bool)
    groups = 0 if without is None else len(without)
    left = np.full((groups, n_levels), np.nan)
    for i, at_level in enumerate(curves):
        whole = np.isfinite(at_level).all(-1)
        some = at_level[whole]
        if not len(some):
            continue
        falls[i] = _falls(some)
        if not falls[i]:
            continue
        value[i] = concavity(some.mean(0))
        pseudo[i, whole] = _pseudo_values(some, float(value[i]))
        for g in range(groups):
            assert without is not None
            each = without[g, i][whole]
            left[g, i] = concavity(each.mean(0)) if np.isfinite(each).all() else np.nan
    error, dof = pooled_errors(pseudo)
    usable = np.isfinite(left[:, falls]).all(1)
    return Bends(value, error, falls, dof, left[usable])


def _falls(curves: Array) -> bool:
    """Whether curves (seed, layer) fall on the mean, surely so where there are several."""
    fall = curves[:, 0] - curves[:, -1]
    n = len(fall)
    if n < 2 or np.ptp(fall) == 0:
        return bool(fall.mean() > 0)
    without = (fall.sum() - fall) / (n - 1)
    ends = jackknife_from_values(float(fall.mean()), without, np.ones(n, dtype=np.int64))
    # Of two or three seeds Student's interval is so wide that no curve would fall: a fall of
    # several of its deviations is enough.
    return bool(ends.low > 0 or (n < 4 and fall.min() > 0 and fall.mean() > 3 * fall.std(ddof=1)))


def _pseudo_values(curves: Array, whole: float) -> Array:
    """Return the jackknife's pseudo-values (seed,) of the concavity of the mean curve."""
    n = len(curves)
    if n < 2:
        return np.full(n, whole)
    total = curves.sum(0)
    without = np.array([float(concavity((total - each) / (n - 1))) for each in curves])
    return np.asarray(n * whole - (n - 1) * without)


def crossing_of_bends(places: Array, bends: Bends, *, level: float = 0.95) -> Crossing:
    """Find the place at which mean curves are straight.

    Parameters
    ----------
    places : Array
        (level,) places of the levels.
    bends : Bends
        How the curves bend there.
    level : float
        Confidence level.

    Returns
    -------
    Crossing
        The place, its interval, and how far it can be trusted.
    """
    kept = bends.falls & np.isfinite(bends.error) & np.isfinite(bends.concavity)
    if kept.sum() < 2:
        no, ends = math.nan, np.array([places.min(), places.max()])
        return Crossing(
            *(no, no, no, no),
            "no level does it",
            "curves do not fall",
            *(ends, np.full(2, no), np.full((2, 2), no)),
        )
    return find_crossing(
        places[kept],
        bends.concavity[kept],
        bends.error[kept],
        dof=bends.dof,
        replicates=bends.without[:, kept] if len(bends.without) else None,
        level=level,
    )


def straight_level(
    levels: ArrayLike,
    log_separation: ArrayLike,
    *,
    kind: SeparationKind = "fuzziness",
    level: float = 0.95,
) -> Crossing:
    """Find the level of a knob at which load curves of your own nets are straight.

    `loadpath.tune` trains nets and calls this; here are the curves of nets that were trained
    elsewhere.

    Parameters
    ----------
    levels : array_like
        (level,) different levels of the knob, at least 2, as they shall be interpolated: pass
        logarithms of rates, and minus logarithms of sizes of batches.
    log_separation : array_like
        (level, seed, layer) log separations of the training set, of at least 2 seeds; NaN for a net
        that is not there.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        Convention of the log separation.
    level : float
        Confidence level of the interval.

    Returns
    -------
    Crossing
        The level as `place`, its interval, and how far it can be trusted.

    Raises
    ------
    ValueError
        If shapes do not agree, there are fewer than 2 levels or seeds, or fewer than 3 layers.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> levels = [0.0, 0.1, 0.2, 0.3]
    >>> bent = np.linspace(0.4, -0.4, 4)[:, None] + 0.01 * rng.standard_normal((4, 3))
    >>> curves = np.stack([0 * bent + 1, 0.5 + bent, 0 * bent], axis=-1)
    >>> found = straight_level(levels, curves)
    >>> round(found.place, 2), found.verdict
    (0.15, 'clear')
    """
    check_kind(kind)
    check_level(level)
    D = as_array("log_separation", log_separation)
    # Infinities are of nets that failed, as NaN is.
    D = as_numbers("log_separation", np.where(np.isinf(D), np.nan, D), missing=True)
    x = as_array("levels", levels)
    if D.ndim != 3 or x.shape != D.shape[:1] or len(x) < 2 or D.shape[1] < 2 or D.shape[2] < 3:
        raise ValueError(
            f"log_separation must be (level, seed, layer) with at least 2 seeds and 3 layers, for "
            f"at least 2 levels, got shape {D.shape} for {x.size} levels."
        )
    if len(np.unique(x)) < len(x) or not np.isfinite(x).all():
        raise ValueError(f"levels must be different finite numbers, got {x.tolist()}.")
    curves = -D if kind == "inverse" else D
    return crossing_of_bends(x, bends_of(curves), level=level)
