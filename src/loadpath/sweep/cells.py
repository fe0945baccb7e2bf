"""The cells of a grid: settings by name, and the file names that say them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loadpath.checks import as_list, check_type

Cell = Mapping[str, str | int | float]
"""The settings of one run, by name."""
Key = tuple[str | int | float, ...]
"""A cell's values in the order of its axes, as its file's name has them: 1 and 1.0 are equal."""

LONGEST_NAME = 230
"""Bytes of a file name: most systems allow 255, and a file being written has a longer one."""

CELL_ATTR = "sweep_cell"
"""Attribute of a cell's result that has the name of its file."""

_DECIMAL = re.compile(r"-?\d+(\.\d+)?(e[+-]\d+)?")


def product(axes: Mapping[str, Sequence[str | int | float] | np.ndarray]) -> list[Cell]:
    """Return every combination of the axes' values as a cell, the last axis fastest.

    Parameters
    ----------
    axes : mapping of str to sequence
        The values of every axis, by its name: text or finite numbers.

    Returns
    -------
    list of Cell
        The cells.

    Raises
    ------
    ValueError
        If there is no axis, or an axis is empty or names a value twice.

    Examples
    --------
    >>> import loadpath as lp
    >>> lp.sweep.product({"noise": [0.1, 0.2], "seed": range(2)})[:2]
    [{'noise': 0.1, 'seed': 0}, {'noise': 0.1, 'seed': 1}]
    """
    check_type("axes", axes, Mapping, "a mapping of names to lists")
    check_names("axes", axes)
    if not axes:
        raise ValueError("axes must name at least one axis, got none.")
    for name, values in axes.items():
        if isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
            raise ValueError(f"axes must give {name!r} a list of values, got {values!r}.")
        if len({_plain(value) for value in values}) < len(values):
            raise ValueError(f"axes must not give {name!r} a value twice, got {list(values)}.")
    combinations = itertools.product(*axes.values())
    return [with_plain_numbers(dict(zip(axes, values, strict=True))) for values in combinations]


def with_plain_numbers(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cell with Python's numbers in place of NumPy's; its values are not looked at."""
    return {k: v.item() if isinstance(v, np.generic) else v for k, v in cell.items()}


def cell_name(cell: Mapping[str, Any]) -> str:
    """Return the file name of a cell's result, which says its settings."""
    return ",".join(f"{name}={value}" for name, value in cell.items()) + ".nc"


def key_of_cell(cell: Cell, axes: Sequence[str]) -> Key:
    """Return what tells a cell from the others of its sweep."""
    return tuple(_plain(cell[name]) for name in axes)


def key_of_name(name: str, axes: Sequence[str]) -> Key | None:
    """Return the key of the cell whose file has this name; None if it is no cell over `axes`."""
    pattern = ",".join(f"{re.escape(axis)}=(.*)" for axis in axes) + r"\.nc"
    match = re.fullmatch(pattern, name)
    return tuple(_plain(text) for text in match.groups()) if match else None


def check_cells(cells: Sequence[Cell], named: str = "cells") -> tuple[str, ...]:
    """Return the axes of `cells`, in order, once it is known that files can be named after them.

    Parameters
    ----------
    cells : sequence of Cell
        The cells of one sweep.
    named : str
        The argument's name, as its caller knows it.

    Returns
    -------
    tuple of str
        The names of their settings.

    Raises
    ------
    ValueError
        If there are no cells, if they differ in their axes, or if a value cannot stand in a file
        name.
    """
    for cell in as_list(named, cells, "cells"):
        check_type(named, cell, Mapping, "mappings of settings to values")
    if not cells:
        raise ValueError(f"{named} must hold at least one cell, got none.")
    axes = tuple(cells[0])
    for cell in cells:
        if set(cell) != set(axes):
            raise ValueError(
                f"{named} must all have the settings {', '.join(axes)}, got {dict(cell)}."
            )
        check_names(named, cell)
        for name, value in cell.items():
            _check_value(named, name, value)
        name = cell_name(cell)
        if key_of_name(name, tuple(cell)) != key_of_cell(cell, tuple(cell)):
            raise ValueError(
                f"{named} must not have names of settings in their text, got {name!r}."
            )
        if len(name.encode()) > LONGEST_NAME:
            raise ValueError(f"{named} must have shorter settings, got the file name {name!r}.")
    return axes


def check_names(name: str, settings: Mapping[str, Any]) -> None:
    """Refuse settings that are no names of arguments.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    settings : mapping
        Settings by their names.

    Raises
    ------
    ValueError
        If there is one.
    """
    for each in settings:
        if not isinstance(each, str) or not each.isidentifier():
            raise ValueError(
                f"{name} must have settings with the names of arguments, got {each!r}."
            )


def _check_value(named: str, name: str, value: object) -> None:
    """Refuse a value that no file name can hold."""
    if not isinstance(value, str | int | float) or value != value or value in (math.inf, -math.inf):
        raise ValueError(f"{named} must give {name!r} text or a finite number, got {value!r}.")
    if isinstance(value, str) and not re.fullmatch(r"[^/\\\x00-\x1f\ud800-\udfff]*", value):
        raise ValueError(
            f"{named} must give {name!r} text that a file name can hold, got {value!r}."
        )


def _plain(value: object) -> str | int | float:
    """Return the number that a value is, given or written, exactly; its text if it is none."""
    text = str(value)
    # Whole numbers stay whole: a float would take 2**53 and 2**53 + 1 for the same seed.
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
