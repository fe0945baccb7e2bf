"""The folder of a sweep: `sweep.yaml` says whose cells it holds, every other file is one cell."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm import tqdm

from loadpath import results
from loadpath.storage import (
    DamagedError,
    read_settings_file,
    write_atomic,
    write_settings_file,
)
from loadpath.sweep.cells import Key, key_of_name
from loadpath.sweep.contents import Reader

FORMAT = 1
"""A number that is raised when sweep.yaml or the names of cells change their meaning."""
SETTINGS = "sweep.yaml"
FORMER = {
    "loadpath.experiments.": "loadpath.papers.",
    "loadpath.phase_diagram.cells.": "loadpath.spring_block.phase_diagram.cells.",
}
"""Where functions stood in 0.1.0, and where they stand now; the cells of both are the same."""


@dataclass(frozen=True)
class Sweep:
    """What every cell of a folder has in common."""

    measure: str
    """Module and name of the function that measures a cell."""
    axes: tuple[str, ...]
    """Names of the settings that cells differ in, as they stand in file names."""
    common: dict[str, Any]
    """Settings of all cells, as JSON has them."""


def describe_sweep(
    measure: Callable[..., xr.Dataset], axes: Sequence[str], common: Mapping[str, Any]
) -> Sweep:
    """Return the description of the sweep of `measure` over `axes`.

    Parameters
    ----------
    measure : callable
        The function that measures a cell.
    axes : sequence of str
        Names of the settings that cells differ in.
    common : mapping
        Settings of all cells.

    Returns
    -------
    Sweep
        What stands in `sweep.yaml`.

    Raises
    ------
    ValueError
        If `measure` cannot be imported by its name, or if a name among the settings stands twice,
        is taken by provenance, or has a value that JSON cannot hold.
    """
    twice = sorted(set(axes) & set(common))
    if twice:
        raise ValueError(f"common must not hold settings of the cells, got {', '.join(twice)}.")
    # Results are stamped with these settings: what a stamp refuses is refused here, and not when
    # the first cell is done.
    for name, value in common.items():
        try:
            results.stamp(xr.Dataset(), **{name: value})
        except ValueError:
            raise ValueError(
                f"common must give {name!r} a plain value, and another name than those of "
                f"provenance, got {value!r}."
            ) from None
    plain = results.stamp(xr.Dataset(), **common, **dict.fromkeys(axes, 0)).attrs["parameters"]
    held = {name: value for name, value in json.loads(plain).items() if name in common}
    return Sweep(importable_name(measure), tuple(axes), held)


def importable_name(measure: Callable[..., xr.Dataset]) -> str:
    """Return module and name of `measure`, by which other processes import it.

    Parameters
    ----------
    measure : callable
        The function that measures a cell.

    Returns
    -------
    str
        Such as "package.module.function".

    Raises
    ------
    ValueError
        If that name does not lead to `measure`.
    """
    module, name = getattr(measure, "__module__", ""), getattr(measure, "__qualname__", "")
    home = sys.modules.get(module)
    found: object = home
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not measure:
        raise ValueError(
            f"measure must be a function that other processes can import by its name, got "
            f"{measure!r}."
        )
    script = getattr(home, "__file__", None) if module == "__main__" else None
    return f"{Path(script).stem if script else module}.{name}"


def check_folder(folder: Path) -> None:
    """Refuse a folder that is a file."""
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"folder must be a folder, but {str(folder)!r} is a file.")


def open_folder(folder: Path, wanted: Sweep, assumed: Mapping[str, Any] | None = None) -> Sweep:
    """Make the folder of a sweep, or see that a folder is that of this sweep.

    Parameters
    ----------
    folder : Path
        The folder.
    wanted : Sweep
        The sweep that is about to run.
    assumed : mapping, optional
        Settings that a folder of earlier cells need not name, and what they were there.

    Returns
    -------
    Sweep
        The sweep, with its axes in the folder's order.

    Raises
    ------
    NotADirectoryError
        If `folder` is a file.
    ValueError
        If it holds the cells of another sweep, or results of any other kind.
    """
    check_folder(folder)
    if not (folder / SETTINGS).exists():
        if any(folder.glob("*.nc")):
            raise ValueError(
                f"{str(folder)!r} holds results but no {SETTINGS}: it is not a sweep's folder."
            )
        content = {
            "format": FORMAT,
            "measure": wanted.measure,
            "axes": list(wanted.axes),
            "common": wanted.common,
        }
        write_settings_file(folder / SETTINGS, content, overwrite=True)
        return wanted
    held = read_settings(folder)
    held = replace(held, common={**(assumed or {}), **held.common})
    for name, mine, theirs in (
        ("measure", wanted.measure, held.measure),
        ("axes", sorted(wanted.axes), sorted(held.axes)),
        *(
            (name, wanted.common.get(name), held.common.get(name))
            for name in {**held.common, **wanted.common}
        ),
    ):
        if json.dumps(mine, sort_keys=True) != json.dumps(theirs, sort_keys=True):
            raise ValueError(
                f"{str(folder)!r} holds the cells of another sweep: its {name} is {theirs!r}, "
                f"not {mine!r}."
            )
    return held


def read_settings(folder: Path) -> Sweep:
    """Return what the cells of `folder` have in common.

    Parameters
    ----------
    folder : Path
        The folder of a sweep.

    Returns
    -------
    Sweep
        What its `sweep.yaml` says.

    Raises
    ------
    FileNotFoundError
        If it is not a sweep's folder.
    ValueError
        If its `sweep.yaml` is damaged or was written in another format.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise FileNotFoundError(f"{str(folder)!r} is not a sweep's folder: it has no {SETTINGS}.")
    content = read_settings_file(path)
    wanted = {"format": int, "measure": str, "axes": list, "common": dict}
    if not (
        isinstance(content, dict)
        and all(isinstance(content.get(name), kind) for name, kind in wanted.items())
        and all(isinstance(axis, str) for axis in content["axes"])
    ):
        raise ValueError(f"{str(path)!r} is damaged: it does not describe a sweep.")
    if content["format"] != FORMAT:
        raise ValueError(
            f"{str(path)!r} has format {content['format']}, but this loadpath reads {FORMAT}."
        )
    measure = _present_name(content["measure"])
    return Sweep(measure, tuple(content["axes"]), dict(content["common"]))


