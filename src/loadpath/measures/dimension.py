r"""Intrinsic dimension of a cloud of samples from the ratio of its two nearest distances (TwoNN).

Where the density hardly changes over the nearest two neighbours of a sample, at distances
$r_1 \le r_2$, their ratio $\mu = r_2 / r_1$ has $P(\mu > t) = t^{-d}$. This depends on the
dimension d and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from scipy import special
from torch import Tensor

from loadpath.checks import (
    as_small_rows,
    as_tensor,
    check_count,
    check_level,
    check_number,
)
from loadpath.measures.separation import SEEN, noise_floor
from loadpath.statistics import Estimate, near_rounding, unknown
from loadpath.threads import torch_threads

DISCARDED = 0.1
"""Share of the ratios, the largest, that only count as larger than the rest; as in Facco et al."""
LEAST = 50
"""Distinct samples below which there is no number: d would be known to a third at best."""
CANDIDATES = 6
"""Neighbours whose distances are taken once more from differences, which cancel nothing."""
CHUNK = 1 << 19
"""Distances that are held at a time: 4 MB of them."""


class Neighbours(NamedTuple):
    """The nearest two neighbours of every sample."""

    distances: Float[Tensor, "sample 2"]
    """Their distances (sample, 2), the nearest first; units of the features."""
    indices: Int[Tensor, "sample 2"]
    """Which samples they are, (sample, 2)."""


@torch_threads(1)
def nearest_two(X: Float[Tensor, "sample width"]) -> Neighbours:
    r"""Return the nearest two neighbours of every row, by Euclidean distance.

    Parameters
    ----------
    X : Tensor
        (sample, width) at least 3 rows.

    Returns
    -------
    Neighbours
        Their `distances` and `indices`, (sample, 2) each.

    Raises
    ------
    ValueError
        If X is not finite and 2-D, or has fewer than 3 rows.

    Notes
    -----
    Candidates come from $|x|^2 + |y|^2 - 2 x^\top y$ about the mean, in chunks of rows; their
    distances are taken from the differences. Memory is O(N w) and some 4 MB, the cost O(N^2 w).

    Examples
    --------
    >>> nearest_two(torch.tensor([[0.0], [1.0], [3.0]])).distances.tolist()
    [[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]]
    """
    rows = as_small_rows("X", X)
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
    r"""Return the intrinsic dimension of the rows, by maximum likelihood, with an interval.

    Parameters
    ----------
    X : Tensor
        (sample, width) features of one layer.
    discarded : float
        Share of the ratios, the largest, that only count as larger than the rest; in [0, 1).
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        The dimension. Copies of a sample are left out but for one, so that no distance is zero; `n`
        counts what is left. The status is "constant features" where all samples are copies of one,
        and "not enough samples" with fewer than 50 distinct ones, or where neighbours are all
        equally far, as on a lattice. It says "near rounding" where rounding of the type of `X` may
        make more than 1 % of a typical squared distance.

    Raises
    ------
    ValueError
        If X is not finite and 2-D, `discarded` is not in [0, 1), or `level` not between 0 and 1.

    Notes
    -----
    The logarithm of $\mu$ is exponential of rate d. With N samples, the k = N (1 - `discarded`)
    smallest ratios count as they are. The rest, which the density's changes spoil first, count only
    as larger than the k-th (censored [3]_). With
    $T = \sum_{i \le k} \log \mu_i + (N - k) \log \mu_k$,

    $$\hat d = (k - 1) / T,$$

    which is unbiased if the ratios are independent: T is then Gamma of shape k and rate d. (The
    paper [1]_ fits a line to the empirical distribution of the same k ratios, which is consistent
    too, but has a variance larger by 2 to 20 % and no interval.)

    Ratios of neighbours share distances and are not independent. The interval is that of the
    Gamma law with its shape divided by the inflation $\sum_{ij} z_i z_j / \sum_i z_i^2$, the sum
    over all pairs of which one is among the other's nearest two, $i = j$ among them, and
    $z_i = \min(\log \mu_i, \log \mu_k) - [i \le k] / \hat d$ the score of sample i. It is not let
    below 1. The interval is for the dimension that N samples show: that of a curved, noisy or
    high-dimensional cloud depends on N, see `two_nn_by_scale`.

    Memory is O(N w) and the cost O(N^2 w): for more than some thousand samples, pass those of a
    `Reservoir`.

    References
    ----------
    .. [1] Facco, d'Errico, Rodriguez and Laio, "Estimating the intrinsic dimension of datasets by a
       minimal neighborhood information", Scientific Reports 7, 2017.
    .. [2] Denti, Doimo, Laio and Mira, Scientific Reports 12, 2022, for the likelihood.
    .. [3] Epstein and Sobel, "Life testing", JASA 48, 1953, for the censoring.

    Examples
    --------
    A square in a space of ten dimensions has two:

    >>> square = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0))
    >>> X = torch.cat([square, torch.zeros(1000, 8)], dim=1)
    >>> found = two_nn(X)
    >>> print(f"{found.value:.1f} ({found.low:.1f} to {found.high:.1f})")
    2.1 (1.9 to 2.2)
    """
    check_number("discarded", discarded, least=0, below=1)
    check_level(level)
    X = as_tensor("X", X)
    rows = torch.unique(as_small_rows("X", X), dim=0)
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
    found = Estimate(d, low, high, n, "estimated")
    epsilon = torch.finfo(X.dtype).eps if X.is_floating_point() else 0.0
    # Both ends of a distance round; a tenth of a typical one is 1 % of its square.
    rounds = noise_floor(epsilon, math.sqrt(2 * float(rows.square().sum()) / n))
    return near_rounding(found) if rounds**2 > SEEN * float(first.median()) ** 2 else found


def two_nn_by_scale(
    X: Float[Tensor, "sample width"], *, n_scales: int = 4, **options: float
) -> list[Estimate]:
    """Return `two_nn` of X, of its first half, its first quarter, and so on.

    Fewer samples have larger neighbourhoods. A dimension that holds over a factor of samples is a
    property of the data. One that falls as samples get fewer is noise about something of fewer
    dimensions, and one that rises with N is limited by N.

    Parameters
    ----------
    X : Tensor
        (sample, width) features, their rows in random order, as a `Reservoir` gives them.
    n_scales : int
        How many sizes, at least 1.
    **options : float
        `discarded` and `level` of `two_nn`.

    Returns
    -------
    list of Estimate
        That of all rows first.

    Raises
    ------
    ValueError
        As `two_nn`, or for fewer than 1 scale.

    References
    ----------
    .. [1] Facco, d'Errico, Rodriguez and Laio, Scientific Reports 7, 2017, "block analysis".
    """
    check_count("n_scales", n_scales, 1)
    X = as_tensor("X", X)
    as_small_rows("X", X)
    return [two_nn(part, **options) for part in _halves(X, n_scales)]


def _halves(X: Tensor, n_scales: int) -> Iterator[Tensor]:
    for s in range(n_scales):
        yield X[: max(1, len(X) >> s)]


def _inflation(score: Tensor, indices: Tensor) -> float:
    """Return how many times as large as for independent ratios the variance is; at least 1."""
    n = len(score)
    first = torch.arange(n).repeat_interleave(2)
    pairs = torch.stack([first, indices.cpu().flatten()], dim=1).sort(dim=1).values
    pairs = pairs.unique(dim=0)  # each pair once, whichever of the two has the other
    z = score.cpu()
    shared = float((z[pairs[:, 0]] * z[pairs[:, 1]]).sum())
    return max(1.0, 1 + 2 * shared / float(z.square().sum()))
