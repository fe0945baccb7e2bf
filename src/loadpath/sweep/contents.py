"""Read many results that are built alike: xarray explains the first, HDF5 reads the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

from loadpath import results

_TRANSLATED = {"scale_factor", "add_offset", "calendar"}
"""Encodings under which the numbers in a file are not those that were saved."""


@dataclass(frozen=True)
class Contents:
    """One result, with its values apart from what it shares with others."""

    values: dict[str, np.ndarray]
    """Values of every variable and coordinate."""
    frame: xr.Dataset
    """A result with the same dimensions, attrs of variables and roles of names."""
    attrs: dict[str, Any]
    """Attrs of the result itself."""

    def dims(self, name: str) -> tuple[str, ...]:
        """Return the dimensions of a variable."""
        return tuple(map(str, self.frame.variables[name].dims))

    def labels(self, dim: str) -> tuple[Any, ...]:
        """Return the labels of a dimension, or positions where it has no coordinate."""
        if dim in self.values:
            return tuple(self.values[dim].tolist())
        name, axis = next(
            (name, variable.dims.index(dim))
            for name, variable in self.frame.variables.items()
            if dim in variable.dims
        )
        return tuple(range(self.values[str(name)].shape[axis]))


class Reader:
    """A reader of results that remembers how those that it has read were built.

    xarray takes ten times as long as HDF5 to open a small file, most of it to find out what stands
    in it; the cells of a sweep are mostly built alike.
    """

    def __init__(self) -> None:
        self._frames: dict[tuple[object, ...], xr.Dataset | None] = {}

    def read(self, path: Path) -> Contents:
        """Return what is in a file.

        Parameters
        ----------
        path : Path
            A result.

        Returns
        -------
        Contents
            Its values, and how it is built.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            For what `results.load` refuses.
        """
        content = results.checked_bytes(path)
        try:
            with results.opened(content, path) as file:
                variables, attrs = dict(file.items()), _attrs(file)
                build = (attrs["schema_version"], *chain(*map(_build, variables.items())))
                if build not in self._frames:
                    ds = results.understood(content, path)
                    self._frames[build] = ds if _reads_as(variables, ds) else None
                frame = self._frames[build]
                if frame is not None:
                    return Contents(_values(variables, frame), frame, attrs)
        except Exception:  # `understood` says in a sentence what HDF5 has many errors for
            pass
        ds = results.understood(content, path)
        return Contents({str(n): v.values for n, v in ds.variables.items()}, ds, ds.attrs)

    def check(self, path: Path) -> None:
        """Refuse a file that is not as it was written.

        Parameters
        ----------
        path : Path
            A result. If it has a digest, that tells; if it has none, all of it is read.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            For what `results.load` refuses.
        """
        if not results.has_digest(path):
            self.read(path)


def _build(item: tuple[str, h5py.Dataset]) -> tuple[object, ...]:
    """Return all of a variable but size and values: what files must share to be read alike."""
    name, variable = item
    dims, dim = (variable.attrs.get(f"_Netcdf4{kind}") for kind in ("Coordinates", "Dimid"))
    return name, variable.dtype.str, variable.ndim, np.array(dims).tobytes(), dim


def _values(variables: Mapping[str, h5py.Dataset], frame: xr.Dataset) -> dict[str, np.ndarray]:
    """Return the values of every variable of `frame` as they stand in a file."""
    values = {}
    for name, variable in frame.variables.items():
        raw, kind = variables[str(name)][()], variable.dtype.kind
        if kind in "OU":
            words = [text.decode() for text in np.ravel(raw)]
            raw = np.array(words, dtype=kind).reshape(np.shape(raw))
        elif kind == "b":
            raw = raw.astype(bool)
        values[str(name)] = np.asarray(raw)
    return values


def _attrs(file: h5py.File) -> dict[str, Any]:
    """Return the attrs of a result with plain numbers, which HDF5 keeps as arrays of one."""
    found = {name: value for name, value in file.attrs.items() if not name.startswith("_")}
    return {k: v.item() if hasattr(v, "item") and v.size == 1 else v for k, v in found.items()}


def _reads_as(variables: Mapping[str, h5py.Dataset], ds: xr.Dataset) -> bool:
    """Return whether HDF5 alone reads the variables of a file as xarray did."""
    for variable in ds.variables.values():
        filler = variable.encoding.get("_FillValue", np.nan)
        if not _TRANSLATED.isdisjoint(variable.encoding) or filler == filler:
            return False
    raw = _values(variables, ds)
    return all(
        variable.dtype == raw[str(name)].dtype
        and variable.equals(xr.Variable(variable.dims, raw[str(name)]))
        for name, variable in ds.variables.items()
    )
