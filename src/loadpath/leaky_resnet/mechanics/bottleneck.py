"""The estimated bottleneck rank of a path [LR]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_path_of_rows, as_small_rows, check_flag
from loadpath.measures import spectrum

Spectra = Float[Tensor, "layer mode"]

FLOOR = 1e-6
"""Singular values below this share of the largest are rounding errors of training in float32."""
CLEAR_GAP = 1.5
"""A spectrum whose largest ratio of neighbours is no more than this has no gap to speak of."""
WEAK = 0.1
"""Directions below this share of the strongest are not counted: sqrt(gamma_0) at gamma_0 = 1e-2."""
STRETCH = 1.25
"""Layers whose dimension is within this factor of the least one make up the bottleneck."""


@dataclass(frozen=True)
class Bottleneck:
    """The estimated bottleneck of a path; the rule is in `bottleneck_from_spectra`."""

    rank: int
    """Number of directions that pass the bottleneck."""
    layer: int
    """Layer (0..L) where this rank shows most clearly."""
    gap: float
    """sigma_rank / sigma_{rank+1} there (infinite if nothing is left); 1.5 or less: unclear."""
    clear: bool
    """False if no layer of the bottleneck has a gap, so that `rank` is a rounded dimension."""


def bottleneck_rank(
    path: Sequence[Float[Tensor, "sample width"]], *, centred: bool = True
) -> Bottleneck:
    """Return the estimated bottleneck rank of a path.

    Parameters
    ----------
    path : sequence of Tensor
        A_0, ..., A_L, each (sample, width).
    centred : bool
        Whether the mean over samples is left out. A net with biases carries it at no cost; pass
        False for a net without.

    Returns
    -------
    Bottleneck
        The rank, where it shows, and how clearly.

    Raises
    ------
    ValueError
        If the path is empty, or its A are not finite, 2-D and of one shape.

    Notes
    -----
    `bottleneck_from_spectra` has the rule. The cost is O(N w^2 L).

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> wide = torch.diag(torch.ones(6))
    >>> narrow = torch.diag(torch.tensor([1.0, 1.0, 0.01, 0.01, 0.01, 0.01]))
    >>> found = lp.mechanics.bottleneck_rank([wide, narrow, wide], centred=False)
    >>> found.rank, found.layer, found.clear
    (2, 1, True)
    """
    check_flag("centred", centred)
    path = as_path_of_rows("path", path)
    return bottleneck_from_spectra(torch.stack([spectrum(A, centred) for A in path]))


def bottleneck_from_spectra(spectra: Spectra) -> Bottleneck:
    r"""Return the estimated bottleneck rank from the singular values of every layer.

    Parameters
    ----------
    spectra : Tensor
        (layer, mode): singular values, falling in each row.

    Returns
    -------
    Bottleneck
        The rank, where it shows, and how clearly.

    Raises
    ------
    ValueError
        If `spectra` is not a finite (layer, mode) matrix of nonnegative numbers.

    Notes
    -----
    The rule looks at the layers between input and output (at all, if there are none between):

    1. The bottleneck is where the dimension $(\sum s^2)^2 / \sum s^4$ is within a factor 1.25 of
       its least value along the path. The powers are high because a long weak tail must not count.
    2. Each layer of the bottleneck votes for the k with the largest gap $\log(s_k / s_{k+1})$
       among the directions with $s_k \geq s_1 / 10$, and the gap is the weight of its vote.
       Weaker directions count for less than half in the cost of identity at gamma_0 = 1e-2, and
       gaps between them are those of a tail. Singular values are cut off below at $10^{-6} s_1$.
    3. The rank with the most votes is the estimate. If no ratio exceeds 1.5 there is no gap; the
       estimate is then the least dimension, rounded, and `clear` is False. A layer of zeros has
       rank 0.
    """
    spectra = as_small_rows("spectra", spectra).detach()
    if float(spectra.min()) < 0:
        raise ValueError(f"spectra must not be negative, got {float(spectra.min())}.")
    n = len(spectra)
    inner = range(1, n - 1) if n > 2 else range(n)
    dimensions = {l: _dimension(spectra[l]) for l in inner}
    narrowest = min(dimensions, key=lambda l: dimensions[l])
    if dimensions[narrowest] == 0:
        return Bottleneck(rank=0, layer=narrowest, gap=float("inf"), clear=True)
    stretch = [l for l in inner if dimensions[l] <= STRETCH * dimensions[narrowest]]
    ballots = [(*_vote(spectra[l]), l) for l in stretch]
    clear = [ballot for ballot in ballots if _ratio(spectra[ballot[2]], ballot[1]) > CLEAR_GAP]
    if not clear:
        rank = max(1, round(dimensions[narrowest]))
        return Bottleneck(rank, narrowest, _ratio(spectra[narrowest], rank), clear=False)
    votes: dict[int, float] = {}
    for score, k, _ in clear:
        votes[k] = votes.get(k, 0.0) + score
    rank = max(votes, key=lambda k: votes[k])
    layer = max(ballot for ballot in clear if ballot[1] == rank)[2]
    return Bottleneck(rank, layer, _ratio(spectra[layer], rank), clear=True)


def _dimension(s: Tensor) -> float:
    """Return the dimension of the rule."""
    if float(s[0]) == 0:
        return 0.0
    squares = (s / s[0]).square()
    return float(squares.sum().square() / squares.square().sum())


def _vote(s: Tensor) -> tuple[float, int]:
    """Return the largest gap of the rule, and its k."""
    s = (s / s[0]).clamp_min(FLOOR)
    if len(s) == 1:
        return 0.0, 1
    gaps = torch.where(s[:-1] >= WEAK, (s[:-1] / s[1:]).log(), 0.0)
    gap, k = gaps.max(0)
    return float(gap), int(k) + 1


def _ratio(s: Tensor, k: int) -> float:
    """Return s_k / s_{k+1}, infinite if nothing is left."""
    return float(s[k - 1] / s[k]) if k < len(s) and float(s[k]) > 0 else float("inf")
