"""The flow of `mean_flow`, compiled by numba: the same method, chain after chain.

NumPy takes some forty calls for a velocity of a few blocks, each longer than its arithmetic. Here a
chain is integrated to its end before the next begins. Numbers differ by rounding alone.
"""

import math

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_DENSITY = 1 / math.sqrt(2 * math.pi)
_HALF_ROOT = math.sqrt(0.5)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _velocity(
    x: Array,  # (block,)
    right: float,
    left: float,
    width: float,
    closure: float,
    flow: Array,  # (block,), as are the next two; all three are written to
    reach: Array,
    out: Array,
) -> None:
    """Write `velocity` of `mean_flow.relax` for one chain to `out`."""
    n = len(x)
    for l in range(n):
        force = (x[l - 1] if l > 0 else 0.0) - 2 * x[l] + (x[l + 1] if l < n - 1 else 1.0)
        a, b = (force - right) / width, (-left - force) / width
        N, M = 0.5 * math.erfc(-a * _HALF_ROOT), 0.5 * math.erfc(-b * _HALF_ROOT)
        density, other = _DENSITY * math.exp(-0.5 * a * a), _DENSITY * math.exp(-0.5 * b * b)
        g, h = a * N + density, b * M + other
        reach[l] = N + M
        q = (a * g + N + b * h + M - (g - h) ** 2) / (reach[l] + 1e-300)
        flow[l] = g - h + closure * q * (density - other)
    for l in range(n):
        bend = -2 * flow[l] + (flow[l - 1] if l > 0 else 0.0) + (flow[l + 1] if l < n - 1 else 0.0)
        out[l] = (flow[l] - closure * reach[l] * bend) * width


@numba.njit(nogil=True, cache=True, error_model="numpy")
def integrate(
    x: Array,  # (batch, block) positions at the first instant, changed in place to the last's
    right: Array,  # (batch,)
    left: Array,
    width: Array,
    closure: Array,
    instants: Array,  # (instant, batch)
    stages: NDArray[np.int64],  # (instant - 1,) of each step, the same for all chains
) -> None:
    """Take every chain along all instants by RKL2, as `mean_flow._advance` takes all at once."""
    n = x.shape[1]
    first, before, now, new = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    flow, reach = np.empty(n), np.empty(n)
    for c in range(len(x)):
        y = x[c]
        for step in range(len(stages)):
            h, s = instants[step + 1, c] - instants[step, c], stages[step]
            w = 4 / (s * s + s - 2)
            _velocity(y, right[c], left[c], width[c], closure[c], flow, reach, first)
            for l in range(n):
                first[l] *= h
                before[l] = y[l]
                now[l] = y[l] + w / 3 * first[l]
            two, one = 1 / 3, 1 / 3  # b of the two stages before
            for i in range(2, s + 1):
                b = (i * i + i - 2) / (2 * i * (i + 1))
                mu, nu = (2 * i - 1) / i * b / one, -(i - 1) / i * b / two
                _velocity(now, right[c], left[c], width[c], closure[c], flow, reach, new)
                for l in range(n):
                    new[l] = (
                        mu * w * (h * new[l] + (one - 1) * first[l])
                        + mu * now[l]
                        + nu * before[l]
                        + (1 - mu - nu) * y[l]
                    )
                before, now, new = now, new, before
                two, one = one, b
            for l in range(n):
                y[l] = now[l]
