"""The folder of a sweep: `sweep.yaml` says whose cells it holds, every other file is one cell."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import xarray as xr
import yaml
from tqdm import tqdm

from loadpath import results
from loadpath.sweep.cells import Key, key_of_name

FORMAT = 1
"""Raised when sweep.yaml or the names of cells change their meaning."""
SETTINGS = "sweep.yaml"
FORMER = {
    "loadpath.experiments.": "loadpath.papers.",
    "loadpath.phase_diagram.cells.": "loadpath.spring_block.phase_diagram.cells.",
}
"""Where functions stood in 0.1.0, and where they stand now: the cells of both are the same."""


@dataclass(frozen=True)
class Sweep:
    """What every cell of a folder has in common."""

    measure: str
    """Module and name of the function that measures a cell."""
    axes: tuple[str, ...]
    """Names of the settings that cells differ in, as they stand in file names."""
    common: dict[str, Any]
    """Settings of all cells, as JSON has them."""


def of(measure: Callable[..., xr.Dataset], axes: Sequence[str], common: Mapping[str, Any]) -> Sweep:
    """Describe the sweep of `measure` over `axes`.

    Raises: ValueError if `measure` cannot be imported by its name, or a name among the settings
    stands twice, is taken by provenance or has a value that JSON cannot hold.
    """
    twice = sorted(set(axes) & set(common))
    if twice:
        raise ValueError(f"common must not hold settings of the cells, got {', '.join(twice)}.")
    # What a result is stamped with: refused here, not when the first cell is done.
    plain = results.stamp(xr.Dataset(), **common, **dict.fromkeys(axes, 0)).attrs["parameters"]
    held = {name: value for name, value in json.loads(plain).items() if name in common}
    return Sweep(importable_name(measure), tuple(axes), held)


def importable_name(measure: Callable[..., xr.Dataset]) -> str:
    """Module and name of `measure`.

    Raises: ValueError if that does not lead to `measure`: other processes import it by its name.
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


def claim(folder: Path, wanted: Sweep) -> Sweep:
    """Make `folder` the one of this sweep, and return the sweep with the axes in its order.

    Raises: NotADirectoryError if `folder` is a file; ValueError if it holds another sweep's cells.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"folder must be a folder, but {str(folder)!r} is a file.")
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
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        write(folder / SETTINGS, text.encode())
        return wanted
    held = read(folder)
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


def read(folder: Path) -> Sweep:
    """Return what the cells of `folder` have in common.

    Raises: FileNotFoundError if it is not a sweep's folder; ValueError if its sweep.yaml is damaged
    or was written in another format.
    """
    path = folder / SETTINGS
    if not path.is_file():
        raise FileNotFoundError(f"{str(folder)!r} is not a sweep's folder: it has no {SETTINGS}.")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = content["format"]
        sweep = Sweep(
            _present_name(content["measure"]), tuple(content["axes"]), dict(content["common"])
        )
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        raise ValueError(f"{str(path)!r} is damaged: it does not describe a sweep.") from None
    if found != FORMAT:
        raise ValueError(f"{str(path)!r} has format {found}, but this loadpath reads {FORMAT}.")
    return sweep


def _present_name(measure: str) -> str:
    """The name by which a function is imported now, from that in a folder written by 0.1.0."""
    for former, present in FORMER.items():
        if measure.startswith(former):
            return present + measure.removeprefix(former)
    return measure


def finished(folder: Path, axes: Sequence[str]) -> dict[Key, Path]:
    """The files of the cells that are in `folder`."""
    found = {}
    for name in sorted(os.listdir(folder)) if folder.is_dir() else []:
        key = key_of_name(name, axes)
        if key is not None:
            found[key] = folder / name
    return found


def set_aside_if_damaged(path: Path) -> bool:
    """Rename a cell's file, and say so, if HDF5 finds it cut short or no file of its own.

    Raises: OSError if it cannot be read for other reasons.
    """
    try:
        h5py.File(path, "r").close()
    except OSError as error:
        if error.errno is not None:  # what the system says, not HDF5
            reason = os.strerror(error.errno)
            raise OSError(f"{str(path)!r} cannot be read ({reason}).") from error
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        say(f"{str(path)!r} was damaged: it is {aside.name!r} now, and its cell is run again.")
        return True
    return False


def write(path: Path, content: bytes) -> None:
    """Write a file of the sweep, whole or not at all, in place of an earlier one.

    Raises: OSError, in one sentence.
    """
    try:
        with results.atomic_path(path, overwrite=True) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            f"{str(path)!r} cannot be written ({reason}); the sweep stops, and the cells that were "
            "saved are kept."
        ) from error


def say(line: str) -> None:
    """Print a line to stderr, above a progress bar if there is one."""
    tqdm.write(line, file=sys.stderr)
