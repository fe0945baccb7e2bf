"""Paired sums: of a pass, and of the same pass with a layer left out, sample by sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from scipy import special
from torch import Tensor

from loadpath.checks import check_level
from loadpath.statistics import Estimate, alone, jackknife, merged, unknown

AddedUnits = tuple[tuple[float, float], ...]
"""Units that are not data and steady an interval, as (how many, their ratio)."""
SHARE: AddedUnits = ((2.0, 1.0), (2.0, 0.0))
"""Units added to a share: two for it and two against it. Agresti and Coull, The American
Statistician 52, 1998."""
MATCHED: AddedUnits = ((0.5, 1.0), (0.5, -1.0), (1.0, 0.0))
"""Units added to the difference of two shares of the same units: half a unit for every way in which
both can turn out. Agresti and Min, Statistics in Medicine 24, 2005."""


@dataclass
class RatioSums:
    r"""Streamed sums for $R = \sum_i d_i / \sum_i t_i$ over units i, in float64.

    With all $t_i = 1$ this is the mean of d. With $t_i$ the number of tokens of a sample and $d_i$
    what they lose together, it is the mean over tokens, where those of one sample belong together.
    Centred squares are kept, so that a small spread about a large mean keeps its digits.
    """

    count: int = 0
    """How many units were seen."""
    total: Tensor = field(default_factory=lambda: torch.zeros(2, dtype=torch.float64))
    """Sums of d and of t, (2,)."""
    squares: Tensor = field(default_factory=lambda: torch.zeros(2, 2, dtype=torch.float64))
    """Centred squares and products of d and t, summed, (2, 2)."""

    def update(self, d: Tensor, t: Tensor) -> None:
        """Add units: d and t, (unit,) each."""
        if not len(d):
            return
        both = torch.stack([d.cpu().double(), t.cpu().double()])
        n, m = self.count, both.shape[1]
        mean = both.mean(1)
        centred = both - mean[:, None]
        apart = mean - self.total / max(n, 1)
        self.squares += centred @ centred.T + n * m / (n + m) * torch.outer(apart, apart)
        self.total += both.sum(1)
        self.count += m

    def estimate(
        self,
        *,
        level: float = 0.95,
        added: AddedUnits = (),
        within: tuple[float, float] = (-math.inf, math.inf),
    ) -> Estimate:
        r"""Return R with a t interval over units, as if they were drawn independently.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level of the interval.
        added : tuple of (float, float)
            Units that the interval, not R, is widened by, as (how many, their ratio). The plain
            interval of a share that is alike in all units would be empty.
        within : tuple of float
            The range that the interval is cut off at.

        Returns
        -------
        Estimate
            R without an interval for a single unit, and no number without any.

        Raises
        ------
        ValueError
            If `level` is not between 0 and 1.

        Notes
        -----
        The standard error is $\sqrt{\frac{n}{n-1} \sum_i (d_i - R t_i)^2} / \sum_i t_i$ with n - 1
        degrees of freedom: the textbook's for the mean of $d_i$ where all $t_i$ are equal, and its
        linearization where they are not.

        References
        ----------
        .. [1] Cochran, "Sampling Techniques", 1977, chapter 6 (ratio estimates).
        """
        check_level(level)
        if float(self.total[1]) == 0:
            return unknown(self.count, "not enough samples")
        R = float(self.total[0] / self.total[1])
        if self.count < 2:
            return alone(R, self.count)
        n, mean, squares = float(self.count), self.total / self.count, self.squares
        for m, ratio in added:  # each of the mean weight
            apart = torch.stack([ratio * mean[1], mean[1]]) - mean
            squares = squares + n * m / (n + m) * torch.outer(apart, apart)
            mean, n = mean + m / (n + m) * apart, n + m
        middle = float(mean[0] / mean[1])
        weights = torch.tensor([1.0, -middle], dtype=torch.float64)
        rest = max(0.0, float(weights @ squares @ weights))
        error = math.sqrt(n / (n - 1) * rest) / (n * float(mean[1]))
        reach = float(special.stdtrit(self.count - 1, (1 + level) / 2)) * error
        low, high = max(middle - reach, within[0]), min(middle + reach, within[1])
        return Estimate(R, low, high, self.count, "estimated")


def square_root(estimate: Estimate) -> Estimate:
    """Return the square root of a ratio of squares and of its ends; what is below 0 counts as 0."""
    value, low, high = (
        math.nan if math.isnan(x) else math.sqrt(max(0.0, x))
        for x in (estimate.value, estimate.low, estimate.high)
    )
    return Estimate(value, low, high, estimate.n, estimate.status)


@dataclass
class OutputSums:
    """Mergeable sums of outputs (row, width) and of how far each skipped layer moves them."""

    moved: Tensor
    """Squared differences, summed, (layer,); NaN for a layer that was not skipped."""
    count: int = 0
    """How many rows were seen."""
    mean: Tensor | None = None
    """Mean row, (width,)."""
    spread: float = 0.0
    """Squared distances from the mean row, summed."""

    def update(self, rows: Tensor, moved: Tensor) -> None:
        """Add outputs (row, width) and the squares by which they moved, (row, layer)."""
        rows = rows.double()
        mean = rows.mean(0)
        spread = float((rows - mean).square().sum())
        whole = self.merge(OutputSums(moved.double().sum(0), len(rows), mean, spread))
        self.__dict__.update(whole.__dict__)

    def merge(self, other: OutputSums) -> OutputSums:
        """Return the sums of both sets of rows, as a new object."""
        moved, n, m = self.moved + other.moved, self.count, other.count
        if self.mean is None or other.mean is None:
            mean = other.mean if self.mean is None else self.mean
            return OutputSums(moved, n + m, mean, self.spread + other.spread)
        apart = other.mean - self.mean
        between = n * m / (n + m) * float(apart.square().sum())
        return OutputSums(
            moved, n + m, self.mean + m / (n + m) * apart, self.spread + other.spread + between
        )


def output_change(parts: Sequence[OutputSums], layer: int, *, level: float = 0.95) -> Estimate:
    r"""Return how far skipping a layer moves the outputs, relative to how far outputs differ.

    0 means that nothing changes, and 1 that outputs move by as much as they differ from one
    another. Scaling or shifting the outputs changes nothing.

    Parameters
    ----------
    parts : sequence of OutputSums
        The sums of each group of samples.
    layer : int
        Which layer.
    level : float, default 0.95
        Confidence level of the interval.

    Returns
    -------
    Estimate
        $\|f_{skip} - f\| / \|f - \bar f\|$ over all rows f, with $\bar f$ the mean row and a
        grouped jackknife's interval. Its status is "constant features" if all rows are alike.
    """
    whole = merged(parts)
    if whole.count == 0 or math.isnan(float(whole.moved[layer])):
        return unknown(whole.count, "not enough samples")
    if whole.spread == 0:
        return unknown(whole.count, "constant features")

    def statistic(sums: OutputSums) -> float:
        return math.sqrt(float(sums.moved[layer]) / sums.spread) if sums.spread > 0 else math.nan

    return jackknife(parts, statistic, level=level)
