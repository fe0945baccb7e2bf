r"""Sums over samples of one step of a residual stream, and the numbers that are read off them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from loadpath.checks import as_rows, check_choice

StepKind = Literal["sample", "rms"]


@dataclass
class StepSums:
    r"""Sums over samples of a step from A_{l-1} to A_l: streamed, mergeable, in float64.

    The two may be any two layers of one shape, such as the first and the last. Memory is that of
    six numbers.

    Examples
    --------
    >>> sums = StepSums()
    >>> A = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    >>> for rows in A.split(30):
    ...     sums.update(rows, 2 * rows)
    >>> round(sums.relative_step(), 6), round(sums.turn(), 6), round(sums.growth(), 6)
    (0.5, 0.0, 0.693147)
    """

    count: int = 0
    """Number of samples seen."""
    before: float = 0.0
    r"""Sum $\sum |A_{l-1}|^2$."""
    after: float = 0.0
    r"""Sum $\sum |A_l|^2$."""
    moved: float = 0.0
    r"""Sum $\sum |A_l - A_{l-1}|^2$."""
    growing: int = 0
    """Samples that are zero neither before nor after."""
    log_growth: float = 0.0
    r"""Sum $\sum \log(|A_l| / |A_{l-1}|)$ over these samples."""

    @torch.no_grad()
    def update(self, before: Any, after: Any) -> None:
        """Add more samples.

        Parameters
        ----------
        before, after : Tensor
            (sample, width) A_{l-1} and A_l of the same samples.

        Raises
        ------
        ValueError
            If they are not finite and of one shape.
        """
        everything = torch.zeros(len(before), dtype=torch.int64)
        (more,) = self.split_by_group(everything, 1, before, after)
        self.__dict__.update(self.merge(more).__dict__)

    @classmethod
    @torch.no_grad()
    def split_by_group(
        cls, groups: Tensor, n_groups: int, before: Any, after: Any
    ) -> list[StepSums]:
        """Return the sums of each group of samples, from one pass over all of them.

        Parameters
        ----------
        groups : Tensor
            (sample,) group numbers from 0 to `n_groups` - 1.
        n_groups : int
            How many groups there are.
        before, after : Tensor
            (sample, width) A_{l-1} and A_l of the same samples.

        Returns
        -------
        list of StepSums
            Those of every group, also where it has no samples.

        Raises
        ------
        ValueError
            If the two are not finite and of one shape.
        """
        start = as_rows("before", before)
        end = as_rows("after", after, shape=tuple(start.shape)).to(start.device)
        a, b = torch.linalg.vector_norm(start, dim=1), torch.linalg.vector_norm(end, dim=1)
        both = (a > 0) & (b > 0)
        growth = torch.where(both, b / a, 1.0).log()
        moved = (end - start).square().sum(1)
        each = torch.stack([torch.ones_like(a), a.square(), b.square(), moved, both, growth], dim=1)
        sums = each.new_zeros(n_groups, each.shape[1])
        sums.index_add_(0, groups.to(each.device), each)
        return [
            cls(int(count), before, after, moved, int(growing), growth)
            for count, before, after, moved, growing, growth in sums.tolist()
        ]

    def merge(self, other: StepSums) -> StepSums:
        """Return the sums of both sets of samples, as a new object.

        Parameters
        ----------
        other : StepSums
            Sums over other samples.

        Returns
        -------
        StepSums
            The sums over all samples.
        """
        return StepSums(
            self.count + other.count,
            self.before + other.before,
            self.after + other.after,
            self.moved + other.moved,
            self.growing + other.growing,
            self.log_growth + other.log_growth,
        )

    def relative_step(self) -> float:
        r"""Return the step relative to where it ends, $\|A_l - A_{l-1}\|_F / \|A_l\|_F$.

        Returns
        -------
        float
            $c_l$ of [LR]: the `speed` of `loadpath.mechanics.profile` times the layer step rho_l.
            Dimensionless; NaN where A_l is 0.
        """
        return math.sqrt(self.moved / self.after) if self.after > 0 else math.nan

    def turn(self) -> float:
        r"""Return the angle between A_{l-1} and A_l over all samples.

        Returns
        -------
        float
            Radians, from 0 to pi; NaN if one of the two is 0.

        Notes
        -----
        It is what is left of the step without growth, and scaling either changes nothing:
        $4 \sin^2(\theta / 2) = (\|A_l - A_{l-1}\|^2 - (\|A_l\| - \|A_{l-1}\|)^2) /
        \|A_l\| \|A_{l-1}\|$.
        """
        if self.before == 0 or self.after == 0:
            return math.nan
        a, b = math.sqrt(self.before), math.sqrt(self.after)
        sideways = max(0.0, self.moved - (b - a) ** 2)
        return 2 * math.asin(min(1.0, math.sqrt(sideways / (4 * a * b))))

    def growth(self, kind: StepKind = "sample") -> float:
        r"""Return the logarithm of how many times larger A_l is than A_{l-1}.

        Parameters
        ----------
        kind : {"sample", "rms"}
            "sample" is the mean over samples of $\log(|A_l| / |A_{l-1}|)$, which is what a block
            that normalizes every sample sees; samples that are 0 before or after are left out.
            "rms" is $\log(\|A_l\|_F / \|A_{l-1}\|_F)$, which the largest samples decide.

        Returns
        -------
        float
            Dimensionless; NaN where one of the two is 0.

        Raises
        ------
        ValueError
            For another `kind`.
        """
        check_kind(kind)
        if kind == "sample":
            return self.log_growth / self.growing if self.growing else math.nan
        if self.before == 0 or self.after == 0:
            return math.nan
        return 0.5 * math.log(self.after / self.before)


def check_kind(kind: str) -> None:
    """Refuse an unknown kind of growth.

    Parameters
    ----------
    kind : str
        What was given.

    Raises
    ------
    ValueError
        If it is neither "sample" nor "rms".
    """
    check_choice("kind", kind, ("sample", "rms"))
