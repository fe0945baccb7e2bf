"""Loss against depth in a family of nets, and its power."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from loadpath.checks import as_numbers, check_level, check_number


class DepthPower(NamedTuple):
    """How the loss of a family of nets falls with their depth."""

    power: float
    """a in loss = b depth^-a: 1 for an ensemble that averages, and for Euler steps of a path."""
    low: float
    """Lower end of its interval over the nets; NaN with fewer than 3 of them."""
    high: float
    """Upper end."""
    scatter: float
    """Standard deviation of the log losses about the line, natural logarithm."""


def depth_power(
    depths: ArrayLike, losses: ArrayLike, *, floor: float = 0.0, level: float = 0.95
) -> DepthPower:
    r"""Return the power with which the loss of a family of nets falls with their depth.

    Parameters
    ----------
    depths : array_like
        (net,) depths, at least two different ones.
    losses : array_like
        (net,) losses, above `floor`.
    floor : float
        Loss that no depth takes off, such as that of the noise of labels.
    level : float
        Confidence level of the interval.

    Returns
    -------
    DepthPower
        The power with its interval, by least squares of log(loss - floor) on log(depth).

    Raises
    ------
    ValueError
        If the two differ in length, are not finite, or a loss is not above `floor`.

    Notes
    -----
    The interval is Student's, of nets that differ in independent ways from the line. A power alone
    parts nothing: an ensemble that averages L learners and L Euler steps both have 1.

    Examples
    --------
    >>> round(depth_power([4, 8, 16], [0.8, 0.4, 0.2]).power, 6)
    1.0
    """
    x, y = as_numbers("depths", depths, least=1), as_numbers("losses", losses)
    check_level(level)
    check_number("floor", floor)
    if x.ndim != 1 or x.shape != y.shape or len(np.unique(x)) < 2:
        raise ValueError(
            "depths and losses must be of one length, with at least two different depths, got "
            f"{x.tolist()} and {y.tolist()}."
        )
    if bool((y <= floor).any()):
        raise ValueError(f"losses must be above floor={floor}, got {float(y.min())}.")
    log_x, log_y = np.log(x), np.log(y - floor)
    a = log_x - log_x.mean()
    slope = float(a @ log_y / (a @ a))
    rest = log_y - log_y.mean() - slope * a
    if len(x) < 3:
        return DepthPower(-slope, float("nan"), float("nan"), 0.0)
    deviation = float(np.sqrt(rest @ rest / (len(x) - 2)))
    reach = float(special.stdtrit(len(x) - 2, (1 + level) / 2)) * deviation / float(np.sqrt(a @ a))
    return DepthPower(-slope, -slope - reach, -slope + reach, deviation)