def _present_name(measure: str) -> str:
    """Return the name by which a function is imported now, given that in a folder of 0.1.0."""
    for former, present in FORMER.items():
        if measure.startswith(former):
            return present + measure.removeprefix(former)
    return measure


def finished_cells(folder: Path, axes: Sequence[str]) -> dict[Key, Path]:
    """Return the files of the cells that are in `folder`, by the cells' keys."""
    found = {}
    for name in sorted(os.listdir(folder)) if folder.is_dir() else []:
        key = key_of_name(name, axes)
        if key is not None:
            found[key] = folder / name
    return found


def set_aside_if_damaged(path: Path, reader: Reader) -> bool:
    """Rename the file of a cell, and print that, if it is not as it was written.

    Parameters
    ----------
    path : Path
        The file.
    reader : Reader
        What reads files without a digest, to find out.

    Returns
    -------
    bool
        Whether it was damaged.

    Raises
    ------
    OSError
        If it cannot be read for other reasons.
    """
    try:
        reader.check(path)
    except DamagedError:
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        print_line(
            f"{str(path)!r} was damaged: it is {aside.name!r} now, and its cell is run again."
        )
        return True
    return False


def write_file(path: Path, content: bytes) -> None:
    """Write a file of the sweep, whole or not at all, in place of an earlier one.

    Parameters
    ----------
    path : Path
        The file.
    content : bytes
        What it is to hold.

    Raises
    ------
    OSError
        If it cannot be written; one sentence says why.
    """
    try:
        write_atomic(path, content, overwrite=True)
    except OSError as error:
        said = str(error).removesuffix(".")
        raise OSError(
            f"{said}; the sweep stops, and the cells that were saved are kept."
        ) from error


def print_line(line: str) -> None:
    """Print a line to stderr, above a progress bar if there is one."""
    tqdm.write(line, file=sys.stderr)
