r"""Fit friction and noise: find the chain whose mean loads are the measured ones.

The fit is weighted least squares on the mean field, over logarithms of the parameters. Intervals
and regions are those of the profile likelihood: all values at which the rest of the parameters
still reach a chi-square within an F quantile of the best. They are one-sided or unbounded where the
curves do not tell more.

Loads depend on $\mu / kT$, $\epsilon / (\sqrt\eta\,kT)$ and $k t$ alone, so that curves can show no
more than these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from loadpath.checks import as_numbers, check_count, check_level, check_number, check_type
from loadpath.results import Status
from loadpath.spring_block.chain import Array, Chain
from loadpath.spring_block.fitting.curves import Curves, observe
from loadpath.spring_block.fitting.least_squares import SHARED, Problem, minimize, screen
from loadpath.spring_block.fitting.profiles import intervals
from loadpath.spring_block.fitting.result import Fit

POOR = 0.01
"""p-value below which the fit is called poor."""
ROUNDS = 4
"""The most minimizations: each takes the weights, or a better start, that the last one found."""
LEAST_ERROR = 1e-6
"""The smallest error of loads that residuals may claim, in units of the target."""
FRICTION = (1e-5, 10.0)
"""Range searched, in units of stiffness * target: as good as none, and as good as infinite."""
FORCE_NOISE = (1e-4, 100.0)
"""Range searched for noise / sqrt(dt), in the same units."""
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
    level: float = 0.95,
    model_error: float = 1e-4,
) -> Fit:
    r"""Fit one overdamped chain with dry friction to load curves at one or several noise levels.

    All levels of noise share stiffness and frictions, and each has a noise of its own. Loads are
    scaled to sum to the target. Errors are those given, or else come from the replicas, or else
    from what the fit leaves.

    The model is overdamped, under constant noise, pulled at once from rest at 0. There is no fit of
    the Langevin dynamics: curves of a chain with inertia are read as those of an overdamped one.

    Parameters
    ----------
    curves : array_like or sequence of LoadCurve
        Loads (spring,), (level, spring) or (replica, level, spring) with at least 3 springs, or a
        list of `LoadCurve`s. Replicas are independent of each other, and so are levels.
    errors : array_like, optional
        Standard errors of the loads: one number, (spring,) or (level, spring); independent.
    covariance : array_like, optional
        Covariance of the loads, (spring, spring) or (level, spring, spring), in place of `errors`.
    fixed : mapping, optional
        Values of parameters that are not fitted; {"stiffness": 1.0} if left out. "noise" is one
        number, or (level,) with NaN where it is free. With {} the stiffness is free as well, which
        means the duration $k t$; fixed frictions and noise are then in units of stiffness.
    target : float
        What the loads of each curve are scaled to sum to; a length.
    dt : float
        Time of one step of the run.
    n_steps : int
        Number of steps of the run, which lasts $t$ = dt * n_steps.
    level : float
        Confidence level of intervals and regions, between 0 and 1: the chance that one covers the
        truth. It is no level of noise.
    model_error : float
        Error of the mean field in units of the target, which is added to every error.

    Returns
    -------
    Fit
        The chain, its intervals and what they leave open. Its status and words say if the fit is
        poor or a parameter unknown.

    Raises
    ------
    ValueError
        If there are fewer than 3 springs, loads are not finite or do not have a positive sum,
        shapes do not match, errors are not above 0, there are too few curves to tell errors from,
        `fixed` has unknown names or values, or a number is out of range.

    Notes
    -----
    It takes about 3 s of CPU for four levels, 2 s for one, and 22 s with the stiffness free.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    >>> from loadpath.spring_block import Chain, mean_field
    >>> chain = Chain(n_blocks=4, friction_right=0.1, friction_left=0.15)
    >>> curves = mean_field(chain, noise=[0.007, 0.012], n_steps=2000)
    >>> found = fit(curves, errors=0.001, n_steps=2000)
    >>> print(found.status)
    converged
    >>> round(found.value["friction_right"], 3), round(found.value["friction_left"], 3)
    (0.1, 0.15)
    >>> low, high = found.interval["friction_left"]
    >>> low < 0.15 < high
    True
    """
    check_number("dt", dt, above=0.0)
    check_count("n_steps", n_steps, 1)
    check_level(level)
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
    limit = observed.quantile(level, 1, parameters)
    for _ in range(ROUNDS):
        problem, theta, converged = _reweighted(problem, start, floor)
        distance = problem.distance(problem.loads(problem.level_parameters(theta)))
        low, high, better = intervals(problem, theta, float(problem.weight @ distance), limit=limit)
        if better is None:
            break
        converged, start = False, better[None]  # ends are not found yet
    return _result(problem, theta, (low, high), converged, level)


def _reweighted(problem: Problem, start: Array, floor: float) -> tuple[Problem, Array, bool]:
    """Minimize, and return the problem with the weights that the minimum implies, too.

    The second value is the minimum; the third says whether its search converged.
    """
    observed, parameters = problem.observed, int(problem.free.sum())
    for _ in range(2):  # weights move the minimum a little, and that hardly moves them again
        found = minimize(problem, start, np.tile(problem.free, (len(start), 1)))
        best = int(found.cost.argmin())
        start = found.theta[[best]]
        distance = problem.distance(problem.loads(problem.level_parameters(start[0])))
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
    converged: bool,
    level: float,
) -> Fit:
    """Put names, units and a verdict to what was found."""
    observed, free = problem.observed, problem.free
    loads = problem.loads(problem.level_parameters(theta))
    distance = problem.distance(loads)
    dof = observed.numbers - int(free.sum())
    k = float(np.exp(theta[0]))
    unit, per = (1.0, " / stiffness") if free[0] else (k, "")
    names = ["stiffness", "friction_right" + per, "friction_left" + per]
    names += [f"noise {j}{per}" for j in range(len(loads))]
    scale = np.array([1.0] + [unit] * (len(names) - 1))
    best, low, high = (np.exp(v) * scale for v in (theta, *ends))
    if observed.errors == "residuals":
        distance = distance * problem.weight
    chi_square = float(distance.sum())
    p = observed.p_value(chi_square, dof)
    status = Status.CONVERGED
    if not converged:
        status = Status.NOT_CONVERGED
    elif p < POOR:  # not so for NaN, where the curves cannot say
        status = Status.POOR_FIT
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
        level=level,
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
    """Return the fixed values (parameter,), NaN where a parameter is free."""
    known = (*SHARED, "noise")
    check_type("fixed", fixed, Mapping, "a mapping of names to numbers")
    held = np.full(3 + levels, np.nan)
    for name, value in fixed.items():
        if name not in known:
            raise ValueError(f"fixed must name some of {', '.join(known)}, got {name!r}.")
        v = as_numbers(f"fixed[{name!r}]", value, missing=name == "noise")
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
