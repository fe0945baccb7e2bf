"""The check of Datasets: the variables that a function reads, with their dimensions and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from loadpath.checks.arrays import as_numbers
from loadpath.checks.kinds import check_type
from loadpath.checks.values import shown

if TYPE_CHECKING:
    import xarray as xr


@runtime_checkable
class HoldsDataset(Protocol):
    """A result that is a class over its Dataset, and goes wherever the Dataset does."""

    @property
    def dataset(self) -> xr.Dataset:
        """The Dataset."""


def as_dataset(name: str, ds: Any) -> xr.Dataset:
    """Return a Dataset that was given, or that a result holds which was given.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    ds : Dataset or result
        What was given, such as a Diagnosis.

    Returns
    -------
    Dataset
        The Dataset itself, not a copy.

    Raises
    ------
    ValueError
        If `ds` is neither.
    """
    import xarray as xr

    held = ds if isinstance(ds, xr.Dataset) else getattr(ds, "dataset", None)
    if not isinstance(held, xr.Dataset):
        raise ValueError(f"{name} must be an xarray.Dataset, got {shown(ds)}.")
    return held


def check_dataset(name: str, ds: Any, *variables: str, **labels: object) -> None:
    """Refuse what is no Dataset with the variables that a function reads.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    ds : Dataset
        What was given.
    *variables : str
        Names of variables. Those that go on with dimensions, such as "speed(step)", must have these
        in any order, and hold numbers, or words if "in words" stands behind; none may be empty.
        Coordinates with dimensions, which are places on an axis, must also be finite.
    **labels : object
        A label that each of these dimensions must have, such as kind="fuzziness".

    Raises
    ------
    ValueError
        If `ds` is no such Dataset.
    """
    import xarray as xr

    check_type(name, ds, xr.Dataset, "an xarray.Dataset")
    named = {each.partition("(")[0]: each.partition("(")[2].partition(")")[0] for each in variables}
    missing = [each for each in [*named, *labels] if each not in ds]
    if missing:
        raise ValueError(f"{name} lacks the variables {missing}.")
    for variable in variables:
        key = variable.partition("(")[0]
        # Variables, not ds[key]: to collect the coordinates of each takes most of this check.
        values, wanted = ds.variables[key], {dim for dim in named[key].split(", ") if dim}
        if "(" in variable and set(map(str, values.dims)) != wanted:
            raise ValueError(
                f"{name} must have the variable {key!r} over ({named[key]}), got it over "
                f"({', '.join(map(str, values.dims))})."
            )
        for dim in wanted & set(map(str, ds.coords)):
            labels_there = ds.variables[dim].values
            odd = labels_there.dtype.kind == "O" and not all(
                isinstance(e, str) for e in labels_there
            )
            if len(set(labels_there.tolist())) < len(labels_there):
                raise ValueError(f"{name} must have each label along {dim!r} once.")
            if odd or (labels_there.dtype.kind == "f" and not _finite(labels_there)):
                raise ValueError(f"{name} must have finite labels or words along {dim!r}.")
        if values.size == 0:
            raise ValueError(f"{name} must hold numbers of the variable {key!r}, got none.")
        if "(" not in variable or key in ds.dims:
            continue
        if variable.endswith("in words"):
            if not all(isinstance(each, str) for each in values.values.ravel().tolist()):
                raise ValueError(f"{name} must hold words of {key!r}, got {values.dtype}.")
        elif values.dtype.kind not in "biuf":
            raise ValueError(f"{name} must hold numbers of {key!r}, got {values.dtype}.")
        elif key in ds.coords:
            as_numbers(f"{name}.{key}", values.values)
    for dim, label in labels.items():
        there = ds.variables[dim].values.tolist()
        if ds.variables[dim].ndim == 1 and there.count(label) > 1:
            raise ValueError(f"{name} must have {label!r} along {dim!r} once.")
        if label not in there:
            raise ValueError(f"{name} must have {label!r} along {dim!r}, and has none.")


def _finite(labels: Any) -> bool:
    """Whether all labels, which are numbers, are finite."""
    import numpy as np

    return bool(np.isfinite(labels).all())


def check_levels(name: str, ds: Any, *dims: str) -> None:
    """Refuse axes whose labels are no finite numbers, such as the noises of a phase diagram.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    ds : Dataset
        What was given, with these dimensions.
    *dims : str
        The dimensions.

    Raises
    ------
    ValueError
        If an axis has no labels, or one of them is no finite number.
    """
    check_dataset(name, ds)
    for dim in dims:
        if dim not in ds.coords:
            raise ValueError(f"{name} must have labels along {dim!r}, and has none.")
        as_numbers(f"{name}.{dim}", ds[dim].values)


def check_columns(name: str, ds: Any, *variables: str, **labels: object) -> None:
    """Refuse what `check_dataset` refuses, and columns over layers that do not fit each other.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    ds : Dataset
        What was given, such as a diagnosis: with a number for each layer, the ends of its interval
        have its name with "_low" and "_high" behind it, and what became of it "_status".
    *variables, **labels
        As for `check_dataset`.

    Raises
    ------
    ValueError
        If `ds` is no such Dataset.
    """
    check_dataset(name, ds, "layer(layer)", *variables, **labels)
    layers = ds["layer"].values.tolist()
    if not all(isinstance(each, str) for each in layers) or len({*layers}) < len(layers):
        raise ValueError(f"{name} must have the name of each layer once, got {shown(layers)}.")
    for key in map(str, ds.data_vars):
        ends = [f"{key}_{end}" for end in ("low", "high") if f"{key}_{end}" in ds]
        if len(ends) == 1:
            raise ValueError(f"{name} must have both ends of the intervals of {key!r}, got one.")
        values = ds.variables[key]
        dims = ", ".join(map(str, values.dims))
        if ends:
            check_dataset(name, ds, *(f"{each}({dims})" for each in (key, *ends)))
        if f"{key}_status" in ds and ds.variables[f"{key}_status"].dims != values.dims:
            raise ValueError(f"{name} must have '{key}_status' over ({dims}).")
        words = values.values.ravel().tolist() if key.endswith("_status") else []
        if not all(isinstance(each, str) for each in words):
            raise ValueError(f"{name} must hold words of {key!r}, got {values.dtype}.")
