"""One number of one layer, with its interval and the word for how it is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from loadpath.statistics import Estimate


@dataclass(frozen=True)
class ColumnEntry:
    """What a column of the profile has for one layer.

    The value is NaN exactly where `status` gives the reason why there is none.
    """

    value: float
    """The number itself."""
    low: float
    """Lower end of its interval, NaN if there is none."""
    high: float
    """Upper end of its interval, NaN if there is none."""
    status: str
    """"estimated" or "no interval", with what is to be known of the number after a comma; or the
    reason why there is no number."""


def missing_entry(reason: str) -> ColumnEntry:
    """Return the entry of a layer that has no number, for a reason."""
    return ColumnEntry(math.nan, math.nan, math.nan, reason)


def entry_of_estimate(estimate: Estimate) -> ColumnEntry:
    """Return an estimate as an entry."""
    return ColumnEntry(estimate.value, estimate.low, estimate.high, estimate.status)


def entry_without_interval(value: float) -> ColumnEntry:
    """Return the entry of a number that has no interval."""
    return ColumnEntry(value, math.nan, math.nan, "no interval")


def noted_entry(entry: ColumnEntry, *notes: str) -> ColumnEntry:
    """Return an entry whose status has notes on its number; itself if it has no number."""
    if math.isnan(entry.value):
        return entry
    new = [note for note in dict.fromkeys(notes) if note not in entry.status]
    return replace(entry, status=", ".join([entry.status, *new]))


def failed_entry(error: Exception) -> ColumnEntry:
    """Return the entry of a layer whose measure failed, with what the error says."""
    words = str(error).strip().split("\n")[0] or type(error).__name__
    return missing_entry(f"{FAILED}: {words}")


FAILURES = (ValueError, RuntimeError, ArithmeticError)
"""What a measure raises where numbers are too much for it; anything else is a mistake of ours."""
FAILED = "failed"
"""How the status of a measure begins that raised an error."""
BEYOND = 1e70
"""Largest number whose fourth powers can be summed over samples and features in float64."""
TOO_LARGE = missing_entry(f"numbers beyond {BEYOND:.0e}".replace("+", ""))
NEAR_ROUNDING = "near rounding"
"""Note on a number of which rounding of the features may make more than 1 %."""
LEFT_OUT = "rounding left out"
"""Note on a number that leaves out directions which rounding of the features can make."""
NO_STEP = missing_entry("no step of one shape leads here")
FEW = missing_entry("not enough samples")
