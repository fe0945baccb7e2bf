"""Results as xarray Datasets with provenance, in netCDF files."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import xarray as xr

from loadpath.results.writing import atomic_path

SCHEMA_VERSION = 1
"""A number that is raised when names or meanings of variables change: no old file is misread."""

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def stamp(ds: xr.Dataset, **parameters: object) -> xr.Dataset:
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
    provenance = {
        "schema_version": SCHEMA_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "python_version": platform.python_version(),
        **{f"{name}_version": _version(name) for name in ("loadpath", "torch", "numpy")},
    }
    for name in parameters:
        if name in provenance or name == "parameters":
            raise ValueError(f"parameters must not use the name {name!r}, which provenance uses.")
    text = json.dumps(parameters, default=_plain)
    # Only what netCDF keeps exactly becomes an attr of its own: it has neither booleans nor None.
    flat = {
        name: value
        for name, value in json.loads(text).items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }
    return ds.assign_attrs(**flat, **provenance, parameters=text)


def with_parameters(ds: xr.Dataset, **parameters: object) -> xr.Dataset:
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
    return stamp(ds, **{**json.loads(ds.attrs["parameters"]), **parameters})


def save(ds: xr.Dataset, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a result as netCDF, whole or not at all; it is stamped first if it is not stamped.

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
    if "schema_version" not in ds.attrs:
        ds = stamp(ds)
    with atomic_path(path, overwrite=overwrite) as temporary:
        ds.to_netcdf(temporary, engine="h5netcdf")
    return Path(path)


def load(path: str | os.PathLike[str]) -> xr.Dataset:
    """Read a result wholly into memory and close its file.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    Dataset
        The result, as it was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not netCDF-4, is cut short, or was written with another schema version.

    Examples
    --------
    >>> import tempfile
    >>> import xarray as xr
    >>> import loadpath as lp
    >>> path = Path(tempfile.mkdtemp()) / "run.nc"
    >>> _ = lp.results.save(xr.Dataset({"load": 1.5}), path)
    >>> lp.results.load(path)["load"].item()
    1.5
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no result file {str(path)!r}.")
    with path.open("rb") as file:
        if file.read(len(_HDF5_SIGNATURE)) != _HDF5_SIGNATURE:
            raise ValueError(f"{str(path)!r} is not a netCDF-4 file.")
    try:
        # Times stay numbers: a variable in units of seconds must come back as it was saved.
        ds = xr.load_dataset(path, engine="h5netcdf", decode_times=False, decode_timedelta=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ValueError(f"{str(path)!r} is cut short or damaged.") from error
    found = ds.attrs.get("schema_version", "none")
    if found != SCHEMA_VERSION:
        raise ValueError(
            f"{str(path)!r} has schema version {found}, but this loadpath reads {SCHEMA_VERSION}."
        )
    for attrs in (ds.attrs, *(variable.attrs for variable in ds.variables.values())):
        attrs.update({k: v.item() for k, v in attrs.items() if isinstance(v, np.generic)})
    return ds


def _version(package: str) -> str:
    """Return the installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _plain(value: object) -> object:
    """Return the JSON form of what json does not know: arrays and tensors, dataclasses, paths."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if hasattr(value, "tolist"):
        return value.tolist()
    raise ValueError(f"parameters must be plain values or arrays, not {value!r}.")
