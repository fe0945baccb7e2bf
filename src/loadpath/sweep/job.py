"""What is done for each cell of a sweep: measured on one thread, and its file or its fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from loadpath import results
from loadpath.sweep.cells import Cell
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
    if "schema_version" not in ds.attrs:
        ds = results.stamp(ds, **settings)
    return bytes(ds.to_netcdf(engine="h5netcdf"))
