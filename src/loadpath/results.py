"""Results on disk: provenance, atomic save, and a load that says what is wrong.

A result is an xarray Dataset with units and provenance in its attrs, kept as netCDF. States to go
on from, of training or of streamed sums, are tensors in safetensors files. Nothing loaded from a
file is executed. Torch is imported where tensors are read or written, and nowhere else.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from torch import Tensor

SCHEMA_VERSION = 1
"""Raised when the names or meanings of variables change, so that no old file is misread."""


class Status(StrEnum):
    """How a computation ended, in words: the one list of them.

    Each member equals its text, `Status.CONVERGED == "converged"`, and is saved as that.
    """

    RUNNING = "running"
    """Not ended yet; no result has it."""
    CONVERGED = "converged"
    """The tolerance that was asked for is met."""
    COMPLETED = "completed"
    """All of an integration was done, and nothing went wrong on the way."""
    STOPPED = "stopped"
    """An integration ended before its last node; its message says where and why."""
    FINISHED = "finished all steps"
    """Every step that was asked for was taken, without meeting the tolerance."""
    ALL_EPOCHS = "all epochs"
    """Every epoch that was asked for was gone through, without meeting a rule to stop."""
    STOPPED_AT_LOSS = "stopped at loss"
    """The training loss fell below the limit at which a recipe stops."""
    STOPPED_AT_CHANGE = "stopped at change"
    """The training loss changed by less than the limit at which a recipe stops."""
    STALLED = "stalled"
    """The line search finds nothing lower at this precision."""
    NOT_CONVERGED = "not converged"
    """The tolerance is not met."""
    POOR_FIT = "poor fit"
    """The best fit there is lies farther from the data than chance would explain."""
    END_NOT_REACHED = "end not reached"
    """No path of this net was found that ends where it should."""
    TRIVIAL_MINIMUM = "trivial minimum"
    """The weights have collapsed: the net predicts about a constant."""
    OUT_OF_TIME = "out of time"
    """The time that was given is up; what is kept is the best so far."""
    DIVERGED = "diverged"
    """The objective became infinite or NaN; what is kept is the last finite state."""


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


def save_tensors(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str],
    overwrite: bool = False,
) -> Path:
    """Write tensors to one safetensors file, whole or not at all.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        The tensors under their names.
    path : path-like
        The file.
    metadata : mapping of str to str
        What is written beside them; its "format" says what the file is.
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
    """
    from safetensors import torch as safetensors

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(safetensors.save(plain, metadata=dict(metadata)))
    return Path(path)


def load_tensors(
    path: str | os.PathLike[str], *, format: str, what: str
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a file that `save_tensors` wrote.

    Parameters
    ----------
    path : path-like
        The file.
    format : str
        The "format" that its metadata must have.
    what : str
        What the file is in the reader's words, for messages.

    Returns
    -------
    tensors : dict of str to Tensor
        The tensors.
    metadata : dict of str to str
        What was written beside them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is cut short, or of another format.
    """
    from safetensors import SafetensorError
    from safetensors import torch as safetensors

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no {what} {str(path)!r}.")
    # Opened once: safe_open would open it twice, and a running job may replace it in between.
    data = path.read_bytes()
    try:
        tensors = safetensors.load(data)
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is cut short or damaged ({error}).") from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != format:
        raise ValueError(
            f"{str(path)!r} has format {metadata.get('format')!r}, but a {what} that this loadpath "
            f"reads has {format!r}."
        )
    return tensors, metadata


def write_text_atomic(path: str | os.PathLike[str], text: str, *, overwrite: bool = False) -> Path:
    """Write text to a file in UTF-8, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file.
    text : str
        What it is to hold.
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
    """
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


@contextmanager
def atomic_path(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes its place if the block succeeds.

    The data reach the disk before the name does, so a crash leaves the old file or the new one,
    never a part. If the block raises, the temporary file is removed. Missing folders are made.

    Parameters
    ----------
    path : path-like
        The file.
    overwrite : bool, optional
        Whether an earlier file is replaced.

    Yields
    ------
    Path
        Where to write.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False, before the block runs.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise FileExistsError(f"{str(path)!r} exists already and overwrite is False.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
        if os.name == "posix":
            _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    # Windows flushes only files opened for writing; POSIX opens folders only for reading.
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
