"""Integral control: from the concavity of a load curve to the next place of a knob."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Move = Literal[
    "moved",
    "at the calm limit",
    "at the noisy limit",
    "held: no curve",
    "held: the curve does not fall",
    "held: the probe is too small to say",
]
"""What steering did at a look, in words."""
MOVES: tuple[Move, ...] = get_args(Move)
"""The words as values."""
MOST = 0.5
"""Largest concavity that counts: that of a curve that falls all at once."""


@dataclass(frozen=True)
class IntegralControl:
    r"""Control that moves a knob by its gain times the concavity, within limits.

    A curve that is concave is met by more noise, one that is convex by less. The place of the knob
    is itself the integral of what was seen, and it stops at the limits. So nothing winds up there:
    the first look at which the curve bends the other way moves the knob back.

    Notes
    -----
    $u_{t+1} = \min(1, \max(0, u_t + g\, c_t))$, with u the place in the knob's range, from calm
    to noisy, c the concavity less its target, at most 1/2 in size, and g the gain.
    """

    gain: float
    """Part of the range that a concavity of 1 moves the knob by at one look."""
    target: float = 0.0
    """Concavity that is steered to."""

    def next_place(self, place: float, concavity: float) -> tuple[float, Move]:
        """Return where the knob goes next.

        Parameters
        ----------
        place : float
            Where it is, from 0 to 1.
        concavity : float
            Concavity of the curve, as `LoadCurve` has it.

        Returns
        -------
        place : float
            Where it goes.
        move : str
            What that is, in words.
        """
        if math.isnan(concavity):
            return place, "held: no curve"
        error = min(max(concavity - self.target, -MOST), MOST)
        wanted = place + self.gain * error
        if wanted <= 0:
            return 0.0, "at the calm limit"
        if wanted >= 1:
            return 1.0, "at the noisy limit"
        return wanted, "moved"
