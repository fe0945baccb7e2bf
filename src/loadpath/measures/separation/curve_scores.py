r"""Loads of a curve that falls from layer to layer, and numbers that say how they are spread.

Each function takes curves D of shape (..., layer) and works on the last axis, so that one curve and
all its bootstrap replicates go through the same arithmetic. Curves have at least 2 layers, and
their separating is a fall: turn those of kind "inverse" over first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from loadpath.checks import LARGEST, as_array, shown
from loadpath.measures.separation.bootstrap import Array


def loads(D: Array) -> Array:
    """Return the load of every layer: what it takes off the curve.

    Parameters
    ----------
    D : Array
        (..., layer) falling curves.

    Returns
    -------
    Array
        (..., layer - 1) loads, units of the curve.

    Examples
    --------
    >>> loads(np.array([4.0, 3.5, 2.0, 0.0])).tolist()
    [0.5, 1.5, 2.0]
    """
    return -np.diff(as_curves(D), axis=-1)


def as_curves(D: Any) -> Array:
    """Return curves as an array, once they are known to be numbers of at least 2 layers.

    Parameters
    ----------
    D : array_like
        (..., layer) curves; NaN and infinities stay what they are.

    Returns
    -------
    Array
        The curves.

    Raises
    ------
    ValueError
        If `D` are no such numbers.
    """
    curves = as_array("D", D)
    if np.isfinite(curves).any() and np.abs(curves[np.isfinite(curves)]).max() > LARGEST:
        raise ValueError(f"D must hold numbers of at most {LARGEST:g} in size, got {shown(D)}.")
    if curves.ndim == 0 or curves.shape[-1] < 2:
        raise ValueError(f"D must be (..., layer) curves of at least 2 layers, got {shown(D)}.")
    return curves


def total(D: Array) -> Array:
    """Return the sum of the loads.

    Parameters
    ----------
    D : Array
        (..., layer) falling curves.

    Returns
    -------
    Array
        (...) fall from the first layer to the last, units of the curve.
    """
    return np.asarray(D[..., 0] - D[..., -1])


def concavity(D: Array) -> Array:
    """Return the mean of the curve over its chord, in units of its fall.

    Parameters
    ----------
    D : Array
        (..., layer) falling curves.

    Returns
    -------
    Array
        (...) concavity, dimensionless; see `LoadCurve.concavity`.

    Examples
    --------
    >>> float(concavity(np.array([4.0, 3.5, 2.0, 0.0])))
    0.09375
    """
    D = as_curves(D)
    mean = D.mean(-1) - (D[..., 0] + D[..., -1]) / 2
    fall = np.abs(total(D))
    # Rounding of the mean must not make a constant curve look bent.
    mean = np.where(np.ptp(D, axis=-1) == 0, 0.0, mean)
    bent = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    return np.where(fall > 0, mean / np.where(fall > 0, fall, 1.0), bent)


def imbalance(D: Array) -> Array:
    """Return the standard deviation of the loads, divided by their number and not by one less.

    Parameters
    ----------
    D : Array
        (..., layer) falling curves.

    Returns
    -------
    Array
        (...) standard deviation, units of the curve.
    """
    return np.asarray(loads(D).std(-1))


def first_minus_last(D: Array) -> Array:
    """Return the first load minus the last.

    Parameters
    ----------
    D : Array
        (..., layer) falling curves.

    Returns
    -------
    Array
        (...) difference, units of the curve.
    """
    d = loads(D)
    return np.asarray(d[..., 0] - d[..., -1])


SCORES: dict[str, Callable[[Array], Array]] = {
    "total": total,
    "concavity": concavity,
    "imbalance": imbalance,
    "first_minus_last": first_minus_last,
}
"""The scores of a curve by their names."""
