"""The cells of a sweep as one Dataset over its axes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.sweep import folder as folders
from loadpath.sweep.cells import Cell, cell_name, key, product
from loadpath.sweep.contents import Contents, Reader

Index = tuple[int, ...]
"""Where a cell stands on the axes."""
PROVENANCE = ("loadpath_version", "torch_version", "numpy_version")
"""What the attrs of cells say of the programs that measured them."""


def collect(folder: Path, axes: Mapping[str, Sequence[str | int | float]]) -> xr.Dataset:
    """Lay the cells in `folder` out over `axes`, which may name only some of their values.

    Variables are over the axes and the dimensions of the cells' own: NaN, or "" for text, where a
    cell is missing or shorter than others. Dimensions with a coordinate are joined by its labels,
    others by position. `finished` says which cells are there. 5,000 cells take seconds.

    Raises: FileNotFoundError if `folder` is not a sweep's; ValueError if its cells are over other
    axes, one is damaged, or they cannot stand in one Dataset.
    """
    folder = Path(folder)
    sweep, cells, reader = folders.read(folder), product(axes), Reader()
    if set(axes) != set(sweep.axes):
        raise ValueError(
            f"axes must be those of {str(folder)!r}, {', '.join(sweep.axes)}, got "
            f"{', '.join(axes)}."
        )
    there = folders.finished(folder, sweep.axes)
    finished = np.zeros([len(values) for values in axes.values()], dtype=bool)
    found: dict[Index, Contents] = {}
    for index, cell in zip(np.ndindex(finished.shape), cells, strict=True):
        path = there.get(key(cell, sweep.axes))
        if path is not None:
            found[index] = reader.read(path)
            finished[index] = True
    ds = _laid_out(found, tuple(axes), finished.shape)
    ds = ds.assign_coords({name: list(values) for name, values in axes.items()})
    ds["finished"] = (tuple(axes), finished, {"long_name": "whether the cell has been measured"})
    return results.stamp(ds, **sweep.common).assign_attrs(
        cells_measure=sweep.measure, **_provenance(found.values())
    )


def load(folder: Path, cell: Cell) -> xr.Dataset:
    """Return the result of one cell.

    Raises: FileNotFoundError if `folder` is not a sweep's or the cell is not in it; ValueError if
    the cell has other settings than those in `folder`, or its file is damaged.
    """
    folder = Path(folder)
    axes = folders.read(folder).axes
    if set(cell) != set(axes):
        raise ValueError(f"cell must have the settings {', '.join(axes)}, got {dict(cell)}.")
    path = folder / cell_name({name: cell[name] for name in axes})
    if not path.exists():  # under its own name, or under that of equal numbers written otherwise
        path = folders.finished(folder, axes).get(key(cell, axes), path)
    return results.load(path)


def _laid_out(found: Mapping[Index, Contents], axes: tuple[str, ...], shape: Index) -> xr.Dataset:
    first: dict[str, Contents] = {}
    for contents in found.values():
        first |= {name: contents for name in contents.values if name not in first}
    dims = {name: contents.dims(name) for name, contents in first.items()}
    labels = {dim: _labels(dim, found.values()) for dim in dict.fromkeys(chain(*dims.values()))}
    places = {dim: {label: i for i, label in enumerate(its)} for dim, its in labels.items()}
    ds = xr.Dataset()
    for name, contents in first.items():
        frame = contents.frame[name]
        if name in labels:
            ds.coords[name] = (name, np.array(labels[name], dtype=frame.dtype), frame.attrs)
            continue
        parts = {index: c for index, c in found.items() if name in c.values}
        dtype = np.result_type(*{c.values[name].dtype for c in parts.values()})
        full = np.zeros((*shape, *(len(labels[dim]) for dim in dims[name])), dtype)
        filled = np.zeros(full.shape, dtype=bool)
        for index, part in parts.items():
            its = part.dims(name)
            if set(its) != set(dims[name]):
                raise ValueError(
                    f"cells must have {name!r} over the same dimensions, got {dims[name]} and "
                    f"{its}."
                )
            at = np.ix_(*([places[dim][label] for label in part.labels(dim)] for dim in dims[name]))
            spot: tuple[Any, ...] = (*index, *at)
            full[spot] = part.values[name].transpose([its.index(dim) for dim in dims[name]])
            filled[spot] = True
        ds[name] = ((*axes, *dims[name]), _with_holes(full, filled), frame.attrs)
        if name in contents.frame.coords:
            ds = ds.set_coords(name)
    return ds


def _labels(dim: str, cells: Collection[Contents]) -> list[Any]:
    """Labels of a dimension in any cell: numbers ascending, text in the order of appearance."""
    each = dict.fromkeys(c.labels(dim) for c in cells if dim in c.frame.sizes)
    for labels in each:
        if len(set(labels)) < len(labels):
            raise ValueError(f"cells must label {dim!r} without repeats, got {labels}.")
    joined = dict.fromkeys(label for labels in each for label in labels)
    return list(joined) if any(isinstance(label, str) for label in joined) else sorted(joined)


def _with_holes(full: np.ndarray, filled: np.ndarray) -> np.ndarray:
    """Mark what no cell filled, where there is such a thing: NaN, or "" among text."""
    if filled.all():
        return full
    if full.dtype.kind in "OU":
        return np.where(filled, full, "")
    return np.where(filled, full, np.nan)


def _provenance(cells: Collection[Contents]) -> dict[str, str]:
    """When and with what the cells were measured."""
    said = {}
    for name in PROVENANCE:
        versions = sorted({str(c.attrs[name]) for c in cells if name in c.attrs})
        said[f"cells_{name}"] = ", ".join(versions)
    times = sorted(str(c.attrs["created"]) for c in cells if "created" in c.attrs)
    said["cells_created"] = " to ".join(dict.fromkeys((times[0], times[-1]))) if times else ""
    return said
