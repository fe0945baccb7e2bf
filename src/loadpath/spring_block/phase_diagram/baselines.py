"""Models that know no physics, for a diagram's curves, and halves of its cells to predict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDS = 500
"""Most rounds of alternating least squares."""


def fit_mean_curve(loads: Array, counted: Mask) -> tuple[Array, int]:
    """Fit the same curve to all cells that count.

    Parameters
    ----------
    loads : ndarray
        Loads of the cells, (slope, noise, spring), as shares of their sum.
    counted : ndarray of bool
        The cells that are fitted, (slope, noise).

    Returns
    -------
    fitted : ndarray
        Loads of all cells, (slope, noise, spring).
    parameters : int
        How many numbers were fitted.
    """
    return np.broadcast_to(loads[counted].mean(0), loads.shape), loads.shape[-1] - 1


def fit_additive(loads: Array, counted: Mask) -> tuple[Array, int]:
    """Fit each load by a share of the slope plus a share of the noise, by least squares.

    Parameters
    ----------
    loads : ndarray
        Loads of the cells, (slope, noise, spring), as shares of their sum.
    counted : ndarray of bool
        The cells that are fitted, (slope, noise).

    Returns
    -------
    fitted : ndarray
        Loads of all cells, (slope, noise, spring). They mean nothing in cells that are not linked
        to those counted (`linked_cells`).
    parameters : int
        How many numbers were fitted.
    """
    design = _design(counted.shape)
    shares, _, rank, _ = np.linalg.lstsq(design[counted.ravel()], loads[counted], rcond=None)
    return (design @ shares).reshape(loads.shape), int(rank) * (loads.shape[-1] - 1)


def fit_one_bend(loads: Array, counted: Mask) -> tuple[Array, int]:
    """Fit the additive model with one shape for all changes, which has few parameters.

    Parameters
    ----------
    loads : ndarray
        Loads of the cells, (slope, noise, spring), as shares of their sum.
    counted : ndarray of bool
        The cells that are fitted, (slope, noise).

    Returns
    -------
    fitted : ndarray
        Loads of all cells, (slope, noise, spring).
    parameters : int
        How many numbers were fitted: about as many as a chain has.

    Notes
    -----
    A mean curve plus (share of the slope + share of the noise) times one other curve, by
    alternating least squares from the main component of the additive model.
    """
    design = _design(counted.shape)
    use = design[counted.ravel()]
    y = loads[counted]
    first = fit_additive(loads, counted)[0][counted]
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


def split_in_halves(slopes: int, noises: int) -> Mask:
    """Return which cells are fitted in each of four halves; the others are to be predicted.

    Parameters
    ----------
    slopes, noises : int
        Size of the grid.

    Returns
    -------
    ndarray of bool
        (half, slope, noise).

    Notes
    -----
    The halves are diagonals two cells wide, in their four places, so that each cell is predicted
    twice. They are not a checkerboard: its cells of even and of odd slopes share no noise, so that
    no sum of shares could be predicted.
    """
    i, j = np.indices((slopes, noises))
    return np.asarray([(i + j + place) % 4 < 2 for place in range(4)])


def linked_cells(counted: Mask) -> Mask:
    """Return the cells whose slope and noise are linked by a path of cells that count.

    Parameters
    ----------
    counted : ndarray of bool
        The cells that are fitted, (slope, noise).

    Returns
    -------
    ndarray of bool
        (slope, noise).
    """
    slopes, noises = counted.shape
    i, j = counted.nonzero()
    # A graph with a node for each slope and each noise: a counted cell joins its two nodes.
    ties: Any = csr_array((np.ones(len(i)), (i, slopes + j)), shape=(slopes + noises,) * 2)
    group = connected_components(ties, directed=False)[1]
    return np.asarray(group[:slopes, None] == group[slopes:])


def _design(shape: tuple[int, ...]) -> Array:
    """Return which share each cell takes, (cell, slope and noise)."""
    i, j = np.indices(shape).reshape(2, -1)
    return np.hstack([np.eye(shape[0])[i], np.eye(shape[1])[j]])
