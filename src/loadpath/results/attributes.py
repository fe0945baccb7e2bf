"""Attributes and values that netCDF does not have, as JSON text that reads back as what it was."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from fractions import Fraction
from numbers import Number
from typing import Any

import numpy as np
import xarray as xr

AS_JSON = "json_attrs"
"""Attribute that names the attributes beside it that are JSON text."""
VALUES_AS_JSON = "json_values"
"""Attribute of a variable whose values are JSON text."""
PARTS = "complex_part"
"""Dimension of the real and the imaginary part of complex values, which netCDF does not have."""
_COMPLEX = "__complex__"
_AS_TEXT = (np.datetime64, np.timedelta64, date, time, timedelta, Fraction, Decimal)
"""Types of values that have no JSON form but their text."""


def storable(ds: xr.Dataset) -> xr.Dataset:
    """Return a result in a form that netCDF can hold.

    Attributes that it has no form for (booleans, None, dicts, lists of several kinds, dates, ...)
    become JSON text, and `json_attrs` beside them says which these are. So do the values of a
    variable that are neither numbers nor text. Complex values get a dimension more, of their real
    and imaginary parts. `restored` reads all of it back.

    Parameters
    ----------
    ds : Dataset
        The result; it is left as it is.

    Returns
    -------
    Dataset
        A copy, which shares the values.

    Raises
    ------
    ValueError
        If an attribute or variable has no such form either, or a name that netCDF cannot hold; the
        sentence names it.
    """
    for name in (*ds.variables, *ds.dims):
        if not isinstance(name, str) or not name or "/" in name:
            raise ValueError(f"variables must have names of text without a slash, got {name!r}.")
    found = ds.copy()
    found.attrs = _stored_attrs(ds.attrs, "the Dataset")
    for name, variable in ds.variables.items():
        attrs = _stored_attrs(variable.attrs, repr(name))
        stored = _stored_values(str(name), variable)
        if stored is None:
            found[name].attrs = attrs
        else:
            dims = (*variable.dims, PARTS)[: stored[0].ndim]
            found[name] = xr.Variable(dims, stored[0], attrs | stored[1])
    return found


def restored(ds: xr.Dataset) -> xr.Dataset:
    """Return a result as it was before `storable`, from what was read.

    Parameters
    ----------
    ds : Dataset
        What a file holds; it is changed.

    Returns
    -------
    Dataset
        The result.

    Raises
    ------
    ValueError
        If a text is no JSON.
    """
    ds.attrs = _restored_attrs(ds.attrs)
    for name, variable in ds.variables.items():
        attrs = _restored_attrs(variable.attrs)
        if VALUES_AS_JSON in attrs:
            del attrs[VALUES_AS_JSON]
            values = np.empty(variable.shape, dtype=object)
            for index in np.ndindex(variable.shape):
                values[index] = _from_json(str(variable.values[index]))
            ds[name] = xr.Variable(variable.dims, values, attrs)
        elif PARTS in variable.dims:
            parts = np.ascontiguousarray(variable.values)
            values = parts.view(np.result_type(parts.dtype, np.complex64))[..., 0]
            ds[name] = xr.Variable(variable.dims[:-1], values, attrs)
        else:
            ds[name].attrs = attrs
    return ds


def plain(value: object) -> object:
    """Return the JSON form of what json does not know; `json.dumps` calls it.

    Parameters
    ----------
    value : object
        An array or tensor, a dataclass, a path, a date, an enum or a type of numbers.

    Returns
    -------
    object
        Plain values.

    Raises
    ------
    TypeError
        If there is no such form.
    """
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, _AS_TEXT):
        return str(value)
    if isinstance(value, complex):
        return {_COMPLEX: [value.real, value.imag]}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, range):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, bytes):
        return value.decode()
    if type(value).__name__ in ("dtype", "device"):  # of NumPy and torch
        return str(value)
    raise TypeError(f"{value!r} has no JSON form")


def _parts(values: np.ndarray) -> np.ndarray:
    """Return complex values as real ones, with their two parts along one dimension more."""
    return np.stack([values.real, values.imag], axis=-1)


def _from_json(text: str) -> Any:
    """Return the value of a JSON text, in which complex numbers have a form of their own."""

    def complex_of(found: dict[str, Any]) -> Any:
        return complex(*found[_COMPLEX]) if found.keys() == {_COMPLEX} else found

    return json.loads(text, object_hook=complex_of)


def _restored_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return attributes as they were before `_stored_attrs`."""
    found = dict(attrs)
    for name in json.loads(found.pop(AS_JSON, "[]")):
        if name in found:
            found[name] = _from_json(found[name])
    return found


