"""Checks of arguments: each refuses a bad value in one sentence that names it.

This is the ground of the house. Nothing here knows a net, and torch is not imported, so that the
command line can refuse a bad option before it loads anything heavy.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def check_count(name: str, value: object, minimum: int) -> None:
    """Refuse what is not a whole number of at least `minimum`.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given; booleans are refused too.
    minimum : int
        The least number that is allowed.

    Raises
    ------
    ValueError
        If `value` is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}, not {value!r}.")


def check_number(
    name: str, value: float, *, above: float | None = None, least: float | None = None
) -> None:
    """Refuse a number that is not finite, not above `above`, or below `least`.

    Exactly one of the two bounds is given.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : float
        What was given.
    above : float, optional
        A bound that the value must exceed.
    least : float, optional
        A bound that the value must reach.

    Raises
    ------
    ValueError
        If `value` is out of range.
    """
    low = (above is not None and value <= above) or (least is not None and value < least)
    if low or not math.isfinite(value):
        bound = f"above {above:g}" if above is not None else f"at least {least:g}"
        raise ValueError(f"{name} must be finite and {bound}, got {value}.")


def check_above_zero(name: str, value: float | None) -> None:
    """Refuse a number that is not finite and above 0; None, for one that was not given, passes.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : float or None
        What was given.

    Raises
    ------
    ValueError
        If `value` is out of range.
    """
    if value is not None:
        check_number(name, value, above=0)


def check_level(level: float) -> None:
    """Refuse a confidence level that is not between 0 and 1.

    Parameters
    ----------
    level : float
        The share of intervals that are to hold the truth, such as 0.95.

    Raises
    ------
    ValueError
        If `level` is out of range.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level}.")


def as_path(name: str, value: object) -> Path:
    """Return a path with `~` and `~user` at its beginning replaced by the home that they name.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : str or path-like
        What was given.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ValueError
        If `value` is no path, or if there is no such user.
    """
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(path, str):
        raise ValueError(f"{name} must be a path, got {value!r}.")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(f"{name} must begin with a home that is known, got {path!r}.") from None


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


def as_rows(name: str, M: Tensor, *, shape: tuple[int, ...] | None = None) -> Tensor:
    """Return `M` in float64, once it is known to be a finite, non-empty (sample, width) matrix.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    M : Tensor
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
