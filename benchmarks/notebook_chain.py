"""The Langevin chain of [SB]'s notebook beside ours: its common noise, its lack of a stick rule.

Run `python benchmarks/notebook_chain.py`: a minute on a core. The run is the notebook's: 7 blocks,
m = damping = 1, k = 0.1, noise 0.003 that dies out at 0.001, steps of 0.05 to time 700, frictions
0.003 and 0.004. Concavity is that of the mean curve, with 95 % intervals over replicas; replicas of
all schemes have the same increments, so that differences between schemes are of pairs.

[SB] is Shi, Pan and Dokmanic, arXiv:2407.19353.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from loadpath.spring_block.chain import Chain, simulate

Array = NDArray[np.float64]
CHAIN = Chain(n_blocks=7, stiffness=0.1, friction_right=0.003, friction_left=0.004)
NOISE, DECAY, DT, STEPS = 0.003, 0.001, 0.05, 14_000
SCHEMES = ("explicit, no stick rule", "implicit, no stick rule", "implicit, sticking")
"""The notebook's, ours but for friction by the sign of the old velocity, and ours."""


def concavity(x: Array) -> Array:
    """Concavity (replica,) of 1 - x over the layers, from positions (block, replica)."""
    n = len(x)
    return (1 + (1 - x).sum(0)) / (n + 2) - 0.5


def run(noise: str, size: float, replicas: int, seed: int) -> dict[str, Array]:
    """Final positions (block, replica) of all schemes under the same increments.

    `noise` is "ones", the notebook's product of a matrix of ones with the increments of a Wiener
    process for each block; "one", the same process for all; or "own".
    """
    n, k = CHAIN.n_blocks, CHAIN.stiffness
    right, left = CHAIN.friction_right, CHAIN.friction_left
    rng = np.random.default_rng(seed)
    ones = np.ones((n, n))
    states = {scheme: (np.zeros((n, replicas)), np.zeros((n, replicas))) for scheme in SCHEMES}
    for step in range(STEPS):
        dW = rng.standard_normal((n, replicas)) * np.sqrt(DT)
        if noise == "ones":
            dW = ones @ dW
        elif noise == "one":
            dW = np.broadcast_to(dW[:1], dW.shape)
        shake = size * np.exp(-DECAY * DT * step) * dW
        for scheme, (x, v) in states.items():
            springs = -2 * k * x
            springs[1:] += k * x[:-1]
            springs[:-1] += k * x[1:]
            springs[-1] += k * CHAIN.target
            if scheme == "implicit, sticking":
                impulse = v + DT * springs + shake
                new = (impulse - np.clip(impulse, -DT * left, DT * right)) / (1 + DT)
                states[scheme] = (x + DT * new, new)
                continue
            friction = np.where(v > 0, right, np.where(v < 0, -left, 0.0))
            if scheme == "explicit, no stick rule":
                states[scheme] = (x + DT * v, v + DT * (springs - v - friction) + shake)
            else:
                new = (v + DT * (springs - friction) + shake) / (1 + DT)
                states[scheme] = (x + DT * new, new)
    return {scheme: x for scheme, (x, _) in states.items()}


def told(values: Array) -> str:
    """Mean and 95 % interval."""
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():+.5f} +- {half:.2g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicas", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for noise, size, words in (
        ("ones", NOISE, "common noise, ones @ dW: the notebook's"),
        ("one", NOISE, "common noise of one process: `common_noise=True` up to 0.1.0"),
        ("own", NOISE, "noise of each block's own"),
        ("own", 0.0, "no noise"),
    ):
        replicas = options.replicas if size else 2
        found = {s: concavity(x) for s, x in run(noise, size, replicas, options.seed).items()}
        print(f"\n{words}")
        for scheme in SCHEMES:
            print(f"  {scheme:26} {told(found[scheme])}")
        print(f"  the stick rule by itself   {told(found[SCHEMES[2]] - found[SCHEMES[1]])}")
        print(f"  the step by itself         {told(found[SCHEMES[1]] - found[SCHEMES[0]])}")
        if noise != "one":
            ds = simulate(
                CHAIN, dynamics="langevin", noise=size, noise_decay=DECAY, dt=DT, n_steps=STEPS,
                n_replicas=replicas, common_noise=noise == "ones", seed=options.seed,
                record_every=STEPS,
            )  # fmt: skip
            x = ds["position"].values[:, -1].T
            print(f"  {'`simulate`':26} {told(concavity(x))}")


if __name__ == "__main__":
    main()
