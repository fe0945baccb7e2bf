"""The knobs of the classifiers of [SB]: their limits, and which way is noisier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from loadpath.checks import check_choice, check_number
from loadpath.spring_block.phase_diagram import Panel

KnobName = Literal["dropout", "data-noise", "learning-rate", "batch-size"]
"""What may be tuned."""
KNOB_NAMES: tuple[KnobName, ...] = get_args(KnobName)
"""The names as values."""
DIGITS = 3
"""Significant digits of a level, as it stands in the names of files."""


@dataclass(frozen=True)
class Axis:
    """The axis of a knob: levels between two limits, and their places from calm to noisy."""

    name: KnobName
    """The knob."""
    low: float
    """Least level."""
    high: float
    """Largest level."""

    def __post_init__(self) -> None:
        """Refuse limits that are no levels, or in the wrong order."""
        check_choice("knob", self.name, KNOB_NAMES)
        most = {"dropout": 1.0, "data-noise": 1.0}.get(self.name)
        if self.logarithmic:
            check_number("low", self.low, above=0)
        else:
            check_number("low", self.low, least=0)
        check_number("high", self.high, above=self.low)
        if most is not None:
            check_number("high", self.high, below=most)

    @property
    def panel(self) -> Panel:
        """The panel of a phase diagram whose axis it is."""
        panels: dict[KnobName, Panel] = {
            "dropout": "dropout",
            "data-noise": "data noise",
            "learning-rate": "learning rate",
            "batch-size": "batch size",
        }
        return panels[self.name]

    @property
    def logarithmic(self) -> bool:
        """Whether equal steps are equal ratios."""
        return self.name in ("learning-rate", "batch-size")

    @property
    def noisier_below(self) -> bool:
        """Whether less is more noise."""
        return self.name == "batch-size"

    def level(self, place: float) -> float:
        """Return the level at a place from the calm end, 0, to the noisy one, 1."""
        share = 1 - place if self.noisier_below else place
        if self.logarithmic:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + share * (self.high - self.low)
        if self.name == "batch-size":
            return int(round(value))
        return float(np.clip(float(f"{value:.{DIGITS}g}"), self.low, self.high))

    def place(self, level: float) -> float:
        """Return the place of a level, from the calm end, 0, to the noisy one, 1."""
        if self.logarithmic:
            share = float(np.log(level / self.low) / np.log(self.high / self.low))
        else:
            share = (level - self.low) / (self.high - self.low)
        return 1 - share if self.noisier_below else share


LIMITS: dict[KnobName, tuple[float, float]] = {
    "dropout": (0.0, 0.3),
    "data-noise": (0.0, 0.8),
    "learning-rate": (1e-4, 0.1),
    "batch-size": (10, 2560),
}
"""Where levels lie if nothing else is said: the ranges of the panels of [SB], and of rates those
at which its nets learn. Batches are at most as large as the training set."""


def axis_of(knob: str, low: float | None, high: float | None, n_train: int) -> Axis:
    """Return the axis of a knob.

    Parameters
    ----------
    knob : str
        One of `KNOB_NAMES`.
    low, high : float, optional
        Limits of the levels; those of `LIMITS` if left out.
    n_train : int
        Number of training samples, which is the largest batch.

    Returns
    -------
    Axis
        The axis.

    Raises
    ------
    ValueError
        If there is no such knob, or a limit is out of its range.
    """
    check_choice("knob", knob, KNOB_NAMES)
    name: KnobName = knob  # type: ignore[assignment]
    least, most = LIMITS[name]
    if name == "batch-size":
        most = min(most, n_train)
        for which, value in (("low", low), ("high", high)):
            if value is not None and (value != int(value) or value > n_train):
                raise ValueError(
                    f"{which} must be a whole number of at most the {n_train} training samples for "
                    f"batch-size, got {value}."
                )
    return Axis(name, least if low is None else low, most if high is None else high)
