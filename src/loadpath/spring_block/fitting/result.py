"""What `fit` returns: the fitted chain, what it foretells, and what its curves leave open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike

from loadpath import results
from loadpath.checks import check_count
from loadpath.spring_block.chain import Array, mean_field
from loadpath.spring_block.fitting.estimates import OPEN, Estimates
from loadpath.spring_block.fitting.least_squares import NUDGE
from loadpath.spring_block.fitting.profiles import region
from loadpath.spring_block.fitting.wording import describe


@dataclass(frozen=True, eq=False)
class Fit(Estimates):
    """The chain fitted to load curves, and what the curves leave open; made by `fit`."""

    def words(self) -> str:
        """The estimates, and what cannot be known from these curves; one sentence a line."""
        return describe(self)

    def predict(self, noise: float | ArrayLike) -> Array:
        """Mean loads (..., spring) of the fitted chain under other noise, of any shape.

        Raises: ValueError as `mean_field`.
        """
        return mean_field(self.chain, noise=noise, dt=self.problem.dt, n_steps=self.problem.n_steps)

    def predict_error(self, noise: float | ArrayLike) -> Array:
        r"""Standard errors (..., spring) of `predict`, from what the parameters may still be.

        Linearized: $\sqrt{g^\top (J^\top J)^{-1} g}$, J the slopes of the fit's weighted residuals
        and g those of a predicted load. A parameter that curves leave open is taken as known to a
        factor of about 50 either way, as the range searched is.
        """
        problem, free = self.problem, self.problem.free
        eps = np.asarray(noise, dtype=float)
        _, J = problem.residuals(self.theta[None])
        H = J[0].T @ J[0] + np.eye(len(free)) / OPEN**2
        shared = np.flatnonzero(free[:3])
        C = np.zeros((len(free), len(free)))
        C[np.ix_(free, free)] = np.linalg.inv(H[np.ix_(free, free)])
        nudges = np.vstack([np.zeros(3), np.eye(3)[shared] * NUDGE])
        chains = np.empty((len(nudges), *eps.shape, 4))
        for chain, nudge in zip(chains, nudges, strict=True):
            chain[..., :3] = self.theta[:3] + nudge
            with np.errstate(divide="ignore"):  # no noise is -inf
                chain[..., 3] = np.log(eps) - chain[..., 0]
        loads = problem.loads(chains)
        g = (loads[1:] - loads[0]) / NUDGE  # (shared, ..., spring)
        return np.asarray(np.sqrt(np.einsum("a...,ab,b...->...", g, C[np.ix_(shared, shared)], g)))

    def region(self, points: int = 15) -> xr.Dataset:
        """The profile of both frictions together, on a grid a little wider than the intervals.

        Returns a Dataset over friction_right and friction_left, (points,) each: `rise` of the
        chi-square above the best one, and `inside` the region of the fit's confidence. Takes a
        second or so for each level.

        Raises: ValueError if a friction is fixed or `points` is below 2.
        """
        check_count("points", points, 2)
        names = list(self.interval)[1:3]
        if not self.problem.free[1:3].all():
            raise ValueError("fixed must leave both frictions free for a region of them.")
        axes = []
        for i, name in enumerate(names, start=1):
            low, high = self.problem.low[i], self.problem.high[i]
            with np.errstate(divide="ignore"):
                ends = np.log(np.array(self.interval[name]) / self._unit)
            width = 0.25 * (min(ends[1], high) - max(ends[0], low)) + 0.01
            axes.append(np.linspace(max(ends[0] - width, low), min(ends[1] + width, high), points))
        rise = region(self.problem, self.theta, axes[0], axes[1])
        limit = self.observed.quantile(self.confidence, 2, int(self.problem.free.sum()))
        units = {"units": "stiffness * length" if not self.problem.free[0] else "length"}
        ds = xr.Dataset(
            {
                "rise": (("friction_right", "friction_left"), rise, {"units": "1"}),
                "inside": (("friction_right", "friction_left"), rise <= limit),
            },
            coords={
                "friction_right": ("friction_right", np.exp(axes[0]) * self._unit, units),
                "friction_left": ("friction_left", np.exp(axes[1]) * self._unit, units),
            },
        )
        return results.stamp(ds, confidence=self.confidence, limit=limit)

    @property
    def _unit(self) -> float:
        """What the problem's ratios are multiplied by: the stiffness, if it is known."""
        return 1.0 if self.problem.free[0] else self.chain.stiffness

    def dataset(self) -> xr.Dataset:
        """Curves, errors, fitted loads, parameters and intervals, with the verdict in the attrs."""
        o = self.observed
        both = ("level", "spring")
        ends = np.array(list(self.interval.values()))
        ds = xr.Dataset(
            {
                "load": (both, o.loads, {"units": "length"}),
                "load_error": (both, o.error, {"units": "length"}),
                "fitted_load": (both, self.loads, {"units": "length"}),
                "noise": ("level", self.noise),
                "value": ("parameter", list(self.value.values())),
                "low": ("parameter", ends[:, 0]),
                "high": ("parameter", ends[:, 1]),
            },
            coords={
                "level": np.arange(len(o.loads)),
                "spring": np.arange(1, o.loads.shape[1] + 1),
                "parameter": list(self.value),
            },
        )
        return results.stamp(
            ds,
            dt=self.problem.dt,
            n_steps=self.problem.n_steps,
            target=self.problem.target,
            confidence=self.confidence,
            chi_square=self.chi_square,
            dof=self.dof,
            p_value=self.p_value,
            status=self.status,
            errors=o.errors,
            words=self.words(),
        )
