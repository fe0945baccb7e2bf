"""The result of `fit`: the chain, what it predicts, and what its curves leave open."""

from __future__ import annotations

import math
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


@dataclass(frozen=True, eq=False, repr=False)
class Fit(Estimates):
    """The chain fitted to load curves, with what it predicts and what the curves leave open.

    It is made by `fit`.

    Attributes
    ----------
    chain : Chain
        The chain with the best parameters; its frictions are forces.
    noise : Array
        (level,) best noise of each level, as `simulate` takes it.
    value : dict of str to float
        Best value of each parameter, by its name: "stiffness", "friction_right", "friction_left",
        "noise 0", and so on. If the stiffness is free, the others are in units of it.
    interval : dict of str to tuple of float
        Ends of each parameter's interval; 0 and infinity where the curves set no bound.
    identified : dict of str to bool
        Whether the curves bound each free parameter from both sides.
    level : float
        Confidence level of the intervals.
    loads : Array
        (level, spring) mean loads of the fitted chain, a length.
    chi_square : float
        Squared distance of the curves from `loads`, in units of their errors.
    dof : int
        Number of independent numbers observed, less free parameters.
    p_value : float
        Chance of so large a `chi_square` if the model is right; NaN if that cannot be said.
    status : Status
        How the fit ended: "converged", "poor fit" or "not converged".
    """

    def _overview(self) -> results.Overview:
        """Return how the fit ended, its sentences, and a table of parameters."""
        rows = [
            (name, f"{value:.4g}", *(f"{end:.4g}" for end in self.interval[name]))
            for name, value in self.value.items()
        ]
        header = ("parameter", "best value", f"from ({100 * self.level:g} %)", "to")
        return results.Overview(
            {
                "status": self.status,
                "springs": f"{self.loads.shape[1]}",
                "levels of noise": f"{len(self.noise)}",
                "chi-square": f"{self.chi_square:.3g} for {self.dof} degrees of freedom",
                "p-value": "not known" if math.isnan(self.p_value) else f"{self.p_value:.2g}",
            },
            sentences=self.words().splitlines(),
            tables={"Parameters": results.Table(header, rows)},
        )

    def words(self) -> str:
        """Say the estimates, and what cannot be known from these curves.

        Returns
        -------
        str
            One sentence a line.
        """
        return describe(self)

    def predict(self, noise: float | ArrayLike) -> Array:
        r"""Predict the mean loads of the fitted chain under other noise.

        Parameters
        ----------
        noise : float or array_like
            $\epsilon$ of any shape, as `simulate` takes it.

        Returns
        -------
        Array
            (..., spring) mean loads, a length, with the shape of `noise` in front.

        Raises
        ------
        ValueError
            If the noise is not finite and at least 0.
        """
        return mean_field(self.chain, noise=noise, dt=self.problem.dt, n_steps=self.problem.n_steps)

    def predict_error(self, noise: float | ArrayLike) -> Array:
        r"""Return standard errors of `predict`, from what the parameters may still be.

        Parameters
        ----------
        noise : float or array_like
            $\epsilon$ of any shape, as `simulate` takes it.

        Returns
        -------
        Array
            (..., spring) standard errors, a length, with the shape of `noise` in front.

        Notes
        -----
        They are linearized: $\sqrt{g^\top (J^\top J)^{-1} g}$, with J the slopes of the fit's
        weighted residuals and g those of a predicted load. A parameter that the curves leave open
        is taken as known to a factor of about 50 either way, `OPEN` in its logarithm.
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
        """Compute the region of both frictions that has the fit's confidence level.

        Parameters
        ----------
        points : int
            Grid points along each friction, at least 2. The grid is a little wider than the
            intervals.

        Returns
        -------
        xarray.Dataset
            Over friction_right and friction_left, (points,) each: `rise` of the chi-square above
            the best one, with both frictions held and the other parameters at their best, and
            whether a point is `inside` the region. The attrs hold the confidence `level` and the
            `limit` of the rise that bounds the region.

        Raises
        ------
        ValueError
            If a friction is fixed, or `points` is below 2.

        Notes
        -----
        It takes a second or so for each level of noise.
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
        limit = self.observed.quantile(self.level, 2, int(self.problem.free.sum()))
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
        return results.stamp(ds, level=self.level, limit=limit)

    @property
    def _unit(self) -> float:
        """The factor that the problem's ratios are multiplied by: the stiffness, if it is known."""
        return 1.0 if self.problem.free[0] else self.chain.stiffness

    def dataset(self) -> xr.Dataset:
        """Return all of the fit as a Dataset that can be saved.

        Returns
        -------
        xarray.Dataset
            `load`, `load_error` and `fitted_load` (level, spring), lengths; `noise` (level,); and
            `value`, `low` and `high` (parameter,), each parameter and the ends of its interval. The
            attrs hold the confidence `level`, chi-square, p-value, status and words.
        """
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
            level=self.level,
            chi_square=self.chi_square,
            dof=self.dof,
            p_value=self.p_value,
            status=self.status,
            errors=o.errors,
            words=self.words(),
        )
