"""Layers and columns of the Datasets that a verdict is made of, checked."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import xarray as xr

from loadpath.checks import as_numbers, check_type
from loadpath.statistics import Column


def layer_names(name: str, ds: xr.Dataset) -> list[str]:
    """Return the layers of a Dataset, which is an argument of this name.

    Parameters
    ----------
    name : str
        Name of the argument.
    ds : xarray.Dataset
        The argument.

    Returns
    -------
    list of str
        The layers, each once.

    Raises
    ------
    ValueError
        If it has no coordinate `layer`, or a layer twice.
    """
    check_type(name, ds, xr.Dataset, "an xarray.Dataset")
    if "layer" not in ds.coords or ds["layer"].ndim != 1:
        raise ValueError(f"{name} must have a coordinate 'layer', and has none.")
    names = [str(layer) for layer in ds["layer"].values]
    twice = next((layer for layer, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"{name} must name each layer once, and it has {twice!r} more than once.")
    return names


def column_of(name: str, ds: xr.Dataset, variable: str, level: float) -> Column:
    """Return a variable over layers with its ends.

    Parameters
    ----------
    name : str
        Name of the argument.
    ds : xarray.Dataset
        The argument.
    variable : str
        The variable, beside which its ends `_low` and `_high` stand.
    level : float
        Confidence level of the interval between them.

    Returns
    -------
    Column
        Its numbers, NaN where there are none.

    Raises
    ------
    ValueError
        If one of the three is missing, over other axes, or no numbers.
    """
    ends = []
    for each in (variable, f"{variable}_low", f"{variable}_high"):
        if each not in ds or ds[each].dims != ("layer",):
            raise ValueError(f"{name} must have a variable {each!r} over layer, and has none.")
        if ds[each].dtype.kind not in "biuf":
            raise ValueError(f"{name} must hold numbers of {each!r}, got {ds[each].dtype}.")
        ends.append(ds[each].values.astype(np.float64))
    value, low, high = ends
    as_numbers(f"{name}.{variable}", value, missing=True)
    for end, values, wrong in (("low", low, math.inf), ("high", high, -math.inf)):
        if (values == wrong).any():
            raise ValueError(f"{name} must have no {variable}_{end} of {wrong}, and has some.")
    return Column(value, low, high, level)
