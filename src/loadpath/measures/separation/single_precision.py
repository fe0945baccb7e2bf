r"""Log separations whose pseudo-inverse cuts off in float32, as the code of [SB] does.

They are for comparing numbers with published ones. How many directions count hangs there on the
type of the numbers: whatever lies below w times float32's epsilon of the largest eigenvalue is left
out, 1.2e-5 of it for a width w of 100.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.threads import torch_threads

PseudoInverse = Literal["exact", "float32"]
"""How the pseudo-inverse of a covariance tells its rank: counted, or by a cut-off in float32."""
PSEUDO_INVERSES: tuple[PseudoInverse, ...] = get_args(PseudoInverse)
"""The words as values."""


@torch_threads(1)
def log_trace_in_float32(
    numerator: Float[Tensor, "width width"], denominator: Float[Tensor, "width width"]
) -> float:
    r"""Return $\log \mathrm{Tr}(M N^+)$ in float32, with the pseudo-inverse that torch has there.

    Parameters
    ----------
    numerator, denominator : Tensor
        Covariances M and N, (width, width).

    Returns
    -------
    float
        Natural logarithm; -inf for a trace of 0, and NaN where rounding makes the trace negative.

    Notes
    -----
    `torch.linalg.pinv` leaves out singular values up to w times the epsilon of the type (1.19e-7)
    of the largest.
    """
    M, N = numerator.float(), denominator.float()
    trace = float(torch.trace(M @ torch.linalg.pinv(N)))
    if trace > 0:
        return math.log(trace)
    return -math.inf if trace == 0 else math.nan
