"""What a diagram's curves are compared with that knows no physics, and halves to predict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDS = 500
"""Of alternating least squares, at most."""


def mean_curve(loads: Array, counted: Mask) -> tuple[Array, int]:
    """The same curve everywhere: loads (slope, level, spring), and how many parameters."""
    return np.broadcast_to(loads[counted].mean(0), loads.shape), loads.shape[-1] - 1


def additive(loads: Array, counted: Mask) -> tuple[Array, int]:
    """Of each load a share of the slope plus a share of the level of noise, by least squares.

    Means nothing in cells that do not hang together with those counted (`together`).
    """
    design = _design(counted.shape)
    shares, _, rank, _ = np.linalg.lstsq(design[counted.ravel()], loads[counted], rcond=None)
    return (design @ shares).reshape(loads.shape), int(rank) * (loads.shape[-1] - 1)


def one_bend(loads: Array, counted: Mask) -> tuple[Array, int]:
    """The additive model with one shape for all changes: as few parameters as chains have.

    A mean curve plus (share of the slope + share of the level) times one other curve, by
    alternating least squares from the main component of the additive model.
    """
    design = _design(counted.shape)
    use = design[counted.ravel()]
    y = loads[counted]
    first = additive(loads, counted)[0][counted]
    shape = np.linalg.svd(first - first.mean(0), full_matrices=False)[2][0]
    mean, cost = y.mean(0), np.inf
    for _ in range(ROUNDS):
        shares = np.linalg.lstsq(use, (y - mean) @ shape / (shape @ shape), rcond=None)[0]
        score = use @ shares
        both = np.column_stack([np.ones(len(y)), score])
        mean, shape = np.linalg.lstsq(both, y, rcond=None)[0]
        before, cost = cost, float(((y - mean - np.outer(score, shape)) ** 2).sum())
        if before - cost <= 1e-9 * cost or not shape.any():
            break
    free = loads.shape[-1] - 1
    scores = int(np.linalg.matrix_rank(use)) - 1  # a constant is the mean curve's
    fitted = mean + (design @ shares)[:, None] * shape
    return fitted.reshape(loads.shape), free + scores + free - 1


def halves(slopes: int, levels: int) -> Mask:
    """Cells to fit (half, slope, level); what is left of each is to be predicted.

    Diagonals two cells wide, in their four places, so that each cell is predicted twice. Not a
    checkerboard: its cells of even and of odd slopes share no level, so that no sum of shares
    could be predicted.
    """
    i, j = np.indices((slopes, levels))
    return np.asarray([(i + j + place) % 4 < 2 for place in range(4)])


def together(counted: Mask) -> Mask:
    """Cells (slope, level) whose slope and level are tied by cells that count."""
    slopes, levels = counted.shape
    i, j = counted.nonzero()
    ties: Any = csr_array((np.ones(len(i)), (i, slopes + j)), shape=(slopes + levels,) * 2)
    group = connected_components(ties, directed=False)[1]
    return np.asarray(group[:slopes, None] == group[slopes:])


def _design(shape: tuple[int, ...]) -> Array:
    """Which share each cell takes, (cell, slope and level)."""
    i, j = np.indices(shape).reshape(2, -1)
    return np.hstack([np.eye(shape[0])[i], np.eye(shape[1])[j]])
