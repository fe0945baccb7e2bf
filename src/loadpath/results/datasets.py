"""Results as xarray Datasets with provenance, in netCDF files."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import xarray as xr

from loadpath.checks import HoldsDataset, as_dataset, as_path, check_flag, check_text
from loadpath.results.attributes import plain, restored, storable
from loadpath.results.netcdf import checked_bytes, decoded, with_digest
from loadpath.results.renamed import with_present_names
from loadpath.storage import DamagedError, check_ending, write_atomic

SCHEMA_VERSION = 1
"""A number that is raised when names or meanings of variables change: no old file is misread."""


def stamp(ds: xr.Dataset | HoldsDataset, **parameters: object) -> xr.Dataset:
    """Return a copy of a result with provenance in its attrs: versions, time (UTC), parameters.

    Parameters
    ----------
    ds : Dataset
        The result.
    **parameters : object
        What it was made with: plain values, arrays, tensors, paths and dataclasses. Numbers and
        strings become attrs under their own names. The attr `parameters` holds all of them as one
        JSON object, so that lists, None and booleans survive too.

    Returns
    -------
    Dataset
        The copy.

    Raises
    ------
    ValueError
        If a parameter has the name of a provenance attr, or has no JSON form.

    Examples
    --------
    >>> import xarray as xr
    >>> import loadpath as lp
    >>> ds = lp.results.stamp(xr.Dataset({"load": 1.5}), effective_depth=7.0, seed=0)
    >>> ds.attrs["effective_depth"], ds.attrs["parameters"]
    (7.0, '{"effective_depth": 7.0, "seed": 0}')
    """
    ds = as_dataset("ds", ds)
    provenance = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python_version": platform.python_version(),
        **{f"{name}_version": _version(name) for name in ("loadpath", "torch", "numpy")},
    }
    for name in parameters:
        if name in provenance or name == "parameters":
            raise ValueError(f"parameters must not use the name {name!r}, which provenance uses.")
    for name, value in parameters.items():
        try:
            json.dumps(value, default=plain)
        except (TypeError, ValueError, RecursionError):
            raise ValueError(
                f"parameters must be plain values or arrays, and {name!r} is {value!r}."
            ) from None
    text = json.dumps(parameters, default=plain)
    # Only what netCDF keeps exactly becomes an attr of its own: it has neither booleans nor None.
    flat = {
        name: value
        for name, value in json.loads(text).items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }
    return ds.assign_attrs(**flat, **provenance, parameters=text)


def with_parameters(ds: xr.Dataset | HoldsDataset, **parameters: object) -> xr.Dataset:
    """Return a copy of a stamped result, stamped anew with more parameters.

    Parameters
    ----------
    ds : Dataset
        A stamped result.
    **parameters : object
        As for `stamp`; they win over those that it has.

    Returns
    -------
    Dataset
        The copy.

    Raises
    ------
    ValueError
        As `stamp` does.
    """
    ds = as_dataset("ds", ds)
    if "parameters" not in ds.attrs:
        raise ValueError("ds must be a stamped result, with the attr 'parameters', and has none.")
    return stamp(ds, **{**json.loads(ds.attrs["parameters"]), **parameters})


def save(
    ds: xr.Dataset | HoldsDataset, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write a result as netCDF, whole or not at all; it is stamped first if it is not stamped.

    Attributes that netCDF has no form for, such as booleans, None and dicts, are written as JSON
    text, and `load` reads them back. The attr `json_attrs` beside them names them.

    Parameters
    ----------
    ds : Dataset
        The result.
    path : path-like
        The file; missing folders are made.
    overwrite : bool, optional
        Whether an earlier file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    OSError
        If it cannot be written; one sentence says why.
    ValueError
        If an attribute or a variable has neither numbers, text nor plain values, which is named,
        or if the ending of `path` is that of another format, such as .csv.

    Examples
    --------
    >>> import tempfile
    >>> import xarray as xr
    >>> import loadpath as lp
    >>> ds = xr.Dataset({"load": ("layer", [1.0, 0.5], {"units": "1"})})
    >>> path = lp.results.save(ds, Path(tempfile.mkdtemp()) / "run.nc")
    >>> lp.results.load(path)["load"].values
    array([1. , 0.5])
    >>> lp.results.save(ds, path)
    Traceback (most recent call last):
    FileExistsError: ...run.nc' exists already and overwrite is False.
    """
    ds = as_dataset("ds", ds)
    check_flag("overwrite", overwrite)
    path = as_path("path", path)
    check_ending("path", path, "netCDF")
    if path.exists() and not overwrite:  # known before it is encoded
        raise FileExistsError(f"{str(path)!r} exists already and overwrite is False.")
    # Encoded in memory: HDF5 crashes the interpreter when a disk is full as it closes a file.
    return write_atomic(path, encoded(ds), overwrite=overwrite)


