"""Steps of many chains at once, each with noise of its own.

A group is a few replicas of one chain, its lanes. Each group draws its noise from a stream of its
own, the same number of normals at a time whatever runs beside it, and lanes never mix. So a
replica's numbers are the same in any company and on any number of threads. Where numba is installed
it compiles the steps; the numbers are the same without.

Torch draws the normals. It is imported where they are drawn, so that a chain can be built, solved
and fitted without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadpath.spring_block.chain.chain import Array, Dry, Law, Puller
from loadpath.threads import torch_threads

try:
    from loadpath.spring_block.chain import kernel
except ImportError:  # numba is an extra
    step_drawn: Any = None
else:
    step_drawn = kernel.step_drawn

LANES = 8
"""Replicas in a group: as many numbers as a vector register holds."""
BATCH_GROUPS = {True: 4, False: 32}
"""Number of groups that are stepped side by side, if compiled and if not: with their noise they
stay in the caches."""
DRAWN = 1 << 16
"""The most normals that are drawn from a stream at a time; with fewer, threads wait more for each
other."""


@dataclass(frozen=True)
class Scheme:
    """What all groups share: the equations of motion, their step, and what is recorded."""

    n_blocks: int
    law: Law
    dt: float
    n_steps: int
    record_every: int
    start: Array
    """(block,) positions at time 0."""
    by: Puller = "wall"
    langevin: bool = False
    mass: float = 1.0
    damping: float = 1.0
    common_noise: bool = False
    envelope: Array | None = None
    """(step,) what the noise of each step is multiplied by; None for 1."""
    pull: Array | None = None
    """(step,) what each group's pull is multiplied by; None for 1."""

    @property
    def records(self) -> int:
        """Number of recorded instants, with time 0."""
        return 1 + self.n_steps // self.record_every

    @property
    def inertia(self) -> float:
        """Force per velocity that is kept from one step to the next."""
        return self.mass / self.dt if self.langevin else 0.0

    @property
    def viscosity(self) -> float:
        """Force that one step needs for each unit of velocity, besides friction."""
        return self.inertia + self.damping if self.langevin else 1.0


@dataclass(frozen=True)
class Groups:
    """What differs from group to group: one number for each."""

    stiffness: Array
    friction_right: Array
    friction_left: Array
    pulled: Array
    """The wall's position, or the force's stretch of a spring, at full pull."""
    noise: Array
    """Force noise of one Wiener process over a step of 1; a step of dt has it divided by
    sqrt(dt)."""
    seeds: Sequence[int]

    def __len__(self) -> int:
        return len(self.noise)

    def part(self, a: int, b: int) -> Groups:
        """Return groups a to b."""
        return Groups(**{f.name: getattr(self, f.name)[a:b] for f in fields(self)})


def stream_seeds(seed: int, count: int) -> list[int]:
    """Return seeds of `count` streams, all different."""
    # Torch's generators use 32 bits of their seed: hashes of that length would soon meet by chance,
    # while consecutive numbers never do.
    first = int(np.random.SeedSequence(seed).generate_state(1)[0])
    return [(first + i) % 2**32 for i in range(count)]


