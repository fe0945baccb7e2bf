"""Checks of arrays: tensors, NumPy's arrays and lists of numbers alike; torch is imported late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadpath.checks.values import LARGEST, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, device

NUMBERS = (
    *("float16", "bfloat16", "float32", "float64"),
    *("uint8", "int8", "int16", "int32", "int64"),
)
"""Types of tensors that PyTorch computes with; of float8 it only knows how to keep them."""


def check_finite(name: str, t: Tensor) -> None:
    """Refuse a tensor with a NaN or an infinity, and name the first.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    t : Tensor
        A floating-point tensor of any shape.

    Raises
    ------
    ValueError
        If an entry is not finite.
    """
    if t.sum().isfinite():  # a NaN or infinity shows in the sum, which is cheaper to make
        return
    wrong = (~t.isfinite()).nonzero()
    if len(wrong):
        where = tuple(wrong[0].tolist())
        raise ValueError(f"{name} must be finite, and its entry {where} is {t[where].item()}.")


def as_tensor(name: str, values: Any) -> Tensor:
    """Return real numbers of any kind as a tensor of their own type.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : Tensor or array_like
        Real numbers of any shape: a tensor, an array or lists of numbers.

    Returns
    -------
    Tensor
        The same numbers, on their device and with their graph if they are a tensor. Memory is
        shared with what was given where that is possible.

    Raises
    ------
    ValueError
        If `values` are not real numbers, such as words, complex numbers, whose imaginary parts
        would be lost, or lists of different lengths.
    """
    import numpy as np
    import torch

    if isinstance(values, torch.Tensor):
        return _plain_tensor(name, values)
    array = _as_real(name, values)
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = _signed(name, array)
    # Torch takes neither read-only memory, nor negative strides, nor the other order of bytes.
    array = np.require(array, requirements=["C", "W"])
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def as_numbers(
    name: str, values: Any, *, least: float | None = None, missing: bool = False
) -> NDArray[np.float64]:
    """Return finite real numbers as a NumPy array in float64, none above 1e70 in size.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : array_like
        Numbers of any shape: one number, a list, an array or a tensor.
    least : float, optional
        The least that each may be.
    missing : bool
        Whether NaN, for a number that is not given, may stand among them.

    Returns
    -------
    array
        The numbers, float64.

    Raises
    ------
    ValueError
        If `values` are not such numbers.
    """
    import numpy as np

    array = as_array(name, values)
    wrong = ~(np.abs(array) <= LARGEST) & ~(missing & np.isnan(array))
    if wrong.any():
        index = np.argwhere(wrong)[0]
        first = array[tuple(index)]
        bound = "finite" if not np.isfinite(first) else f"at most {LARGEST:g} in size"
        where = f" at index {index[0] if len(index) == 1 else tuple(index.tolist())}"
        raise ValueError(f"{name} must be {bound}, got {first}{where if len(index) else ''}.")
    if least is not None and array.size and np.nanmin(array, initial=least) < least:
        raise ValueError(f"{name} must be at least {least:g}, got {np.nanmin(array)}.")
    return array


def as_array(name: str, values: Any) -> NDArray[np.float64]:
    """Return real numbers as a NumPy array in float64, whether or not they are finite.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : array_like
        Numbers of any shape: one number, a list, an array or a tensor.

    Returns
    -------
    array
        The numbers, float64; NaN and infinities stay what they are.

    Raises
    ------
    ValueError
        If `values` are no real numbers.
    """
    import numpy as np

    if hasattr(values, "detach"):  # a tensor, perhaps with a graph or of a type that NumPy lacks
        values = _plain_tensor(name, values).detach().cpu()
        values = values.double() if values.is_floating_point() else values
    array = _as_real(name, values)
    return array.astype(np.float64)


def _as_real(name: str, values: Any) -> NDArray[Any]:
    """Return real numbers that are no tensor as an array of their own type."""
    import numpy as np

    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{name} must have no masked numbers, got {int(values.mask.sum())}.")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must hold real numbers, got {shown(values)}.") from None
    if array.dtype.kind not in "iuf":
        given = shown(values) if array.ndim == 0 else str(array.dtype)
        raise ValueError(f"{name} must hold real numbers, got {given}.")
    return array


def _plain_tensor(name: str, t: Tensor) -> Tensor:
    """Return a tensor that can be computed with: dense, in memory, of an ordinary real type."""
    import torch

    if t.layout != torch.strided or t.is_meta or t.is_nested:
        kind = "on the device meta" if t.is_meta else "nested" if t.is_nested else f"of {t.layout}"
        raise ValueError(f"{name} must be a dense tensor with numbers in memory, got one {kind}.")
    if t.dtype in (torch.uint16, torch.uint32, torch.uint64):  # few operations know these
        return torch.from_numpy(_signed(name, t.cpu().numpy())).to(t.device)
    if str(t.dtype).removeprefix("torch.") not in NUMBERS:
        raise ValueError(f"{name} must hold real numbers, got {t.dtype}.")
    return t.resolve_neg()


def _signed(name: str, array: NDArray[Any]) -> NDArray[Any]:
    """Return whole numbers without a sign as int64, which PyTorch computes with."""
    if array.size and int(array.max()) >= 2**63:
        raise ValueError(f"{name} must hold whole numbers below 2**63, got {int(array.max())}.")
    return array.astype("int64")


def as_device(name: str, value: Any) -> device:
    """Return a torch device, once it is known that this machine has it.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : torch.device or str
        What was given, such as "cpu" or "cuda:1".

    Returns
    -------
    torch.device
        The device.

    Raises
    ------
    ValueError
        If there is no such device, here or at all.
    """
    import torch

    if not isinstance(value, str | torch.device):
        raise ValueError(f"{name} must be a torch device such as 'cpu', got {shown(value)}.")
    try:
        found = torch.device(value)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"{name} must be a device of this machine, got {shown(value)}.") from None
    return found
