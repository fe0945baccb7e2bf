"""Which level of a knob to train next: where the crossing is least known."""

from __future__ import annotations

import math

import numpy as np

from loadpath.spring_block.tuning.crossing import Array, Crossing

FIRST = 4
"""Levels that are trained before anything is known, evenly over the range."""
RESOLUTION = 0.02
"""Distance of two levels, as a share of the range, below which a level more tells nothing new."""


def first_places(n_levels: int) -> list[float]:
    """Return the places that are trained first, from 0 to 1.

    Parameters
    ----------
    n_levels : int
        Levels that there are to be in the end.

    Returns
    -------
    list of float
        At most 4 places, evenly from 0 to 1.
    """
    return np.linspace(0, 1, min(FIRST, n_levels)).tolist()


def next_place(crossing: Crossing, places: Array, errors: Array) -> float | None:
    r"""Return the place that is to be trained next.

    The range is cut at the levels that there are. The next level halves the part of the crossing's
    interval in the cut that holds most of it; where curves are convex or concave at every level, it
    halves the cut at the end to which a crossing is nearest.

    Parameters
    ----------
    crossing : Crossing
        What is known so far, with places from 0 to 1.
    places : Array
        (level,) places that were trained.
    errors : Array
        (level,) errors of their concavities; the nearer of two equal cuts to a large error is
        taken.

    Returns
    -------
    float or None
        The place; None if another level would tell nothing new.
    """
    if crossing.reason in ("grows with the noise", "curves do not fall"):
        return None
    at = np.sort(np.asarray(places, dtype=float))
    if math.isnan(crossing.place):
        if crossing.reason == "cannot be told from zero at any level":
            cuts = np.diff(at)
            widest = int(np.argmax(cuts))
            middle = (at[widest] + at[widest + 1]) / 2
            return float(middle) if cuts[widest] > 2 * RESOLUTION else None
        low, high = (at[0], at[1]) if crossing.reason.startswith("convex") else (at[-2], at[-1])
        return float((low + high) / 2) if high - low > 2 * RESOLUTION else None
    if max(crossing.high - crossing.low, np.abs(at - crossing.place).min()) < RESOLUTION:
        return None  # known, and seen where it is
    inside = [
        (max(a, crossing.low), min(b, crossing.high), a, b)
        for a, b in zip(at, at[1:], strict=False)
        if min(b, crossing.high) > max(a, crossing.low)
    ]
    lengths = [b - a for a, b, _, _ in inside]
    if not lengths:
        return None
    near = [float(np.interp((a + b) / 2, places[np.argsort(places)], errors[np.argsort(places)]))
            for a, b, _, _ in inside]  # fmt: skip
    best = max(range(len(inside)), key=lambda i: (round(lengths[i], 6), near[i]))
    low, high, left, right = inside[best]
    middle = (low + high) / 2
    if middle - left < RESOLUTION or right - middle < RESOLUTION:
        middle = (left + right) / 2
    if middle - left < RESOLUTION or right - middle < RESOLUTION:
        return None
    return float(middle)
