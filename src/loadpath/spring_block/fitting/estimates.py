"""The parameters of a fitted chain, with intervals: the numbers that a fit comes to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from loadpath.spring_block.chain import Array, Chain
from loadpath.spring_block.fitting.curves import Observed
from loadpath.spring_block.fitting.least_squares import Problem

Status = Literal["converged", "poor fit", "not converged"]

OPEN = 4.0
"""Standard deviation of a logarithm that is anywhere in the range searched."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """The parameters of a chain fitted to load curves, and how far the curves tell them.

    Names of parameters: "stiffness", "friction_right", "friction_left", "noise 0", "noise 1", ...
    Frictions and noise are in units of stiffness if that is free, and named so
    ("friction_right / stiffness"): only their ratios can be known better than it.
    """

    chain: Chain
    """With the best parameters, frictions in units of force."""
    noise: Array
    """(level,) best noise, as `simulate` takes it."""
    value: dict[str, float]
    """Best value of each parameter."""
    interval: dict[str, tuple[float, float]]
    """Ends of each parameter's interval; 0 and infinity where curves set no bound."""
    confidence: float
    """Chance that an interval covers its parameter, each for itself."""
    loads: Array
    """(level, spring) mean loads of the fitted chain."""
    observed: Observed
    """The curves, scaled to the target, with their errors."""
    chi_square: float
    """Squared distance of the curves from `loads`; in errors that fit them, if none were known."""
    dof: int
    """Independent numbers observed, less free parameters; at least 0."""
    p_value: float
    """Chance of so large a `chi_square` if the model is right; NaN if that cannot be said."""
    status: Status
    """ "poor fit" if the p-value is below 0.01, "not converged" if the search was cut off."""
    problem: Problem
    """What was minimized."""
    theta: Array
    """(parameter,) logarithms of the best parameters, as `problem` takes them."""

    @property
    def identified(self) -> dict[str, bool]:
        """Whether the curves bound each parameter from both sides; fixed ones are left out."""
        return {
            name: low > 0 and math.isfinite(high)
            for (name, (low, high)), free in zip(
                self.interval.items(), self.problem.free, strict=True
            )
            if free
        }
