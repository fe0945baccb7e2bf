"""Matrix products by the BLAS that suits the processor: torch's, or NumPy's.

NumPy's OpenBLAS has kernels for the processors of every maker, while the MKL of torch's CPU builds
is tuned for those of one: docs/training.md has what each costs on the other's.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


@cache
def mkl_at_home() -> bool:
    """Tell whether torch multiplies by MKL, on a processor of MKL's maker."""
    try:
        processor = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:  # not Linux
        processor = platform.processor()
    return torch.backends.mkl.is_available() and "Intel" in processor


def by_numpy(tensor: Tensor) -> bool:
    """Tell whether NumPy's BLAS is to multiply matrices that are where `tensor` is.

    Parameters
    ----------
    tensor : Tensor
        One of the matrices.

    Returns
    -------
    bool
        True on a CPU, unless torch has MKL and the processor is of MKL's maker.
    """
    return tensor.device.type == "cpu" and not mkl_at_home()


def as_factor(tensor: Tensor) -> Any:
    """Return `tensor` as `multiply` takes it, sharing memory: a NumPy array if NumPy multiplies."""
    tensor = tensor.detach()
    return tensor.numpy() if by_numpy(tensor) else tensor


def multiply(a: Any, b: Any, out: Any) -> None:
    """Write the matrix product of two factors into a third."""
    if isinstance(out, np.ndarray):
        np.matmul(a, b, out=out)
    else:
        torch.mm(a, b, out=out)


def multiply_stacks(left: Tensor, middle: Tensor, right: Tensor, out: Tensor) -> None:
    """Write the products of three stacks of matrices to `out`."""
    if by_numpy(out):
        np.matmul(np.matmul(left.numpy(), middle.numpy()), right.numpy(), out=out.numpy())
    else:
        torch.matmul(left @ middle, right, out=out)
