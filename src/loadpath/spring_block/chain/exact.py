r"""States of the chain that are known exactly.

*At rest.* Pulled from 0 without noise or inertia, blocks only ever move to the right, because the
flow is monotone in every neighbour. A block that has moved stops where its force just equals
friction, $k (d_{l+1} - d_l) = \mu_\rightarrow$. A block that feels less has never moved. Hence
$d_l = \max(0, D - (n + 1 - l) \mu_\rightarrow / k)$, with D such that the loads sum to the target.

*On average, shaken.* Let c be half the difference $\mu_\rightarrow - \mu_\leftarrow$ and h half the
sum. Friction is then the constant force -c and a symmetric friction h. About the positions at which
$k (d_{l+1} - d_l) = c$, equations and noise are the same for a motion and for its mirror image. So
once the start is forgotten these are the mean positions, at any level of noise and under either
dynamics. The time until then grows as $e^{h^2 / 2 \sigma^2}$ once the force noise $\sigma$ is
below h.
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_continuous_lyapunov, solve_discrete_lyapunov

from loadpath.checks import check_choice, check_flag, check_number, check_type
from loadpath.spring_block.chain.chain import Array, Chain, Dry, Dynamics, Puller


def rest_state(chain: Chain, *, by: Puller = "wall") -> Array:
    r"""Return the exact loads of a chain that was pulled from zero without noise and came to rest.

    This holds for overdamped dynamics and dry friction, whatever the speed of the pull. With
    inertia blocks overshoot, and rest elsewhere.

    Parameters
    ----------
    chain : Chain
        A chain with dry friction.
    by : {"wall", "force"}
        What is pulled; the force is k target / (n_blocks + 1), as in `simulate`.

    Returns
    -------
    Array
        (n_blocks + 1,) load of each spring, from the fixed end to the pulled one; a length.

    Raises
    ------
    ValueError
        If the chain's law is smooth: then nothing rests short of equal loads.

    Notes
    -----
    $d_l = \max(0, D - (n + 1 - l) \mu_\rightarrow / k)$, with D such that the loads sum to the
    target. The paper has the formula; the derivation is in docs/spring-block.md.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    Friction holds the first four blocks, and the deep springs carry all the load:

    >>> rest_state(Chain(n_blocks=7, friction_right=0.1)).round(6)
    array([0. , 0. , 0. , 0. , 0.1, 0.2, 0.3, 0.4])
    """
    check_type("chain", chain, Chain, "a Chain")
    check_choice("by", by, ("wall", "force"))
    if not isinstance(chain.law, Dry):
        raise ValueError(f"law must be Dry() for a rest state, got {chain.law!r}.")
    n, slope = chain.n_blocks, chain.friction_right / chain.stiffness
    below = slope * np.arange(n, -1, -1.0)  # what each load lacks of the last one
    if by == "force":
        return np.asarray(np.maximum(0.0, chain.target / (n + 1) - below))
    # With the last j springs loaded, their mean is D minus the mean of what they lack. The most
    # springs for which the first of them still has a load are those that are loaded.
    for j in range(n + 1, 0, -1):
        last = chain.target / j + slope * (j - 1) / 2
        if last >= below[-j] or j == 1:
            break
    return np.asarray(np.maximum(0.0, last - below))


def mean_state(chain: Chain, *, by: Puller = "wall") -> Array:
    r"""Return the exact mean loads of a chain that noise has shaken until its start is forgotten.

    Parameters
    ----------
    chain : Chain
        A chain with any law of friction.
    by : {"wall", "force"}
        What is pulled; the force is k target / (n_blocks + 1), as in `simulate`.

    Returns
    -------
    Array
        (n_blocks + 1,) mean load of each spring; a length. Loads may be negative.

    Notes
    -----
    Loads rise by $(\mu_\rightarrow - \mu_\leftarrow) / 2k$ from one spring to the next, whatever
    the noise and under either dynamics. Little noise takes long to lead there: see
    `unpinning_noise`. The paper has the result for the overdamped chain; the derivation is in
    docs/spring-block.md.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    >>> mean_state(Chain(n_blocks=4, friction_right=0.1, friction_left=0.16)).round(6)
    array([0.26, 0.23, 0.2 , 0.17, 0.14])
    """
    check_type("chain", chain, Chain, "a Chain")
    check_choice("by", by, ("wall", "force"))
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
    r"""Return the exact covariance of the positions of a frictionless chain under constant noise.

    Parameters
    ----------
    chain : Chain
        A chain without friction.
    noise : float
        $\epsilon$; force times the square root of time.
    dynamics : {"overdamped", "langevin"}
        Without inertia, or with it.
    mass : float
        Mass m of a block; used with "langevin" only.
    damping : float
        Force $\gamma$ per velocity; used with "langevin" only.
    common_noise : bool
        Whether all blocks get the same noise, the sum of `n_blocks` Wiener processes, and not each
        one of its own.
    dt : float
        A value above 0 gives the covariance of the scheme that `simulate` steps with, which differs
        from that of the equation by a term of first order; 0 gives that of the equation.
    by : {"wall", "force"}
        What is pulled.

    Returns
    -------
    Array
        (block, block) covariance, a length squared.

    Raises
    ------
    ValueError
        If the chain has friction, or a value is out of range.

    Notes
    -----
    The positions are an Ornstein-Uhlenbeck process. Where every block has its own noise the
    covariance is $\frac{\epsilon^2}{2k} \Lambda^{-1}$ without inertia and
    $\frac{\epsilon^2}{2 \gamma k} \Lambda^{-1}$ with it, whatever the mass; $\Lambda$ is minus the
    Laplacian. The other cases are solved as Lyapunov equations.

    Examples
    --------
    >>> free = Chain(n_blocks=2, friction_right=0.0, friction_left=0.0)
    >>> stationary_covariance(free, noise=0.3).round(6)
    array([[0.03 , 0.015],
           [0.015, 0.03 ]])
    """
    check_type("chain", chain, Chain, "a Chain")
    check_choice("dynamics", dynamics, ("overdamped", "langevin"))
    check_choice("by", by, ("wall", "force"))
    check_flag("common_noise", common_noise)
    if chain.friction_right or chain.friction_left:
        raise ValueError(
            "friction_right and friction_left must be 0 for a stationary covariance, got "
            f"{chain.friction_right} and {chain.friction_left}."
        )
    check_number("noise", noise, least=0.0)
    check_number("dt", dt, least=0.0)
    check_number("mass", mass, above=0.0)
    check_number("damping", damping, above=0.0)
    if dt:
        bound = chain.stable_dt(dynamics, mass=mass, damping=damping, by=by)
        check_number("dt", dt, above=0.0, below=bound)
    n, one = chain.n_blocks, np.eye(chain.n_blocks)
    K = chain.stiffness * laplacian(n, by)
    Q = noise**2 * (n * np.ones((n, n)) if common_noise else one)
    if dynamics == "overdamped":
        if dt == 0:
            return np.asarray(solve_continuous_lyapunov(K, Q))
        return np.asarray(solve_discrete_lyapunov(one - dt * K, dt * Q))
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
    """Return minus the Laplacian of a chain of n blocks, (block, block)."""
    K = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    if by == "force":
        K[-1, -1] = 1.0  # no spring holds the last block on its right
    return K
