"""How rates fall and weight decays rise while a stage of training goes on."""

from __future__ import annotations

import math

from loadpath.checks import check_number


def check_ramp(ramp: float, ramp_start: float) -> None:
    """Refuse a ramp of the weight decay that is out of range.

    Parameters
    ----------
    ramp : float
        Part of the stage in which the weight decay rises, in [0, 1].
    ramp_start : float
        Weight decay at the start as a share of the final one, in (0, 1].

    Raises
    ------
    ValueError
        If one is; the message names it.
    """
    check_number("ramp", ramp, least=0, most=1)
    check_number("ramp_start", ramp_start, above=0, most=1)


def falling_cosine(done: float) -> float:
    """Return the share of a rate that is left: 1 at the start, and 0 at the end of a stage.

    Parameters
    ----------
    done : float
        Part of the stage that is over, from 0 to 1.

    Returns
    -------
    float
        The share.
    """
    return 0.5 * (1 + math.cos(math.pi * done))


def ramped(final: float, done: float, *, ramp: float, ramp_start: float) -> float:
    """Return a weight decay that rises by equal factors over the first part of a stage.

    Parameters
    ----------
    final : float
        The weight decay of the objective.
    done : float
        Part of the stage that is over, from 0 to 1.
    ramp, ramp_start : float
        As for `check_ramp`.

    Returns
    -------
    float
        The weight decay at this point.
    """
    if done >= ramp:
        return final
    return final * ramp_start ** (1 - done / ramp)
