"""An estimate: a number, an interval, and a word where there is none to give."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Status = Literal["estimated", "no interval", "not enough samples", "constant features"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Estimate:
    """One measure of one layer.

    Its value is NaN exactly where the status is "not enough samples" or "constant features": a
    word instead of a number that would mislead.

    Raises: ValueError for another status, and for a value that does not suit its status.
    """

    value: float
    """The number itself."""
    low: float
    """Lower end of the interval, NaN if there is none."""
    high: float
    """Upper end of the interval."""
    n: int
    """Samples that the number rests on."""
    status: Status
    """"estimated"; "no interval" (a number alone); or the reason why there is no number."""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {self.status!r}.")
        if math.isnan(self.value) == (self.status in ("estimated", "no interval")):
            raise ValueError(
                f"value must be NaN exactly without an estimate, got {self.value} that is "
                f"{self.status!r}."
            )

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return not math.isnan(self.value)


def unknown(n: int, status: Status) -> Estimate:
    """No number, for the reason `status`."""
    return Estimate(math.nan, math.nan, math.nan, n, status)


def alone(value: float, n: int) -> Estimate:
    """A number without an interval."""
    return Estimate(value, math.nan, math.nan, n, "no interval")