def _json(value: object, what: str) -> str:
    """Return JSON text, or refuse a value in a sentence that begins with what it is."""
    try:
        return json.dumps(value, default=plain)
    except (TypeError, ValueError, RecursionError):
        raise ValueError(
            f"{what} must be numbers, text or plain values to be saved, got {value!r}."
        ) from None


def _stored_attrs(attrs: Mapping[Any, Any], owner: str) -> dict[str, Any]:
    """Return attributes that netCDF can hold."""
    found: dict[str, Any] = {}
    texts = []
    for name, value in attrs.items():
        if not isinstance(name, str) or not name:
            raise ValueError(f"attrs of {owner} must have names of text, got {name!r}.")
        form = _native(value)
        if form is None:
            form = _json(value, f"attr {name!r} of {owner}")
            texts.append(name)
        found[name] = form
    if texts:
        found[AS_JSON] = json.dumps(texts)
    return found


def _native(value: Any) -> Any:
    """Return an attribute's value in a form that netCDF has and gives back; None if there is none.

    Lists of one or none would not come back as lists.
    """
    if isinstance(value, str):
        return str.__str__(value) if _is_text(value) else None
    if isinstance(value, bool | np.bool_ | np.datetime64 | np.timedelta64 | enum.Enum):
        return None
    if isinstance(value, np.ndarray | np.generic):
        return value if value.dtype.kind in "iuf" else None
    if isinstance(value, Number):
        large = isinstance(value, int) and not -(2**63) <= value < 2**64
        return value if isinstance(value, int | float) and not large else None
    if isinstance(value, bytes):
        return value
    if isinstance(value, list | tuple) and len(value) > 1:
        if all(isinstance(each, str) and _is_text(each) for each in value):
            return [str.__str__(each) for each in value]
        try:
            kind = np.asarray(value).dtype.kind
        except ValueError:  # lists of several lengths
            return None
        # NumPy makes numbers of booleans that stand among them.
        return value if kind in "iuf" and not _has_booleans(value) else None
    return None


def _has_booleans(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_has_booleans, value))
    return isinstance(value, bool) or getattr(value, "dtype", None) == np.dtype(bool)


def _is_text(value: str) -> bool:
    """Return whether HDF5 can hold a text."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _stored_values(name: str, variable: xr.Variable) -> tuple[np.ndarray, dict[str, Any]] | None:
    """Return values that netCDF can hold, and attrs that say how; None if they are such already."""
    if variable.dtype.kind == "V":
        raise ValueError(
            f"variable {name!r} must hold numbers or text to be saved, and its type is "
            f"{variable.dtype}."
        )
    labels = name in variable.dims  # which have no room for a dimension more
    if variable.dtype.kind == "c" and not labels:
        return _parts(variable.values), {}
    if variable.dtype.kind not in "Oc":
        return None
    flat = variable.values.ravel().tolist()
    if all(isinstance(each, str | bytes) for each in flat):
        return None
    # Booleans and numbers that are held as objects are what they look like.
    for kinds, types in (("b", bool | np.bool_), ("iufc", int | float | complex)):
        if all(isinstance(each, types) for each in flat):
            values = np.array(flat).reshape(variable.shape)
            if values.dtype.kind in kinds and not (labels and values.dtype.kind == "c"):
                return _parts(values) if values.dtype.kind == "c" else values, {}
    texts = np.empty(len(flat), dtype=object)
    texts[:] = [_json(each, f"values of variable {name!r}") for each in flat]
    return texts.reshape(variable.shape), {VALUES_AS_JSON: 1}
