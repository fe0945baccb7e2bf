r"""Intrinsic dimension of a cloud of samples from the ratio of its two nearest distances (TwoNN).

Where the density hardly changes over the nearest two neighbours of a sample, at distances
$r_1 \le r_2$, $\mu = r_2 / r_1$ has $P(\mu > t) = t^{-d}$, d the dimension and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from loadpath.checks import as_rows, check_level
from loadpath.statistics import Estimate, unknown
from loadpath.threads import torch_threads

DISCARDED = 0.1
"""Share of the largest ratios that only count as larger than the rest: that of Facco et al."""
LEAST = 50
"""Distinct samples below which there is no number: d would be known to a third at best."""
CANDIDATES = 6
"""Neighbours looked at once more by differences, which cancel nothing."""
CHUNK = 1 << 19
"""Distances held at a time: 4 MB of them."""


class Neighbours(NamedTuple):
    """The nearest two of every distinct sample."""

    distances: Float[Tensor, "sample 2"]
    """Their distances, the nearest first; units of the features."""
    indices: Int[Tensor, "sample 2"]
    """Which samples they are."""


@torch_threads(1)
def nearest_two(X: Float[Tensor, "sample width"]) -> Neighbours:
    r"""Nearest two neighbours of every row of X, by Euclidean distance.

    Candidates come from $|x|^2 + |y|^2 - 2 x^\top y$ about the mean, in chunks of rows; their
    distances are taken from the differences. Memory O(N w) and some 4 MB, cost O(N^2 w).

    Raises: ValueError if X is not finite and 2-D, or has fewer than 3 rows.
    """
    rows = as_rows("X", X)
    n = len(rows)
    if n < 3:
        raise ValueError(f"X must have at least 3 rows, got {n}.")
    rows = rows - rows.mean(0)
    squares = rows.square().sum(1)
    k = min(CANDIDATES, n - 1)
    distances, indices = [], []
    for start in range(0, n, max(1, CHUNK // n)):
        part = rows[start : start + max(1, CHUNK // n)]
        near = squares - 2 * part @ rows.T  # |x|^2 of the row itself orders nothing
        near[torch.arange(len(part)), start + torch.arange(len(part))] = math.inf
        found = near.topk(k, largest=False).indices
        exact = torch.stack([(part - rows[found[:, j]]).norm(dim=1) for j in range(k)], dim=1)
        closest, order = exact.sort(dim=1)
        distances.append(closest[:, :2])
        indices.append(found.gather(1, order[:, :2]))
    return Neighbours(torch.cat(distances), torch.cat(indices))


def two_nn(
    X: Float[Tensor, "sample width"], *, discarded: float = DISCARDED, level: float = 0.95
) -> Estimate:
    r"""Intrinsic dimension of the rows of X, by maximum likelihood, with an interval.

    $\log \mu$ is exponential of rate d. Of N samples the k = N (1 - `discarded`) smallest ratios
    count as they are, and the rest, which the density's changes spoil first, only as larger than
    the k-th (censored). With $T = \sum_{i \le k} \log \mu_i + (N - k) \log \mu_k$,

    $$\hat d = (k - 1) / T,$$

    which is unbiased if the ratios are independent: T is then Gamma of shape k and rate d. (The
    source fits a line to the empirical distribution of the same k ratios: also consistent, but
    with a variance larger by 2 to 20 %, and without an interval.)

    Ratios of neighbours share distances and are not independent. The interval is that of the
    Gamma law with its shape divided by the inflation $\sum_{ij} z_i z_j / \sum_i z_i^2$, the sum
    over all pairs of which one is among the other's nearest two, $i = j$ among them, and
    $z_i = \min(\log \mu_i, \log \mu_k) - [i \le k] / \hat d$ the score of sample i; it is not let
    below 1. The interval is for the dimension that N samples show: that of a curved, noisy or
    high-dimensional cloud depends on N, see `two_nn_by_scale`.

    Copies of a sample are left out but for one, so that no distance is zero; `n` counts what is
    left. "constant features": all samples are copies of one. "not enough samples": fewer than 50
    distinct ones, or neighbours all equally far, as on a lattice.

    Memory O(N w), cost O(N^2 w): for more than some thousand samples, those of a `Reservoir`.

    Raises: ValueError if X is not finite and 2-D, `discarded` not in [0, 1), `level` not in (0, 1).
    Source: Facco, d'Errico, Rodriguez and Laio, "Estimating the intrinsic dimension of datasets by
    a minimal neighborhood information", Scientific Reports 7, 2017; the likelihood: Denti, Doimo,
    Laio and Mira, Scientific Reports 12, 2022; the censoring: Epstein and Sobel, "Life testing",
    JASA 48, 1953.
    """
    if not 0 <= discarded < 1:
        raise ValueError(f"discarded must be at least 0 and below 1, got {discarded}.")
    check_level(level)
    rows = torch.unique(as_rows("X", X), dim=0)
    n = len(rows)
    if n == 1 and len(X) > 1:
        return unknown(1, "constant features")
    if n < LEAST:
        return unknown(n, "not enough samples")
    near = nearest_two(rows)
    # Rows that differ are at distance 0 where the square of their difference underflows.
    first, second = near.distances.clamp_min(torch.finfo(torch.float64).tiny).unbind(1)
    log_mu = (second / first).log()
    k = max(2, int(n * (1 - discarded)))
    limit = log_mu.kthvalue(k).values
    kept, cut = log_mu <= limit, log_mu.clamp_max(limit)
    total = float(cut.sum())
    if total == 0:
        return unknown(n, "not enough samples")
    k = int(kept.sum())  # more where ratios are equal
    d = (k - 1) / total
    shape = k / _inflation(cut - kept.to(cut) * (total / k), near.indices)
    low, high = (
        float(special.gammaincinv(shape, q)) / shape * d * k / (k - 1)
        for q in ((1 - level) / 2, (1 + level) / 2)
    )
    return Estimate(d, low, high, n, "estimated")


def two_nn_by_scale(
    X: Float[Tensor, "sample width"], *, n_scales: int = 4, **options: float
) -> list[Estimate]:
    """`two_nn` of X, and of its first half, quarter, ...: larger and larger neighbourhoods.

    Rows must be in random order, as a `Reservoir` gives them. A dimension that holds over a factor
    of samples is a property of the data; one that falls as samples get fewer is noise about
    something of fewer dimensions, and one that rises with N is limited by N.

    Raises: ValueError as `two_nn`, or for fewer than 1 scale.
    Source: Facco et al. 2017, "block analysis".
    """
    return [two_nn(part, **options) for part in _halves(X, n_scales)]


def _halves(X: Tensor, n_scales: int) -> Iterator[Tensor]:
    if n_scales < 1:
        raise ValueError(f"n_scales must be at least 1, got {n_scales}.")
    for s in range(n_scales):
        yield X[: max(1, len(X) >> s)]


def _inflation(score: Tensor, indices: Tensor) -> float:
    """How many times the variance of the scores' sum is that of independent ones; at least 1."""
    n = len(score)
    first = torch.arange(n).repeat_interleave(2)
    pairs = torch.stack([first, indices.cpu().flatten()], dim=1).sort(dim=1).values
    pairs = pairs.unique(dim=0)  # each pair once, whichever of the two has the other
    z = score.cpu()
    shared = float((z[pairs[:, 0]] * z[pairs[:, 1]]).sum())
    return max(1.0, 1 + 2 * shared / float(z.square().sum()))
