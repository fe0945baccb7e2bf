r"""Mean loads of the overdamped chain as a deterministic flow, without replicas or random numbers.

A step is $x \leftarrow x + \eta\,\phi(F + s Z)$ with force noise $s = \epsilon / \sqrt\eta$, and
$\phi(u) = (u - \mu_\rightarrow)_+ - (-\mu_\leftarrow - u)_+$. If the total force u on a block is
Gaussian with mean F and variance $\sigma^2$, its mean velocity is

$$\Phi = E\,\phi(u) = \sigma [g(z_\rightarrow) - g(z_\leftarrow)],
\quad g(z) = z N(z) + N'(z),\quad z_\rightarrow = (F - \mu_\rightarrow) / \sigma,\;
z_\leftarrow = (-\mu_\leftarrow - F) / \sigma,$$

N the normal distribution function. The force of the springs is linear in x, so its mean is that of
the mean positions, and they flow by $\dot x = \Phi(F(x))$.

*Closure.* $\sigma^2 = s^2 + q$, with q the variance of the springs' force. Linearized by Stein's
lemma, $\mathrm{Cov}(x, \phi(u)) = a\,\mathrm{Cov}(x, F)$ with $a = E\,\phi' = N(z_\rightarrow) +
N(z_\leftarrow)$, the covariance C of x obeys $\dot C = -k (a \Lambda C + C \Lambda a) +
\eta\,\mathrm{diag}\,\mathrm{Var}\,\phi$ ($\Lambda$ is minus the Laplacian). Where a and
$\mathrm{Var}\,\phi$ vary slowly along the chain and in time, $C = \frac{\eta \mathrm{Var} \phi}{2 k
a} \Lambda^{-1}$, hence $q = k^2 (\Lambda C \Lambda)_{ll} = \eta k\,\mathrm{Var}\,\phi / a$. It is
of order $\eta k s^2$, so that its first order is enough: $\Phi + \frac{q}{2} \partial_F^2 \Phi$.

*Steps* of finite length are the flow of another field, to first order $\Phi - \frac{\eta}{2}
\Phi' \Phi$, since $e^{\eta \partial_t} x = x + \eta \dot x + \frac{\eta^2}{2} \ddot x$. Here
$\Phi' = -k a \Lambda$, so it is $\Phi + \frac{\eta k}{2} a \Lambda \Phi$.

*Error*, in units of the target, against simulated means over the phase diagram (n = 7): it is below
$10^{-4}$ at $\eta k = 0.01$, where it is that of the integration, $3 \cdot 10^{-4}$ at 0.1, and
$2.5 \cdot 10^{-3}$ at 0.25, where second orders of $\eta k$ count. docs/spring-block.md has more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from loadpath.checks import as_numbers, check_count, check_number, check_type
from loadpath.spring_block.chain.chain import Array, Chain, Dry

try:
    from loadpath.spring_block.chain import flow_kernel
except ImportError:  # numba is an extra
    integrate: Any = None
else:
    integrate = flow_kernel.integrate

ONSET = 1.0
"""The k t up to which steps of the integration are about equal; later they grow with t."""
STEPS = 14
"""Number of steps of the integration for each factor e in k t."""
LONGEST_TIME = 1e8
"""The most k t that is integrated: the number of stages grows with its root, and all is at rest."""
DENSITY = 1 / math.sqrt(2 * math.pi)
"""The normal density at 0."""
SHARPEST = 1e-12
"""Noise that stands for none, in units of stiffness * target."""


def mean_field(
    chain: Chain,
    *,
    noise: float | ArrayLike,
    dt: float = 0.01,
    n_steps: int = 10_000,
    start: ArrayLike | None = None,
) -> Array:
    r"""Return the mean loads of the overdamped chain after `n_steps` under constant noise.

    They are what the mean over replicas of `simulate(chain, noise=..., dt=..., n_steps=...)` tends
    to, found by integrating the flow of the means. They are exact at rest ($\epsilon = 0$, t to
    infinity) and for the state that noise leads to (`mean_state`).

    Parameters
    ----------
    chain : Chain
        A chain with dry friction.
    noise : float or array_like
        $\epsilon$, force times the square root of time: one number, or an array of any shape.
    dt : float
        Time of one step of the simulation; the integration takes larger steps of its own.
    n_steps : int
        Number of steps of the simulation.
    start : array_like, optional
        (block,) mean positions at time 0; 0 if left out.

    Returns
    -------
    Array
        (..., n_blocks + 1) mean load of each spring, a length, with the shape of `noise` in front.

    Raises
    ------
    ValueError
        If the chain's law is smooth, or a value is out of range.

    Notes
    -----
    The error is below $10^{-4}$ of the target up to about $dt\,k = 0.05$; docs/spring-block.md
    derives the flow and has the errors measured. It takes 0.2 ms, and less for each noise of many;
    without numba, which the extra `fast` brings, 7 ms.

    Examples
    --------
    A chain that is shaken more has come nearer to equal loads:

    >>> chain = Chain(n_blocks=3, friction_right=0.1, friction_left=0.1)
    >>> mean_field(chain, noise=[0.0, 0.02], n_steps=5000).round(3)
    array([[0.1 , 0.2 , 0.3 , 0.4 ],
           [0.25, 0.25, 0.25, 0.25]])
    """
    check_type("chain", chain, Chain, "a Chain")
    if not isinstance(chain.law, Dry):
        raise ValueError(f"law must be Dry() for a mean field, got {chain.law!r}.")
    check_number("dt", dt, above=0.0)
    check_count("n_steps", n_steps, 1)
    if chain.stiffness * dt * n_steps > LONGEST_TIME:
        raise ValueError(
            f"dt must be at most {LONGEST_TIME / (chain.stiffness * n_steps):.3g} for n_steps "
            f"{n_steps} of this chain, got {dt:g}."
        )
    eps = as_numbers("noise", noise, least=0)
    if not np.isfinite(eps).all() or (eps.size and eps.min() < 0):
        raise ValueError(f"noise must be finite and at least 0, got {eps.tolist()}.")
    n, unit = chain.n_blocks, chain.stiffness * chain.target
    begin = np.zeros(n) if start is None else as_numbers("start", start)
    if begin.shape != (n,) or not np.isfinite(begin).all():
        raise ValueError(f"start must be {n} finite positions, got shape {begin.shape}.")
    one = np.ones(eps.size)
    loads = relax(
        one * (chain.friction_right / unit),
        one * (chain.friction_left / unit),
        eps.ravel() / (math.sqrt(dt) * unit),
        one * (chain.stiffness * dt * n_steps),
        step=one * (chain.stiffness * dt),
        n_blocks=n,
        start=begin / chain.target,
    )
    return np.asarray(chain.target * loads.reshape(*eps.shape, n + 1))


def relax(
    right: Array,
    left: Array,
    sigma: Array,
    time: Array,
    *,
    step: Array,
    n_blocks: int,
    start: Array | None = None,
) -> Array:
    r"""Return the mean loads of many chains at once, in units of each chain's target.

    Every argument is without dimension. Within one call the loads are a smooth function of all of
    them, as finite differences need it.

    Parameters
    ----------
    right, left : Array
        (batch,) frictions, in units of k times the target.
    sigma : Array
        (batch,) force noise $\epsilon / \sqrt\eta$, in units of k times the target.
    time : Array
        (batch,) $k t$.
    step : Array
        (batch,) $k \eta$.
    n_blocks : int
        Number of blocks of every chain.
    start : Array, optional
        (block,) mean positions at time 0, in units of the target; 0 if left out.

    Returns
    -------
    Array
        (batch, n_blocks + 1) mean loads.
    """
    width, closure = np.maximum(sigma, SHARPEST), step / 2
    growth = np.log1p(time / ONSET)
    steps = math.ceil(STEPS * max(1.0, float(growth.max(initial=0.0))))
    fastest = 4 * (1 + 2 * float(step.max(initial=0.0)))  # rate per k t, with the correction
    instants = ONSET * np.expm1(growth * np.linspace(0, 1, steps + 1)[:, None])
    longest = np.diff(instants, axis=0).max(axis=1, initial=0.0)
    stages = np.array([_stages(fastest * float(h)) for h in longest])
    x = np.zeros((len(right), n_blocks))
    if start is not None:
        x += start
    if integrate is not None:
        # One memory layout, or numba compiles for each.
        right, left = np.ascontiguousarray(right), np.ascontiguousarray(left)
        integrate(x, right, left, width, closure, instants, stages)
    else:
        velocity = _velocity_of(right, left, width, closure, n_blocks)
        y = x.T.copy()
        for h, s in zip(np.diff(instants, axis=0), stages.tolist(), strict=True):
            y = _advance(velocity, y, h, s)
        x = y.T
    return np.diff(x, axis=1, prepend=0.0, append=1.0)


def _velocity_of(
    right: Array, left: Array, width: Array, closure: Array, n_blocks: int
) -> Callable[[Array], Array]:
    """Return the velocity of many chains, each (batch,) as in `relax`, as a function of x."""
    n, batch = n_blocks, len(right)
    edges = (np.stack([-right, -left]) / width)[:, None]  # (side, 1, batch)
    steep = 1 / width

    def velocity(x: Array) -> Array:
        """Return Phi (block, batch) with closure, corrected for the step, per k t."""
        F = -2 * x
        F[1:] += x[:-1]
        F[:-1] += x[1:]
        F[-1] += 1
        F *= steep
        z = np.empty((2, n, batch))
        z[0] = F
        np.negative(F, out=z[1])
        z += edges
        N = ndtr(z)
        density = DENSITY * np.exp(-0.5 * z * z)
        g = z * N + density
        mean = g[0] - g[1]
        square = z * g + N  # E of the velocity's square, one side each
        # Var phi / E phi': tends to 0 where neither side is ever reached.
        q = (square[0] + square[1] - mean * mean) / (N[0] + N[1] + 1e-300)
        flow = mean + closure * q * (density[0] - density[1])
        bend = -2 * flow  # minus the Laplacian's matrix applied to the flow
        bend[1:] += flow[:-1]
        bend[:-1] += flow[1:]
        return np.asarray((flow - closure * (N[0] + N[1]) * bend) * width)

    return velocity


def _stages(longest: float) -> int:
    """Return the stages of RKL2 with which a step times the fastest rate, `longest`, is stable.

    Where no rate exceeds r, s stages allow h = (s^2 + s - 2) / (2 r), at second order; an Euler
    step each would allow 2 s / r.
    """
    s = max(3, math.ceil((math.sqrt(9 + 8 * longest) - 1) / 2))
    return s + 1 - s % 2  # the method damps best with an odd number


def _advance(velocity: Callable[[Array], Array], y: Array, h: Array, s: int) -> Array:
    """Take one step of RKL2, an explicit method whose s stages keep large steps h (batch,) stable.

    The method damps without overshooting, which matters where friction would hold a block that went
    too far.

    References
    ----------
    .. [1] Meyer, Balsara and Aslam, "A stabilized Runge-Kutta-Legendre method for explicit
       super-time-stepping of parabolic and mixed equations", J. Comput. Phys. 257 (2014).
    """
    w = 4 / (s * s + s - 2)
    b = [1 / 3] * 2 + [(i * i + i - 2) / (2 * i * (i + 1)) for i in range(2, s + 1)]
    first = h * velocity(y)
    before, now = y, y + w / 3 * first
    for i in range(2, s + 1):
        mu, nu = (2 * i - 1) / i * b[i] / b[i - 1], -(i - 1) / i * b[i] / b[i - 2]
        new = velocity(now)
        new *= h
        new += (b[i - 1] - 1) * first
        new *= mu * w
        new += mu * now
        new += nu * before
        new += (1 - mu - nu) * y
        before, now = now, new
    return now
