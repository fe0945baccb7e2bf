"""The check of Datasets: the variables that a function reads, with their dimensions and labels."""

from __future__ import annotations

from typing import Any

from loadpath.checks.kinds import check_type


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
        in any order, and hold numbers; none may be empty.
    **labels : object
        A label that each of these dimensions must have, such as kind="fuzziness".

    Raises
    ------
    ValueError
        If `ds` is no such Dataset.
    """
    import xarray as xr

    check_type(name, ds, xr.Dataset, "an xarray.Dataset")
    named = {each.partition("(")[0]: each.rstrip(")").partition("(")[2] for each in variables}
    missing = [each for each in [*named, *labels] if each not in ds]
    if missing:
        raise ValueError(f"{name} lacks the variables {missing}.")
    for variable in variables:
        key = variable.partition("(")[0]
        values, wanted = ds[key], {dim for dim in named[key].split(", ") if dim}
        if "(" in variable and set(map(str, values.dims)) != wanted:
            raise ValueError(
                f"{name} must have the variable {key!r} over ({named[key]}), got it over "
                f"({', '.join(map(str, values.dims))})."
            )
        if values.size == 0:
            raise ValueError(f"{name} must hold numbers of the variable {key!r}, got none.")
        if "(" in variable and key in ds.data_vars and values.dtype.kind not in "biuf":
            raise ValueError(f"{name} must hold numbers of {key!r}, got {values.dtype}.")
    for dim, label in labels.items():
        if label not in ds[dim].values.tolist():
            raise ValueError(f"{name} must have {label!r} along {dim!r}, and has none.")


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
    for key in map(str, ds.data_vars):
        ends = [f"{key}_{end}" for end in ("low", "high") if f"{key}_{end}" in ds]
        if len(ends) == 1:
            raise ValueError(f"{name} must have both ends of the intervals of {key!r}, got one.")
        dims = ", ".join(map(str, ds[key].dims))
        if ends:
            check_dataset(name, ds, *(f"{each}({dims})" for each in (key, *ends)))
        if f"{key}_status" in ds and ds[f"{key}_status"].dims != ds[key].dims:
            raise ValueError(f"{name} must have '{key}_status' over ({dims}).")
