"""Which pairs of ends no path of a given width can join, where that is sure beforehand."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.record import ActivationLike

RANK = 1e-9
"""Singular values below this share of the largest count as zero."""


def check_reachable(
    x: Float[Tensor, "sample width"],
    y: Float[Tensor, "sample width"],
    *,
    width: int,
    activation: ActivationLike,
    bias: bool,
) -> None:
    """Refuse ends that no path of this width joins, in one sentence that says why.

    Linear paths (activation "identity") are A_0 times an invertible matrix of positive
    determinant, plus the same row for every sample if there is a bias. With any activation, equal
    rows stay equal. Where N > L (w + 1) there are more conditions than weights: that alone does
    not make an end unreachable, so it is left to the solver to find out.
    """
    for name, value in (("x", x), ("y", y)):
        if value.ndim != 2 or value.shape[1] != width:
            raise ValueError(
                f"{name} must have width={width} columns where endpoint='fixed', got shape "
                f"{tuple(value.shape)}."
            )
    _check_equal_rows(x, y)
    if activation == "identity":
        _check_linear_map(*((x - x.mean(0), y - y.mean(0)) if bias else (x, y)), width)


def _check_equal_rows(x: Tensor, y: Tensor) -> None:
    """Refuse a y that differs where x does not."""
    rows, group = torch.unique(x, dim=0, return_inverse=True)
    if len(rows) < len(x):
        first = torch.full((len(rows),), len(x), device=x.device)
        first.scatter_reduce_(0, group, torch.arange(len(x), device=x.device), "amin")
        apart = (y - y[first[group]]).abs().amax(1) > RANK * y.abs().max()
        if bool(apart.any()):
            row = int(apart.nonzero()[0])
            raise ValueError(
                f"y must be equal where x is, but rows {int(first[group[row]])} and {row} start "
                "at one point and end at two, and no path divides."
            )


def _check_linear_map(x: Tensor, y: Tensor, width: int) -> None:
    """Refuse a y that is not x times an invertible matrix of positive determinant."""
    ranks = [int(torch.linalg.matrix_rank(z, rtol=RANK)) for z in (x, y)]
    if ranks[0] != ranks[1]:
        raise ValueError(
            f"y must have the rank of x, for a linear path keeps it, got {ranks[1]} and {ranks[0]}."
        )
    M = torch.linalg.lstsq(x, y).solution if ranks[0] == width else torch.linalg.pinv(x) @ y
    if float((x @ M - y).norm()) > 1e-6 * float(y.norm()):
        raise ValueError(
            "y must be a linear map of x where activation='identity', and it is not: "
            f"{float((x @ M - y).norm() / y.norm()):.2g} of it is left over."
        )
    if ranks[0] == width and float(torch.linalg.slogdet(M).sign) < 0:
        raise ValueError(
            "y must be x times a matrix of positive determinant where activation='identity', and "
            "it is negative: a linear path would have to pass through a singular matrix."
        )
