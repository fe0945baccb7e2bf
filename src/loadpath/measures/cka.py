r"""Centred kernel alignment of two layers, debiased: how alike two representations are.

$\mathrm{CKA} = \|\mathrm{Cov}(x, y)\|_F^2 / (\|\mathrm{Cov}(x)\|_F \|\mathrm{Cov}(y)\|_F)$ for
linear kernels: 1 if the two are the same up to rotation, scale and offset, 0 if uncorrelated.

The plug-in estimate is biased toward 1, the more the wider the layers: independent Gaussians of
width w have about 1 / (1 + n / w). The debiased one estimates numerator and denominators without
bias, each by HSIC_1 (see `PairSums.hsic`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.measures.pair_sums import PairSums, narrow
from loadpath.measures.separation import as_features, noise_floor
from loadpath.statistics import N_GROUPS, Estimate, Grouped, groups_of, jackknife, merged, unknown

LEAST = 4
"""Samples that HSIC_1 needs."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """The sums that the alignment of X and Y needs; mergeable."""

    xy: PairSums
    """Of X with Y."""
    xx: PairSums
    """Of X with itself: other pairs with X may share it."""
    yy: PairSums
    """Of Y with itself."""

    @property
    def count(self) -> int:
        """Number of samples seen."""
        return self.xy.count

    def update(self, X: Any, Y: Any) -> None:
        """Take in more samples, X (sample, width_x) and Y (sample, width_y)."""
        self.xy.update(X, Y)
        self.xx.update(X)
        self.yy.update(Y)

    def merge(self, other: Alignment) -> Alignment:
        """Sums of both sets of samples, as a new object."""
        return Alignment(self.xy.merge(other.xy), self.xx.merge(other.xx), self.yy.merge(other.yy))

    @property
    def constant(self) -> bool:
        """Whether X or Y is constant up to rounding."""
        return self.xx.constant or self.yy.constant

    def cka(self) -> float:
        r"""Debiased CKA; NaN where fewer than 4 samples, or features too alike, leave 0 / 0.

        Outside of [0, 1] by its error at times: cut off there, it would be biased again.
        """
        if self.count < LEAST or self.constant:
            return math.nan
        return _ratio(self.xy.hsic(), self.xx.hsic(), self.yy.hsic())

    def biased_cka(self) -> float:
        """Plug-in CKA, for comparison; NaN where `cka` is for want of variation."""
        if self.count < 2 or self.constant:
            return math.nan
        return _ratio(self.xy.biased_hsic(), self.xx.biased_hsic(), self.yy.biased_hsic())


def alignment(width_x: int, width_y: int) -> Alignment:
    """Sums of no samples yet."""
    return Alignment(PairSums(width_x, width_y), PairSums(width_x), PairSums(width_y))


def debiased_cka(parts: Sequence[Alignment], *, level: float = 0.95) -> Estimate:
    r"""Debiased linear CKA from the sums of every group of samples, with a jackknife interval.

    $\mathrm{HSIC}_1(x, y) / \sqrt{\mathrm{HSIC}_1(x, x)\, \mathrm{HSIC}_1(y, y)}$ of all samples.

    >>> sums = Grouped(lambda: alignment(100, 50))
    >>> for X, Y, indices in batches:
    ...     sums.update(groups_of(indices), X, Y)
    >>> debiased_cka(sums.parts)

    "not enough samples": fewer than 4, or no two of them more alike than any other two, as with
    one-hot features of distinct samples. "constant features": X or Y, up to rounding of its dtype.

    Source: Kornblith, Norouzi, Lee and Hinton, ICML 2019, arXiv:1905.00414; debiased: Nguyen, Raghu
    and Kornblith, ICLR 2021, arXiv:2010.15327.
    """
    whole = merged(parts)
    if whole.count < LEAST:
        return unknown(whole.count, "not enough samples")
    if whole.constant:
        return unknown(whole.count, "constant features")
    if math.isnan(whole.cka()):
        return unknown(whole.count, "not enough samples")
    return jackknife(parts, Alignment.cka, level=level)


def linear_cka(
    X: Float[Tensor, "sample width_x"],
    Y: Float[Tensor, "sample width_y"],
    *,
    n_groups: int = N_GROUPS,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """`debiased_cka` of features at hand, their samples dealt into groups by `seed`.

    Cost O(N v (w_x + w_y)), v the larger of the widths or N if that is less, and memory O(v^2) for
    each group: layers of any width will do for the samples of a `Reservoir`.

    Raises: ValueError if X or Y is not finite and 2-D, or they differ in length.
    """
    rows, constant = [], False
    for name, features in (("X", X), ("Y", Y)):
        given, epsilon = as_features(name, features)
        centred = given - given.mean(0)
        constant |= float(centred.norm()) <= noise_floor(epsilon, float(given.norm()))
        rows.append(narrow(centred))
    x, y = rows
    if len(x) != len(y):
        raise ValueError(f"Y must have as many rows as X ({len(x)}), got {len(y)}.")
    if constant and len(x) >= LEAST:
        return unknown(len(x), "constant features")
    groups = Grouped(lambda: alignment(x.shape[1], y.shape[1]), n_groups)
    groups.update(groups_of(torch.arange(len(x)), n_groups, seed=seed), x, y)
    return debiased_cka(groups.parts, level=level)


def _ratio(xy: float, xx: float, yy: float) -> float:
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else math.nan
