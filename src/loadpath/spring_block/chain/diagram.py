"""The chain's phase diagram: load curves over friction and noise, and its known boundaries."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import ArrayLike
from scipy.special import erfcinv

from loadpath import results
from loadpath.checks import (
    as_numbers,
    check_count,
    check_flag,
    check_number,
    check_seed,
    check_type,
)
from loadpath.spring_block.chain.chain import Array, Chain, Dynamics, Puller
from loadpath.spring_block.chain.engine import LANES, Groups, Scheme, run, stream_seeds
from loadpath.spring_block.chain.simulation import check_dynamics, check_memory
from loadpath.threads import cores

RATIO = 4 / 3
"""Ratio mu_left / mu_right in the Langevin run of [SB]'s code."""
CLEAR = 3
"""Standard errors beyond which a cell is bent; of hundreds, some exceed two by chance alone."""

LOUDEST = 1e10
"""The largest noise, over the chain's target: loads, whose sum the target is, grow with the noise,
and of that sum float64 keeps 16 digits of the largest load."""


def chain_phase_diagram(
    chain: Chain | None = None,
    *,
    friction: ArrayLike,
    noise: ArrayLike,
    ratio: float = RATIO,
    dynamics: Dynamics = "overdamped",
    dt: float = 0.01,
    n_steps: int = 10_000,
    n_replicas: int = 64,
    mass: float = 1.0,
    damping: float = 1.0,
    noise_decay: float = 0.0,
    common_noise: bool = False,
    by: Puller = "wall",
    seed: int = 0,
    threads: int | None = None,
    progress: bool | None = None,
) -> xr.Dataset:
    r"""Measure the chain's load curves over a grid of frictions and noises.

    Each cell pulls replicas of its chain out from rest, as `simulate` does, and keeps the mean
    loads at the end. All cells have noise of their own.

    Parameters
    ----------
    chain : Chain, optional
        What all cells share; its frictions are replaced. If left out it is `Chain()`, that of [1]_.
    friction : array_like
        (friction,) values of $\mu_\rightarrow$, a force; ascending.
    noise : array_like
        (noise,) values of $\epsilon$, force times the square root of time; ascending.
    ratio : float
        $\mu_\leftarrow / \mu_\rightarrow$, the same in all cells.
    dynamics : {"overdamped", "langevin"}
        Without inertia, or with it.
    dt : float
        Time of one step.
    n_steps : int
        Number of steps.
    n_replicas : int
        Number of replicas in each cell.
    mass : float
        Mass of a block; used with "langevin" only.
    damping : float
        Force per velocity; used with "langevin" only.
    noise_decay : float
        Rate at which noise dies out, per time.
    common_noise : bool
        Whether all blocks of a replica get the same noise, and not each its own. It is that of
        [1]_, the sum of `n_blocks` Wiener processes, and so $\sqrt{n}\,\epsilon$ in size.
    by : {"wall", "force"}
        What is pulled: the wall that the last spring ends at, or the last block by a force.
    seed : int
        Seed of the noise, at least 0.
    threads : int, optional
        CPU threads; as many as there are cores if left out. The numbers do not depend on it.
    progress : bool, optional
        Whether a bar shows; if left out it does on a terminal and in a notebook.

    Returns
    -------
    xarray.Dataset
        Over friction and noise: `load` (friction, noise, spring), a length, with its standard error
        `load_error`; `concavity` (friction, noise) of the curve 1 - x over the layers, with its
        standard error `concavity_error`, dimensionless. Concavity is positive where deep layers do
        the work (lazy), and negative where shallow ones do (active).

        Three boundaries: `moves_all`, the friction above which without noise the first block stays;
        `moves_none`, that above which no block moves; and `unpinning_noise` (friction,), the noise
        at which an overdamped chain has just had the time to forget its start.

    Raises
    ------
    ValueError
        If a value is out of range, a grid is not ascending, the step is not stable, or the replicas
        do not fit into memory.

    Notes
    -----
    A diagram of 40 x 40 cells, 64 replicas and 20,000 steps takes 38 s on 2 cores, with numba.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353, figure 2.

    Examples
    --------
    Without noise the deep springs carry more; with noise enough the shallow ones do:

    >>> ds = chain_phase_diagram(
    ...     Chain(n_blocks=3), friction=[0.1], noise=[0.0, 0.08], n_steps=4000, n_replicas=64
    ... )
    >>> float(ds["concavity"][0, 0].round(4))
    0.1
    >>> bool(ds["concavity"][0, 1] < -2 * ds["concavity_error"][0, 1])
    True
    """
    chain = Chain() if chain is None else chain
    check_type("chain", chain, Chain, "a Chain")
    check_flag("common_noise", common_noise)
    if progress is not None:
        check_flag("progress", progress)
    if threads is not None:
        check_count("threads", threads, 1)
    frictions, noises = _ascending("friction", friction), _ascending("noise", noise)
    if noises[-1] > LOUDEST * chain.target:
        raise ValueError(
            f"noise must be at most {LOUDEST:g} times the chain's target, above which rounding "
            f"leaves nothing of it in the loads, got {noises[-1]:g}."
        )
    check_number("ratio", ratio, least=0.0)
    for name, count in dict(n_steps=n_steps, n_replicas=n_replicas).items():
        check_count(name, count, 1)
    check_seed("seed", seed)
    check_number("noise_decay", noise_decay, least=0.0)
    check_dynamics(chain, dynamics, dt=dt, mass=mass, damping=damping, by=by)
    n = chain.n_blocks
    cells = len(frictions) * len(noises)
    check_memory(2 * cells * n_replicas * (n + 1), n_replicas, cells)
    scheme = Scheme(
        n_blocks=n,
        law=chain.law,
        dt=dt,
        n_steps=n_steps,
        record_every=n_steps,
        by=by,
        langevin=dynamics == "langevin",
        mass=mass,
        damping=damping,
        common_noise=common_noise,
        envelope=np.exp(-noise_decay * dt * np.arange(n_steps)) if noise_decay else None,
        pull=None,
        start=np.zeros(n),
    )
    full = chain.target if by == "wall" else chain.target / (n + 1)
    each = -(-n_replicas // LANES)  # groups of a cell, the last one filled up
    mu, eps, _ = (
        grid.ravel() for grid in np.meshgrid(frictions, noises, range(each), indexing="ij")
    )
    groups = Groups(
        stiffness=np.full(len(mu), chain.stiffness, dtype=float),
        friction_right=mu,
        friction_left=ratio * mu,
        pulled=np.full(len(mu), full, dtype=float),
        noise=eps,
        seeds=stream_seeds(seed, len(mu)),
    )
    with results.progress_bar(progress, total=cells, unit="cell") as bar:
        x = run(
            scheme, groups, threads=cores(threads), done=lambda count: bar.update(count / each)
        )[-1]
    x = x.reshape(n, cells, each * LANES)[:, :, :n_replicas].reshape(n, -1)
    end = np.full(x.shape[1], full) if by == "wall" else x[-1] + full
    loads = np.diff(np.vstack([np.zeros(x.shape[1]), x, end]), axis=0).T
    return _dataset(
        loads.reshape(len(frictions), len(noises), n_replicas, n + 1),
        chain,
        frictions,
        noises,
        unpinning_noise(
            chain,
            frictions,
            ratio=ratio,
            time=dt * n_steps,
            dt=dt,
            common_noise=common_noise,
        ),
        dict(
            **{name: value for name, value in asdict(chain).items() if name != "law"},
            law=repr(chain.law),
            ratio=ratio,
            dynamics=dynamics,
            dt=dt,
            n_steps=n_steps,
            n_replicas=n_replicas,
            mass=mass,
            damping=damping,
            noise_decay=noise_decay,
            common_noise=common_noise,
            by=by,
            seed=seed,
        ),
    )


def unpinning_noise(
    chain: Chain,
    friction: ArrayLike,
    *,
    ratio: float,
    time: float,
    dt: float,
    common_noise: bool = False,
) -> Array:
    r"""Return the noise at which the overdamped chain has had one relaxation time to forget rest.

    It is exact for small deviations from the mean state, and a scale for large ones.

    Parameters
    ----------
    chain : Chain
        The chain; its frictions are replaced.
    friction : array_like
        (friction,) values of $\mu_\rightarrow$, a force.
    ratio : float
        $\mu_\leftarrow / \mu_\rightarrow$.
    time : float
        How long the chain is shaken.
    dt : float
        Time of one step.
    common_noise : bool
        Whether all blocks get the same noise, the sum of `n_blocks` Wiener processes.

    Returns
    -------
    Array
        (friction,) noise, force times the square root of time; infinite where the time would be too
        short even without friction.

    Notes
    -----
    Near its mean state an overdamped chain under force noise $\sigma = \epsilon / \sqrt{dt}$ moves
    as if without friction, but slower by $P(|\sigma Z| > h) = \mathrm{erfc}(h / \sigma\sqrt2)$,
    where h is the mean of the two frictions: only kicks beyond friction count. Its slowest mode
    relaxes at $k \lambda_1$ times that. Under common noise $\sigma$ is $\sqrt n$ times as large.

    Examples
    --------
    >>> unpinning_noise(Chain(), [0.1, 0.2], ratio=1.0, time=100.0, dt=0.01).round(5)
    array([0.00543, 0.01087])
    """
    check_type("chain", chain, Chain, "a Chain")
    frictions = as_numbers("friction", friction, least=0)
    check_number("ratio", ratio, least=0.0)
    check_number("time", time, above=0.0)
    check_number("dt", dt, above=0.0)
    check_flag("common_noise", common_noise)
    rate = chain.stiffness * float(chain.modes()[0]) * time
    h = (1 + ratio) / 2 * frictions
    if rate <= 1:
        return np.full(h.shape, np.inf)
    processes = chain.n_blocks if common_noise else 1
    return np.asarray(h / (math.sqrt(2) * erfcinv(1 / rate)) * math.sqrt(dt / processes))


def _dataset(
    loads: Array,
    chain: Chain,
    frictions: Array,
    noises: Array,
    unpinning: Array,
    parameters: dict[str, Any],
) -> xr.Dataset:
    n, replicas = chain.n_blocks, loads.shape[2]
    # The mean curve's concavity is the mean of the replicas' own, so that its error is theirs.
    each = _linear_concavity(loads)
    root = math.sqrt(replicas)
    spread = 1 if replicas > 1 else 0
    ds = xr.Dataset(
        {
            "load": (("friction", "noise", "spring"), loads.mean(2), {"units": "length"}),
            "load_error": (
                ("friction", "noise", "spring"),
                loads.std(2, ddof=spread) / root,
                {"units": "length", "long_name": "standard error of load"},
            ),
            "concavity": (("friction", "noise"), each.mean(2), {"units": "1"}),
            "concavity_error": (
                ("friction", "noise"),
                each.std(2, ddof=spread) / root,
                {"units": "1", "long_name": "standard error of concavity"},
            ),
            "unpinning_noise": ("friction", unpinning, {"units": "force * time^(1/2)"}),
            "moves_all": ((), 2 * chain.stiffness * chain.target / (n * (n + 1))),
            "moves_none": ((), chain.stiffness * chain.target),
        },
        coords={
            "friction": ("friction", frictions, {"units": "force", "long_name": "mu_right"}),
            "noise": ("noise", noises, {"units": "force * time^(1/2)"}),
            "spring": np.arange(1, n + 2),
        },
    )
    return results.stamp(ds, **parameters)


def turning_noise(ds: xr.Dataset) -> Array:
    """Return the noise at which the load curve turns from concave into convex.

    Parameters
    ----------
    ds : xarray.Dataset
        A phase diagram of `chain_phase_diagram`.

    Returns
    -------
    Array
        (friction,) noise, force times the square root of time; NaN where the curve does not turn.

    Notes
    -----
    The noise is read off a straight line between the last cell that is concave and the next that is
    convex, both beyond `CLEAR` standard errors.
    """
    noise, found = ds["noise"].values, np.full(ds.sizes["friction"], np.nan)
    C, error = ds["concavity"].values, ds["concavity_error"].values
    for i, row in enumerate(C):
        clear = np.flatnonzero(np.abs(row) > CLEAR * error[i])
        concave = clear[row[clear] > 0]
        if concave.size and (clear > concave[-1]).any():
            a, b = concave[-1], clear[clear > concave[-1]][0]
            found[i] = noise[a] + (noise[b] - noise[a]) * row[a] / (row[a] - row[b])
    return found


def _linear_concavity(loads: Array) -> Array:
    """Return the concavity (...) of curves that fall by loads (..., spring), linear in the loads.

    `loadpath.measures.separation.concavity` has the definition. Where all curves fall by the same
    total it is linear in the loads, and this is that form of it.
    """
    # Not a call of that function: it rounds differently, by up to 5e-16, and diagrams that are on
    # disk are to come out again to the last digit. It would load torch, too.
    D = 1 - np.cumsum(loads, axis=-1) / loads.sum(-1, keepdims=True)
    return np.asarray(D[..., :-1].sum(-1) + 1 - (loads.shape[-1] + 1) / 2) / (loads.shape[-1] + 1)


def _ascending(name: str, values: ArrayLike) -> Array:
    """Return an axis of the diagram, once it is known to be finite, ascending and at least 0."""
    grid = as_numbers(name, values)
    if grid.ndim != 1 or grid.size == 0:
        raise ValueError(f"{name} must be a list of numbers, got shape {grid.shape}.")
    if not np.isfinite(grid).all() or grid.min() < 0 or (np.diff(grid) <= 0).any():
        raise ValueError(f"{name} must be finite, ascending and at least 0, got {grid.tolist()}.")
    return grid
