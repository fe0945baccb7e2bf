"""The steps of `engine.step_all` under dry friction, compiled by numba: the same numbers, sooner.

The lanes of all blocks of a group are stepped in one loop, a vector register's worth at a time,
from one end of their normals to the other. Other threads run meanwhile: the loop holds no lock of
Python's, which NumPy's many short calls take and give back all the time.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@numba.njit(inline="always")
def _velocity(
    left: float,
    here: float,
    right: float,
    noise: float,
    v: float,
    k: float,
    most: float,
    least: float,
    inertia: float,
    mobility: float,
) -> float:
    """Return a block's new velocity, by the operations of `step_all` in their order."""
    force = left + right
    force -= here
    force -= here
    force *= k
    force += noise
    force += v * inertia
    hold = force if force < most else most
    force -= hold if hold > least else least
    return force * mobility


@numba.njit(nogil=True, cache=True)
def step_drawn(
    drawn: NDArray[np.float32],  # (group, step, block * lane), or (group, step, lane) if common
    size: Array,  # (group,) of the kicks
    envelope: Array,  # (step,)
    pulled: Array,  # (group,)
    pull: Array,  # (step,)
    by_force: bool,
    stiffness: Array,  # (group,)
    friction_right: Array,
    friction_left: Array,
    dt: float,
    inertia: float,  # mass / dt; 0 if overdamped
    viscosity: float,
    lanes: int,
    positions: Array,  # (group, (block + 2) * lane), changed in place, as are the velocities
    velocities: Array,  # (group, block * lane)
    first: int,  # step
    record_every: int,
    out: Array,  # (record, block, group, lane)
) -> None:
    """Take as many steps as `envelope` is long, and record positions into `out`."""
    groups, many = velocities.shape
    own, mobility = drawn.shape[2] == many, 1 / viscosity
    for g in range(groups):
        v, wall = velocities[g], positions[g, lanes + many :]
        # Slices, for indices that a compiler knows to be positive, or it cannot use vectors.
        left, x, right = (
            positions[g, :many],
            positions[g, lanes : lanes + many],
            positions[g, 2 * lanes :],
        )
        k, most, least = stiffness[g], friction_right[g], -friction_left[g]
        for t in range(len(envelope)):
            last, kick, z = pulled[g] * pull[t], size[g] * envelope[t], drawn[g, t]
            for c in range(lanes):
                wall[c] = last + x[many - lanes + c] if by_force else last
            if own:
                for i in range(many):
                    v[i] = _velocity(
                        left[i], x[i], right[i], z[i] * kick, v[i],
                        k, most, least, inertia, mobility,
                    )  # fmt: skip
            else:
                for a in range(0, many, lanes):
                    for c in range(lanes):
                        i = a + c
                        v[i] = _velocity(
                            left[i], x[i], right[i], z[c] * kick, v[i],
                            k, most, least, inertia, mobility,
                        )  # fmt: skip
            for i in range(many):
                x[i] += v[i] * dt
            if (first + t + 1) % record_every == 0:
                for i in range(many):
                    l, c = divmod(i, lanes)
                    out[(first + t + 1) // record_every, l, g, c] = x[i]
