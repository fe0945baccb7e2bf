"""The cells of a sweep as one Dataset over its axes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.checks import as_path, check_type
from loadpath.sweep import folder as folders
from loadpath.sweep.cells import (
    CELL_ATTR,
    cell_name,
    check_cells,
    key_of_cell,
    key_of_name,
    product,
    with_plain_numbers,
)
from loadpath.sweep.contents import Contents, Reader

Index = tuple[int, ...]
"""Where a cell stands on the axes."""
PROVENANCE = ("loadpath_version", "torch_version", "numpy_version")
"""Attrs of cells that say which programs measured them."""


def collect(folder: str | Path, axes: Mapping[str, Sequence[str | int | float]]) -> xr.Dataset:
    """Lay the cells in `folder` out over `axes`, as one Dataset.

    Parameters
    ----------
    folder : str or Path
        The folder of a sweep.
    axes : mapping of str to sequence
        The values of every axis of the sweep, or some of them.

    Returns
    -------
    Dataset
        Its variables are over the axes and the cells' own dimensions: NaN, or "" for text, where a
        cell is missing or shorter than others. Dimensions with a coordinate are joined by its
        labels, others by position. `finished` says which cells are there.

    Raises
    ------
    FileNotFoundError
        If `folder` is not a sweep's.
    ValueError
        If its cells are over other axes, if one is damaged, or if they cannot stand in one Dataset.

    Notes
    -----
    5,000 cells take seconds.

    Examples
    --------
    A folder of two cells, as `run` leaves it, over three values:

    >>> import tempfile
    >>> import loadpath as lp
    >>> place = Path(tempfile.mkdtemp())
    >>> _ = (place / "sweep.yaml").write_text("{format: 1, measure: m.f, axes: [x], common: {}}")
    >>> for x in (1, 2):
    ...     _ = lp.results.save(xr.Dataset({"y": x**2}), place / f"x={x}.nc")
    >>> lp.sweep.collect(place, {"x": [1, 2, 3]})["y"].values
    array([ 1.,  4., nan])
    """
    folder = as_path("folder", folder)
    sweep, cells, reader = folders.read_settings(folder), product(axes), Reader()
    if set(axes) != set(sweep.axes):
        raise ValueError(
            f"axes must be those of {str(folder)!r}, {', '.join(sweep.axes)}, got "
            f"{', '.join(axes)}."
        )
    there = folders.finished_cells(folder, sweep.axes)
    finished = np.zeros([len(values) for values in axes.values()], dtype=bool)
    found: dict[Index, Contents] = {}
    for index, cell in zip(np.ndindex(finished.shape), cells, strict=True):
        path = there.get(key_of_cell(cell, sweep.axes))
        if path is not None:
            found[index] = reader.read(path)
            _check_owner(path, found[index].attrs, sweep.axes)
            finished[index] = True
    ds = _laid_out(found, tuple(axes), finished.shape)
    ds = ds.assign_coords({name: list(values) for name, values in axes.items()})
    ds["finished"] = (tuple(axes), finished, {"long_name": "whether the cell has been measured"})
    return results.stamp(ds, **sweep.common).assign_attrs(
        cells_measure=sweep.measure, **_provenance(found.values())
    )


def load(folder: str | Path, cell: Mapping[str, Any]) -> xr.Dataset:
    """Return the result of one cell.

    Parameters
    ----------
    folder : str or Path
        The folder of a sweep.
    cell : Cell
        The settings of the cell.

    Returns
    -------
    Dataset
        What was measured, stamped with the settings.

    Raises
    ------
    FileNotFoundError
        If `folder` is not a sweep's, or if the cell is not in it.
    ValueError
        If the cell has other settings than those in `folder`, or if its file is damaged.
    """
    folder = as_path("folder", folder)
    check_type("cell", cell, Mapping, "a mapping of settings to values")
    axes = folders.read_settings(folder).axes
    if set(cell) != set(axes):
        raise ValueError(f"cell must have the settings {', '.join(axes)}, got {dict(cell)}.")
    cell = with_plain_numbers(cell)
    check_cells([cell], "cell")
    path = folder / cell_name({name: cell[name] for name in axes})
    if not path.exists():  # under its own name, or under that of equal numbers written otherwise
        path = folders.finished_cells(folder, axes).get(key_of_cell(cell, axes), path)
    if not path.exists():
        raise FileNotFoundError(f"There is no result file {str(path)!r} of the cell {cell}.")
    ds = results.load(path)
    _check_owner(path, ds.attrs, axes)
    return ds


def _check_owner(path: Path, attrs: Mapping[str, Any], axes: Sequence[str]) -> None:
    """Refuse a file that has the name of one cell and the result of another."""
    owner = str(attrs.get(CELL_ATTR, path.name))  # version 0.1.0 did not write it down
    if key_of_name(owner, axes) != key_of_name(path.name, axes):
        raise ValueError(f"{str(path)!r} holds the result of another cell, {owner!r}.")


def _laid_out(found: Mapping[Index, Contents], axes: tuple[str, ...], shape: Index) -> xr.Dataset:
    """Return one Dataset of all cells, each at its place on the axes."""
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
    """Return the labels of a dimension in any cell.

    Numbers ascend; text keeps the order of appearance.
    """
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
    """Return attrs that say when and with what the cells were measured."""
    said = {}
    for name in PROVENANCE:
        versions = sorted({str(c.attrs[name]) for c in cells if name in c.attrs})
        said[f"cells_{name}"] = ", ".join(versions)
    times = sorted(str(c.attrs["created"]) for c in cells if "created" in c.attrs)
    said["cells_created"] = " to ".join(dict.fromkeys((times[0], times[-1]))) if times else ""
    return said
