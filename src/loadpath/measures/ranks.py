r"""Effective dimensions of a layer's covariance, corrected for the number of samples.

The covariance of the features has eigenvalues $\lambda_k$, with roots $\sigma_k$:

- the participation ratio $(\sum \lambda_k)^2 / \sum \lambda_k^2$ counts directions of much
  variance;
- the effective rank $\exp(-\sum p_k \log p_k)$, $p_k = \sigma_k / \sum \sigma_k$, gives more
  weight to a long weak tail.

Both are 1 for one direction and r for r equal ones. From N samples of a wide layer both plug-in
values are too small, because N samples span at most N - 1 directions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_small_rows, as_tensor, as_vector
from loadpath.measures.pair_sums import PairSums, narrow
from loadpath.measures.separation import SEEN
from loadpath.statistics import (
    N_GROUPS,
    Estimate,
    Grouped,
    groups_of,
    jackknife,
    merged,
    near_rounding,
    unknown,
)

LEAST = 20
"""Samples below which neither has a number."""
SAMPLES_PER_RANK = 6.0
"""Samples needed for each of the effective rank; with fewer there is no number."""
LARGEST_CORRECTION = 0.1
"""Share of an effective rank that its correction may be; a larger one is not trusted."""
LEFT_OVER = 1 / 6
"""The most that is taken to be left of the bias, as a share of the correction."""


def self_sums(
    X: Float[Tensor, "sample width"], *, n_groups: int = N_GROUPS, seed: int = 0
) -> list[PairSums]:
    """Return the sums that both ranks need, of features that are at hand.

    Parameters
    ----------
    X : Tensor
        (sample, width) features of one layer.
    n_groups : int
        Into how many groups the samples are dealt for the interval, at least 2.
    seed : int
        Seed of the dealing.

    Returns
    -------
    list of PairSums
        Those of each group, of X with itself. If X is wider than it has samples, they are in as
        many coordinates as there are samples, which changes neither rank.

    Raises
    ------
    ValueError
        If X is not finite and 2-D.
    """
    as_small_rows("X", X)
    rows = narrow(as_tensor("X", X).detach())
    groups = Grouped(lambda: PairSums(rows.shape[-1]), n_groups)
    groups.update(groups_of(torch.arange(len(rows)), n_groups, seed=seed), rows)
    return groups.parts


def participation_ratio(parts: Sequence[PairSums], *, level: float = 0.95) -> Estimate:
    r"""Return the participation ratio of a layer, with a jackknife interval.

    Parameters
    ----------
    parts : sequence of PairSums
        The sums of every group of samples, of the layer with itself.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        Between 1 and the width, but for its error; dimensionless. The status is "not enough
        samples" with fewer than 20, and "constant features" where they vary by no more than the
        rounding of their type.

    Raises
    ------
    ValueError
        If the sums are not of X with itself, or `level` is not between 0 and 1.

    Notes
    -----
    In $(\mathrm{Tr}\,\Sigma)^2 / \mathrm{Tr}\,\Sigma^2$ both are estimated without bias [1]_, by
    `PairSums.trace_product` and `PairSums.hsic`. What bias is left is that of a ratio, of order 1/n
    and independent of the width, and the jackknife takes it off: fewer samples than directions will
    do. (Of r equal directions the plug-in value is near $r / (1 + r / n)$.)

    References
    ----------
    .. [1] Himeno and Yamada, J. Multivariate Analysis 130, 2014.

    Examples
    --------
    >>> X = torch.randn(200, 10, generator=torch.Generator().manual_seed(0))
    >>> found = participation_ratio(self_sums(X))
    >>> print(f"{found.value:.1f} ({found.low:.1f} to {found.high:.1f})")
    10.0 (9.6 to 10.4)
    """
    blocked = _blocked(parts)
    return blocked or _noted(jackknife(parts, _ratio, level=level, correct_bias=True), parts)


def effective_rank(parts: Sequence[PairSums], *, level: float = 0.95) -> Estimate:
    r"""Return the effective rank of a layer, with an interval.

    Parameters
    ----------
    parts : sequence of PairSums
        The sums of every group of samples, of the layer with itself.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        Between 1 and the width, but for its error; dimensionless. The status is "not enough
        samples" with fewer than 20, with fewer than 6 for each of the corrected rank, or where the
        correction is more than a tenth. It is "constant features" where they vary by no more than
        the rounding of their type.

    Raises
    ------
    ValueError
        If the sums are not of X with itself, or `level` is not between 0 and 1.

    Notes
    -----
    With $\sigma_k$ the singular values of the centred features, and
    $p_k = \sigma_k / \sum \sigma_k$, the effective rank is $\exp(-\sum p_k \log p_k)$ [1]_. The
    correction and the rules are this project's: the jackknife takes off the bias of order 1/n, and
    the interval is wider than the jackknife's by a sixth of that correction on either side, more
    than what was seen to be left of it.

    No rule can see directions so weak that N samples do not show them at all; `docs/measures.md`
    has a spectrum whose rank is missed by more than the interval.

    References
    ----------
    .. [1] Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO
       2007.

    Examples
    --------
    Five directions of one size, and five of a tenth of it, have an effective rank of 6.78:

    >>> scale = torch.tensor([1.0] * 5 + [0.1] * 5)
    >>> X = scale * torch.randn(500, 10, generator=torch.Generator().manual_seed(0))
    >>> found = effective_rank(self_sums(X))
    >>> print(f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})")
    6.78 (6.72 to 6.85)
    >>> effective_rank(self_sums(X[:10])).status
    'not enough samples'
    """
    blocked = _blocked(parts)
    if blocked:
        return blocked
    found = jackknife(parts, _spectral, level=level, correct_bias=True)
    correction = abs(found.value - _spectral(merged(parts)))
    too_few = found.n < SAMPLES_PER_RANK * found.value
    if too_few or correction > LARGEST_CORRECTION * found.value:
        return unknown(found.n, "not enough samples")
    left = LEFT_OVER * correction
    return _noted(replace(found, low=found.low - left, high=found.high + left), parts)


def effective_rank_of_spectrum(s: Float[Tensor, " mode"]) -> float:
    """Return the effective rank of singular values as they are.

    Parameters
    ----------
    s : Tensor
        (mode,) singular values.

    Returns
    -------
    float
        Dimensionless; 0 if all are 0.

    Raises
    ------
    ValueError
        If `s` is not finite, nonnegative and 1-D.

    Examples
    --------
    >>> round(effective_rank_of_spectrum(torch.ones(3)), 6)
    3.0
    """
    p = _shares(s)
    return math.exp(float(torch.special.entr(p).sum())) if len(p) else 0.0


def participation_ratio_of_spectrum(s: Float[Tensor, " mode"]) -> float:
    """Return the participation ratio of singular values as they are.

    Parameters
    ----------
    s : Tensor
        (mode,) singular values, and not their squares.

    Returns
    -------
    float
        Dimensionless; 0 if all are 0.

    Raises
    ------
    ValueError
        If `s` is not finite, nonnegative and 1-D.

    Examples
    --------
    >>> participation_ratio_of_spectrum(torch.tensor([2.0, 2.0, 0.0]))
    2.0
    """
    p = _shares(s)
    return float(p.square().sum().square() / p.pow(4).sum()) if len(p) else 0.0


def _shares(s: Tensor) -> Tensor:
    s = as_vector("s", s, least=0)
    return s / s.sum() if float(s.sum()) > 0 else s[:0]


def _blocked(parts: Sequence[PairSums]) -> Estimate | None:
    whole = merged(parts)
    if not whole.itself:
        raise ValueError("parts must pair X with itself, got sums of two features.")
    if whole.count < LEAST:
        return unknown(whole.count, "not enough samples")
    return unknown(whole.count, "constant features") if whole.constant else None


def _noted(estimate: Estimate, parts: Sequence[PairSums]) -> Estimate:
    """Return an estimate with a status that says where rounding of the features matters."""
    return near_rounding(estimate) if merged(parts).rounding_share > SEEN else estimate


def _spectral(sums: PairSums) -> float:
    return effective_rank_of_spectrum(sums.singular_values())


def _ratio(sums: PairSums) -> float:
    if sums.count < 4:
        return math.nan
    squares = sums.hsic()
    return sums.trace_product() / squares if squares > 0 else math.nan
