"""Block-steps a second of the spring-block chain, against three baselines in the same run.

Run `python benchmarks/chain.py`: half a minute on 2 cores. The baselines:

(a) a plain Python loop over blocks, once on NumPy arrays, element by element with a normal drawn
    for each, and once on lists with the standard library's normals, which Python is faster at;
(b) sdeint for the Langevin chain: `itoint`, which is how its documentation integrates an equation
    (it picks a stochastic Runge-Kutta method of strong order 1), and its Euler method;
(c) drawing as many normals and doing nothing with them, which no simulation with noise can beat.

After that come the mean loads that `mean_field` has without replicas, and a fit, which is made of
them, against NumPy in its place, if numba is there.

It wants the machine for itself: other work takes cores from `simulate`, while the loops need one.
`--diagram` times a phase diagram of 40 x 40 cells, 64 replicas and 20,000 steps.
"""

from __future__ import annotations

import argparse
import platform
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version

import numpy as np
import sdeint
import torch

from loadpath.spring_block.chain import Chain, chain_phase_diagram, mean_field, mean_flow, simulate
from loadpath.spring_block.chain.engine import DRAWN, step_drawn
from loadpath.spring_block.chain.exact import laplacian
from loadpath.spring_block.fitting import fit
from loadpath.threads import cores, torch_threads

REPLICAS, STEPS = 2048, 10_000
CHAIN = Chain()


def rates(works: dict[str, tuple[float, Callable[[], object]]], rounds: int) -> dict[str, float]:
    """Block-steps a second of each work (block-steps, call), the fastest of some rounds.

    Each round does all of them in turn, so that whatever else the machine does meets them alike.
    """
    best = dict.fromkeys(works, 0.0)
    for _ in range(rounds):
        for name, (block_steps, work) in works.items():
            started = time.perf_counter()
            work()
            best[name] = max(best[name], block_steps / (time.perf_counter() - started))
    return best


def on_arrays(steps: int) -> np.ndarray:
    """One overdamped chain, block by block, in NumPy arrays."""
    n, k, mu, dt, kick = CHAIN.n_blocks, CHAIN.stiffness, CHAIN.friction_right, 0.01, 0.1
    x = np.zeros(n + 2)
    x[-1] = CHAIN.target
    for _ in range(steps):
        old = x.copy()
        for l in range(1, n + 1):
            f = k * (old[l + 1] - 2 * old[l] + old[l - 1]) + kick * np.random.randn()
            if f > mu:
                x[l] += dt * (f - mu)
            elif f < -mu:
                x[l] += dt * (f + mu)
    return x


def on_lists(steps: int) -> list[float]:
    """The same on lists."""
    n, k, mu, dt, kick = CHAIN.n_blocks, CHAIN.stiffness, CHAIN.friction_right, 0.01, 0.1
    x = [0.0] * (n + 1) + [CHAIN.target]
    for _ in range(steps):
        old = x.copy()
        for l in range(1, n + 1):
            f = k * (old[l + 1] - 2 * old[l] + old[l - 1]) + kick * random.gauss(0, 1)
            if f > mu:
                x[l] += dt * (f - mu)
            elif f < -mu:
                x[l] += dt * (f + mu)
    return x


def by_sdeint(steps: int, integrate: Callable[..., np.ndarray]) -> np.ndarray:
    """One Langevin chain."""
    n = CHAIN.n_blocks
    K, pull = CHAIN.stiffness * laplacian(n), np.eye(n)[-1]
    mu_right, mu_left = CHAIN.friction_right, CHAIN.friction_left

    def drift(z: np.ndarray, t: float) -> np.ndarray:
        x, v = z[:n], z[n:]
        friction = np.where(v > 0, mu_right, np.where(v < 0, -mu_left, 0.0))
        return np.concatenate([v, pull - K @ x - v - friction])

    noise = np.vstack([np.zeros((n, n)), 0.01 * np.eye(n)])
    return integrate(
        drift, lambda z, t: noise, np.zeros(2 * n), np.linspace(0, 0.05 * steps, steps + 1)
    )


