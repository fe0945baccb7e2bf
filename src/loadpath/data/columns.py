"""Inputs and targets of one's own as tensors: numbers, or classes by number or name."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from loadpath.checks import as_tensor, check_finite, check_size, shown
from loadpath.data.forms import is_frame

Task = Literal["regression", "classification"]
"""What targets are: outputs, or classes."""
TASKS: tuple[Task, ...] = ("regression", "classification")
"""The tasks as values."""


def as_inputs(name: str, values: Any, *, flat: bool = True) -> Tensor:
    """Return inputs as a tensor, once they are known to be finite numbers, one row a sample.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : DataFrame, Tensor or array_like
        What was given. True and False are 1 and 0.
    flat : bool
        Whether they must be (sample, feature); else a sample may have any shape.

    Returns
    -------
    Tensor
        Of their own type where they are a tensor or an array, on their device.

    Raises
    ------
    ValueError
        If they are something else; of a frame the message names the column.
    """
    _refuse_sparse(name, values)
    x = _of_frame(name, values) if is_frame(values) else as_tensor(name, _without_flags(values))
    if flat and (x.ndim != 2 or x.shape[1] == 0):
        hint = ""
        if x.ndim == 1 and len(x):
            hint = "; one feature of each sample is x.reshape(-1, 1)"
        elif x.ndim > 2:
            hint = "; flatten samples by x.reshape(len(x), -1)"
        raise ValueError(f"{name} must be (sample, feature), got {tuple(x.shape)}{hint}.")
    if x.ndim == 0 or x.numel() == 0:
        raise ValueError(f"{name} must hold samples, got none.")
    if x.is_floating_point():
        check_finite(name, x)
    check_size(name, x)
    return x


def as_outputs(name: str, values: Any) -> Tensor:
    """Return targets of a regression as (sample, output), float64 or of their own tensor's type.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : Series, DataFrame, Tensor or array_like
        What was given: (sample, output), or (sample,) of one output.

    Returns
    -------
    Tensor
        (sample, output).

    Raises
    ------
    ValueError
        If they are no such numbers.
    """
    y = as_inputs(name, _bare(values), flat=False)
    y = y if y.is_floating_point() else y.double()
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2:
        raise ValueError(f"{name} must be (sample, output), got {tuple(y.shape)}.")
    return y


def task_of(name: str, values: Any) -> Task:
    """Tell what targets are: words, flags and whole numbers in one column are classes.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : Series, DataFrame, Tensor or array_like
        The targets.

    Returns
    -------
    {"regression", "classification"}
        The task.

    Raises
    ------
    ValueError
        If they are a sparse matrix.
    """
    _refuse_sparse(name, values)
    values = _bare(values)
    if is_frame(values) or len(_shape(values)) != 1:
        return "regression"
    if isinstance(values, Tensor):
        return "regression" if values.is_floating_point() else "classification"
    return "regression" if _array(name, values).dtype.kind == "f" else "classification"


def as_classes(name: str, values: Any) -> tuple[Tensor, list[str] | None]:
    """Return classes as the numbers 0 to k - 1, and their names where these are others.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : Series, Tensor or array_like
        (sample,) of words, flags or whole numbers. What is not 0 to k - 1 is numbered in order.

    Returns
    -------
    numbers : Tensor
        (sample,), int64.
    names : list of str or None
        What each number stands for; None where the classes were these numbers.

    Raises
    ------
    ValueError
        If they are something else, or words and numbers mixed, or one is missing.
    """
    values = _bare(values)
    if isinstance(values, Tensor):
        values = as_tensor(name, _without_flags(values)).detach().cpu().numpy()
    array = _array(name, values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name} must hold one class for each sample, got shape {array.shape}.")
    if array.dtype.kind == "f":
        lost = ~np.isfinite(array)
        if lost.any():
            raise ValueError(
                f"{name} must be finite, and its entry {(int(lost.argmax()),)} is "
                f"{array[lost.argmax()]}."
            )
        parts = array != np.round(array)
        if parts.any():
            raise ValueError(
                f"{name} must hold classes as whole numbers or words, got {array[parts][0]}."
            )
        if np.abs(array).max(initial=0) >= 2**53:
            raise ValueError(f"{name} must hold classes below 2**53, got {np.abs(array).max()}.")
        array = array.astype(np.int64)
    if array.dtype.kind not in "iubUS":
        raise ValueError(f"{name} must hold classes, got {array.dtype}.")
    found, numbers = np.unique(array, return_inverse=True)
    plain = array.dtype.kind in "iu" and np.array_equal(found, np.arange(len(found)))
    names = None if plain else [str(each) for each in found.tolist()]
    return torch.from_numpy(numbers.astype(np.int64).reshape(-1)), names


def _bare(values: Any) -> Any:
    """Return a Series, or the one column of a frame, as an array; words stay words."""
    if is_frame(values) and values.shape[1] == 1:
        values = values.iloc[:, 0]
    if not isinstance(values, Tensor) and hasattr(values, "isna") and not is_frame(values):
        kind = getattr(values.dtype, "kind", "O")
        if kind in "iufb":  # pandas marks what is missing in several ways
            whole = kind in "iub" and not values.isna().any()
            return values.to_numpy() if whole else values.to_numpy(np.float64, na_value=np.nan)
        return values.to_numpy(dtype=object)
    return values


def _array(name: str, values: Any) -> np.ndarray:
    """Return targets as an array of numbers, of flags or of words."""
    if isinstance(values, list | tuple) or getattr(values, "dtype", None) == np.dtype(object):
        flat = [*values]
        words = [isinstance(each, str) for each in flat]
        # NumPy would write the numbers among words as words too.
        if any(words) or _ragged(flat) or np.asarray(flat).dtype == object:
            return _words(name, flat, words)
    array = np.asarray(values)
    if array.dtype.kind in "iufbUS":
        return array
    kind = "dates" if array.dtype.kind in "mM" else str(array.dtype)
    raise ValueError(f"{name} must hold numbers or class names, got {kind}.")


def _words(name: str, flat: list[Any], words: list[bool]) -> np.ndarray:
    """Return class names as an array, once no other kind of thing is among them."""
    for i, each in enumerate(flat):
        if each is None or each != each or type(each).__name__ == "NAType":
            raise ValueError(
                f"{name} must have a target for every sample, and sample {i} has none."
            )
    if not all(words):
        odd = flat[words.index(False)]
        if any(words):
            raise ValueError(
                f"{name} must hold class names or numbers and not both, got "
                f"{str(flat[words.index(True)])!r} and {shown(odd)}."
            )
        numbers = np.asarray(flat)
        if numbers.dtype.kind in "iufb" and numbers.ndim == 1:
            return numbers
        raise ValueError(f"{name} must hold numbers or class names, got {shown(odd)}.")
    return np.asarray(flat, dtype=str)


def _ragged(values: Any) -> bool:
    """Tell whether NumPy makes no plain array of a list."""
    try:
        np.asarray(values)
    except ValueError:
        return True
    return False


def _shape(values: Any) -> tuple[int, ...]:
    """Return the shape of targets; (n,) where they make no plain array."""
    if hasattr(values, "shape"):
        return tuple(values.shape)
    return (len(values),) if _ragged(values) else np.shape(values)


def _without_flags(values: Any) -> Any:
    """Return 1 and 0 for True and False, and all else as it is."""
    if isinstance(values, Tensor):
        return values.to(torch.uint8) if values.dtype == torch.bool else values
    if isinstance(values, np.ndarray) and values.dtype == bool:
        return values.astype(np.uint8)
    return values


def _of_frame(name: str, frame: Any) -> Tensor:
    """Return the columns of a frame as one float64 tensor; name the first without numbers."""
    parts, whose = [], name.removeprefix("x of ")
    for label in range(frame.shape[1]):
        column, title = frame.iloc[:, label], str(frame.columns[label])
        kind = getattr(column.dtype, "kind", "O")
        if kind not in "iufb" or hasattr(column.dtype, "sparse_index"):
            first = next((each for each in column if isinstance(each, str)), None)
            given = str(column.dtype) if first is None else f"{shown(first)}"
            raise ValueError(f"column {title!r} of {whose} must hold numbers, got {given}.")
        numbers = column.to_numpy(np.float64, na_value=np.nan)
        lost = ~np.isfinite(numbers)
        if lost.any():
            i = int(lost.argmax())
            raise ValueError(
                f"column {title!r} of {whose} must be finite, and its entry {i} is {numbers[i]}: "
                "fill in or drop such rows first."
            )
        parts.append(numbers)
    if not parts:
        raise ValueError(f"{name} must have columns, got none.")
    return torch.from_numpy(np.column_stack(parts))


def _refuse_sparse(name: str, values: Any) -> None:
    """Refuse SciPy's sparse matrices, of which NumPy makes an array of one object."""
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise ValueError(
            f"{name} must be a dense array, got a sparse one of shape {tuple(values.shape)}: pass "
            f"{name.split()[0]}.toarray()."
        )