def encoded(ds: xr.Dataset, **parameters: object) -> bytes:
    """Return the bytes of the file that `save` writes.

    Parameters
    ----------
    ds : Dataset
        The result; it is stamped first if it is not stamped.
    **parameters : object
        What it is stamped with then.

    Returns
    -------
    bytes
        A netCDF file, with its digest behind it.

    Raises
    ------
    ValueError
        As `save` does.
    """
    ds = storable(ds if "schema_version" in ds.attrs else stamp(ds, **parameters))
    return with_digest(bytes(ds.to_netcdf(engine="h5netcdf")))


def load(
    path: str | os.PathLike[str],
    *,
    what: str = "result",
    holding: Mapping[str, Sequence[str]] | None = None,
    attrs: Sequence[str] = (),
) -> xr.Dataset:
    """Read a result wholly into memory and close its file.

    Parameters
    ----------
    path : path-like
        The file. One without a digest, as version 0.1.0 wrote them, is read with a note.
    what : str, optional
        What it should be, in the reader's words, for messages.
    holding : mapping of str to sequence of str, optional
        Variables that the reader needs, and the dimensions that each must have.
    attrs : sequence of str, optional
        Attributes that the reader needs.

    Returns
    -------
    Dataset
        The result, as it was saved; variables that an older version wrote under another name have
        the name of today.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not netCDF-4, is not as it was written, was written with another schema version,
        unpacks to far more than its size, or lacks what it should hold.

    Examples
    --------
    >>> import tempfile
    >>> import xarray as xr
    >>> import loadpath as lp
    >>> path = Path(tempfile.mkdtemp()) / "run.nc"
    >>> _ = lp.results.save(xr.Dataset({"load": 1.5}), path)
    >>> lp.results.load(path)["load"].item()
    1.5
    >>> lp.results.load(path, what="history", holding={"objective": ("record",)})
    Traceback (most recent call last):
    ValueError: ...run.nc' is no history: it has no variable 'objective'.
    """
    path = as_path("path", path)
    check_text("what", what)
    ds = understood(checked_bytes(path), path)
    for name, dims in (holding or {}).items():
        if name not in ds.variables:
            raise ValueError(f"{str(path)!r} is no {what}: it has no variable {name!r}.")
        found = ds[name].dims
        if found != tuple(dims):
            raise ValueError(
                f"{str(path)!r} is no {what}: its {name!r} is over {found}, not {tuple(dims)}."
            )
    for name in attrs:
        if name not in ds.attrs:
            raise ValueError(f"{str(path)!r} is no {what}: it has no attribute {name!r}.")
    return ds


def understood(content: bytes, path: Path) -> xr.Dataset:
    """Return the result that the bytes of a file hold.

    Parameters
    ----------
    content : bytes
        What `checked_bytes` returned.
    path : Path
        Where they were, for messages.

    Returns
    -------
    Dataset
        The result, as it was saved.

    Raises
    ------
    DamagedError
        If they cannot be read.
    ValueError
        If they were written with another schema version, or unpack to far more than their size.
    """
    ds = decoded(content, path)
    found = ds.attrs.get("schema_version", "none")
    if not np.array_equal(found, SCHEMA_VERSION):
        raise ValueError(
            f"{str(path)!r} has schema version {found}, but this loadpath reads {SCHEMA_VERSION}."
        )
    try:
        ds = with_present_names(restored(ds))
    except (ValueError, TypeError, RecursionError) as error:
        raise DamagedError(path) from error
    for attrs in (ds.attrs, *(variable.attrs for variable in ds.variables.values())):
        attrs.update({k: v.item() for k, v in attrs.items() if isinstance(v, np.generic)})
    return ds


def _version(package: str) -> str:
    """Return the installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
