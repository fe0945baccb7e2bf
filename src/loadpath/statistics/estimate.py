"""An estimate: a number, an interval, and a word where there is none to give."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

Status = Literal[
    "estimated",
    "no interval",
    "estimated, near rounding",
    "no interval, near rounding",
    "not enough samples",
    "constant features",
]
"""How an estimate came out, in words."""
STATUSES: tuple[Status, ...] = get_args(Status)
"""All words of a status."""
KNOWN: tuple[Status, ...] = STATUSES[:4]
"""Those of estimates that have a number."""


@dataclass(frozen=True)
class Estimate:
    """A number with an interval, or the reason why there is none.

    Raises
    ------
    ValueError
        For another status, and for a value that does not suit its status: it is NaN exactly where
        the status is "not enough samples" or "constant features".

    Examples
    --------
    >>> Estimate(2.0, 1.5, 2.5, 100, "estimated").known
    True
    >>> unknown(3, "not enough samples")
    Estimate(value=nan, low=nan, high=nan, n=3, status='not enough samples')
    """

    value: float
    """The number itself; NaN where any number would mislead."""
    low: float
    """Lower end of the interval; NaN if there is none."""
    high: float
    """Upper end of the interval; NaN if there is none."""
    n: int
    """Samples that the number rests on."""
    status: Status
    """Word for what there is: "estimated", "no interval" (a number alone), either of them with
    "near rounding" (rounding of the features may make more than 1 % of it), or the reason why there
    is no number."""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status must be one of {', '.join(STATUSES)}, got {self.status!r}.")
        if math.isnan(self.value) == (self.status in KNOWN):
            raise ValueError(
                f"value must be NaN exactly without an estimate, got {self.value} that is "
                f"{self.status!r}."
            )

    @property
    def known(self) -> bool:
        """Whether there is a number."""
        return not math.isnan(self.value)


def unknown(n: int, status: Status) -> Estimate:
    """Return an estimate without a number.

    Parameters
    ----------
    n : int
        How many samples there were.
    status : {"not enough samples", "constant features"}
        Why there is no number.

    Returns
    -------
    Estimate
        Value and interval are NaN.

    Raises
    ------
    ValueError
        If `status` is not such a reason.
    """
    return Estimate(math.nan, math.nan, math.nan, n, status)


def alone(value: float, n: int) -> Estimate:
    """Return an estimate without an interval.

    Parameters
    ----------
    value : float
        The number.
    n : int
        How many samples it rests on.

    Returns
    -------
    Estimate
        Its ends are NaN, and its status is "no interval".

    Raises
    ------
    ValueError
        If `value` is NaN.
    """
    return Estimate(value, math.nan, math.nan, n, "no interval")


def near_rounding(estimate: Estimate) -> Estimate:
    """Return an estimate whose status says that rounding of the features may matter to it.

    Parameters
    ----------
    estimate : Estimate
        Any estimate.

    Returns
    -------
    Estimate
        The same numbers; itself if it has none, or says so already.
    """
    words: dict[Status, Status] = {
        "estimated": "estimated, near rounding",
        "no interval": "no interval, near rounding",
    }
    return replace(estimate, status=words.get(estimate.status, estimate.status))
