"""Spectra, stable ranks and the estimated bottleneck rank of a path [LR]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_rows
from loadpath.threads import torch_threads

Spectra = Float[Tensor, "layer mode"]

FLOOR = 1e-6
"""Singular values below this share of the largest are rounding of a float32 training run."""
CLEAR_GAP = 1.5
"""A spectrum whose largest ratio of neighbours is smaller than this has no gap to speak of."""
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


@torch_threads(1)
def spectrum(A: Float[Tensor, "sample width"], centred: bool = False) -> Float[Tensor, " mode"]:
    """Singular values of A, falling, min(N, w) of them; of A minus its column means if `centred`.

    In the units of A; float64. Cost O(N w^2).

    Raises: ValueError if `A` is not finite and 2-D.
    """
    A = as_rows("A", A)
    return torch.linalg.svdvals(A - A.mean(0) if centred else A)


def stable_rank(
    A: Float[Tensor, "sample width"], kind: Literal["nuclear", "operator"] = "nuclear"
) -> Float[Tensor, ""]:
    r"""Stable rank of A, between 1 and its rank; 0 for a zero matrix.

    $(\sum_i s_i)^2 / \sum_i s_i^2$ ("nuclear"), a lower bound of the plain cost of identity, or
    $\sum_i s_i^2 / \max_i s_i^2$ ("operator"). Dimensionless. Cost O(N w^2).

    Raises: ValueError for another `kind`, or if `A` is not finite and 2-D.
    Source: Jacot and Kaiser, arXiv:2405.17573, Proposition 1.
    """
    if kind not in ("nuclear", "operator"):
        raise ValueError(f"kind must be 'nuclear' or 'operator', got {kind!r}.")
    return stable_rank_of_spectrum(spectrum(A), kind)


def stable_rank_of_spectrum(s: Tensor, kind: Literal["nuclear", "operator"]) -> Tensor:
    """`stable_rank` from singular values, the largest first."""
    s = s / s[0] if s[0] > 0 else s  # no overflow or underflow in the squares
    if kind == "operator" or s[0] == 0:
        return s.square().sum()
    return s.sum().square() / s.square().sum()


def bottleneck_rank(
    path: Sequence[Float[Tensor, "sample width"]], *, centred: bool = True
) -> Bottleneck:
    """Estimated bottleneck rank of a path [A_0, ..., A_L]; see `bottleneck_from_spectra`.

    `centred` leaves out the mean over samples, which a net with biases carries for nothing; pass
    False for a net without. Cost O(N w^2 L).

    Raises: ValueError if the path is empty, or its A are not finite, 2-D and of one shape.
    """
    if len(path) == 0:
        raise ValueError("path must hold at least one representation, got 0.")
    shape = (len(path[0]), path[0].shape[-1])
    path = [as_rows(f"path[{l}]", A, shape=shape) for l, A in enumerate(path)]
    return bottleneck_from_spectra(torch.stack([spectrum(A, centred) for A in path]))


def bottleneck_from_spectra(spectra: Spectra) -> Bottleneck:
    r"""Estimated bottleneck rank from the singular values of every layer, falling in each row.

    The rule, for the layers between input and output (all, if there are none between):

    1. The bottleneck is where the dimension $(\sum s^2)^2 / \sum s^4$ is within a factor 1.25 of
       its least value along the path. (Fourth powers: a long weak tail must not count.)
    2. Each of its layers votes for the k with the largest gap $\log(s_k / s_{k+1})$ among the
       directions with $s_k \geq s_1 / 10$, and the gap is the weight of its vote: weaker ones
       count for less than half in the cost of identity at gamma_0 = 1e-2, and gaps between them
       are a tail's. Singular values are cut off below at $10^{-6} s_1$.
    3. The rank with the most votes is the estimate. If no ratio exceeds 1.5 there is no gap, and
       the estimate is the least dimension, rounded, and `clear` is False. A zero layer has rank 0.

    Raises: ValueError if `spectra` is not a finite (layer, mode) matrix of nonnegative numbers.
    """
    spectra = as_rows("spectra", spectra).detach()
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
    if float(s[0]) == 0:
        return 0.0
    squares = (s / s[0]).square()
    return float(squares.sum().square() / squares.square().sum())


def _vote(s: Tensor) -> tuple[float, int]:
    """The largest gap of the rule, and its k."""
    s = (s / s[0]).clamp_min(FLOOR)
    if len(s) == 1:
        return 0.0, 1
    gaps = torch.where(s[:-1] >= WEAK, (s[:-1] / s[1:]).log(), 0.0)
    gap, k = gaps.max(0)
    return float(gap), int(k) + 1


def _ratio(s: Tensor, k: int) -> float:
    return float(s[k - 1] / s[k]) if k < len(s) and float(s[k]) > 0 else float("inf")
