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
EPSILON = torch.finfo(torch.float32).eps
"""1.19e-7."""


@torch_threads(1)
def modes_in_float32(
    factor: Float[Tensor, "row width"],
) -> tuple[Float[Tensor, " mode"], Float[Tensor, "width mode"]]:
    r"""Return the modes of a covariance that `torch.linalg.pinv` keeps of it in float32.

    Parameters
    ----------
    factor : Tensor
        F of the covariance $F^\top F$, (row, width).

    Returns
    -------
    s : Tensor
        Singular values of the factor, the largest first, (mode,).
    V : Tensor
        Their directions, (width, mode).

    Notes
    -----
    It keeps eigenvalues above w times the epsilon of the type (1.19e-7) of the largest. Which are
    kept is told here from the factor in float64, so that nothing overflows or turns negative; what
    rounding adds in float32 lies below the cut-off.
    """
    _, s, Vh = torch.linalg.svd(factor, full_matrices=False)
    kept = s > math.sqrt(factor.shape[1] * EPSILON) * s[0]
    return s[kept], Vh[kept].T
