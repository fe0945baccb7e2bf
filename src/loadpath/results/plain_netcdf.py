"""netCDF files of the plain kind that `save` writes, read by h5py alone.

xarray reads netCDF files through h5netcdf, which looks each variable up some twenty times, so that
a profile of 40 variables takes a tenth of a second. Files that have nothing but variables over
fixed dimensions need none of that, and are read in less than half the time. Others are left to
xarray.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import xarray as xr

_PHANTOM = b"This is a netCDF dimension but not a netCDF variable"
"""How the name of a dimension begins that has no coordinate."""
_OF_NETCDF = {
    "CLASS",
    "DIMENSION_LIST",
    "NAME",
    "REFERENCE_LIST",
    "_NCProperties",
    "_Netcdf4Coordinates",
    "_Netcdf4Dimid",
    "_nc3_strict",
}
"""Attributes by which netCDF keeps its own accounts; they are not the user's."""


class NotPlainError(Exception):
    """A file has what only xarray can read."""


def read_plain(file: h5py.File) -> xr.Dataset:
    """Return the Dataset that an open file holds, as xarray would with times left as numbers.

    Parameters
    ----------
    file : h5py.File
        The file, open for reading.

    Returns
    -------
    Dataset
        Its variables and attributes, in memory. Encodings are those of a new Dataset, but for fill
        values.

    Raises
    ------
    NotPlainError
        If it has groups, types of its own, dimensions that can grow, or no dimension scales.
    """
    variables = {}
    for name, held in file.items():
        if not isinstance(held, h5py.Dataset) or None in held.maxshape:
            raise NotPlainError
        attrs = dict(held.attrs)
        if not attrs.get("NAME", b"").startswith(_PHANTOM):
            dims = _dimensions(name, held, attrs)
            values = _values(held)
            encoding = {"dtype": str} if values.dtype.kind == "O" else {}
            variables[name] = xr.Variable(dims, values, _own(attrs), encoding)
    ds = xr.Dataset(variables, attrs=_own(dict(file.attrs)))
    ds = xr.decode_cf(ds, decode_times=False, decode_timedelta=False)
    # As xarray has them: what is measured before what it is over, each in the file's order.
    return ds[[*ds.data_vars, *(name for name in variables if name in ds.coords)]]


def _dimensions(name: str, held: h5py.Dataset, attrs: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of a variable's dimensions."""
    if not held.shape:
        return ()
    if attrs.get("CLASS") == b"DIMENSION_SCALE":
        if held.ndim > 1:
            raise NotPlainError
        return (name,)
    scales = attrs.get("DIMENSION_LIST", ())
    if len(scales) != held.ndim or any(len(refs) != 1 for refs in scales):
        raise NotPlainError
    return tuple(
        h5py.h5r.get_name(refs[0], held.file.id).decode().rpartition("/")[2] for refs in scales
    )


def _values(held: h5py.Dataset) -> np.ndarray:
    """Return the values of a variable: numbers, or text as Python's own strings."""
    text = h5py.check_string_dtype(held.dtype)
    if text is not None and text.length is None:
        return np.asarray(held.asstr()[()], dtype=object)
    if held.dtype.kind not in "fiu" or held.dtype.metadata:
        raise NotPlainError
    return np.asarray(held[()])


def _own(attrs: dict[str, Any]) -> dict[str, Any]:
    """Return the user's attributes: numbers, text, and lists of either."""
    return {name: _attribute(value) for name, value in attrs.items() if name not in _OF_NETCDF}


def _attribute(value: Any) -> Any:
    """Return an attribute as h5netcdf does: an array of one as what is in it, text in lists."""
    if isinstance(value, str) or np.isscalar(value) and not isinstance(value, bytes):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiuO":
        found = value.tolist() if value.dtype.kind == "O" else value
        return found[0] if len(found) == 1 else found
    raise NotPlainError