def normals(count: int, threads: int) -> None:
    """Draw as many with the generator of `simulate`, into a buffer that stays in the cache."""

    def draw(seed: int) -> None:
        generator, buffer = torch.Generator().manual_seed(seed), torch.empty(DRAWN)
        for _ in range(count // threads // len(buffer)):
            buffer.normal_(generator=generator)

    with torch_threads(1), ThreadPoolExecutor(threads) as pool:
        list(pool.map(draw, range(threads)))


def diagram() -> None:
    started = time.perf_counter()
    chain_phase_diagram(
        friction=np.linspace(0.0, 0.3, 40),
        noise=np.linspace(0.0, 0.04, 40),
        n_steps=20_000,
        n_replicas=64,
    )
    seconds = time.perf_counter() - started
    total = 40 * 40 * 64 * 20_000 * 7
    print(f"diagram of 40 x 40 cells, 64 replicas, 20,000 steps: {seconds:.0f} s")
    print(f"  {total / seconds:.3g} block-steps/s, creating the streams included")


def flow(rounds: int) -> None:
    """Print the milliseconds of mean loads and of a fit, compiled and by NumPy, and their ratio."""
    levels = np.linspace(0.0, 0.03, 100)
    curves = mean_field(CHAIN, noise=[0.004, 0.01, 0.02])
    works = {
        "mean_field, one noise": lambda: mean_field(CHAIN, noise=0.01),
        "mean_field, a hundred": lambda: mean_field(CHAIN, noise=levels),
        "fit, three curves": lambda: fit(curves),
    }
    compiled = mean_flow.integrate
    print("milliseconds                 compiled      NumPy")
    for name, work in works.items():
        best = dict.fromkeys(("compiled", "NumPy"), np.inf)
        for _ in range(rounds):
            for way in best:
                mean_flow.integrate = compiled if way == "compiled" else None
                started = time.perf_counter()
                work()
                best[way] = min(best[way], 1e3 * (time.perf_counter() - started))
        mean_flow.integrate = compiled
        ours, by_numpy = best.values()
        print(f"  {name:<24} {ours:10.2f} {by_numpy:10.2f} {by_numpy / ours:8.1f} times faster")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--diagram", action="store_true", help="time a large phase diagram instead")
    parser.add_argument("--threads", type=int, help="of the CPU; all cores if not given")
    parser.add_argument("--rounds", type=int, default=10, help="of which the fastest counts")
    options = parser.parse_args()
    threads = cores(options.threads)
    packages = ["numpy", "torch", "sdeint", *(["numba"] if step_drawn else [])]
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    print(
        f"Python {platform.python_version()}, {versions}, {platform.machine()}, {threads} threads"
    )
    simulate(CHAIN, noise=0.01, n_steps=2)  # compiles
    if options.diagram:
        diagram()
        return
    n, total = CHAIN.n_blocks, REPLICAS * STEPS * CHAIN.n_blocks
    many = dict(n_steps=STEPS, n_replicas=REPLICAS, threads=threads)
    speeds = rates(
        {
            "(a) Python loop on arrays": (20_000 * n, lambda: on_arrays(20_000)),
            "(a) Python loop on lists": (30_000 * n, lambda: on_lists(30_000)),
            "(b) sdeint.itoint": (3_000 * n, lambda: by_sdeint(3_000, sdeint.itoint)),
            "(b) sdeint.itoEuler": (10_000 * n, lambda: by_sdeint(10_000, sdeint.itoEuler)),
            "(c) normals alone": (total, lambda: normals(total, threads)),
            "simulate, overdamped": (total, lambda: simulate(CHAIN, noise=0.01, **many)),
            "simulate, langevin": (
                total,
                lambda: simulate(CHAIN, dynamics="langevin", noise=0.01, dt=0.05, **many),
            ),
        },
        options.rounds,
    )
    print("block-steps a second                               simulate is")
    for name, speed in speeds.items():
        print(f"  {name:<28} {speed:10.3g}", end="")
        if name.startswith("simulate"):
            print(f" {speeds['(c) normals alone'] / speed:14.2f} times the time of (c)")
        elif name.startswith("(c)"):
            print()
        else:
            ours = speeds[f"simulate, {'overdamped' if name.startswith('(a)') else 'langevin'}"]
            print(f" {ours / speed:14.0f} times faster")
    if mean_flow.integrate is not None:
        flow(max(3, options.rounds))


if __name__ == "__main__":
    main()
