"""Intervals of numbers from crossed samples, such as nets that differ by data and by weights."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import special

from loadpath.checks import as_array, as_numbers, check_level, check_number
from loadpath.statistics.estimate import Estimate, alone

Array = NDArray[np.float64]


def crossed_jackknife(
    theta: float,
    without: Float[np.ndarray, " sample"],
    rows: ArrayLike,
    columns: ArrayLike,
    *,
    level: float = 0.95,
) -> Estimate:
    r"""Return a statistic with an interval that is also about other rows and other columns.

    Samples that share a row, such as nets that learned the same data, are not independent, nor are
    those that share a column, such as nets with the same initial weights.

    Parameters
    ----------
    theta : float
        The statistic of all samples.
    without : array
        (sample,) the statistic of all samples but each.
    rows, columns : array_like
        (sample,) the labels of each sample's row and column. Some pairs may be missing.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        The value is `theta`; there is no interval for a single sample, or where a value without a
        sample is not finite.

    Raises
    ------
    ValueError
        If `theta` is not finite, lengths differ, or `level` is not between 0 and 1.

    Notes
    -----
    With the jackknife's pseudo-values $n \hat\theta - (n - 1) \hat\theta_{(-i)}$ in place of the
    samples the variance is that of the mean of a two-way table with random rows and columns,
    $(M_r + M_c - M_e) / n$ by the mean squares of rows, columns and what is left, and not less than
    either of the first two alone. The interval is $\pm t$ of them with Satterthwaite's degrees of
    freedom. One row, or one column, leaves the ordinary jackknife. For pairs that are missing the
    formula of a full table is taken, which is near as long as few are.

    References
    ----------
    .. [1] Searle, Casella and McCulloch, "Variance Components", 1992, chapter 4.
    .. [2] Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.

    Examples
    --------
    The mean of two rows that differ, with two samples each: rows decide, not the four samples.

    >>> values = np.array([1.0, 1.2, 2.0, 2.2])
    >>> without = (values.sum() - values) / 3
    >>> found = crossed_jackknife(values.mean(), without, [0, 0, 1, 1], [0, 1, 0, 1])
    >>> round(found.value, 3), round(found.low, 1), round(found.high, 1)
    (1.6, -3.8, 7.0)
    """
    check_level(level)
    check_number("theta", theta)
    without = as_array("without", without)
    rows, columns = as_numbers("rows", rows), as_numbers("columns", columns)
    if without.ndim != 1 or not without.shape == rows.shape == columns.shape:
        raise ValueError(
            f"without, rows and columns must be of one length, got {without.shape}, {rows.shape} "
            f"and {columns.shape}."
        )
    theta, n = float(theta), len(without)
    if n < 2 or not np.isfinite(without).all():
        return alone(theta, n)
    variance, freedom = crossed_variance(n * theta - (n - 1) * without, rows, columns)
    if not np.isfinite(variance):
        return alone(theta, n)
    reach = float(special.stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)
    return Estimate(theta, theta - reach, theta + reach, n, "estimated")


def crossed_variance(values: Array, rows: ArrayLike, columns: ArrayLike) -> tuple[Array, Array]:
    """Return the variance of the mean of crossed samples, and its degrees of freedom.

    Parameters
    ----------
    values : array
        (sample, ...) numbers.
    rows, columns : array_like
        (sample,) the labels of each sample's row and column.

    Returns
    -------
    tuple of array
        Variance and degrees of freedom, each (...); NaN for a single sample.
    """
    n = len(values)
    u = values - values.mean(0)
    by_row, by_column = (_mean_square(u, labels) for labels in (rows, columns))
    rest = (u**2).sum(0)
    freedoms = [by_row[1], by_column[1], n - 1 - by_row[1] - by_column[1]]
    if not by_row[1] or not by_column[1] or freedoms[2] < 1:
        # One row or one column, or no pair twice in either: samples stand for themselves.
        kinds = [square for square, freedom in (by_row, by_column) if freedom]
        worst = max(freedom for _, freedom in (by_row, by_column))
        if not kinds:
            nothing = np.full(u.shape[1:], np.nan)
            return nothing, nothing
        return np.asarray(np.max(kinds, axis=0) / n), np.full(u.shape[1:], float(worst))
    rest = rest - by_row[0] * by_row[1] - by_column[0] * by_column[1]
    squares = np.stack([by_row[0], by_column[0], np.maximum(rest, 0.0) / freedoms[2]])
    whole = squares[0] + squares[1] - squares[2]
    parts = (squares**2 / np.reshape(freedoms, (3, *[1] * (squares.ndim - 1)))).sum(0)
    larger = squares[:2].max(0)
    own = np.where(squares[0] >= squares[1], by_row[1], by_column[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = np.where(whole > larger, np.where(parts > 0, whole**2 / parts, n - 1), own)
    # Never fewer than the smaller side has, of which the variance is made.
    freedom = np.clip(freedom, min(by_row[1], by_column[1]), n - 1)
    return np.asarray(np.maximum(whole, larger) / n), np.asarray(freedom)


def _mean_square(u: Array, labels: ArrayLike) -> tuple[Array, int]:
    """Return the mean square of groups of samples about 0, per sample, and its freedom."""
    which = np.unique(np.asarray(labels), return_inverse=True)[1].ravel()
    groups = int(which.max()) + 1
    sums, sizes = np.zeros((groups, *u.shape[1:])), np.bincount(which)
    np.add.at(sums, which, u)
    means = sums / sizes.reshape(-1, *[1] * (u.ndim - 1))
    weights = sizes.reshape(means.shape[:1] + (1,) * (u.ndim - 1))
    return np.asarray((weights * means**2).sum(0) / max(groups - 1, 1)), groups - 1
