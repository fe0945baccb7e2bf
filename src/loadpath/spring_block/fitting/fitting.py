r"""`fit`: friction and noise of the chain whose mean loads are the measured ones.

Weighted least squares on the mean field, over logarithms. Intervals and regions are those of the
profile likelihood: all values at which the rest of the parameters still reach a chi-square within
the F quantile of the best. They may be one-sided or unbounded, where curves do not tell more.

What curves can show at all: loads depend on $\mu / kT$, $\epsilon / (\sqrt\eta\,kT)$ and $k t$.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from loadpath.checks import check_count, check_number
from loadpath.spring_block.chain import Array, Chain
from loadpath.spring_block.fitting.curves import Curves, observe
from loadpath.spring_block.fitting.estimates import Status
from loadpath.spring_block.fitting.least_squares import SHARED, Problem, minimize, screen
from loadpath.spring_block.fitting.profiles import intervals
from loadpath.spring_block.fitting.result import Fit

POOR = 0.01
"""p-value below which the fit is called poor."""
ROUNDS = 4
"""Minimizations at most: each takes the weights, or a better start, that the last one found."""
LEAST_ERROR = 1e-6
"""The smallest error of loads that residuals may claim, in units of the target."""
FRICTION = (1e-5, 10.0)
"""Range searched, in units of stiffness * target: as good as none, and as good as infinite."""
FORCE_NOISE = (1e-4, 100.0)
"""Range searched for noise / sqrt(dt), likewise."""
FASTEST = 0.25
"""The largest stiffness * dt; steps become unstable from 0.5 on."""


def fit(
    curves: Curves,
    *,
    errors: ArrayLike | None = None,
    covariance: ArrayLike | None = None,
    fixed: Mapping[str, float | ArrayLike] | None = None,
    target: float = 1.0,
    dt: float = 0.01,
    n_steps: int = 10_000,
    confidence: float = 0.95,
    model_error: float = 1e-4,
) -> Fit:
    r"""Fit one overdamped chain with dry friction to load curves at one or several noise levels.

    All levels share stiffness and frictions, each has a noise of its own. Loads are scaled to sum
    to the target. Errors are taken from `errors`, from replicas, or else from what the fit leaves.

    The model is overdamped, under constant noise, pulled at once from rest at 0: there is no fit of
    the Langevin dynamics, whose curves this reads as those of an overdamped chain.

    Parameters
    ----------
    curves: loads (spring,), (level, spring) or (replica, level, spring) with at least 3 springs, or
        a list of `LoadCurve`s. Replica r of all levels is independent of the others; so are levels.
    errors: standard errors of the loads, like (level, spring); independent.
    covariance: of the loads, (spring, spring) or (level, spring, spring), in place of `errors`.
    fixed: values of parameters that are not fitted, {"stiffness": 1.0} if None. "noise" is one
        number or (level,) with NaN where it is free. With {} stiffness is free as well, which
        means the duration $k t$; fixed frictions and noise are then in units of stiffness.
    dt, n_steps: of the run: $t$ = dt * n_steps, in units of friction / (stiffness * velocity).
    confidence: of intervals and regions.
    model_error: of the mean field, in units of the target; added to every error.

    Returns a `Fit`; a bad fit or unknown parameters are said in its status and words.

    Raises: ValueError for fewer than 3 springs, loads that are not finite or do not have a positive
    sum, wrong shapes, errors not above 0, too few curves to tell errors from, unknown names or
    values in `fixed`, and numbers out of range.
    """
    check_number("dt", dt, above=0.0)
    check_count("n_steps", n_steps, 1)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be above 0 and below 1, got {confidence}.")
    observed = observe(
        curves, errors=errors, covariance=covariance, target=target, model_error=model_error
    )
    levels = len(observed.loads)
    held = _fixed({"stiffness": 1.0} if fixed is None else fixed, levels)
    free = np.isnan(held)
    parameters = int(free.sum())
    if observed.errors == "residuals" and observed.numbers <= parameters:
        raise ValueError(
            "errors must be given where curves have no numbers to spare, got "
            f"{observed.numbers} numbers for {parameters} parameters."
        )
    bounds = np.array(
        [(0.1 / (dt * n_steps), FASTEST / dt)]
        + [(FRICTION[0] * target, FRICTION[1] * target)] * 2
        + [tuple(s * math.sqrt(dt) * target for s in FORCE_NOISE)] * levels
    )
    if free[0] and bounds[0, 0] >= bounds[0, 1]:
        raise ValueError(f"n_steps must be above 0.4 to fit stiffness, got {n_steps}.")
    if not free[0]:
        held[1:] /= held[0]
    floor = max(model_error, LEAST_ERROR) * target
    problem = Problem(
        observed=observed,
        target=target,
        dt=dt,
        n_steps=n_steps,
        low=np.log(bounds[:, 0]),
        high=np.log(bounds[:, 1]),
        free=free,
        weight=np.full(levels, floor**-2 if observed.errors == "residuals" else 1.0),
    )
    with np.errstate(divide="ignore"):  # a fixed 0 is -inf
        start = screen(problem, np.log(held))
    limit = observed.quantile(confidence, 1, parameters)
    for _ in range(ROUNDS):
        problem, theta, settled = _reweighted(problem, start, floor)
        distance = problem.distance(problem.loads(problem.of_levels(theta)))
        low, high, better = intervals(problem, theta, float(problem.weight @ distance), limit=limit)
        if better is None:
            break
        settled, start = False, better[None]  # ends are not found yet
    return _result(problem, theta, (low, high), settled, confidence)


def _reweighted(problem: Problem, start: Array, floor: float) -> tuple[Problem, Array, bool]:
    """Minimum from starts (start, parameter), with the weights it implies, and if it is one."""
    observed, parameters = problem.observed, int(problem.free.sum())
    for _ in range(2):  # weights move the minimum a little, and that hardly moves them again
        found = minimize(problem, start, np.tile(problem.free, (len(start), 1)))
        best = int(found.cost.argmin())
        start = found.theta[[best]]
        distance = problem.distance(problem.loads(problem.of_levels(start[0])))
        if observed.errors == "residuals":
            spread = max(floor**2, float(distance.sum()) / (observed.numbers - parameters))
            weight = np.full(len(distance), 1 / spread)
        else:
            weight = observed.weight(distance, parameters)
        problem = replace(problem, weight=weight)
    return problem, start[0], bool(found.converged[best])


def _result(
    problem: Problem,
    theta: Array,
    ends: tuple[Array, Array],
    settled: bool,
    confidence: float,
) -> Fit:
    """Put names, units and a verdict to what was found."""
    observed, free = problem.observed, problem.free
    loads = problem.loads(problem.of_levels(theta))
    distance = problem.distance(loads)
    dof = observed.numbers - int(free.sum())
    k = float(np.exp(theta[0]))
    unit, per = (1.0, " / stiffness") if free[0] else (k, "")
    names = ["stiffness", "friction_right" + per, "friction_left" + per]
    names += [f"noise {level}{per}" for level in range(len(loads))]
    scale = np.array([1.0] + [unit] * (len(names) - 1))
    best, low, high = (np.exp(v) * scale for v in (theta, *ends))
    if observed.errors == "residuals":
        distance = distance * problem.weight
    chi_square = float(distance.sum())
    p = observed.p_value(chi_square, dof)
    status: Status = "not converged" if not settled else "poor fit" if p < POOR else "converged"
    return Fit(
        chain=Chain(
            n_blocks=loads.shape[1] - 1,
            stiffness=k,
            friction_right=float(np.exp(theta[1])) * k,
            friction_left=float(np.exp(theta[2])) * k,
            target=problem.target,
        ),
        noise=np.exp(theta[3:]) * k,
        value={name: float(v) for name, v in zip(names, best, strict=True)},
        interval={name: (float(a), float(b)) for name, a, b in zip(names, low, high, strict=True)},
        confidence=confidence,
        loads=loads,
        observed=observed,
        chi_square=chi_square,
        dof=max(dof, 0),
        p_value=p,
        status=status,
        problem=problem,
        theta=theta,
    )


def _fixed(fixed: Mapping[str, float | ArrayLike], levels: int) -> Array:
    """Fixed values (parameter,), NaN where free."""
    known = (*SHARED, "noise")
    held = np.full(3 + levels, np.nan)
    for name, value in fixed.items():
        if name not in known:
            raise ValueError(f"fixed must name some of {', '.join(known)}, got {name!r}.")
        v = np.asarray(value, dtype=float)
        if v.shape not in ((), (levels,)[: int(name == "noise")]):
            raise ValueError(f"fixed must have one number for {name}, got shape {v.shape}.")
        least = 0.0 if name != "stiffness" else np.finfo(float).tiny
        open_ = np.isnan(v) if name == "noise" else np.zeros(v.shape, dtype=bool)
        if not (open_ | (np.isfinite(v) & (v >= least))).all():
            raise ValueError(
                f"fixed must have finite values {'above' if least else 'of at least'} 0 for "
                f"{name}, got {v.tolist()}."
            )
        held[slice(3, None) if name == "noise" else SHARED.index(name)] = v
    free = np.isnan(held)
    if not free.any():
        raise ValueError("fixed must leave some parameter free, got all of them.")
    return held
