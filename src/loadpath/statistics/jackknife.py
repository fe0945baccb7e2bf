r"""Grouped jackknife: bias and interval of any statistic of streamed sums, in one pass.

Samples are dealt into G groups, each with its own mergeable sums. The statistic of all samples but
one group's, G times over, says how far it would move from one draw of samples to another.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from loadpath.checks import check_count, check_level
from loadpath.statistics.estimate import Estimate, alone
from loadpath.statistics.reservoir import hashes

N_GROUPS = 10
"""Groups unless told otherwise: t with 9 degrees of freedom is 2.26 where a normal has 1.96."""
STREAM = 0x67726F7570
"""Keeps the hash that deals into groups apart from the one that fills reservoirs."""


class Mergeable(Protocol):
    """Anything with a count that merges: streamed sums over samples."""

    @property
    def count(self) -> int:
        """Number of samples seen."""

    def merge(self, other: Self) -> Self:
        """Return the sums of both sets of samples, as a new object."""


M = TypeVar("M", bound=Mergeable)


def groups_of(
    indices: Int[Tensor, " sample"], n_groups: int = N_GROUPS, *, seed: int = 0
) -> Int[Tensor, " sample"]:
    """Return the group of every sample, from its index in the data alone.

    Parameters
    ----------
    indices : Tensor
        (sample,) whole numbers from 0: where each sample stands in the data. Samples that belong
        together (positions of one sequence, views of one image) must share an index, because a
        jackknife over groups that split them takes them for independent.
    n_groups : int
        How many groups there are, at least 2.
    seed : int
        Another seed deals the samples otherwise.

    Returns
    -------
    Tensor
        (sample,) group numbers from 0 to `n_groups` - 1, int64.

    Raises
    ------
    ValueError
        If `indices` are not whole numbers from 0, or there are fewer than 2 groups.

    Notes
    -----
    Groups go by a hash, so that neither batches nor processes nor any order in the data matter.

    Examples
    --------
    >>> groups_of(torch.arange(5), 3)
    tensor([1, 2, 1, 0, 2])
    >>> groups_of(torch.arange(3, 5), 3)  # the same samples in another batch
    tensor([0, 2])
    """
    check_count("n_groups", n_groups, 2)
    return torch.from_numpy((hashes(indices, seed ^ STREAM) % np.uint64(n_groups)).astype(np.int64))


class Grouped(Generic[M]):
    """The same streamed sums once for each group of samples.

    Parameters
    ----------
    new : callable
        Makes empty sums, such as ``lambda: PairSums(100)``. Sums have a `count`, an `update` and a
        `merge`.
    n_groups : int
        How many groups there are, at least 2.

    Raises
    ------
    ValueError
        For fewer than 2 groups.

    Notes
    -----
    Memory is `n_groups` times that of one.

    Examples
    --------
    >>> from loadpath.measures import PairSums, participation_ratio
    >>> sums = Grouped(lambda: PairSums(4))
    >>> X = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    >>> for indices in torch.arange(200).split(50):
    ...     sums.update(groups_of(indices), X[indices])
    >>> found = participation_ratio(sums.parts)
    >>> print(f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})")
    3.95 (3.73 to 4.18)
    """

    def __init__(self, new: Callable[[], M], n_groups: int = N_GROUPS) -> None:
        check_count("n_groups", n_groups, 2)
        self.parts: list[M] = [new() for _ in range(n_groups)]
        """The sums of every group."""

    def update(self, groups: Tensor | int, *rows: Tensor) -> None:
        """Hand every sample's rows to the sums of its group.

        Parameters
        ----------
        groups : Tensor or int
            (sample,) group of every sample; one number is the group of all of them. One group for a
            whole batch costs least, and is right where batches are drawn at random.
        *rows : Tensor
            (sample, ...) what the sums' own `update` takes.

        Raises
        ------
        ValueError
            If a group is out of range, `groups` and rows differ in length, or the sums refuse the
            rows.

        Notes
        -----
        Sums that have `split_by_group`, which gives those of all groups from one pass, are asked
        for it.
        """
        n = len(self.parts)
        if isinstance(groups, int):
            if not 0 <= groups < n:
                raise ValueError(f"groups must be 0 to {n - 1}, got {groups}.")
            _update(self.parts[groups], rows)
            return
        if groups.ndim != 1 or any(len(part) != len(groups) for part in rows):
            lengths = [len(part) for part in rows]
            raise ValueError(
                f"groups must be one number for each row, got {tuple(groups.shape)} for rows "
                f"{lengths}."
            )
        low, high = int(groups.min()), int(groups.max())
        if low < 0 or high >= n:
            raise ValueError(f"groups must be 0 to {n - 1}, got {low if low < 0 else high}.")
        split = getattr(self.parts[0], "split_by_group", None)
        if split is not None:
            more = split(groups, n, *rows)
            self.parts = [a.merge(b) for a, b in zip(self.parts, more, strict=True)]
            return
        for g in groups.unique().tolist():
            chosen = groups == g
            _update(self.parts[g], [part[chosen.to(part.device)] for part in rows])

    def merge(self, other: Grouped[M]) -> Grouped[M]:
        """Return the sums of both sets of samples, group by group, as a new object.

        Parameters
        ----------
        other : Grouped
            Sums over other samples, in as many groups.

        Returns
        -------
        Grouped
            The sums over all samples.

        Raises
        ------
        ValueError
            If the two differ in their number of groups, or their sums do not fit.
        """
        if len(self.parts) != len(other.parts):
            raise ValueError(f"other must have {len(self.parts)} groups, got {len(other.parts)}.")
        both = object.__new__(Grouped)
        both.parts = [a.merge(b) for a, b in zip(self.parts, other.parts, strict=True)]
        return both


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
    filled = [part for part in parts if part.count > 0]
    if not filled:
        raise ValueError("parts must hold at least one sample, got 0.")
    whole = merged(filled)
    theta, n = statistic(whole), whole.count
    if not math.isfinite(theta):
        raise ValueError(f"statistic must be finite for all samples, got {theta}.")
    if len(filled) < 2:
        return alone(theta, n)
    without = np.array([statistic(rest) for rest in _leave_one_out(filled)])
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
    n = int(sizes.sum())
    if not math.isfinite(theta):
        raise ValueError(f"statistic must be finite for all samples, got {theta}.")
    if len(sizes) < 2 or not np.isfinite(without).all():
        return alone(theta, n)
    G, h = len(sizes), n / sizes
    corrected = G * theta - ((1 - sizes / n) * without).sum()
    pseudo = h * theta - (h - 1) * without
    deviation = math.sqrt(((pseudo - corrected) ** 2 / (h - 1)).mean())
    value = float(corrected) if correct_bias else theta
    reach = float(special.stdtrit(G - 1, (1 + level) / 2)) * deviation
    return Estimate(value, value - reach, value + reach, n, "estimated")


def merged(parts: Sequence[M]) -> M:
    """Return the sums of all parts.

    Parameters
    ----------
    parts : sequence of Mergeable
        At least one.

    Returns
    -------
    Mergeable
        Their sums; the part itself where there is only one.
    """
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole


def _update(part: Any, rows: Sequence[Tensor]) -> None:
    part.update(*rows)


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
