"""Intervals of what the pass has summed over all samples, from the samples that it has kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from loadpath.diagnosis.profile.entries import Entry
from loadpath.diagnosis.profile.numbers import Numbers
from loadpath.statistics import Estimate, jackknife_of


@dataclass(frozen=True)
class Kept:
    """Numbers of the kept samples, and of all but each group's."""

    whole: Numbers
    without: Sequence[Numbers]
    sizes: Int[np.ndarray, " group"]
    """Samples in each group."""

    def draws(self, name: str) -> tuple[float, Float[np.ndarray, " group"]]:
        """A number of all, and without each group."""
        return self.whole[name], np.array([numbers[name] for numbers in self.without])


def leave_one_out(
    rows: Sequence[Tensor], groups: Int[Tensor, " sample"], measure: Callable[..., Numbers]
) -> Kept:
    """`measure(*rows)` of all samples, and with each group's samples left out."""
    present, sizes = groups.unique(return_counts=True)
    without = [measure(*(part[groups != g] for part in rows)) for g in present]
    return Kept(measure(*rows), without, sizes.numpy())


def leave_one_sum_out(
    rows: Sequence[Tensor],
    groups: Int[Tensor, " sample"],
    sums: Callable[..., tuple[Tensor, ...]],
    measure: Callable[..., Numbers],
) -> Kept:
    """`leave_one_out` of a measure of `sums(*rows)`, which add up over samples.

    What is without a group is the difference of two sums: enough digits for an interval.
    """
    whole = sums(*rows)
    present, sizes = groups.unique(return_counts=True)
    without = []
    for g in present:
        own = sums(*(part[groups == g] for part in rows))
        without.append(measure(*(a - b for a, b in zip(whole, own, strict=True))))
    return Kept(measure(*whole), without, sizes.numpy())


def of_all(
    value: float,
    drawn: tuple[float, Float[np.ndarray, " group"]],
    sizes: Int[np.ndarray, " group"],
    *,
    n: int,
    level: float,
) -> Entry:
    """A value of all n samples, with the interval that the kept ones give it.

    The standard error of a smooth function of means falls as one over the root of the number of
    samples, so the half-width of the kept ones' jackknife interval is narrowed by that.
    """
    theta, without = drawn
    if not math.isfinite(theta):
        return Entry(value, math.nan, math.nan, "no interval")
    kept: Estimate = jackknife_of(theta, without, sizes, level=level)
    if math.isnan(kept.low):
        return Entry(value, math.nan, math.nan, "no interval")
    reach = (kept.high - kept.low) / 2 * math.sqrt(min(1.0, kept.n / n))
    return Entry(value, value - reach, value + reach, "estimated")
