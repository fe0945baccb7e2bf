"""One cell, measured on one thread: its result, or what went wrong."""

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
"""Cells that have been measured, as an engine hands them over: those that came together."""


@dataclass(frozen=True)
class Job:
    """What is done for each cell; travels to the workers."""

    measure: Callable[..., xr.Dataset]
    common: Mapping[str, Any]

    def __call__(self, cell: Cell) -> Measured:
        """Measure a cell. What it raises is said in one line: the driver may not know the class."""
        try:
            with torch_threads(1):
                ds = self.measure(**self.common, **cell)
            return _file(ds, {**self.common, **cell}, cell)
        except Exception as error:
            lines = str(error).strip().splitlines()
            return ": ".join([type(error).__name__, *lines[:1]])


def _file(ds: xr.Dataset, settings: Mapping[str, Any], cell: Cell) -> bytes:
    """The bytes of a netCDF file: what `results.save` would write."""
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
