r"""States of the chain that are known exactly.

*At rest.* Pulled from 0 without noise or inertia, blocks only ever move to the right: the flow is
monotone in every neighbour. They stop at the edge, $k (d_{l+1} - d_l) = \mu_\rightarrow$, and
where less than that is left, they have not moved: $d_l = \max(0, D - (n + 1 - l) \mu_\rightarrow /
k)$ with D such that the loads sum to the target.

*On average, shaken.* With $c = (\mu_\rightarrow - \mu_\leftarrow) / 2$ and $h$ half their sum,
friction is the constant force -c and a symmetric friction h. About the positions at which
$k (d_{l+1} - d_l) = c$, equations and noise are the same for a motion and its mirror image, so once
the start is forgotten these are the mean positions, at any level of noise, under either dynamics.
How long that takes is another matter: $e^{h^2 / 2 \sigma^2}$ once force noise sigma is below h.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from loadpath.checks import check_number
from loadpath.spring_block.chain.chain import Array, Chain, Dry, Dynamics, Puller


def rest_state(chain: Chain, *, by: Puller = "wall") -> Array:
    """Loads (n_blocks + 1,) at rest, without noise, pulled from zero: exact.

    For overdamped dynamics and dry friction, whatever the speed of the pull; with inertia blocks
    overshoot. `by` "force": the force is k target / (n_blocks + 1), as in `simulate`.

    Raises: ValueError for a smooth law, under which nothing rests short of equal loads.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353, derived anew.
    """
    if not isinstance(chain.law, Dry):
        raise ValueError(f"law must be Dry() for a rest state, got {chain.law!r}.")
    n, slope = chain.n_blocks, chain.friction_right / chain.stiffness
    below = slope * np.arange(n, -1, -1.0)  # what each load lacks of the last one
    if by == "force":
        return np.asarray(np.maximum(0.0, chain.target / (n + 1) - below))
    # With the last j springs loaded, their mean is D minus the mean of what they lack.
    for j in range(n + 1, 0, -1):
        last = chain.target / j + slope * (j - 1) / 2
        if last >= below[-j] or j == 1:
            break
    return np.asarray(np.maximum(0.0, last - below))


def mean_state(chain: Chain, *, by: Puller = "wall") -> Array:
    r"""Loads (n_blocks + 1,) averaged over noise that has shaken the start off: exact.

    A slope of $(\mu_\rightarrow - \mu_\leftarrow) / 2k$ from one load to the next, whatever the
    noise and under either dynamics; loads may be negative. The module says why, and that little
    noise takes long.

    Source: Shi, Pan and Dokmanic, arXiv:2407.19353, for the overdamped chain; derived anew.
    """
    n = chain.n_blocks
    slope = (chain.friction_right - chain.friction_left) / (2 * chain.stiffness)
    middle = n if by == "force" else n / 2  # whose load is known: the pulled one, or the mean
    return np.asarray(chain.target / (n + 1) + slope * (np.arange(n + 1) - middle))


def stationary_covariance(
    chain: Chain,
    *,
    noise: float,
    dynamics: Dynamics = "overdamped",
    mass: float = 1.0,
    damping: float = 1.0,
    common_noise: bool = False,
    dt: float = 0.0,
    by: Puller = "wall",
) -> Array:
    r"""Covariance (block, block) of the positions under noise, without friction: exact.

    An Ornstein-Uhlenbeck process: $\frac{\epsilon^2}{2k} \Lambda^{-1}$ overdamped and
    $\frac{\epsilon^2}{2 \gamma k} \Lambda^{-1}$ with inertia, whatever the mass, where every block
    has its own noise; $\Lambda$ is minus the Laplacian. `dt` above 0 gives the covariance of the
    scheme that `simulate` steps with, which differs to first order.

    Raises: ValueError if the chain has friction, or for values out of range.
    """
    if chain.friction_right or chain.friction_left:
        raise ValueError(
            "friction_right and friction_left must be 0 for a stationary covariance, got "
            f"{chain.friction_right} and {chain.friction_left}."
        )
    check_number("noise", noise, least=0.0)
    check_number("dt", dt, least=0.0)
    n, one = chain.n_blocks, np.eye(chain.n_blocks)
    K = chain.stiffness * laplacian(n, by)
    Q = noise**2 * (np.ones((n, n)) if common_noise else one)
    if dynamics == "overdamped":
        if dt == 0:
            return np.asarray(solve_continuous_lyapunov(K, Q))
        return np.asarray(solve_discrete_lyapunov(one - dt * K, dt * Q))
    check_number("mass", mass, above=0.0)
    check_number("damping", damping, above=0.0)
    nothing = np.zeros((n, n))
    if dt == 0:
        M = np.block([[nothing, -one], [K / mass, damping / mass * one]])
        noise_in = np.block([[nothing, nothing], [nothing, Q / mass**2]])
        return np.asarray(solve_continuous_lyapunov(M, noise_in))[:n, :n]
    share = 1 / (mass + damping * dt)  # v' = share (m v - dt K x + noise), x' = x + dt v'
    velocity = np.hstack([-share * dt * K, share * mass * one])
    M = np.vstack([np.hstack([one, nothing]) + dt * velocity, velocity])
    enters = share * np.vstack([dt * one, one])
    return np.asarray(solve_discrete_lyapunov(M, enters @ (dt * Q) @ enters.T))[:n, :n]


def laplacian(n: int, by: Puller = "wall") -> Array:
    """Minus the Laplacian of a chain of n blocks, (block, block)."""
    K = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    if by == "force":
        K[-1, -1] = 1.0
    return K
