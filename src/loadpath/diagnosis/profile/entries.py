"""One number of one layer, with its interval and the word for how it is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loadpath.statistics import Estimate


@dataclass(frozen=True)
class Entry:
    """A value is NaN exactly where `status` gives the reason why there is none."""

    value: float
    """The number itself."""
    low: float
    """Lower end of its interval, NaN if there is none."""
    high: float
    """Upper end."""
    status: str
    """"estimated", "no interval", or why there is no number."""


def missing(reason: str) -> Entry:
    """No number, for a reason."""
    return Entry(math.nan, math.nan, math.nan, reason)


def entry_of(estimate: Estimate) -> Entry:
    """An estimate as it is."""
    return Entry(estimate.value, estimate.low, estimate.high, estimate.status)


def alone(value: float) -> Entry:
    """A number that has no interval."""
    return Entry(value, math.nan, math.nan, "no interval")


NO_STEP = missing("no step of one shape leads here")
NO_LABELS = missing("no labels to compare with")
FEW = missing("not enough samples")
