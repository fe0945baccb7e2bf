"""Checks of arrays by shape: rows of samples, vectors, layer steps, and paths of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadpath.checks.arrays import as_tensor, check_finite
from loadpath.checks.kinds import as_list
from loadpath.checks.values import LARGEST, shown

if TYPE_CHECKING:
    from torch import Tensor


def as_rows(name: str, M: Any, *, shape: tuple[int, ...] | None = None) -> Tensor:
    """Return `M` in float64, once it is known to be a finite, non-empty (sample, width) matrix.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    M : Tensor or array_like
        What was given.
    shape : tuple of int, optional
        The shape that it must have; any if left out.

    Returns
    -------
    Tensor
        (sample, width), float64.

    Raises
    ------
    ValueError
        If `M` is not such a matrix, or not of the given `shape`.
    """
    M = as_tensor(name, M)
    if M.ndim != 2 or M.numel() == 0:
        raise ValueError(
            f"{name} must be a non-empty (sample, width) matrix, got {tuple(M.shape)}."
        )
    if shape is not None and tuple(M.shape) != shape:
        raise ValueError(f"{name} must have shape {shape}, got {tuple(M.shape)}.")
    if not bool(M.isfinite().all()):
        bad = int((~M.isfinite()).sum())
        raise ValueError(f"{name} must be finite, got {bad} entries that are NaN or infinite.")
    return M.double()


def as_small_rows(name: str, M: Any, *, shape: tuple[int, ...] | None = None) -> Tensor:
    """Return what `as_rows` does, once no entry is above 1e70 in size: for what is multiplied.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    M : Tensor or array_like
        What was given.
    shape : tuple of int, optional
        The shape that it must have; any if left out.

    Returns
    -------
    Tensor
        (sample, width), float64.

    Raises
    ------
    ValueError
        If `M` is not such a matrix.
    """
    rows = as_rows(name, M, shape=shape)
    check_size(name, rows)
    return rows


def check_size(name: str, t: Tensor) -> None:
    """Refuse numbers above 1e70 in size, whose squares and products would overflow.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    t : Tensor
        Finite numbers.

    Raises
    ------
    ValueError
        If there is one.
    """
    largest = float(t.detach().abs().max()) if t.numel() else 0.0
    if largest > LARGEST:
        raise ValueError(
            f"{name} must hold numbers of at most {LARGEST:g} in size, got {largest:g}."
        )


def as_vector(
    name: str,
    values: Any,
    *,
    length: int | None = None,
    fewest: int = 1,
    least: float | None = None,
) -> Tensor:
    """Return a list of finite numbers in float64, none above 1e70 in size.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : Tensor or array_like
        What was given.
    length : int, optional
        How many there must be; any number if left out.
    fewest : int
        How many there must be at least.
    least : float, optional
        The least that each may be.

    Returns
    -------
    Tensor
        (length,), float64.

    Raises
    ------
    ValueError
        If `values` are not such a list.
    """
    t = as_tensor(name, values)
    if t.ndim != 1 or len(t) < fewest or (length is not None and len(t) != length):
        number = f"{length}" if length is not None else f"at least {fewest}"
        raise ValueError(f"{name} must be a list of {number} numbers, got shape {tuple(t.shape)}.")
    t = t.double()
    check_finite(name, t)
    check_size(name, t)
    if least is not None and len(t) and float(t.detach().min()) < least:
        raise ValueError(
            f"{name} must hold numbers of at least {least:g}, got {float(t.detach().min()):g}."
        )
    return t


def as_layer_steps(name: str, values: Any, *, depth: int | None = None) -> Tensor:
    """Return layer steps in float64: finite positive numbers of sum 1, on the CPU.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : Tensor or array_like
        What was given.
    depth : int, optional
        How many there must be; any number if left out.

    Returns
    -------
    Tensor
        (depth,), float64.

    Raises
    ------
    ValueError
        If the steps are not `depth` finite positive numbers of sum 1, to 1e-6, which is what
        float32 steps can promise.
    """
    steps = as_tensor(name, values).detach().double().cpu()
    if steps.ndim != 1 or not len(steps) or (depth is not None and len(steps) != depth):
        shape = "(depth,)" if depth is None else f"({depth},)"
        raise ValueError(f"{name} must have shape {shape}, got {tuple(steps.shape)}.")
    if not bool(steps.isfinite().all()) or float(steps.min()) <= 0:
        raise ValueError(f"{name} must be finite and positive, got {shown(steps.tolist())}.")
    total = float(steps.sum())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"{name} must sum to 1, got a sum of {total:.9g}.")
    return steps


def as_path_of_rows(
    name: str, path: Any, *, length: int | None = None, fewest: int = 1
) -> list[Tensor]:
    """Return a path of representations in float64: finite matrices of one shape.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    path : sequence of Tensor or array_like
        (sample, width) matrices, or one (layer, sample, width) array of them.
    length : int, optional
        How many there must be; any number if left out.
    fewest : int
        How many there must be at least.

    Returns
    -------
    list of Tensor
        (sample, width) each, float64.

    Raises
    ------
    ValueError
        If `path` is not such a list; the message names the first that does not fit.
    """
    matrices = as_list(name, path, "matrices", fewest=fewest)
    if length is not None and len(matrices) != length:
        raise ValueError(f"{name} must hold {length} matrices, got {len(matrices)}.")
    rows: list[Tensor] = []
    for l, A in enumerate(matrices):
        rows.append(as_small_rows(f"{name}[{l}]", A, shape=tuple(rows[0].shape) if rows else None))
    return rows
