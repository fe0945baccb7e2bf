r"""A fixed number of samples drawn from a stream: the same ones whatever the batches.

What needs samples rather than sums (neighbours, probes) works on these. A sample is chosen by a
hash of its index in the data, so that neither the order of the data nor batches nor the number of
processes matter, and every layer keeps the same samples.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from loadpath.checks import check_count

# The constants of the splitmix64 generator: Steele, Lea and Flood, "Fast splittable pseudorandom
# number generators", OOPSLA 2014.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


def hashes(indices: Int[Tensor, " sample"], seed: int) -> NDArray[np.uint64]:
    """A random-looking 64-bit number for every index; no two indices share one.

    Raises: ValueError if `indices` are not whole numbers from 0 or `seed` is negative.
    """
    check_count("seed", seed, 0)
    if indices.ndim != 1 or indices.is_floating_point() or indices.dtype == torch.bool:
        raise ValueError(
            f"indices must be whole numbers, one for each sample, got {indices.dtype} of shape "
            f"{tuple(indices.shape)}."
        )
    if len(indices) and int(indices.min()) < 0:
        raise ValueError(f"indices must not be negative, got {int(indices.min())}.")
    start = _mixed(np.array([seed], dtype=np.uint64))  # seeds one apart share no stream
    return _mixed(indices.cpu().numpy().astype(np.uint64) ^ start)


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = z + _GAMMA  # arithmetic modulo 2^64, as everything here
    for shift, factor in _MIX:
        z = (z ^ (z >> np.uint64(shift))) * factor
    return z ^ (z >> np.uint64(31))


class Reservoir:
    """At most `size` samples of a stream, mergeable; each as likely as any other.

    >>> kept = Reservoir(2000, seed=0)
    >>> for indices, H in batches:                # where each sample stands in the data, its row
    ...     kept.update(indices, H)
    >>> kept.rows()

    It keeps the samples of the smallest hashes (a bottom-k sample): uniform without replacement
    over distinct indices. An index seen twice, as from a sampler that pads the last batch, is kept
    once, the first time. Rows keep their dtype and device; memory is that of `size` rows and of
    one batch.

    Raises: ValueError for a size below 1 or a negative seed; see `update` and `merge`.
    Source: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
    """

    def __init__(self, size: int, *, seed: int = 0) -> None:
        """Start with no samples."""
        check_count("size", size, 1)
        check_count("seed", seed, 0)
        self.size, self.seed = size, seed
        self._hashes = np.empty(0, dtype=np.uint64)
        self._indices = torch.empty(0, dtype=torch.int64)
        self._rows: Tensor | None = None

    @property
    def count(self) -> int:
        """Number of samples kept."""
        return len(self._hashes)

    @torch.no_grad()
    def update(self, indices: Int[Tensor, " sample"], rows: Shaped[Tensor, "sample ..."]) -> None:
        """Take in more samples: where each stands in the data, and its row of any shape.

        Raises: ValueError if the two differ in length, rows are not of the shape and dtype of those
        before, or `indices` are not whole numbers from 0.
        """
        if rows.ndim < 1 or len(rows) != len(indices):
            raise ValueError(
                f"rows must have one row for each of {len(indices)} indices, got shape "
                f"{tuple(rows.shape)}."
            )
        if self._rows is not None:
            mine, its = (self._rows.dtype, self._rows.shape[1:]), (rows.dtype, rows.shape[1:])
            if mine != its:
                raise ValueError(
                    f"rows must be {mine[0]} of {tuple(mine[1])} as those before, got "
                    f"{its[0]} of {tuple(its[1])}."
                )
        new = hashes(indices, self.seed)
        if self.count == self.size:  # most of a long stream is turned away before it is copied
            near = np.flatnonzero(new < self._hashes[-1])
        else:
            near = np.arange(len(new))
        if len(near) == 0 and self._rows is not None:
            return
        chosen = torch.from_numpy(near)
        self._absorb(new[near], indices.cpu()[chosen].long(), rows[chosen.to(rows.device)].detach())

    def merge(self, other: Reservoir) -> Reservoir:
        """What one reservoir would keep of both streams, as a new object.

        Raises: ValueError if the two differ in size, seed or the kind of their rows.
        """
        for name in ("size", "seed"):
            mine, its = getattr(self, name), getattr(other, name)
            if mine != its:
                raise ValueError(f"other must have {name}={mine}, got {its}.")
        both = Reservoir(self.size, seed=self.seed)
        for part in (self, other):
            if part._rows is not None:
                both.update(part._indices, part._rows)
        return both

    def indices(self) -> Int[Tensor, " sample"]:
        """Where the kept samples stand in the data, in the order of `rows`."""
        return self._indices.clone()

    def rows(self) -> Shaped[Tensor, "sample ..."]:
        """The kept rows, in an order at random that depends on the seed and the indices alone.

        Raises: ValueError before any update.
        """
        if self._rows is None:
            raise ValueError("reservoir must have seen at least one sample, got 0.")
        return self._rows.clone()

    def _absorb(self, new: NDArray[np.uint64], indices: Tensor, rows: Tensor) -> None:
        if self._rows is not None:
            new = np.concatenate([self._hashes, new])
            indices = torch.cat([self._indices, indices])
            rows = torch.cat([self._rows, rows.to(self._rows.device)])
        # Distinct indices have distinct hashes, and `unique` gives the first of equal ones.
        _, first = np.unique(new, return_index=True)
        kept = torch.from_numpy(first[: self.size])
        self._hashes = new[first[: self.size]]
        self._indices = indices[kept]
        self._rows = rows[kept.to(rows.device)]
