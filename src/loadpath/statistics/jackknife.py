r"""Grouped jackknife: bias and interval of any statistic of streamed sums, in one pass.

Samples are dealt into G groups, each with its own mergeable sums; the statistic of all samples
but one group's, G times over, says how far it would move from one draw of samples to another.
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
STREAM = 0x67726F7570  # apart from the hash that fills reservoirs


class Mergeable(Protocol):
    """Streamed sums over samples, such as `loadpath.record.Moments`."""

    @property
    def count(self) -> int:
        """Number of samples seen."""

    def merge(self, other: Self) -> Self:
        """Sums of both sets of samples, as a new object."""


M = TypeVar("M", bound=Mergeable)


def groups_of(
    indices: Int[Tensor, " sample"], n_groups: int = N_GROUPS, *, seed: int = 0
) -> Int[Tensor, " sample"]:
    """Group 0..n_groups-1 of every sample, from its index in the data alone.

    By a hash, so that neither batches nor processes nor any order in the data matter. Samples that
    belong together (positions of one sequence, views of one image) share an index, for a jackknife
    over groups that split them calls them independent.

    Raises: ValueError if `indices` are not whole numbers from 0, or there are fewer than 2 groups.
    """
    check_count("n_groups", n_groups, 2)
    return torch.from_numpy((hashes(indices, seed ^ STREAM) % np.uint64(n_groups)).astype(np.int64))


class Grouped(Generic[M]):
    """The same streamed sums once for each group of samples.

    >>> sums = Grouped(lambda: PairSums(100))
    >>> for X, indices in batches:
    ...     sums.update(groups_of(indices), X)
    >>> participation_ratio(sums.parts)

    Memory is `n_groups` times that of one. Raises: ValueError for fewer than 2 groups.
    """

    def __init__(self, new: Callable[[], M], n_groups: int = N_GROUPS) -> None:
        """Start with no samples, from `n_groups` empty sums that `new` makes."""
        check_count("n_groups", n_groups, 2)
        self.parts: list[M] = [new() for _ in range(n_groups)]
        """The sums of every group."""

    def update(self, groups: Tensor | int, *rows: Tensor) -> None:
        """Hand every sample's rows to the sums of its group; one number is the group of all.

        One group for a whole batch costs least, and is right where batches are drawn at random.
        Sums that have `of_groups`, which gives those of all groups from one pass, are asked for it.

        Raises: ValueError if a group is out of range, or `groups` and rows differ in length; see
        the sums' own `update`.
        """
        n = len(self.parts)
        if isinstance(groups, int):
            if not 0 <= groups < n:
                raise ValueError(f"groups must be 0 to {n - 1}, got {groups}.")
            _take(self.parts[groups], rows)
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
        of_groups = getattr(self.parts[0], "of_groups", None)
        if of_groups is not None:
            more = of_groups(groups, n, *rows)
            self.parts = [a.merge(b) for a, b in zip(self.parts, more, strict=True)]
            return
        for g in groups.unique().tolist():
            chosen = groups == g
            _take(self.parts[g], [part[chosen.to(part.device)] for part in rows])

    def merge(self, other: Grouped[M]) -> Grouped[M]:
        """Sums of both sets of samples, group by group, as a new object.

        Raises: ValueError if the two differ in their number of groups, or their sums do not fit.
        """
        if len(self.parts) != len(other.parts):
            raise ValueError(f"other must have {len(self.parts)} groups, got {len(other.parts)}.")
        merged = object.__new__(Grouped)
        merged.parts = [a.merge(b) for a, b in zip(self.parts, other.parts, strict=True)]
        return merged


def jackknife(
    parts: Sequence[M],
    statistic: Callable[[M], float],
    *,
    level: float = 0.95,
    correct_bias: bool = False,
) -> Estimate:
    r"""A statistic of all samples, with an interval from leaving out one group at a time.

    With n samples, $m_g$ of them in group g, $h_g = n / m_g$, $\hat\theta$ of all and
    $\hat\theta_{(g)}$ of all but group g: pseudo-values
    $\tilde\theta_g = h_g \hat\theta - (h_g - 1) \hat\theta_{(g)}$, the jackknife estimate
    $\hat\theta_J = G \hat\theta - \sum_g (1 - m_g / n) \hat\theta_{(g)}$, whose bias is of order
    $1/n^2$ where that of $\hat\theta$ is of order $1/n$, and the variance
    $\frac1G \sum_g (\tilde\theta_g - \hat\theta_J)^2 / (h_g - 1)$. Groups of one size give the
    textbook's formulas. The interval is $\pm t_{G-1}$ standard deviations about the value, which is
    $\hat\theta_J$ with `correct_bias` and $\hat\theta$ without; it may reach past what the
    statistic itself can.

    Groups without samples are left out; with fewer than 2 groups, or where a statistic without a
    group is not finite, there is a value and no interval. Every pair of sums is merged about
    log2(G) times, with as many kept at once; nothing is subtracted from sums.

    Raises: ValueError without samples, if the statistic of all samples is not finite, or `level` is
    not between 0 and 1.
    Source: Busing, Meijer and van der Leeden, "Delete-m jackknife for unequal m", Statistics and
    Computing 9, 1999; for groups of one size Efron and Tibshirani, "An Introduction to the
    Bootstrap", 1993, chapter 11.
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
    return jackknife_of(theta, without, sizes, level=level, correct_bias=correct_bias)


def jackknife_of(
    theta: float,
    without: Float[np.ndarray, " group"],
    sizes: Int[np.ndarray, " group"],
    *,
    level: float = 0.95,
    correct_bias: bool = False,
) -> Estimate:
    """`jackknife` of a statistic that is known: of all samples, and of all but each group's.

    `sizes` are those of the groups. A number alone where a statistic without a group is not finite.

    Raises: ValueError if `theta` is not finite or `level` is not between 0 and 1.
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
    """The sums of all parts."""
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole


def _take(part: Any, rows: Sequence[Tensor]) -> None:
    part.update(*rows)


def _leave_one_out(parts: Sequence[M], outside: M | None = None) -> Iterator[M]:
    """The sums of all parts but one, in their order: halves are merged once for all of them."""
    if len(parts) == 1:
        assert outside is not None  # there are at least two parts
        yield outside
        return
    middle = len(parts) // 2
    left, right = parts[:middle], parts[middle:]
    for inside, rest in ((left, right), (right, left)):
        beyond = merged(rest)
        yield from _leave_one_out(inside, beyond if outside is None else outside.merge(beyond))
