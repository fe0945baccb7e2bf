"""Numbers of skipped layers, as sentences and tables have them."""

from __future__ import annotations

import math

import xarray as xr

PREDICTED = "predicted_harm"
"""The measure that is no movement, but the harm that gradients predict."""
OWN_STEP = "own_step"
"""How far a layer moves what it is given."""
BOTH = "both"
"""What stands for the mean of the ranks by these two."""
_MEASURES = {
    "relative_step": "relative step",
    OWN_STEP: "own step",
    PREDICTED: "predicted harm",
    BOTH: "predicted harm and own step together",
}


def measure_words(variable: str) -> str:
    """Return the name of a measure, as a sentence has it."""
    return _MEASURES.get(variable, variable)


def as_number(x: float) -> str:
    """Return a number in three digits."""
    return "0" if x == 0 else f"{x:.3g}"


def as_points(share: float) -> str:
    """Return a share in points of 100, such as "-1.4" for -0.014."""
    return f"{100 * share + 0.0:.2g}" if abs(share) < 0.1 else f"{100 * share:.3g}"


def points_of_accuracy(share: float) -> str:
    """Return a share of samples as points of accuracy."""
    points = as_points(share)
    return f"{points} point{'' if points == '1' else 's'} of accuracy"


def amount(value: float, low: float, high: float, units: str = "") -> str:
    """Return a number with its units, and the ends of its interval where it has one."""
    reach = "" if math.isnan(low) else f" ({as_number(low)} to {as_number(high)})"
    return f"{as_number(value)}{f' {units}' if units else ''}{reach}"


def loss_units(skipped: xr.Dataset) -> str:
    """Return the units of the loss where they have a name, such as "nats"; else ""."""
    units = str(skipped["loss_change"].attrs.get("units", "1")) if "loss_change" in skipped else ""
    return units if units == "nats" else ""


def level_of(skipped: xr.Dataset) -> float:
    """Return the confidence level of the intervals."""
    return float(skipped.attrs.get("level", 0.95))
