"""Sketches of wide features: inner products of samples from far fewer columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_count, check_seed

WIDE = 2048
"""Features wider than this are worth a sketch: factors of twice the width take 0.1 GB each."""

_SIGNS = 4  # nonzero entries in every row of the projection
SMALLEST = _SIGNS
"""The least size of a sketch: one column for each of the entries."""


@dataclass(frozen=True)
class Sketch:
    r"""A fixed random projection of features, $h \mapsto h P$ with P (width, size).

    Every row of P has 4 entries of $\pm 1/2$, one in each quarter of the columns. P depends on
    `width`, `size` and `seed` alone: not on the order of batches, and layers of one width share it,
    so that the sketch of a difference of layers is the difference of their sketches.

    Raises
    ------
    ValueError
        For a size that is below 4 or not below the width, and a negative seed.

    Notes
    -----
    Inner products are kept without bias, and over the draws of P their error is $E[(\langle xP, yP
    \rangle - \langle x, y \rangle)^2] \le (\|x\|^2 \|y\|^2 + \langle x, y \rangle^2) /
    \mathrm{size}$: at most $\sqrt{2 / \mathrm{size}}$ of $\|x\| \|y\|$, as for a Gaussian P, at 4
    instead of `size` operations an entry.

    References
    ----------
    Nelson and Nguyen, OSNAP, arXiv:1211.1002. The bound is that of Charikar, Chen and Farach-Colton
    for one entry in every row, for each quarter.
    """

    width: int
    """Number of features."""
    size: int
    """Number of columns that are kept."""
    seed: int = 0
    """The seed of the projection."""

    def __post_init__(self) -> None:
        check_count("width", self.width, 1)
        check_count("size", self.size, _SIGNS)
        check_seed("seed", self.seed)
        if self.size >= self.width:
            raise ValueError(f"sketch must be below the width {self.width}, got {self.size}.")

    @property
    def error(self) -> float:
        """Root mean square error of an inner product, as a share of the two norms: at most this."""
        return (2 / self.size) ** 0.5

    def attrs(self) -> dict[str, int | float]:
        """Return what a result says of the sketch."""
        return {
            "sketch": self.size,
            "sketch_seed": self.seed,
            "sketch_error_of_inner_products": self.error,
        }

    def __call__(self, rows: Float[Tensor, "row width"]) -> Float[Tensor, "row size"]:
        """Project rows.

        Parameters
        ----------
        rows : Tensor
            (row, width), any floating-point type.

        Returns
        -------
        Tensor
            (row, size), float64.

        Raises
        ------
        ValueError
            If they are not of this width.
        """
        if rows.ndim != 2 or rows.shape[1] != self.width:
            raise ValueError(f"rows must be (row, {self.width}), got {tuple(rows.shape)}.")
        projection = _projection(self.width, self.size, self.seed).to(rows.device)
        return torch.sparse.mm(projection, rows.double().T).T


@lru_cache(maxsize=8)  # few widths in a model, and 4 entries a row
def _projection(width: int, size: int, seed: int) -> Tensor:
    """Return the transpose of P, (size, width), sparse."""
    generator = torch.Generator().manual_seed(int(seed))
    buckets, signs = [], []
    for quarter in range(_SIGNS):
        low, high = quarter * size // _SIGNS, (quarter + 1) * size // _SIGNS
        buckets.append(torch.randint(low, high, (width,), generator=generator))
        signs.append(2.0 * torch.randint(2, (width,), generator=generator) - 1)
    where = torch.stack([torch.cat(buckets), torch.arange(width).repeat(_SIGNS)])
    values = torch.cat(signs).double() / _SIGNS**0.5
    return torch.sparse_coo_tensor(where, values, (size, width), check_invariants=True).coalesce()
