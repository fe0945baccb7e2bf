"""Intervals of numbers that come from all samples, by means of the samples that were kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from loadpath.diagnosis.profile.entries import ColumnEntry, entry_without_interval
from loadpath.diagnosis.profile.numbers import Numbers
from loadpath.statistics import Estimate, jackknife_from_values


@dataclass(frozen=True)
class GroupedNumbers:
    """Numbers of the kept samples, and of the kept samples without each group."""

    whole: Numbers
    """Numbers of all kept samples."""
    without: Sequence[Numbers]
    """Numbers of the samples without one group, group by group."""
    sizes: Int[np.ndarray, " group"]
    """Samples in each group."""

    def values(self, name: str) -> tuple[float, Float[np.ndarray, " group"]]:
        """Return one number of all kept samples, and without each group."""
        return self.whole[name], np.array([numbers[name] for numbers in self.without])


def leave_one_out(
    rows: Sequence[Tensor], groups: Int[Tensor, " sample"], measure: Callable[..., Numbers]
) -> GroupedNumbers:
    """Return `measure(*rows)` of all samples, and with each group's samples left out."""
    present, sizes = groups.unique(return_counts=True)
    whole = measure(*rows)
    if len(present) < 2:  # nothing is left without the only group
        return GroupedNumbers(whole, [whole], sizes.numpy())
    without = [measure(*(part[groups != g] for part in rows)) for g in present]
    return GroupedNumbers(whole, without, sizes.numpy())


def leave_one_sum_out(
    rows: Sequence[Tensor],
    groups: Int[Tensor, " sample"],
    sums: Callable[..., tuple[Tensor, ...]],
    measure: Callable[..., Numbers],
) -> GroupedNumbers:
    """Return what `leave_one_out` does, of a measure of `sums(*rows)` that add up over samples."""
    whole = sums(*rows)
    present, sizes = groups.unique(return_counts=True)
    if len(present) < 2:
        numbers = measure(*whole)
        return GroupedNumbers(numbers, [numbers], sizes.numpy())
    without = []
    for g in present:
        own = sums(*(part[groups == g] for part in rows))
        # A difference of two sums has lost some digits, and has enough of them for an interval.
        without.append(measure(*(a - b for a, b in zip(whole, own, strict=True))))
    return GroupedNumbers(measure(*whole), without, sizes.numpy())


def narrowed_entry(
    value: float,
    kept: tuple[float, Float[np.ndarray, " group"]],
    sizes: Int[np.ndarray, " group"],
    *,
    n: int,
    level: float,
) -> ColumnEntry:
    """Return a value of all n samples, with the interval that the kept ones give it.

    `kept` has the value of the kept samples and of these without each group. The standard error of
    a smooth function of means falls as one over the root of the number of samples, so the
    half-width of the kept samples' jackknife interval is narrowed by that.
    """
    theta, without = kept
    if not math.isfinite(theta):
        return entry_without_interval(value)
    estimate: Estimate = jackknife_from_values(theta, without, sizes, level=level)
    if math.isnan(estimate.low):
        return entry_without_interval(value)
    reach = (estimate.high - estimate.low) / 2 * math.sqrt(min(1.0, estimate.n / n))
    return ColumnEntry(value, value - reach, value + reach, "estimated")
