"""Paths whose both ends are given: which ends can be reached, and how a target is moved there."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

RANK = 1e-9
"""Singular values below this much of the largest count as zero in a check of the ends."""
REACHED, EXACT = 1e-4, 1e-7
"""||A_L - y|| / ||y|| of an end that counts as reached, and that ends the search for a better."""


def check_reachable(
    x: Float[Tensor, "sample width"],
    y: Float[Tensor, "sample width"],
    *,
    width: int,
    activation: str,
    bias: bool,
) -> None:
    r"""Say in one sentence why no path of this width leads from x to y, where that is sure.

    Linear paths (activation "identity") are A_0 times an invertible matrix of positive
    determinant, plus the same row for every sample if there is a bias. With any activation, equal
    rows stay equal. Where N > L (w + 1) there are more conditions than weights: that alone does
    not make an end unreachable, so it is left to the solver to find out.

    Raises: ValueError that names the argument.
    """
    for name, value in (("x", x), ("y", y)):
        if value.ndim != 2 or value.shape[1] != width:
            raise ValueError(
                f"{name} must have width={width} columns where endpoint='fixed', got shape "
                f"{tuple(value.shape)}."
            )
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
    if activation != "identity":
        return
    if bias:
        x, y = x - x.mean(0), y - y.mean(0)
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


def end_error(end: Tensor, y: Tensor) -> float:
    """||A_L - y|| / ||y||, and the plain norm where y is 0."""
    return float((end - y).norm()) / (float(y.norm()) or 1.0)


def stiffness(y: Tensor, width: int, effective_depth: float) -> float:
    """The lambda at which an ordinary path's action costs a hundredth of the mean ||y_i||^2.

    An ordinary path keeps w directions against the leakage: its action is about w L~ / 2. For a
    fixed end lambda only sets how stiff the end is held between two moves of the target.
    """
    size = float(y.double().square().sum(1).mean()) or 1.0
    return 0.02 * size / (width * max(1.0, effective_depth))
