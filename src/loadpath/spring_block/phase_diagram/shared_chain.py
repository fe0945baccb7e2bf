r"""One chain for each slope, one noise of the chain for each noise of training, by least squares.

Cell (s, m) of the grid of load curves is the mean field of a chain with the frictions of slope s
under the noise of column m: 2 S + M parameters for S M curves. A table of chains, gone through by
turns for the frictions and for the noises, gives starts; least squares over logarithms does the
rest. Every cell counts alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import least_squares

from loadpath.spring_block.chain import relax
from loadpath.spring_block.fitting import CHUNK, FORCE_NOISE, FRICTION, NUDGE, OPEN

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

FRICTION_TABLE = np.geomspace(1e-3, 2.0, 24)
"""Frictions of the table, in units of stiffness times target."""
NOISE_TABLE = np.geomspace(1e-3, 3.0, 32)
"""Noises of the table, as forces, in units of stiffness times target."""
STARTS = 3
"""Number of points of the table that least squares starts from."""
TIE = 0.01
"""What a parameter costs that is a factor e^4 off the middle of the table, as an error of one load.
About what a few seeds leave to chance: only parameters of which curves say nothing notice, which
would otherwise run off to where other cells are predicted anyhow."""
FIRST = 8
"""Evaluations from each start; the best one goes on."""
EVALUATIONS = 100
"""Most evaluations from there."""


@dataclass(frozen=True, eq=False)
class SharedChain:
    """Frictions and noises fitted to a grid of curves; NaN where a slope or noise has no curve.

    In units of stiffness 1 and target 1, the noise as `simulate` takes it. Intervals are (2, ...):
    the lower and the upper ends, 0 and infinity where they leave the range that is searched.
    """

    friction_right: Array
    """Friction of blocks that move to the right, (slope,)."""
    friction_left: Array
    """Friction of blocks that move to the left, (slope,)."""
    noise: Array
    """Noise of the chain, (noise,)."""
    friction_right_interval: Array
    """Interval of the friction to the right, (2, slope)."""
    friction_left_interval: Array
    """Interval of the friction to the left, (2, slope)."""
    noise_interval: Array
    """Interval of the noise, (2, noise)."""
    loads: Array
    """Loads of all cells, fitted or not, (slope, noise, spring), as shares of their sum."""
    parameters: int
    """How many numbers were fitted."""


def fit_shared(
    loads: Array,
    counted: Mask,
    *,
    dt: float = 0.01,
    n_steps: int = 10_000,
    level: float = 0.95,
) -> SharedChain:
    r"""Fit frictions (slope,) and noises (noise,) to a grid of load curves.

    Parameters
    ----------
    loads : ndarray
        Loads of the cells, (slope, noise, spring), as shares of their sum.
    counted : ndarray of bool
        The cells that are fitted, (slope, noise).
    dt : float
        Time step of the chain.
    n_steps : int
        Number of steps of the chain.
    level : float
        Level of the intervals.

    Returns
    -------
    SharedChain
        The parameters, their intervals, and the loads of all cells.

    Notes
    -----
    Intervals are linearized, in logarithms, with the errors that the residuals have: a chain that
    is not quite right widens them. A parameter that curves leave open is taken as known to a
    factor of about 50 either way, as in `Fit`.
    """
    rows, columns = np.any(counted, axis=1), np.any(counted, axis=0)
    y, known = loads[rows][:, columns], counted[rows][:, columns]
    S, M = known.shape
    cells = _Cells(y, known, dt, n_steps)
    low = np.log([FRICTION[0]] * 2 * S + [FORCE_NOISE[0]] * M)
    high = np.log([FRICTION[1]] * 2 * S + [FORCE_NOISE[1]] * M)

    def descend(start: Array, evaluations: int) -> Any:
        return least_squares(
            cells.residuals, start, cells.slopes, (low, high), ftol=1e-7, max_nfev=evaluations
        )

    found = [descend(start, FIRST) for start in _starts(y, known, dt, n_steps)]
    best = descend(min(found, key=lambda one: float(one.cost)).x, EVALUATIONS)
    theta = np.asarray(best.x)
    dof = int(known.sum()) * (y.shape[-1] - 1) - len(theta)
    ends = np.tile(theta, (2, 1))
    if dof > 0:
        numbers = len(best.fun) - len(theta)  # without the ties, which come last
        J, off = best.jac[:numbers], best.fun[:numbers]
        spread = max(float(off @ off) / dof, 1e-12)
        C = np.linalg.inv(J.T @ J / spread + np.eye(len(theta)) / OPEN**2)
        ends = theta + np.outer([-1, 1], stats.t.ppf((1 + level) / 2, dof) * np.sqrt(C.diagonal()))
    else:
        ends = theta + np.outer([-np.inf, np.inf], np.ones(len(theta)))
    ends = np.exp(np.where(ends < low, -np.inf, np.where(ends > high, np.inf, ends)))
    values = np.vstack([np.exp(theta), ends])  # (best and ends, parameter)
    right, left = (_put_back(values[:, part], rows) for part in (slice(S), slice(S, 2 * S)))
    noise = _put_back(values[:, 2 * S :] * math.sqrt(dt), columns)
    fitted = np.full(loads.shape, np.nan)
    everywhere = _Cells(y, np.ones_like(known), dt, n_steps)
    fitted[np.ix_(rows, columns)] = everywhere.loads(theta).reshape(y.shape)
    return SharedChain(
        *(right[0], left[0], noise[0], right[1:], left[1:], noise[1:]),
        loads=fitted,
        parameters=len(theta),
    )


@dataclass(frozen=True, eq=False)
class _Cells:
    """Curves y (slope, noise, spring), those that count, and the time of the chains."""

    y: Array
    known: Mask
    dt: float
    n_steps: int

    def loads(self, theta: Array) -> Array:
        """Return mean loads (..., cell, spring) of the cells that count; theta (..., parameter)."""
        S = len(self.known)
        i, j = self.known.nonzero()
        chains = np.exp(np.stack([theta[..., at] for at in (i, S + i, 2 * S + j)]))
        return _mean_field(chains, self.y.shape[-1], self.dt, self.n_steps)

    def residuals(self, theta: Array) -> Array:
        """Return differences from the curves, one after the other, then what ties cost."""
        S, M = self.known.shape
        middle = np.repeat([np.log(FRICTION_TABLE).mean(), np.log(NOISE_TABLE).mean()], [2 * S, M])
        off = (self.loads(theta) - self.y[self.known]).ravel()
        return np.concatenate([off, TIE / OPEN * (theta - middle)])

    def slopes(self, theta: Array) -> Array:
        """Return derivatives (number, parameter) of the residuals.

        A cell hangs on three parameters only, so that three nudges of all cells at once do.
        """
        S, M = self.known.shape
        parts = np.repeat(np.eye(3), [S, S, M], axis=1)
        loads = self.loads(theta + NUDGE * np.vstack([np.zeros(len(theta)), parts]))
        change = (loads[1:] - loads[0]) / NUDGE  # (part, cell, spring)
        i, j = self.known.nonzero()
        J = np.zeros((*loads.shape[1:], len(theta)))
        for part, at in zip(change, (i, S + i, 2 * S + j), strict=True):
            J[np.arange(len(i)), :, at] = part
        return np.vstack([J.reshape(-1, len(theta)), TIE / OPEN * np.eye(len(theta))])


def _starts(y: Array, known: Mask, dt: float, n_steps: int) -> list[Array]:
    """Return parameters of the table's best chains, found by turns for frictions and noises."""
    chains, table = _table(y.shape[-1], dt, n_steps)  # (3, pair, noise), (pair, noise, spring)
    distance = (table**2).sum(-1) - 2 * np.einsum("smn,pkn->smpk", y, table)
    distance = np.where(known[..., None, None], distance, 0.0)  # (slope, column, pair, noise)
    alone = distance.min(-1).sum(1).argmin(-1)  # each slope's pair if noises were its own
    own = np.stack([d[:, p].argmin(-1) for d, p in zip(distance, alone, strict=True)])
    middle = np.array([np.median(own[on, m]) for m, on in enumerate(known.T)]).astype(int)
    columns = np.arange(known.shape[1])
    ends: dict[tuple[int, ...], float] = {}
    for noise in [middle, *np.where(known, own, middle)]:
        for _ in range(100):
            pair = distance[:, columns, :, noise].sum(0).argmin(-1)
            better = distance[np.arange(len(pair)), :, pair].sum(0).argmin(-1)
            if (better == noise).all():
                break
            noise = better
        ends[*pair, *noise] = float(
            distance[np.arange(len(pair))[:, None], columns, pair[:, None], noise].sum()
        )
    S = len(known)
    best = [np.array(end) for end in sorted(ends, key=ends.__getitem__)[:STARTS]]
    return [
        np.log(np.concatenate([*chains[:2, end[:S], 0], chains[2, 0, end[S:]]])) for end in best
    ]


