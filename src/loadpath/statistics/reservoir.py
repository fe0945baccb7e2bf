r"""A fixed number of samples drawn from a stream: the same ones whatever the batches.

What needs samples and not sums (neighbours, probes) works on these. A sample is chosen by a hash
of its index in the data, so that neither the order of the data nor batches nor the number of
processes matter, and every layer keeps the same samples.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int, Shaped
from numpy.typing import NDArray
from torch import Tensor

from loadpath.checks import as_tensor, check_count, check_seed

# The constants of the splitmix64 generator: Steele, Lea and Flood, "Fast splittable pseudorandom
# number generators", OOPSLA 2014.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX = ((30, np.uint64(0xBF58476D1CE4E5B9)), (27, np.uint64(0x94D049BB133111EB)))


def hashes(indices: Int[Tensor, " sample"], seed: int) -> NDArray[np.uint64]:
    """Return a random-looking 64-bit number for every index; no two indices share one.

    Parameters
    ----------
    indices : Tensor
        (sample,) whole numbers from 0.
    seed : int
        Another seed gives other numbers; at least 0.

    Returns
    -------
    array
        (sample,) uint64.

    Raises
    ------
    ValueError
        If `indices` are not whole numbers from 0 or `seed` is negative.

    References
    ----------
    .. [1] Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    check_seed("seed", seed)
    indices = as_tensor("indices", indices)
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
    """At most `size` samples of a stream, each as likely as any other; mergeable.

    Parameters
    ----------
    size : int
        The most samples that are kept.
    seed : int
        Another seed keeps other samples; at least 0.

    Raises
    ------
    ValueError
        For a size below 1 or a negative seed.

    Notes
    -----
    It keeps the samples of the smallest hashes (a bottom-k sample [1]_): uniform without
    replacement over distinct indices. An index that is seen twice, as from a sampler that pads the
    last batch, is kept once, the first time. Rows keep their type and device. Memory is that of
    `size` rows and of one batch.

    References
    ----------
    .. [1] Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.

    Examples
    --------
    >>> X = torch.arange(1000.0)[:, None]
    >>> kept = Reservoir(3)
    >>> for indices in torch.arange(1000).split(64):
    ...     kept.update(indices, X[indices])
    >>> kept.count, torch.equal(kept.rows(), X[kept.indices()])
    (3, True)
    >>> backwards = Reservoir(3)
    >>> backwards.update(torch.arange(1000).flip(0), X.flip(0))
    >>> torch.equal(backwards.rows(), kept.rows())
    True
    """

    def __init__(self, size: int, *, seed: int = 0) -> None:
        check_count("size", size, 1)
        check_seed("seed", seed)
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
        """Add more samples.

        Parameters
        ----------
        indices : Tensor
            (sample,) whole numbers from 0: where each sample stands in the data.
        rows : Tensor
            (sample, ...) its row, of any shape.

        Raises
        ------
        ValueError
            If the two differ in length, rows are not of the shape and type of those before, or
            `indices` are not whole numbers from 0.
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
        """Return what one reservoir would keep of both streams, as a new object.

        Parameters
        ----------
        other : Reservoir
            A reservoir of the same size and seed.

        Returns
        -------
        Reservoir
            The samples of the smallest hashes of both.

        Raises
        ------
        ValueError
            If the two differ in size, seed or the kind of their rows.
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
        """Return where the kept samples stand in the data, in the order of `rows`.

        Returns
        -------
        Tensor
            (sample,), int64.
        """
        return self._indices.clone()

    def rows(self) -> Shaped[Tensor, "sample ..."]:
        """Return the kept rows, in a random order that depends on the seed and the indices alone.

        Returns
        -------
        Tensor
            (sample, ...), in the type that they came in.

        Raises
        ------
        ValueError
            Before any update.
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