@torch_threads(1)
def run(
    scheme: Scheme,
    groups: Groups,
    *,
    threads: int = 1,
    done: Callable[[int], object] = lambda n: None,
) -> Array:
    """Return the positions (record, block, replica) of all groups, `LANES` replicas in each.

    `done` is called with the number of groups that have just ended.
    """
    out = np.empty((scheme.records, scheme.n_blocks, len(groups), LANES))
    compiled = step_drawn is not None and isinstance(scheme.law, Dry)
    if not compiled:
        threads = 1  # NumPy's calls are so short that threads only wait for each other
    size = max(1, min(BATCH_GROUPS[compiled], -(-len(groups) // threads)))
    bounds = [(a, min(a + size, len(groups))) for a in range(0, len(groups), size)]

    def step_part(bound: tuple[int, int]) -> int:
        a, b = bound
        some, part = groups.part(a, b), out[:, :, a:b]
        if compiled:
            _step_compiled(scheme, some, part)
        else:
            step_all(scheme, some, kicks(scheme, some), part)
        return b - a

    if threads == 1:
        for bound in bounds:
            done(step_part(bound))
    else:
        with ThreadPoolExecutor(threads) as pool:
            for count in pool.map(step_part, bounds):
                done(count)
    return out.reshape(*out.shape[:2], -1)


def step_all(scheme: Scheme, groups: Groups, kicks: Iterable[Array], out: Array) -> None:
    """Step some groups once for each of the kicks, and record positions into `out`.

    A kick is force noise (block or 1, group, lane), or (1, 1, 1); `out` is (record, block, group,
    lane).
    """
    n, lanes, dt = scheme.n_blocks, out.shape[3], scheme.dt
    k, mu_right, mu_left, pulled = (
        np.repeat(a, lanes)
        for a in (groups.stiffness, groups.friction_right, groups.friction_left, groups.pulled)
    )
    positions = np.zeros((n + 2, len(k)))
    left, x, right = positions[:-2], positions[1:-1], positions[2:]
    x[:] = scheme.start[:, None]
    v, spare = (np.zeros((n, len(k))) for _ in range(2))
    out[0] = x.reshape(out.shape[1:])
    for step, kick in enumerate(kicks):
        now = pulled if scheme.pull is None else pulled * scheme.pull[step]
        positions[-1] = now if scheme.by == "wall" else now + x[-1]
        # In place, and in this order: the compiled kernel adds in the same one, to the last digit.
        f = left + right
        f -= x
        f -= x
        f *= k
        f += kick.reshape(len(kick), -1)
        if scheme.langevin:
            # Implicit in friction and damping, so that a block which friction can hold stays:
            # (m / dt + damping) v' + friction(v') = m / dt v + force.
            v *= scheme.inertia
            f += v
        scheme.law.slip(f, mu_right, mu_left, scheme.viscosity, spare)
        v = f
        np.multiply(v, dt, out=spare)
        x += spare
        if (step + 1) % scheme.record_every == 0:
            out[(step + 1) // scheme.record_every] = x.reshape(out.shape[1:])


def kicks(scheme: Scheme, groups: Groups) -> Iterator[Array]:
    """Yield the force noise of each step, (block, group, lane), or (1, group, lane) if common."""
    size, first = _kick(scheme, groups)[:, None], 0
    for drawn in normals(scheme, groups):
        for z in drawn.transpose(1, 2, 0, 3):
            yield z * (size if scheme.envelope is None else size * scheme.envelope[first])
            first += 1


def normals(scheme: Scheme, groups: Groups) -> Iterator[NDArray[np.float32]]:
    """Yield standard normals (group, step, block, lane) of some steps at a time, in one buffer.

    They are (group, step, 1, lane) if noise is common. Torch draws them in float32, in half the
    time of NumPy's: their 24 bits are finer than any statistic of a simulation can tell, and they
    end at 5.8 standard deviations.
    """
    import torch

    m = 1 if scheme.common_noise else scheme.n_blocks
    steps = max(1, min(DRAWN // (m * LANES), scheme.n_steps))
    # Torch draws 16 normals at a time. An even number of steps of LANES = 8 is a multiple of that,
    # so that a stream does not depend on how many steps are asked for at once.
    steps += steps % 2
    if groups.noise.any():
        generators = [torch.Generator().manual_seed(int(seed)) for seed in groups.seeds]
        buffer = torch.empty(len(groups), steps, m, LANES)
    else:
        generators, buffer = [], torch.zeros(len(groups), steps, 1, LANES)
    for first in range(0, scheme.n_steps, steps):
        for row, generator in zip(buffer, generators, strict=False):
            row.normal_(generator=generator)
        yield buffer.numpy()[:, : scheme.n_steps - first]


def _kick(scheme: Scheme, groups: Groups) -> Array:
    """Return the size (group,) of the force noise of one step, which multiplies one normal."""
    if scheme.common_noise:  # the sum of a Wiener process for each block is sqrt(n) times one
        return np.asarray(groups.noise * np.sqrt(scheme.n_blocks / scheme.dt))
    return np.asarray(groups.noise / np.sqrt(scheme.dt))


def _step_compiled(scheme: Scheme, groups: Groups, out: Array) -> None:
    """Step some groups as `step_all` does, by the kernel that numba compiled."""
    count, n = len(groups), scheme.n_blocks
    v = np.zeros((count, n * LANES))
    x = np.zeros((count, (n + 2) * LANES))
    x[:, LANES:-LANES] = np.repeat(scheme.start, LANES)
    first, ones = 0, np.ones(scheme.n_steps)
    envelope = ones if scheme.envelope is None else scheme.envelope
    pull = ones if scheme.pull is None else scheme.pull
    out[0] = scheme.start[:, None, None]
    for drawn in normals(scheme, groups):
        now = slice(first, first + drawn.shape[1])
        step_drawn(
            drawn.reshape(*drawn.shape[:2], -1),
            _kick(scheme, groups),
            envelope[now],
            groups.pulled,
            pull[now],
            scheme.by == "force",
            groups.stiffness,
            groups.friction_right,
            groups.friction_left,
            scheme.dt,
            scheme.inertia,
            scheme.viscosity,
            LANES,
            x,
            v,
            first,
            scheme.record_every,
            out,
        )
        first = now.stop
