"""What is done for each cell of a sweep: measured on one thread, and its file or its fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from loadpath import results
from loadpath.sweep.cells import CELL_ATTR, Cell, cell_name
from loadpath.threads import torch_threads

Measured = bytes | str
"""The netCDF file of a cell, or one line about what it raised."""
Done = list[tuple[Cell, Measured]]
"""Cells that were measured and came together, each with what came of it."""


@dataclass(frozen=True)
class Job:
    """What is done for each cell; it travels to the workers."""

    measure: Callable[..., xr.Dataset]
    """The function that measures a cell."""
    common: Mapping[str, Any]
    """Settings of all cells."""

    def __call__(self, cell: Cell) -> Measured:
        """Measure a cell, and return its file or one line about what it raised.

        An error comes back as text because the driver may not be able to import its class.
        """
        try:
            with torch_threads(1):
                ds = self.measure(**self.common, **cell)
            return _encode(ds, {**self.common, **cell}, cell)
        except Exception as error:
            return in_one_line(error)


def in_one_line(error: BaseException) -> str:
    """Return the kind of an error, and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return ": ".join([type(error).__name__, *lines[:1]])


def _encode(ds: xr.Dataset, settings: Mapping[str, Any], cell: Cell) -> bytes:
    """Return the bytes of the netCDF file that `results.save` would write."""
    if not isinstance(ds, xr.Dataset):
        raise TypeError(f"measure must return a Dataset, got {type(ds).__name__}.")
    clash = sorted(set(cell) & {*ds.variables, *ds.dims})
    if clash:
        raise ValueError(
            f"measure must not use the names of axes in its Dataset, got {', '.join(clash)}."
        )
    # The name of a file can be changed, or another file given it: this says whose it is.
    ds = ds.assign_attrs({CELL_ATTR: cell_name(cell)})
    return results.encoded(ds, **settings)
