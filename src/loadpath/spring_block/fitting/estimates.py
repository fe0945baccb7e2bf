"""The parameters of a fitted chain, with intervals: the numbers that a fit comes to."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadpath.results import Shown, Status
from loadpath.spring_block.chain import Array, Chain
from loadpath.spring_block.fitting.curves import Observed
from loadpath.spring_block.fitting.least_squares import Problem

OPEN = 4.0
"""Standard deviation of the logarithm of a parameter that may be anywhere in the range searched."""


@dataclass(frozen=True, eq=False, repr=False)
class Estimates(Shown):
    """The parameters of a chain fitted to load curves, and how far the curves tell them.

    The parameters are called "stiffness", "friction_right", "friction_left", "noise 0", "noise 1",
    and so on, one noise for each level. If the stiffness is free, frictions and noise are in units
    of it, and are named so ("friction_right / stiffness"): only these ratios can be known better
    than the stiffness itself.
    """

    chain: Chain
    """The chain with the best parameters; its frictions are forces."""
    noise: Array
    """(level,) best noise of each level, as `simulate` takes it."""
    value: dict[str, float]
    """Best value of each parameter."""
    interval: dict[str, tuple[float, float]]
    """Ends of each parameter's interval; 0 and infinity where curves set no bound."""
    level: float
    """Confidence level of the intervals: the chance that one covers its parameter, each for
    itself."""
    loads: Array
    """(level, spring) mean loads of the fitted chain."""
    observed: Observed
    """The curves, scaled to the target, with their errors."""
    chi_square: float
    """Squared distance of the curves from `loads` in units of their errors, or of the errors that
    the residuals imply if none were known."""
    dof: int
    """Number of independent numbers observed, less free parameters; at least 0."""
    p_value: float
    """Chance of so large a `chi_square` if the model is right; NaN if that cannot be said."""
    status: Status
    """How the fit ended: `POOR_FIT` if the p-value is below 0.01, `NOT_CONVERGED` if the search was
    cut off, and else `CONVERGED`."""
    problem: Problem
    """The least-squares problem that was solved."""
    theta: Array
    """(parameter,) logarithms of the best parameters, as `problem` takes them."""

    @property
    def identified(self) -> dict[str, bool]:
        """Whether the curves bound each free parameter from both sides, by its name."""
        return {
            name: low > 0 and math.isfinite(high)
            for (name, (low, high)), free in zip(
                self.interval.items(), self.problem.free, strict=True
            )
            if free
        }
