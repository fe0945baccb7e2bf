"""Replicas of one spring-block chain under noise and a pull, stepped through time."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import psutil
import xarray as xr
from numpy.typing import ArrayLike

from loadpath import results
from loadpath.checks import (
    as_numbers,
    check_choice,
    check_count,
    check_flag,
    check_number,
    check_seed,
    check_type,
)
from loadpath.spring_block.chain.chain import Array, Chain, Dynamics, Puller
from loadpath.spring_block.chain.engine import LANES, Groups, Scheme, run, stream_seeds
from loadpath.threads import cores

RECORDS = 100
"""Number of instants that are recorded if nothing else is asked for."""


def simulate(
    chain: Chain,
    *,
    dynamics: Dynamics = "overdamped",
    noise: float | ArrayLike = 0.0,
    dt: float = 0.01,
    n_steps: int = 10_000,
    n_replicas: int = 1,
    seed: int = 0,
    record_every: int | None = None,
    mass: float = 1.0,
    damping: float = 1.0,
    noise_decay: float = 0.0,
    common_noise: bool = False,
    pull: ArrayLike | None = None,
    by: Puller = "wall",
    start: ArrayLike | None = None,
    threads: int | None = None,
) -> xr.Dataset:
    r"""Pull replicas of a chain out, from rest at 0 or from `start`, and record where they are.

    Parameters
    ----------
    chain : Chain
        What is pulled; all replicas are alike but for their noise.
    dynamics : {"overdamped", "langevin"}
        Without inertia, or with it.
    noise : float or array_like
        $\epsilon$, force times the square root of time: one number, or (n_steps,) with one for each
        step, as `decaying`, `switched_off` and `reheated` make it.
    dt : float
        Time $\eta$ of one step. Of an overdamped chain with noise it is part of the model.
    n_steps : int
        Number of steps.
    n_replicas : int
        Number of replicas. The noise of replica r depends on the seed and on r alone.
    seed : int
        Seed of the noise, at least 0.
    record_every : int, optional
        Steps from one record to the next. If left out there are about 100 records.
    mass : float
        Mass m of a block; used with "langevin" only.
    damping : float
        Force $\gamma$ per velocity; used with "langevin" only.
    noise_decay : float
        Rate $\lambda$ at which noise dies out, per time.
    common_noise : bool
        Whether all blocks of a replica get the same noise, and not each its own. It is that of
        [1]_, the sum of `n_blocks` Wiener processes, and so $\sqrt{n}\,\epsilon$ in size.
    pull : array_like, optional
        (n_steps,) position of the wall in each step, or force on the last block if `by` is "force",
        as `steady` and `jerks` make it. If left out, the pull is full from the start: the wall is
        at the chain's target, or the force is k target / (n_blocks + 1), which holds a frictionless
        chain there.
    by : {"wall", "force"}
        What is pulled: the wall that the last spring ends at, or the last block.
    start : array_like, optional
        (block,) positions at time 0. If left out all are 0, and all springs but the last are slack.
    threads : int, optional
        CPU threads; as many as there are cores if left out. The numbers do not depend on it.

    Returns
    -------
    xarray.Dataset
        `position` (replica, time, block) and `load` (replica, time, spring), lengths, with
        $d_l = x_l - x_{l-1}$; `wall` (time), a length, or `force` (time), stiffness times length.
        Blocks and springs are numbered from 1. The attrs hold all parameters.

    Raises
    ------
    ValueError
        If a value is out of range, the step is not stable, or the replicas do not fit into memory.

    Notes
    -----
    Overdamped, a step is
    $x_l \leftarrow x_l + \eta\, \phi(f_l + \frac{\epsilon}{\sqrt\eta} N(0, 1))$, where $\phi$ is
    the velocity that friction leaves of a force, 0 if friction can hold it.

    With inertia, $m\,dv = [f - \gamma v + \text{friction}]\,dt + \epsilon e^{-\lambda t} dW$ and
    dx = v dt. The springs' force is that of the old positions; damping and friction are those of
    the new velocity, so that dry friction truly holds a block.

    Both schemes are of first order without friction; docs/spring-block.md has the orders measured.
    Memory is 8 bytes times replicas, records and 2 n_blocks + 1. On 2 cores, with numba, it takes
    about 0.4 s for 2,048 replicas of 7 blocks and 10,000 steps.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353. Their run has noise=0.01, and all else as here.

    Examples
    --------
    >>> chain = Chain(n_blocks=3, friction_right=0.1)
    >>> ds = simulate(chain, n_steps=5000, record_every=5000)
    >>> ds["load"].isel(replica=0, time=-1).values.round(6)  # `rest_state` has the same
    array([0.1, 0.2, 0.3, 0.4])
    >>> shaken = simulate(chain, noise=0.05, n_replicas=4, seed=1, n_steps=200, record_every=100)
    >>> dict(shaken["load"].sizes)
    {'replica': 4, 'time': 3, 'spring': 4}
    """
    for name, count in dict(n_steps=n_steps, n_replicas=n_replicas).items():
        check_count(name, count, 1)
    check_seed("seed", seed)
    every = max(1, n_steps // RECORDS) if record_every is None else record_every
    check_count("record_every", every, 1)
    if every > n_steps:
        raise ValueError(f"record_every must be at most n_steps = {n_steps}, got {every}.")
    check_dynamics(chain, dynamics, dt=dt, mass=mass, damping=damping, by=by)
    check_number("noise_decay", noise_decay, least=0.0)
    check_flag("common_noise", common_noise)
    if threads is not None:
        check_count("threads", threads, 1)
    size, envelope = _split("noise", noise, n_steps, least=0.0)
    if noise_decay:
        decay = np.exp(-noise_decay * dt * np.arange(n_steps))
        envelope = decay if envelope is None else envelope * decay
    n = chain.n_blocks
    full = chain.target if by == "wall" else chain.stiffness * chain.target / (n + 1)
    course = None if pull is None else _split("pull", pull, n_steps)
    begin = np.zeros(n) if start is None else as_numbers("start", start)
    if begin.shape != (n,) or not np.isfinite(begin).all():
        raise ValueError(f"start must be {n} finite positions, got shape {begin.shape}.")
    if course is not None:
        full = course[0]
    scheme = Scheme(
        n_blocks=n,
        law=chain.law,
        dt=dt,
        n_steps=n_steps,
        record_every=every,
        by=by,
        langevin=dynamics == "langevin",
        mass=mass,
        damping=damping,
        common_noise=common_noise,
        envelope=envelope,
        pull=None if course is None else course[1],
        start=begin,
    )
    check_memory(scheme.records * n_replicas * (2 * n + 1), n_replicas, scheme.records)
    # The last group is filled up with replicas that nobody asked for, and that are cut off again.
    count = -(-n_replicas // LANES)
    groups = Groups(
        stiffness=np.full(count, chain.stiffness, dtype=float),
        friction_right=np.full(count, chain.friction_right, dtype=float),
        friction_left=np.full(count, chain.friction_left, dtype=float),
        pulled=np.full(count, full if by == "wall" else full / chain.stiffness, dtype=float),
        noise=np.full(count, size, dtype=float),
        seeds=stream_seeds(seed, count),
    )
    positions = run(scheme, groups, threads=cores(threads))[:, :, :n_replicas]
    at = np.maximum(np.arange(scheme.records) * every - 1, 0)  # the step that made each record
    pulled = np.full(scheme.records, full) if scheme.pull is None else full * scheme.pull[at]
    parameters = dict(
        **{name: value for name, value in asdict(chain).items() if name != "law"},
        law=repr(chain.law),
        dynamics=dynamics,
        noise=size if envelope is None or noise_decay else "by step",
        dt=dt,
        n_steps=n_steps,
        n_replicas=n_replicas,
        seed=seed,
        mass=mass,
        damping=damping,
        noise_decay=noise_decay,
        common_noise=common_noise,
        pull="at once" if pull is None else "by step",
        by=by,
    )
    return _dataset(positions, pulled, chain, scheme, parameters)


def _dataset(
    positions: Array, pulled: Array, chain: Chain, scheme: Scheme, parameters: dict[str, Any]
) -> xr.Dataset:
    """Return positions (record, block, replica) as a Dataset with loads, units and provenance."""
    records, n, replicas = positions.shape
    load = np.empty((records, n + 1, replicas))
    load[:, 0] = positions[:, 0]
    np.subtract(positions[:, 1:], positions[:, :-1], out=load[:, 1:n])
    if scheme.by == "wall":
        np.subtract(pulled[:, None], positions[:, -1], out=load[:, n])
    else:
        load[:, n] = pulled[:, None] / chain.stiffness
    positions, load = (a.transpose(2, 0, 1) for a in (positions, load))
    time = np.arange(records) * scheme.record_every * scheme.dt
    ds = xr.Dataset(
        {
            "position": (("replica", "time", "block"), positions, {"units": "length"}),
            "load": (("replica", "time", "spring"), load, {"units": "length"}),
            scheme.by: (
                "time",
                pulled,
                {"units": "length" if scheme.by == "wall" else "stiffness * length"},
            ),
        },
        coords={
            "replica": np.arange(replicas),
            "time": ("time", time, {"units": "time", "long_name": "steps times dt"}),
            "block": np.arange(1, n + 1),
            "spring": np.arange(1, n + 2),
        },
    )
    return results.stamp(ds, **parameters)


def check_dynamics(
    chain: Chain, dynamics: Dynamics, *, dt: float, mass: float, damping: float, by: Puller
) -> None:
    """Refuse what no scheme can step: unknown names, numbers out of range, dt beyond its bound."""
    check_type("chain", chain, Chain, "a Chain")
    check_choice("dynamics", dynamics, ("overdamped", "langevin"))
    check_choice("by", by, ("wall", "force"))
    check_number("mass", mass, above=0.0)
    check_number("damping", damping, least=0.0)
    check_number("dt", dt, above=0.0)
    bound = chain.stable_dt(dynamics, mass=mass, damping=damping, by=by)
    if dt >= bound:
        raise ValueError(
            f"dt must be below {bound:.4g}, where {dynamics} steps of this chain become unstable, "
            f"got {dt}."
        )


def check_memory(numbers: int, n_replicas: int, records: int) -> None:
    """Refuse what would not fit into the memory that is free."""
    needed, free = 8 * numbers, psutil.virtual_memory().available
    if needed > 0.9 * free:
        raise ValueError(
            f"n_replicas must be small enough to fit into memory: {n_replicas} with {records} "
            f"records each need {needed / 2**30:.3g} GiB, and {free / 2**30:.3g} GiB are free; "
            "a larger record_every needs less."
        )


def _split(
    name: str, values: float | ArrayLike, n_steps: int, *, least: float | None = None
) -> tuple[float, Array | None]:
    """Return one number and a factor for each step: 1 and the values, where each step has one."""
    given = as_numbers(name, values)
    if given.ndim == 0 and name == "noise":
        check_number(name, float(given), least=least)
        return float(given), None
    if given.shape != (n_steps,):
        raise ValueError(
            f"{name} must have one value for each of {n_steps} steps, got shape {given.shape}."
        )
    if not np.isfinite(given).all() or (least is not None and given.min() < least):
        wrong = given[~np.isfinite(given) | (given < (least if least is not None else -np.inf))]
        raise ValueError(
            f"{name} must be finite{'' if least is None else ' and at least 0'} in every step, "
            f"got {wrong[0]}."
        )
    return 1.0, given
