"""Wrong, odd and equivalent values in place of a tensor or an array."""

import datetime

import numpy as np
import pandas as pd
import torch
import xarray as xr
from argument_outcomes import INF, NAN, Mutation, each
from torch import Tensor


def of_tensor(value, rng):
    array = value.detach().numpy()
    yield Mutation("list", array.tolist(), "same", 1e-6)  # a list knows no float32
    yield Mutation("tuple", tuple(array.tolist()), "same", 1e-6)
    yield from each("same", same_numbers(value, array))
    yield from each("refused", no_numbers(value, array))
    yield from each("either", other_kinds(value, array))
    yield from each("either", other_shapes(value))
    yield from each("refused", wrong_shapes(value))
    if value.is_floating_point():
        yield from each("either", other_reals(value, rng))
        yield from each("refused", not_finite(value, array, rng))
    else:
        yield from each("same", {"int32": value.int(), "uint8": value.to(torch.uint8)})
        yield from each("same", {"int8": value.to(torch.int8), "uint16": array.astype("uint16")})
        yield from each("same", {"uint64": array.astype("uint64")})
        yield from each("either", other_whole(value, array))
        yield Mutation("fractions", value + 0.5, "refused")


def of_array(value, rng):
    for mutation in of_tensor(torch.from_numpy(value.copy()), rng):
        if mutation.name == "array":
            yield Mutation("tensor", torch.from_numpy(value.copy()), "same")
        elif isinstance(mutation.value, Tensor) and not mutation.name.startswith("tensor"):
            try:
                given = mutation.value.detach().resolve_conj().resolve_neg().numpy()
            except (TypeError, RuntimeError):  # NumPy has no such type, or no memory for it
                given = mutation.value
            yield Mutation(mutation.name, given, mutation.outcome, mutation.tolerance)
        else:
            yield mutation


def same_numbers(value, array):
    """The same numbers in other clothes."""
    frozen = array.copy()
    frozen.flags.writeable = False
    found = {
        "array": array.copy(),
        "array that is read-only": frozen,
        "array backwards": array[::-1].copy()[::-1],
        "array in columns": np.asfortranarray(array),
        "array of the other order of bytes": array.astype(array.dtype.newbyteorder(">")),
        "array with a mask that hides nothing": np.ma.masked_array(array, np.zeros(array.shape)),
        "strided": torch.stack([value, value], -1)[..., 0],
        "tensor of negatives": torch._neg_view(-value),
        "DataArray": xr.DataArray(array),
    }
    if array.ndim == 1:
        found["Series"] = pd.Series(array, index=[f"row {i}" for i in range(len(array))])
    if array.ndim == 2:
        found["DataFrame"] = pd.DataFrame(array)
    if value.is_floating_point():
        found["tensor with a graph"] = value.clone().requires_grad_()
        found["tensor as a parameter"] = torch.nn.Parameter(value.clone())
        found["long double"] = array.astype(np.longdouble)
    return found


def no_numbers(value, array):
    """What holds no real numbers, or not all of them."""
    hidden = np.zeros(array.shape, dtype=bool)
    hidden.reshape(-1)[0] = True
    return {
        "complex": torch.complex(value.double(), value.double()),
        "complex array": array + 1j,
        "complex list": (array + 1j).tolist(),
        "words": np.full(array.shape, "a"),
        "numbers in words": array.astype(str),
        "list of numbers in words": array.astype(str).tolist(),
        "bytes": array.astype("S"),
        "objects": np.full(array.shape, None),
        "dates": np.full(array.shape, np.datetime64("2026-01-01")),
        "durations": np.full(array.shape, np.timedelta64(1, "s")),
        "fields": np.zeros(array.shape, dtype=[("a", float)]),
        "masked": np.ma.masked_array(array, hidden),
        "tensor without memory": value.to("meta"),
        "word": "nonsense",
        "number": 3.0,
        "whole number": 3,
        "bytes alone": b"ab",
        "object": object(),
        "class": object,
        "function": len,
        "date": datetime.date(2026, 1, 1),
        "dict": {"a": value},
        "set": {1.0, 2.0},
        "generator": (row for row in array),
        "Dataset": xr.Dataset({"a": ("x", [1.0])}),
        "ragged": [[1.0, 2.0], [1.0]],
        "ragged array": np.array([[1.0, 2.0], [1.0]], dtype=object),
        "nothing among numbers": [*array.tolist()[:-1], None],
    }


