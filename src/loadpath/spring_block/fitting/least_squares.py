"""Least squares over chain parameters, many problems side by side.

The mean field costs little more for a hundred chains than for one, and a profile or a region is a
hundred fits. So they are made at once, and each may hold parameters of its own still.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadpath.spring_block.chain import Array, relax
from loadpath.spring_block.fitting.curves import Observed

Mask = NDArray[np.bool_]

SHARED = ("stiffness", "friction_right", "friction_left")
"""Parameters that all levels share; the noise of each level comes after them."""
CHUNK = 1024
"""Number of chains that are relaxed in one call."""
NUDGE = 1e-4
"""Step of the one-sided differences, in logarithms."""
ITERATIONS = 60
"""The most iterations of `minimize`."""
STRIDE = 1.5
"""The farthest that one step may go, in logarithms."""
TOLERANCE = 1e-5
"""Predicted gain in chi-square below which a minimum is found."""
STALL_ITERATIONS = 12
"""Number of iterations that end a search if they gain less than `STALL_GAIN` in sum: along a curved
valley, where parameters are hardly known, steps stay small."""
STALL_GAIN = 0.003
"""Gain in chi-square that is worth `STALL_ITERATIONS` iterations."""
GRID = 9
"""Number of values of each friction that `screen` tries."""
STARTS = 4
"""Number of points of its grid that `screen` keeps."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Observed curves and what may be varied; parameters are logarithms, (parameter,) each.

    They are those of `SHARED`, and then the noise of each level. Frictions and noise are divided by
    the stiffness: curves show these ratios well, and the stiffness itself hardly.
    """

    observed: Observed
    target: float
    dt: float
    n_steps: int
    low: Array
    """(parameter,) least value of each: there it might as well be 0."""
    high: Array
    """(parameter,) largest value of each: there it might as well be infinite."""
    free: Mask
    """(parameter,) whether each is varied."""
    weight: Array
    """(level,) how much each level's squared distance counts."""

    def loads(self, theta: Array) -> Array:
        """Return mean loads (..., spring) of parameters (..., 4): the shared ones and a noise."""
        k, right, left, noise = np.exp(theta).reshape(-1, 4).T
        n = self.observed.loads.shape[1] - 1
        out = np.empty((len(k), n + 1))
        for a in range(0, len(k), CHUNK):
            i = slice(a, a + CHUNK)
            out[i] = relax(
                right[i] / self.target,
                left[i] / self.target,
                noise[i] / (np.sqrt(self.dt) * self.target),
                k[i] * (self.dt * self.n_steps),
                step=k[i] * self.dt,
                n_blocks=n,
            )
        return self.target * out.reshape(*theta.shape[:-1], n + 1)

    def level_parameters(self, theta: Array) -> Array:
        """Return the parameters (..., level, 4) of each level's chain."""
        noise = theta[..., 3:, None]
        shared = np.broadcast_to(theta[..., None, :3], (*noise.shape[:-1], 3))
        return np.concatenate([shared, noise], axis=-1)

    def distance(self, loads: Array) -> Array:
        """Return squared distances (..., level) of loads (..., level, spring) from the observed."""
        difference = loads - self.observed.loads
        return np.asarray(
            (np.einsum("lns,...ls->...ln", self.observed.whitener, difference) ** 2).sum(-1)
        )

    def residuals(self, theta: Array) -> tuple[Array, Array]:
        """Return weighted residuals (batch, number), and derivatives (batch, number, parameter)."""
        batch, levels = len(theta), theta.shape[1] - 3
        vary = [*(i for i in range(3) if self.free[i]), *([3] if self.free[3:].any() else [])]
        chains = self.level_parameters(theta)  # (batch, level, 4)
        # All levels' noises are nudged at once: a level's loads depend on its own alone.
        nudged = np.repeat(chains[None], 1 + len(vary), axis=0)
        for v, i in enumerate(vary):
            nudged[1 + v, ..., i] += NUDGE
        loads = self.loads(nudged)  # (variation, batch, level, spring)
        W = self.observed.whitener * np.sqrt(self.weight)[:, None, None]
        r = np.einsum("lns,bls->bln", W, loads[0] - self.observed.loads)
        slopes = np.einsum("lns,vbls->vbln", W, (loads[1:] - loads[0]) / NUDGE)
        J = np.zeros((*r.shape, theta.shape[1]))
        for v, i in enumerate(vary):
            if i < 3:
                J[..., i] = slopes[v]
            else:
                for level in range(levels):
                    J[:, level, :, 3 + level] = slopes[v][:, level]
        return r.reshape(batch, -1), J.reshape(batch, -1, theta.shape[1])


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where `minimize` ended, for each of a batch."""

    theta: Array
    """(batch, parameter) logarithms of the parameters."""
    cost: Array
    """(batch,) weighted chi-square."""
    converged: Mask
    """(batch,) whether each search met its tolerance, and was not cut off."""


def screen(problem: Problem, held: Array) -> Array:
    """Return starts (start, parameter): the best points of a coarse grid of frictions.

    Each level has the noise that is best there. `held` (parameter,) has the fixed values, NaN where
    a parameter is free.
    """
    duration = problem.dt * problem.n_steps
    sigma = np.log(np.geomspace(0.1, 10, 12))  # noise in units of the mean friction
    stiffness = np.log(np.array([3.0, 30.0, 300.0]) / duration)
    frictions = np.log(np.geomspace(0.005, 0.8, GRID) * problem.target)
    axes = [
        axis if np.isnan(value) else np.array([value])
        for axis, value in zip((stiffness, frictions, frictions), held[:3], strict=True)
    ]
    shared = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    middle = np.exp(shared[:, 1:]).mean(1).clip(1e-3 * problem.target)
    noise = np.log(middle * np.sqrt(problem.dt))[:, None] + sigma  # (shared, sigma)
    chains = np.concatenate(
        [np.broadcast_to(shared[:, None], (*noise.shape, 3)), noise[..., None]], axis=-1
    )
    distance = problem.distance(problem.loads(chains)[:, :, None])  # (shared, sigma, level)
    known = ~np.isnan(held[3:])
    if known.any():
        fixed = np.broadcast_to(held[3:], (len(shared), len(known)))
        there = problem.loads(problem.level_parameters(np.concatenate([shared, fixed], axis=1)))
        distance[:, :, known] = problem.distance(there)[:, None, known]
    pick = distance.argmin(1)
    order = np.argsort(distance.min(1) @ problem.weight)[:STARTS]
    start = np.concatenate(
        [shared[order], np.take_along_axis(noise[order], pick[order], axis=1)], axis=1
    )
    return np.where(np.isnan(held), np.clip(start, problem.low, problem.high), held)


def minimize(problem: Problem, start: Array, free: Mask, *, enough: float = -np.inf) -> Minimum:
    """Minimize by Levenberg and Marquardt's method within the box, from starts (batch, parameter).

    `free` (batch, parameter) says what each varies. A parameter that is pushed against its bound is
    held there for the step. A search ends early at a cost of `enough`.
    """
    theta = np.where(free, np.clip(start, problem.low, problem.high), start)
    r, J = problem.residuals(theta)
    cost = (r * r).sum(1)
    damping = np.full(len(theta), 1e-3)
    converged = np.zeros(len(theta), dtype=bool)
    going = np.arange(len(theta))
    costs = [cost.copy()]
    for _ in range(ITERATIONS):
        x, jac = theta[going], J[going]
        gradient = np.einsum("bnp,bn->bp", jac, r[going])
        H = np.einsum("bnp,bnq->bpq", jac, jac)
        held = ~free[going]
        held |= (x <= problem.low) & (gradient > 0)
        held |= (x >= problem.high) & (gradient < 0)
        gradient[held] = 0
        H[held] = 0
        H.transpose(0, 2, 1)[held] = 0
        diagonal = np.einsum("bpp->bp", H)
        # Without the small constant, directions without any slope would have no scale at all.
        damped = H.copy()
        np.einsum("bpp->bp", damped)[:] += damping[going, None] * (diagonal + 1e-3) + held
        step = -np.linalg.solve(damped, gradient[..., None])[..., 0]
        gain = -2 * (gradient * step).sum(1) - np.einsum("bp,bpq,bq->b", step, H, step)
        # A small gain under much damping says that the step is short, not that a minimum is near.
        ended = ((gain < TOLERANCE) & (damping[going] < 0.1)) | (damping[going] > 1e8)
        ended |= cost[going] <= enough
        if len(costs) > STALL_ITERATIONS:
            ended |= (costs[-1 - STALL_ITERATIONS] - cost)[going] < STALL_GAIN
        converged[going[ended]] = True
        going, x, step = going[~ended], x[~ended], step[~ended]
        if len(going) == 0:
            break
        step *= np.minimum(1, STRIDE / np.abs(step).max(1, keepdims=True).clip(1e-300))
        trial = np.where(step == 0, x, np.clip(x + step, problem.low, problem.high))
        r_new, J_new = problem.residuals(trial)
        cost_new = (r_new * r_new).sum(1)
        better = cost_new < cost[going]
        damping[going] *= np.where(better, 0.2, 5.0)
        to = going[better]
        theta[to], r[to], J[to] = trial[better], r_new[better], J_new[better]
        cost[to] = cost_new[better]
        costs.append(cost.copy())
    return Minimum(theta, cost, converged)