@cache
def _table(springs: int, dt: float, n_steps: int) -> tuple[Array, Array]:
    """Return chains (3, pair of frictions, noise) and their mean loads (pair, noise, spring)."""
    right, left, sigma = np.meshgrid(FRICTION_TABLE, FRICTION_TABLE, NOISE_TABLE, indexing="ij")
    chains = np.stack([right, left, sigma]).reshape(3, -1, len(NOISE_TABLE))
    return chains, _mean_field(chains, springs, dt, n_steps)


def _mean_field(chains: Array, springs: int, dt: float, n_steps: int) -> Array:
    """Return mean loads (..., spring) of chains (3, ...): both frictions and the force noise."""
    flat = chains.reshape(3, -1)
    out = np.empty((flat.shape[1], springs))
    for a in range(0, len(out), CHUNK):
        right, left, sigma = flat[:, a : a + CHUNK]
        time, step = np.full_like(right, dt * n_steps), np.full_like(right, dt)
        out[a : a + CHUNK] = relax(right, left, sigma, time, step=step, n_blocks=springs - 1)
    return out.reshape(*chains.shape[1:], springs)


def _put_back(values: Array, where: Mask) -> Array:
    """Return values (..., kept) at their places among all, NaN elsewhere."""
    out = np.full((*values.shape[:-1], len(where)), np.nan)
    out[..., where] = values
    return out
