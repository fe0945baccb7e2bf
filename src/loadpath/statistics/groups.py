"""Streamed sums, once for each group of samples: what a jackknife leaves out one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from loadpath.checks import as_list, check_callable, check_count, check_seed, check_type
from loadpath.statistics.reservoir import hashes

N_GROUPS = 10
"""Groups unless told otherwise: t with 9 degrees of freedom is 2.26 where a normal has 1.96."""
STREAM = 0x67726F7570
"""Keeps the hash that deals into groups apart from the one that fills reservoirs."""


@runtime_checkable
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
    check_seed("seed", seed)
    return torch.from_numpy(
        (hashes(indices, int(seed) ^ STREAM) % np.uint64(n_groups)).astype(np.int64)
    )


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
        check_callable("new", new)
        check_count("n_groups", n_groups, 2)
        self.parts: list[M] = [new() for _ in range(n_groups)]
        check_mergeable("new", self.parts, "a function that makes sums, such as PairSums")
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
    parts = as_list("parts", parts, "sums", fewest=1)
    check_mergeable("parts", parts)
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merge(part)
    return whole


def check_mergeable(
    name: str, parts: Sequence[object], words: str = "sums that merge, such as PairSums"
) -> None:
    """Refuse what are no sums that merge.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    parts : sequence of object
        What was given.
    words : str
        What it should be.

    Raises
    ------
    ValueError
        If one of them has no count or no `merge`.
    """
    # One of each class: looking for a protocol's names takes longer than merging small sums.
    for part in {type(part): part for part in parts}.values():
        check_type(name, part, Mergeable, words)


def _update(part: Any, rows: Sequence[Tensor]) -> None:
    part.update(*rows)
