"""Checks of single values: numbers, counts, seeds, flags, words, kinds, lists and paths."""

from __future__ import annotations

import math
import reprlib
from numbers import Integral, Real
from typing import Any

LARGEST = 1e70
"""The size of numbers up to which products of four, as in a squared momentum times a squared
activation, stay finite in float64. Nothing measured is larger."""
SMALLEST = 1e-100
"""The least of what one divides by: its square is still a number, and a layer without any
activation, whose stabilizer it is, has an enormous cost of identity and no infinite one."""
MOST = 2**31 - 1
"""The most that a count may be: more layers, samples or steps than any machine holds."""
SCALARS = ("float32", "float64", "int64")
"""Types of NumPy's scalars that will do for a number. Products of the smaller whole numbers would
be wrong beyond 32,767 or so, and -1 is a large number among those without a sign."""
LAST_SEED = 2**63 - 1
"""The largest seed that PyTorch and NumPy both take."""


def shown(value: object) -> str:
    """Return how a message quotes a value: on one line, and not at length.

    Parameters
    ----------
    value : object
        What was given.

    Returns
    -------
    str
        Type and shape of a tensor or an array, the value itself if it is short, else its beginning.
    """
    shape = getattr(value, "shape", None)
    if shape == () and hasattr(value, "dtype") and len(repr(value)) < 100:
        return repr(value)
    if isinstance(shape, tuple) and hasattr(value, "dtype"):
        return f"{type(value).__name__} of shape {tuple(shape)} and {value.dtype}"
    text = repr(value) if isinstance(value, str | int | float | complex) else reprlib.repr(value)
    return " ".join(text.split()) if len(text) < 100 else " ".join(text[:90].split()) + "..."


def check_count(name: str, value: Any, minimum: int) -> None:
    """Refuse what is not a whole number from `minimum` to 2,147,483,647.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given; an int64 of NumPy will do, its other kinds and booleans are refused.
    minimum : int
        The least number that is allowed.

    Raises
    ------
    ValueError
        If `value` is not such a number.
    """
    _check_type_of_whole(name, value)
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise ValueError(
            f"{name} must be a whole number of at least {minimum}, not {shown(value)}."
        )
    if int(value) > MOST:
        raise ValueError(f"{name} must be a whole number of at most {MOST}, not {shown(value)}.")


def _check_type_of_whole(name: str, value: Any) -> None:
    """Refuse NumPy's whole numbers of few bits, whose products would overflow."""
    if isinstance(value, Integral) and str(getattr(value, "dtype", "int64")) not in SCALARS:
        raise ValueError(f"{name} must be an int, or an int64 of NumPy, got {shown(value)}.")


def check_seed(name: str, value: Any) -> None:
    """Refuse what is not a whole number from 0 to 2^63 - 1.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given.

    Raises
    ------
    ValueError
        If `value` is not such a number.
    """
    _check_type_of_whole(name, value)
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < 0:
        raise ValueError(f"{name} must be a whole number of at least 0, not {shown(value)}.")
    if value > LAST_SEED:
        raise ValueError(f"{name} must be a whole number below 2**63, not {shown(value)}.")


def check_number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> None:
    """Refuse what is not a finite number within bounds and of 1e-100 to 1e70 in size, or 0.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given. A NumPy scalar will do; a boolean, a word, and a tensor will not.
    above, least : float, optional
        A bound that the value must exceed, or reach; at most one of the two.
    below, most : float, optional
        A bound that it must stay below, or not exceed; at most one of the two.

    Raises
    ------
    ValueError
        If `value` is no such number.
    """
    number = _as_float(value)
    if number is None:
        _check_type_of_whole(name, value)
        raise ValueError(f"{name} must be a number, got {shown(value)}.")
    outside = (
        (above is not None and number <= above)
        or (least is not None and number < least)
        or (below is not None and number >= below)
        or (most is not None and number > most)
    )
    if outside or not math.isfinite(number):
        bounds = _bounds(above, least, below, most)
        raise ValueError(f"{name} must {bounds}, got {_as_given(value, number)}.")
    if above == 0 and number < SMALLEST:  # one divides by such numbers
        raise ValueError(f"{name} must be at least {SMALLEST:g}, got {shown(value)}.")
    if abs(number) > LARGEST:
        raise ValueError(
            f"{name} must be at most {LARGEST:g} in size, got {_as_given(value, number)}."
        )


def _bounds(
    above: float | None, least: float | None, below: float | None, most: float | None
) -> str:
    """Return the bounds of a number in words."""
    low = f"({above:g}" if above is not None else f"[{least:g}" if least is not None else ""
    high = f"{below:g})" if below is not None else f"{most:g}]" if most is not None else ""
    if low and high:
        return f"lie in {low}, {high}"
    words = {"above": above, "at least": least, "below": below, "at most": most}
    return "be " + " and ".join(
        ["finite", *(f"{word} {bound:g}" for word, bound in words.items() if bound is not None)]
    )


def _as_float(value: Any) -> float | None:
    """Return a real number as a float, or None if it is not one: a word, a flag, a list."""
    if type(value) is float:
        return value
    # Of NumPy's scalars those that are computed with everywhere; fractions, decimals and tensors
    # of one number are refused further down, by other libraries.
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    if not plain and str(getattr(value, "dtype", "")) not in SCALARS:
        return None
    if not plain and (type(value).__module__ != "numpy" or not isinstance(value, Real)):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError, RuntimeError):  # more than one number
        return None


def _as_given(value: object, number: float) -> str:
    """Return how a message quotes a number: as it was given, unless that is long."""
    return str(value) if isinstance(value, int | float) and len(str(number)) < 30 else f"{number!r}"


def check_above_zero(name: str, value: object) -> None:
    """Refuse a number that is not finite and above 0; None, for one that was not given, passes.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given.

    Raises
    ------
    ValueError
        If `value` is out of range.
    """
    if value is not None:
        check_number(name, value, above=0)


def check_level(level: object) -> None:
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
    number = _as_float(level)
    if number is None or not 0 < number < 1:
        raise ValueError(f"level must be between 0 and 1, got {shown(level)}.")
