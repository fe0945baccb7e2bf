"""Damaged, odd and equivalent Datasets in place of one."""

import copy

import numpy as np
import xarray as xr
from argument_outcomes import INF, NAN, Mutation, each

VARIABLES = 2
"""Variables of a large Dataset that are changed, a random choice."""


def of_dataset(value, rng):
    wrongs = {"number": 3, "word": "nonsense", "list": [1], "dict": {"a": 1}, "object": object()}
    wrongs |= {"class": xr.Dataset, "list of it": [value], "DataArray": value.to_dataarray()}
    yield from each("refused", wrongs)
    yield Mutation("array", value[next(iter(value))] if len(value) else 3, "refused")
    yield from each("same", same_datasets(value))
    yield from each("either", other_wholes(value))
    names = list(map(str, value.variables))
    for name in rng.permutation(names)[:6]:
        yield Mutation(f"without {name}", value.drop_vars(str(name)), "either")
    for name in rng.permutation(list(map(str, value.data_vars)))[:VARIABLES]:
        yield from each("either", other_variables(value, str(name)))
    for name in list(map(str, value.coords))[:2]:
        yield from each("either", other_labels(value, name))
    for dim in list(map(str, value.sizes))[:3]:
        yield from each("either", other_dimensions(value, dim))
    yield from each("either", other_attrs(value))


def same_datasets(value):
    """The same Dataset, with everything in another order or of another owner."""
    frozen = value.copy(deep=True)
    for variable in frozen.data_vars.values():
        variable.values.flags.writeable = False
    return {
        "copy": value.copy(deep=True),
        "read-only": frozen,
        "axes in another order": value.transpose(*reversed([*value.sizes])),
        "variables in another order": value[list(reversed([*value.data_vars]))],
        "one more variable": value.assign(nonsense=3.0),
        "one more attr": value.assign_attrs(nonsense=3),
    }


def other_wholes(value):
    numbers = [name for name in value.data_vars if value[name].dtype.kind == "f"]
    return {
        "empty": xr.Dataset(),
        "without attrs": value.drop_attrs(),
        "without attrs of its own": value.drop_attrs(deep=False),
        "without labels": value.drop_vars(list(value.coords)),
        "one axis more": value.expand_dims(nonsense=2),
        "all numbers negative": value.assign({name: -value[name] for name in numbers}),
        "all numbers zero": value.assign({name: 0 * value[name] for name in numbers}),
        "all numbers nan": value.assign({name: NAN * value[name] for name in numbers}),
        "all numbers huge": value.assign({name: 0 * value[name] + 1e200 for name in numbers}),
        "all numbers small": value.assign({name: value[name] * 1e-12 for name in numbers}),
        "all numbers in float32": value.assign({n: value[n].astype("float32") for n in numbers}),
    }


def other_variables(value, name):
    """One variable of other axes, of another type, or of other numbers."""
    variable = value[name]
    found = {
        f"{name} in words": variable.astype(str),
        f"{name} of objects": variable.astype(object),
        f"{name} of nothing": xr.full_like(variable.astype(object), None),
        f"{name} of dates": variable.copy(
            data=np.full(variable.shape, np.datetime64("2026-01-01", "ns"))
        ),
        f"{name} of one axis more": variable.expand_dims(nonsense=2),
        f"{name} as one number": xr.DataArray(1.0),
    }
    if variable.ndim:
        found[f"{name} of fewer axes"] = variable.isel({variable.dims[0]: 0}, drop=True)
        found[f"{name} along another axis"] = variable.rename({variable.dims[0]: "other axis"})
    if variable.dtype.kind == "f":
        for bad in (NAN, INF, -INF, 1e200, 0.0, -1.0):
            found[f"{name} all {bad}"] = variable * 0 + bad
        if variable.ndim:
            one = variable.copy(deep=True)
            one[(0,) * one.ndim] = NAN
            found[f"{name} with one nan"] = one
        found[f"{name} complex"] = variable + 1j
        found[f"{name} in float32"] = variable.astype("float32")
    if variable.dtype.kind in "iu":
        found[f"{name} negative"] = -1 - variable
    swapped = {}
    for key, changed in found.items():
        where = value.drop_vars(name) if "another axis" in key else value
        coordinates = [c for c in changed.coords if c not in where.coords]
        swapped[key] = where.assign({name: changed.drop_vars(coordinates)})
    return swapped


def other_labels(value, name):
    """Labels of an axis of another kind, all the same, or none."""
    labels = value[name]
    if labels.ndim != 1:
        return {}
    dim, n = labels.dims[0], len(labels)
    kinds = {
        f"{name} all the same": np.repeat(labels.values[:1], n),
        f"{name} in words": [f"word {i}" for i in range(n)],
        f"{name} in numbers": np.arange(n) + 0.5,
        f"{name} all nan": np.full(n, NAN),
        f"{name} all infinite": np.full(n, INF),
        f"{name} of nothing": np.full(n, None),
    }
    return {key: value.assign_coords({name: (dim, each)}) for key, each in kinds.items()}


def other_dimensions(value, dim):
    n = value.sizes[dim]
    return {
        f"one {dim}": value.isel({dim: [0]}),
        f"no {dim}": value.isel({dim: []}),
        f"{dim} taken out": value.isel({dim: 0}),
        f"{dim} backwards": value.isel({dim: slice(None, None, -1)}),
        f"{dim} twice": value.isel({dim: [*range(n), *range(n)]}),
        f"{dim} called otherwise": value.rename_dims({dim: "nonsense"}),
    }


def other_attrs(value):
    """One attr missing, or of another kind, of the Dataset or of one of its variables."""
    found = {}
    for name in list(value.attrs)[:2]:
        less = copy.copy(value)
        less.attrs = {key: each for key, each in value.attrs.items() if key != name}
        found[f"without attr {name}"] = less
        for wrong in ("nonsense", None, [1, 2], NAN, -1.0, 1e200):
            found[f"attr {name} {wrong}"] = value.assign_attrs({name: wrong})
    for name in [name for name in value.variables if value[name].attrs][:1]:
        for key in value[name].attrs:
            swapped = value.copy()
            swapped[name] = value[name].assign_attrs({key: [1, 2]})
            found[f"attr {key} of {name} a list"] = swapped
            swapped = value.copy()
            swapped[name] = value[name].drop_attrs()
            found[f"without attrs of {name}"] = swapped
    return found
