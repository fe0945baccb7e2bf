"""Load curves as arrays: turned so that they fall, as shares of their fall, and how they bend."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from loadpath.measures.separation import SeparationKind, concavity

Array = NDArray[np.float64]


def falling_curves(D: Array, kind: SeparationKind) -> Array:
    """Turn log separations (..., layer) so that separating is falling, as `LoadCurve` does."""
    return -D if kind == "inverse" else D


def finite_concavity(curves: Array) -> Array:
    """Return the concavity (...) of falling curves (..., layer); NaN for one that is not finite."""
    whole = np.asarray(np.isfinite(curves).all(-1))
    # A curve that is not finite would warn on the way; any finite one may stand in for it.
    bend = concavity(np.where(whole[..., None], curves, 0.0))
    return np.asarray(np.where(whole, bend, np.nan))


def normalized_loads(curves: Array, backward: float) -> Array:
    """Return the loads (..., spring) of falling curves (..., layer), as shares of their sum.

    NaN for a curve that does not count: one that is not finite, does not fall on the whole, or
    whose negative loads sum to more than the share `backward` of its fall.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        loads = -np.diff(curves, axis=-1)
        total = loads.sum(-1, keepdims=True)
        up = -np.minimum(loads, 0).sum(-1, keepdims=True)
        whole = np.isfinite(loads).all(-1, keepdims=True) & (total > 0) & (up <= backward * total)
        return np.asarray(np.where(whole, loads / total, np.nan))


def curve_from_loads(loads: Array) -> Array:
    """Return the curve (..., layer) that falls from 1 by `loads` (..., spring)."""
    fallen = np.concatenate([np.zeros((*loads.shape[:-1], 1)), np.cumsum(loads, axis=-1)], axis=-1)
    return np.asarray(1 - fallen)
