r"""Centred kernel alignment of two layers, debiased: how alike two representations are.

$\mathrm{CKA} = \|\mathrm{Cov}(x, y)\|_F^2 / (\|\mathrm{Cov}(x)\|_F \|\mathrm{Cov}(y)\|_F)$ for
linear kernels. It is 1 if the two are the same up to rotation, scale and offset, and 0 if they are
uncorrelated.

The plug-in estimate is biased toward 1, the more the wider the layers: independent Gaussians of
width w and n samples have about 1 / (1 + n / w). The debiased one estimates numerator and
denominators without bias, each by HSIC_1 (see `PairSums.hsic`).
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
from loadpath.measures.separation import SEEN, as_small_features, noise_floor
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

LEAST = 4
"""Samples that HSIC_1 needs."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """The sums that the alignment of X and Y needs: streamed, mergeable."""

    xy: PairSums
    """Sums of X with Y."""
    xx: PairSums
    """Sums of X with itself; other pairs with X may share them."""
    yy: PairSums
    """Sums of Y with itself."""

    @property
    def count(self) -> int:
        """Number of samples seen."""
        return self.xy.count

    def update(self, X: Any, Y: Any) -> None:
        """Add more samples.

        Parameters
        ----------
        X, Y : Tensor or array_like
            (sample, width_x) and (sample, width_y) features of the same samples.

        Raises
        ------
        ValueError
            If they are not finite, of other widths, or differ in length.
        """
        self.xy.update(X, Y)
        self.xx.update(X)
        self.yy.update(Y)

    def merge(self, other: Alignment) -> Alignment:
        """Return the sums of both sets of samples, as a new object.

        Parameters
        ----------
        other : Alignment
            Sums of the same widths over other samples.

        Returns
        -------
        Alignment
            The sums over all samples.

        Raises
        ------
        ValueError
            If the two differ in width.
        """
        return Alignment(self.xy.merge(other.xy), self.xx.merge(other.xx), self.yy.merge(other.yy))

    @property
    def constant(self) -> bool:
        """Whether X or Y is constant up to rounding."""
        return self.rounding_share >= 1

    @property
    def rounding_share(self) -> float:
        """The share of the scatter of X or of Y that rounding can make, if larger."""
        return max(self.xx.rounding_share, self.yy.rounding_share)

    def cka(self) -> float:
        r"""Return the debiased CKA of all samples.

        Returns
        -------
        float
            Dimensionless. Its error may take it out of [0, 1]: cut off there, it would be biased
            again. NaN where fewer than 4 samples, or features too alike, leave 0 / 0.
        """
        if self.count < LEAST or self.constant:
            return math.nan
        return _ratio(self.xy.hsic(), self.xx.hsic(), self.yy.hsic())

    def biased_cka(self) -> float:
        """Return the plug-in CKA, for comparison.

        Returns
        -------
        float
            Dimensionless, in [0, 1]; NaN with fewer than 2 samples, or features too alike.
        """
        if self.count < 2 or self.constant:
            return math.nan
        return _ratio(self.xy.biased_hsic(), self.xx.biased_hsic(), self.yy.biased_hsic())


def alignment(width_x: int, width_y: int) -> Alignment:
    """Return an alignment that has seen no samples yet.

    Parameters
    ----------
    width_x, width_y : int
        Widths of the two layers, at least 1.

    Returns
    -------
    Alignment
        Empty sums.

    Raises
    ------
    ValueError
        For a width below 1.
    """
    return Alignment(PairSums(width_x, width_y), PairSums(width_x), PairSums(width_y))


def debiased_cka(parts: Sequence[Alignment], *, level: float = 0.95) -> Estimate:
    r"""Return the debiased linear CKA of two layers, with a jackknife interval.

    Parameters
    ----------
    parts : sequence of Alignment
        The sums of every group of samples, as `Grouped` has them.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        Dimensionless: 1 for layers that are the same up to rotation, scale and offset, and 0 for
        uncorrelated ones. The status is "not enough samples" with fewer than 4, or where no two of
        them are more alike than any other two, as with one-hot features of distinct samples. It is
        "constant features" where X or Y varies by no more than the rounding of its type.

    Raises
    ------
    ValueError
        If the parts do not fit each other, or `level` is not between 0 and 1.

    See Also
    --------
    linear_cka : The same in one call, for features that are at hand.

    Notes
    -----
    The value of all samples is
    $\mathrm{HSIC}_1(x, y) / \sqrt{\mathrm{HSIC}_1(x, x)\, \mathrm{HSIC}_1(y, y)}$.

    References
    ----------
    .. [1] Kornblith, Norouzi, Lee and Hinton, ICML 2019, arXiv:1905.00414.
    .. [2] Nguyen, Raghu and Kornblith, ICLR 2021, arXiv:2010.15327, for the debiased form.

    Examples
    --------
    Unrelated layers, wide for their 100 samples, so that the plug-in value is far from 0:

    >>> X = torch.randn(100, 20, generator=torch.Generator().manual_seed(0))
    >>> Y = torch.randn(100, 30, generator=torch.Generator().manual_seed(1))
    >>> sums = Grouped(lambda: alignment(20, 30))
    >>> for indices in torch.arange(100).split(25):
    ...     sums.update(groups_of(indices), X[indices], Y[indices])
    >>> found = debiased_cka(sums.parts)
    >>> found.low < 0 < found.high
    True
    >>> round(merged(sums.parts).biased_cka(), 2)
    0.19
    """
    whole = merged(parts)
    if whole.count < LEAST:
        return unknown(whole.count, "not enough samples")
    if whole.constant:
        return unknown(whole.count, "constant features")
    if math.isnan(whole.cka()):
        return unknown(whole.count, "not enough samples")
    found = jackknife(parts, Alignment.cka, level=level)
    return near_rounding(found) if whole.rounding_share > SEEN else found


def linear_cka(
    X: Float[Tensor, "sample width_x"],
    Y: Float[Tensor, "sample width_y"],
    *,
    n_groups: int = N_GROUPS,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Return the `debiased_cka` of features that are at hand.

    Parameters
    ----------
    X, Y : Tensor or array_like
        (sample, width_x) and (sample, width_y) features of the same samples.
    n_groups : int
        Into how many groups the samples are dealt for the interval, at least 2.
    seed : int
        Seed of the dealing.
    level : float
        Confidence level of the interval, between 0 and 1.

    Returns
    -------
    Estimate
        As `debiased_cka`.

    Raises
    ------
    ValueError
        If X or Y is not finite and 2-D, or they differ in length.

    Notes
    -----
    The cost is O(N v (w_x + w_y)), with v the larger of the widths or N if that is less, and memory
    is O(v^2) for each group: layers of any width will do for the samples of a `Reservoir`.

    Examples
    --------
    >>> X = torch.randn(300, 20, generator=torch.Generator().manual_seed(0))
    >>> round(linear_cka(X, 3 * X.flip(1) + 5).value, 6)  # turned, scaled and moved
    1.0
    """
    rows, share = [], 0.0
    for name, features in (("X", X), ("Y", Y)):
        given, epsilon = as_small_features(name, features)
        centred = given - given.mean(0)
        scatter, noise = float(centred.norm()), noise_floor(epsilon, float(given.norm()))
        share = max(share, (noise / scatter) ** 2 if scatter > 0 else math.inf)
        rows.append(narrow(centred))
    x, y = rows
    if len(x) != len(y):
        raise ValueError(f"Y must have as many rows as X ({len(x)}), got {len(y)}.")
    if share >= 1 and len(x) >= LEAST:
        return unknown(len(x), "constant features")
    groups = Grouped(lambda: alignment(x.shape[1], y.shape[1]), n_groups)
    groups.update(groups_of(torch.arange(len(x)), n_groups, seed=seed), x, y)
    found = debiased_cka(groups.parts, level=level)
    return near_rounding(found) if share > SEEN else found


def _ratio(xy: float, xx: float, yy: float) -> float:
    return xy / math.sqrt(xx * yy) if xx > 0 and yy > 0 else math.nan
