r"""Grouped jackknife: bias and interval of any statistic of streamed sums, in one pass.

Samples are dealt into G groups, each with its own mergeable sums. The statistic of all samples but
one group's, G times over, says how far it would move from one draw of samples to another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy import special

from loadpath.checks import (
    as_array,
    as_list,
    as_numbers,
    check_callable,
    check_flag,
    check_level,
    check_number,
)
from loadpath.statistics.estimate import Estimate, alone
from loadpath.statistics.groups import M, check_mergeable, merged


def jackknife(
    parts: Sequence[M],
    statistic: Callable[[M], float],
    *,
    level: float = 0.95,
    correct_bias: bool = False,
) -> Estimate:
    r"""Return a statistic of all samples, with an interval from leaving out one group at a time.

    Parameters
    ----------
    parts : sequence of Mergeable
        The sums of every group of samples. Groups without samples are left out.
    statistic : callable
        From sums to a number.
    level : float
        Confidence level of the interval, between 0 and 1.
    correct_bias : bool
        Whether the value is corrected for its bias of order 1/n.

    Returns
    -------
    Estimate
        The value and its interval, in the units of the statistic. With fewer than 2 groups, or
        where the statistic without a group is not finite, there is a value and no interval.

    Raises
    ------
    ValueError
        Without samples, if the statistic of all samples is not finite, or `level` is not between 0
        and 1.

    Notes
    -----
    There are n samples, $m_g$ of them in group g, and $h_g = n / m_g$. The statistic is
    $\hat\theta$ of all and $\hat\theta_{(g)}$ of all but group g. From these come pseudo-values
    $\tilde\theta_g = h_g \hat\theta - (h_g - 1) \hat\theta_{(g)}$, the jackknife estimate
    $\hat\theta_J = G \hat\theta - \sum_g (1 - m_g / n) \hat\theta_{(g)}$, whose bias is of order
    $1/n^2$ where that of $\hat\theta$ is of order $1/n$, and the variance
    $\frac1G \sum_g (\tilde\theta_g - \hat\theta_J)^2 / (h_g - 1)$. Groups of one size give the
    textbook's formulas [2]_.

    The interval is $\pm t_{G-1}$ standard deviations about the value, which is $\hat\theta_J$ with
    `correct_bias` and $\hat\theta$ without. It may reach past what the statistic itself can.

    Every pair of sums is merged about log2(G) times, with as many kept at once; nothing is
    subtracted from sums.

    References
    ----------
    .. [1] Busing, Meijer and van der Leeden, "Delete-m jackknife for unequal m", Statistics and
       Computing 9, 1999.
    .. [2] Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 11.

    Examples
    --------
    How far a stream of features grows over a layer that doubles it:

    >>> import torch
    >>> from loadpath.measures import StepSums
    >>> parts = [StepSums() for _ in range(4)]
    >>> A = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    >>> for part, rows in zip(parts, A.split(10)):
    ...     part.update(rows, 2 * rows)
    >>> found = jackknife(parts, StepSums.growth)
    >>> round(found.value, 6), found.n, found.status
    (0.693147, 40, 'estimated')
    """
    check_level(level)
    check_callable("statistic", statistic)
    check_flag("correct_bias", correct_bias)
    parts = as_list("parts", parts, "sums", fewest=1)
    check_mergeable("parts", parts)
    filled = [part for part in parts if part.count > 0]
    if not filled:
        raise ValueError("parts must hold at least one sample, got 0.")
    whole = merged(filled)
    theta, n = _value_of(statistic, whole), whole.count
    if not math.isfinite(theta):
        raise ValueError(f"statistic must give a finite number, got {theta}.")
    if len(filled) < 2:
        return alone(theta, n)
    without = np.array([_value_of(statistic, rest) for rest in _leave_one_out(filled)])
    sizes = np.array([part.count for part in filled])
    return jackknife_from_values(theta, without, sizes, level=level, correct_bias=correct_bias)


def jackknife_from_values(
    theta: float,
    without: Float[np.ndarray, " group"],
    sizes: Int[np.ndarray, " group"],
    *,
    level: float = 0.95,
    correct_bias: bool = False,
) -> Estimate:
    """Return the `jackknife` of a statistic whose values are known.

    Parameters
    ----------
    theta : float
        The statistic of all samples.
    without : array
        (group,) the statistic of all samples but each group's.
    sizes : array
        (group,) number of samples of each group.
    level : float
        Confidence level of the interval, between 0 and 1.
    correct_bias : bool
        Whether the value is corrected for its bias of order 1/n.

    Returns
    -------
    Estimate
        As `jackknife`.

    Raises
    ------
    ValueError
        If `theta` is not finite or `level` is not between 0 and 1.
    """
    check_level(level)
    check_flag("correct_bias", correct_bias)
    sizes = as_numbers("sizes", sizes, least=1)
    without = as_array("without", without)
    if sizes.ndim != 1 or without.shape != sizes.shape:
        raise ValueError(
            f"without and sizes must be of one length, got {without.shape} and {sizes.shape}."
        )
    n = int(sizes.sum())
    check_number("theta", theta)
    theta = float(theta)
    if len(sizes) < 2 or not np.isfinite(without).all():
        return alone(theta, n)
    G, h = len(sizes), n / sizes
    with np.errstate(over="ignore"):
        corrected = G * theta - ((1 - sizes / n) * without).sum()
        pseudo = h * theta - (h - 1) * without
        deviation = math.sqrt(((pseudo - corrected) ** 2 / (h - 1)).mean())
    if not math.isfinite(deviation):  # numbers too large to be squared
        return alone(theta, n)
    value = float(corrected) if correct_bias else theta
    reach = float(special.stdtrit(G - 1, (1 + level) / 2)) * deviation
    return Estimate(value, value - reach, value + reach, n, "estimated")


def _value_of(statistic: Callable[[M], float], sums: M) -> float:
    """Return the number that a statistic gives, and refuse what is none."""
    value = as_array("statistic", statistic(sums))
    if value.size != 1:
        raise ValueError(f"statistic must give one number, got {value.size}.")
    return float(value.reshape(()))


def _leave_one_out(parts: Sequence[M], outside: M | None = None) -> Iterator[M]:
    """Yield the sums of all parts but one, in their order.

    Each half of the parts is merged once for all those in the other half, and so on within.
    """
    if len(parts) == 1:
        assert outside is not None  # there are at least two parts
        yield outside
        return
    middle = len(parts) // 2
    left, right = parts[:middle], parts[middle:]
    for inside, rest in ((left, right), (right, left)):
        beyond = merged(rest)
        yield from _leave_one_out(inside, beyond if outside is None else outside.merge(beyond))