def other_kinds(value, array):
    """What may do or not, by what it is."""
    return {
        "bool": value > 0,
        "bool array": array > 0,
        "numbers as objects": array.astype(object),
        "matrix": np.asmatrix(array) if array.ndim < 3 else array.copy(),
        "tensor, sparse": value.to_sparse(),
        "list of rows": list(value),
        "list of rows with a graph": [
            row.clone().requires_grad_() if row.is_floating_point() else row for row in value
        ],
        "range": range(len(array)),
        "equal": torch.ones_like(value),
        "zeros": torch.zeros_like(value),
    }


def other_shapes(value):
    """Shapes that do not fit, or do where one thing is as good as two."""
    found = {
        "one sample": value[:1],
        "two samples": value[:2],
        "one more sample": torch.cat([value, value[:1]]),
        "each sample twice": value.repeat_interleave(2, 0),
        "backwards": value.flip(0),
        "first for all": value[:1].expand_as(value),
    }
    if value.ndim > 1:
        found |= {
            "one column": value[:, :1],
            "column taken out": value[:, 0],
            "row taken out": value[0],
            "turned": value.mT.contiguous(),
            "one more column": torch.cat([value, value[:, :1]], 1),
            "one column less": value[:, :-1],
            "flat": value.reshape(-1),
            "first column for all": value[:, :1].expand_as(value),
        }
    return found


def wrong_shapes(value):
    found = {
        "empty": value[:0],
        "empty list": [],
        "list of an empty list": [[]],
        "one axis more": value[None],
        "one axis more, last": value[..., None],
        "two axes more": value[None, None],
        "0-d": value.reshape(-1)[0],
        "NumPy's number": value.numpy().reshape(-1)[0],
    }
    if value.ndim > 1:
        found["no column"] = value[:, :0]
    return found


def other_reals(value, rng):
    """Real numbers of other types and sizes."""
    found = {
        str(dtype).removeprefix("torch."): value.to(dtype)
        for dtype in (
            *(torch.float16, torch.bfloat16, torch.float32, torch.float64),
            *(torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.int64, torch.uint8),
        )
    }
    largest = value.abs().max()
    for name, size in {
        "huge": 1e200,
        "very huge": 1.7e308 / float(largest or 1),
        "above what is measured": 1e71,
        "largest that is measured": 1e69 / float(largest or 1),
        "tiny": 1e-200,
        "denormal": 1e-310,
        "negative zero": -0.0,
        "negative": -1.0,
        "large": 1e12,
        "small": 1e-12,
    }.items():
        found[name] = value.double() * size
    found["huge in float32"] = (value.double() / (largest or 1) * 3e38).float()
    found["far from 0"] = value.double() + 1e9
    found["whole numbers"] = (value * 4).round().long()
    for name, entry in {"one huge": 1e200, "one large": 1e30, "one zero": 0.0}.items():
        one = value.clone().double()
        one.view(-1)[int(rng.integers(one.numel()))] = entry
        found[name] = one
    if value.ndim > 1:
        found["one row of zeros"] = torch.cat([value[:-1], 0 * value[-1:]])
        found["one column of zeros"] = torch.cat([value[:, :-1], 0 * value[:, -1:]], 1)
        found["one column huge"] = torch.cat([value[:, :-1], value[:, -1:].double() * 1e60], 1)
    return found


def not_finite(value, array, rng):
    found = {}
    for name, bad in (("nan", NAN), ("infinity", INF), ("minus infinity", -INF)):
        wrong = value.clone()
        wrong.view(-1)[int(rng.integers(wrong.numel()))] = bad
        found[name] = wrong
    found["all nan"] = value * NAN
    found["last nan"] = torch.cat([value.reshape(-1)[:-1], value.new_tensor([NAN])]).view_as(value)
    cancelled = value.clone().reshape(-1)
    if len(cancelled) > 1:
        cancelled[0], cancelled[1] = INF, -INF
        found["infinities that cancel"] = cancelled.view_as(value)
    found["nan in a list"] = found["nan"].tolist()
    found["nan in half"] = found["nan"].half()
    return found


def other_whole(value, array):
    return {
        "negative": value - 1,
        "all negative": -value - 1,
        "gaps": value * 1000,
        "huge": value + 2**62,
        "unsigned and huge": array.astype(np.uint64) + np.uint64(2**63),
        "whole numbers as fractions": value.double(),
        "whole numbers in half": value.half(),
        "nan": value.double() * NAN,
        "infinity": value.double() + INF,
        "each another": torch.arange(len(value)),
        "1, 2, ...": value + 1,
    }
