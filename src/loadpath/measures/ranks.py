r"""Effective dimensions of a layer's covariance, corrected for the number of samples.

Of the eigenvalues $\lambda_k$ of the covariance of the features, and their roots $\sigma_k$:

- participation ratio $(\sum \lambda_k)^2 / \sum \lambda_k^2$: directions of much variance;
- effective rank $\exp(-\sum p_k \log p_k)$, $p_k = \sigma_k / \sum \sigma_k$: a long weak tail
  counts for more.

Both are 1 for one direction and r for r equal ones. From N samples of a wide layer both plug-in
values are too small, for N samples span at most N - 1 directions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.measures.pair_sums import PairSums, narrow
from loadpath.statistics import N_GROUPS, Estimate, Grouped, groups_of, jackknife, merged, unknown

LEAST = 20
"""Samples below which neither has a number."""
SAMPLES_PER_RANK = 6.0
"""Samples that an effective rank of 1 takes: fewer, and there is no number."""
LARGEST_CORRECTION = 0.1
"""Share of an effective rank that its correction may be; a larger one is not trusted."""
LEFT_OVER = 1 / 6
"""Share of the correction that is taken to be left of the bias, at most."""


def self_sums(
    X: Float[Tensor, "sample width"], *, n_groups: int = N_GROUPS, seed: int = 0
) -> list[PairSums]:
    """Sums of X with itself, its samples dealt into groups by `seed`: what both ranks take.

    Of X wider than it has samples, those of its samples in as many coordinates.

    Raises: ValueError if X is not finite and 2-D.
    """
    rows = narrow(X) if X.ndim == 2 else X
    groups = Grouped(lambda: PairSums(rows.shape[-1]), n_groups)
    groups.update(groups_of(torch.arange(len(rows)), n_groups, seed=seed), rows)
    return groups.parts


def participation_ratio(parts: Sequence[PairSums], *, level: float = 0.95) -> Estimate:
    r"""Participation ratio from the sums of every group, with a jackknife interval.

    $(\mathrm{Tr}\,\Sigma)^2 / \mathrm{Tr}\,\Sigma^2$, both estimated without bias by
    `PairSums.trace_product` and `PairSums.hsic`. What bias is left is that of a ratio, of order
    1/n and independent of the width, and the jackknife takes it off: fewer samples than directions
    will do. (Of r equal directions the plug-in value is near $r / (1 + r / n)$.)

    "not enough samples": fewer than 20. "constant features": up to rounding of their dtype.

    Raises: ValueError if the sums are not of X with itself.
    Source: Himeno and Yamada, J. Multivariate Analysis 130, 2014 for the traces.
    """
    blocked = _blocked(parts)
    return blocked or jackknife(parts, _ratio, level=level, correct_bias=True)


def effective_rank(parts: Sequence[PairSums], *, level: float = 0.95) -> Estimate:
    r"""Effective rank from the sums of every group: jackknife value and interval.

    The bias of order 1/n is taken off by the jackknife; the interval is wider than the jackknife's
    by a sixth of that correction on either side, more than what was seen to be left of it.
    "not enough samples": fewer than 20, or than 6 for each of the corrected rank, or a correction
    of more than a tenth; "constant features": up to rounding of their dtype.

    No rule can see directions so weak that N samples do not show them at all: see
    `docs/measures.md` for a spectrum whose rank is missed by more than the interval.

    Raises: ValueError if the sums are not of X with itself.
    Source: Roy and Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO
    2007; the correction and the rule are ours.
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
    return replace(found, low=found.low - left, high=found.high + left)


def effective_rank_of_spectrum(s: Float[Tensor, " mode"]) -> float:
    """Effective rank of singular values as they are; 0 if all are 0.

    Raises: ValueError if `s` is not finite, nonnegative and 1-D.
    """
    p = _shares(s)
    return math.exp(float(torch.special.entr(p).sum())) if len(p) else 0.0


def participation_ratio_of_spectrum(s: Float[Tensor, " mode"]) -> float:
    """Participation ratio of singular values (not their squares) as they are; 0 if all are 0.

    Raises: ValueError if `s` is not finite, nonnegative and 1-D.
    """
    p = _shares(s)
    return float(p.square().sum().square() / p.pow(4).sum()) if len(p) else 0.0


def _shares(s: Tensor) -> Tensor:
    if s.ndim != 1 or len(s) == 0 or not bool((torch.isfinite(s) & (s >= 0)).all()):
        raise ValueError(f"s must be finite nonnegative singular values, got {s.tolist()}.")
    s = s.double()
    return s / s.sum() if float(s.sum()) > 0 else s[:0]


def _blocked(parts: Sequence[PairSums]) -> Estimate | None:
    whole = merged(parts)
    if not whole.itself:
        raise ValueError("parts must pair X with itself, got sums of two features.")
    if whole.count < LEAST:
        return unknown(whole.count, "not enough samples")
    return unknown(whole.count, "constant features") if whole.constant else None


def _spectral(sums: PairSums) -> float:
    return effective_rank_of_spectrum(sums.singular_values())


def _ratio(sums: PairSums) -> float:
    if sums.count < 4:
        return math.nan
    squares = sums.hsic()
    return sums.trace_product() / squares if squares > 0 else math.nan
