"""The steps of `engine.step_all` under dry friction, compiled by numba: the same numbers, sooner.

The lanes of a group are stepped together, a vector register's worth, from one end of their normals
to the other; other threads run meanwhile, which NumPy's many short calls would keep from doing.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
LANES = 8
"""Replicas that share a stream of noise: here, for loops over it unroll only if it is constant."""


@numba.njit(nogil=True, cache=True)
def step_drawn(
    drawn: NDArray[np.float32],  # (group, step, block, lane), or (group, step, 1, lane) if common
    size: Array,  # (group,) of the kicks
    envelope: Array,  # (step,)
    pulled: Array,  # (group,)
    pull: Array,  # (step,)
    by_force: bool,
    stiffness: Array,  # (group,)
    right: Array,
    left: Array,
    dt: float,
    inertia: float,  # mass / dt; 0 if overdamped
    viscosity: float,
    positions: Array,  # (group, block + 2, lane), changed in place, as are the velocities
    velocities: Array,  # (group, block, lane)
    first: int,  # step
    record_every: int,
    out: Array,  # (record, block, group, lane)
) -> None:
    """Take len(envelope) steps; every operation is that of `step_all`, in its order."""
    groups, n = velocities.shape[:2]
    own, mobility = drawn.shape[2] == n, 1 / viscosity
    for g in range(groups):
        x, v = positions[g], velocities[g]
        k, most, least = stiffness[g], right[g], -left[g]
        for t in range(len(envelope)):
            last, kick = pulled[g] * pull[t], size[g] * envelope[t]
            for c in range(LANES):
                x[n + 1, c] = last + x[n, c] if by_force else last
            for l in range(n):
                m = l if own else 0
                for c in range(LANES):
                    force = x[l, c] + x[l + 2, c]
                    force -= x[l + 1, c]
                    force -= x[l + 1, c]
                    force *= k
                    force += drawn[g, t, m, c] * kick
                    force += v[l, c] * inertia
                    force -= max(min(force, most), least)
                    v[l, c] = force * mobility
            for l in range(n):
                for c in range(LANES):
                    x[l + 1, c] += v[l, c] * dt
            if (first + t + 1) % record_every == 0:
                for l in range(n):
                    for c in range(LANES):
                        out[(first + t + 1) // record_every, l, g, c] = x[l + 1, c]
