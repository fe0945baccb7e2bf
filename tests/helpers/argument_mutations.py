"""Wrong, odd and equivalent values in place of one valid argument, and what each is to lead to."""

import copy
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import xarray as xr
from torch import Tensor

Outcome = Literal["same", "refused", "either"]
"""The numbers of the valid call; a sentence; or either a sentence or finite numbers."""
NAN, INF = float("nan"), float("inf")
NEGATIVE = {"first_step"}
"""Whole numbers that may be negative: none has a reason to be, but nothing depends on it."""
ANY_INT = {"target", "theta"}


@dataclass(frozen=True)
class Mutation:
    """A value in place of a valid one."""

    name: str
    value: Any
    outcome: Outcome
    tolerance: float = 1e-9
    """Relative difference up to which numbers count as the same: rounding in another order."""


def mutations(value: Any, *, optional: bool, choices: tuple[str, ...] | None, seed: int = 0):
    """Yield mutations of a valid argument, by what kind of thing it is.

    Parameters
    ----------
    value : object
        The valid argument.
    optional : bool
        Whether its annotation allows None.
    choices : tuple of str, optional
        The words that its annotation lists.
    seed : int
        Of what is drawn at random, such as the entry that becomes NaN.
    """
    rng = np.random.default_rng(seed)
    none = "either" if optional else "refused"
    if value is not None:
        yield Mutation("None", None, none)
    kinds = (
        (bool, of_bool),
        (int, of_int),
        (float, of_float),
        (str, of_word),
        (Path, of_path),
        (Tensor, of_tensor),
        (np.ndarray, of_array),
        (xr.Dataset, of_dataset),
        (dict, of_mapping),
        ((list, tuple), of_sequence),
        (torch.dtype, of_object),
    )
    for kind, make in kinds:
        if isinstance(value, kind):
            yield from make(value, rng, choices)
            return
    yield from of_object(value, rng, choices)


def of_bool(value, rng, choices):
    yield Mutation("NumPy's", np.bool_(value), "same")
    for name, wrong in {
        "word": "no",
        "two": 2,
        "list": [value],
        "nan": NAN,
        "array": np.ones(2),
    }.items():
        yield Mutation(name, wrong, "refused")


def of_int(value, rng, choices):
    yield Mutation("NumPy's", np.int64(value), "same")
    yield Mutation("NumPy's small", np.int16(value), "same")
    wrongs = {
        "bool": True,
        "fraction": value + 0.5,
        "word": str(value),
        "nan": NAN,
        "infinity": INF,
        "negative": -1,
        "very negative": -(2**63),
        "huge": 10**30,
        "list": [value],
        "tensor": torch.tensor([value, value]),
        "complex": complex(value, 1),
        "object": object(),
    }
    for name, wrong in wrongs.items():
        yield Mutation(name, wrong, "refused")
    for name, odd in {
        "zero": 0,
        "one": 1,
        "float": float(value),
        "0-d": torch.tensor(value),
    }.items():
        yield Mutation(name, odd, "either")


def of_float(value, rng, choices):
    yield Mutation("NumPy's", np.float64(value), "same")
    yield Mutation("NumPy's small", np.float32(value), "either")
    yield Mutation("half", np.float16(value), "either")
    if value == int(value):
        yield Mutation("int", int(value), "same")
    wrongs = {
        "word": str(value),
        "nan": NAN,
        "list": [value, value, value, value, value],
        "complex": complex(value, 1),
        "object": object(),
        "dict": {"a": value},
    }
    for name, wrong in wrongs.items():
        yield Mutation(name, wrong, "refused")
    odds = {
        "infinity": INF,
        "minus infinity": -INF,
        "negative": -abs(value) - 0.5,
        "zero": 0.0,
        "huge": 1e200,
        "very huge": 1.7e308,
        "tiny": 1e-300,
        "bool": True,
        "0-d": torch.tensor(value),
        "fraction": Fraction(value).limit_denominator(1000),
        "huge int": 10**400,
    }
    for name, odd in odds.items():
        yield Mutation(name, odd, "either")


def of_word(value, rng, choices):
    wrongs = {"number": 3, "list": [value], "nan": NAN, "bytes": value.encode(), "bool": True}
    if choices:
        wrongs |= {
            "unknown": "nonsense",
            "empty": "",
            "capital": value.capitalize() if value.capitalize() != value else value.lower(),
            "upper case": value.upper() if value.upper() != value else value.lower(),
            "space": value + " ",
        }
    for name, wrong in wrongs.items():
        if not (name == "number" and choices and 3 in choices):
            yield Mutation(name, wrong, "refused")


def of_path(value, rng, choices):
    yield Mutation("text", str(value), "same")
    for name, wrong in {"number": 3, "list": [value], "nan": NAN, "bool": True}.items():
        yield Mutation(name, wrong, "refused")
    yield Mutation("elsewhere", value.parent / "there is none", "either")
    yield Mutation("null", "a\0b", "refused")


def of_tensor(value, rng, choices):
    array = value.detach().numpy()
    real = value.is_floating_point()
    yield Mutation("array", array.copy(), "same")
    yield Mutation("list", array.tolist(), "same", 1e-6)  # a list knows no float32
    yield Mutation("strided", torch.stack([value, value], -1)[..., 0], "same")
    backwards = array[::-1].copy()[::-1]
    yield Mutation("array backwards", backwards, "same")
    if real:
        yield Mutation("with a graph", value.clone().requires_grad_(), "same")
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            yield Mutation(str(dtype).removeprefix("torch."), value.to(dtype), "either")
        yield Mutation("whole numbers", (value * 4).round().long(), "either")
        for name, bad in (("nan", NAN), ("infinity", INF), ("minus infinity", -INF)):
            wrong = value.clone()
            wrong.view(-1)[int(rng.integers(wrong.numel()))] = bad
            yield Mutation(name, wrong, "refused")
        yield Mutation("huge", value * 1e200, "either")
        yield Mutation("very huge", value / value.abs().max() * 1.7e308, "either")
        yield Mutation("tiny", value * 1e-200, "either")
        yield Mutation("zeros", torch.zeros_like(value), "either")
        yield Mutation("equal", torch.ones_like(value), "either")
        one = value.clone().double()
        one.view(-1)[int(rng.integers(one.numel()))] = 1e200
        yield Mutation("one huge", one, "either")
    else:
        yield Mutation("int32", value.int(), "same")
        yield Mutation("uint8", value.to(torch.uint8), "same")
        yield Mutation("negative", value - 1, "either")
        yield Mutation("gaps", value * 1000, "either")
        yield Mutation("huge", value + 2**62, "either")
        yield Mutation("fractions", value + 0.5, "refused")
        yield Mutation("equal", torch.zeros_like(value), "either")
    yield Mutation("complex", torch.complex(value.double(), value.double()), "refused")
    yield Mutation("complex array", array + 1j, "refused")
    yield Mutation("bool", value > 0, "either")
    yield Mutation("words", np.full(array.shape, "a"), "refused")
    yield Mutation("objects", np.full(array.shape, None), "refused")
    yield Mutation("word", "nonsense", "refused")
    yield Mutation("number", 3.0, "refused")
    yield Mutation("object", object(), "refused")
    yield Mutation("dict", {"a": value}, "refused")
    yield Mutation("ragged", [[1.0, 2.0], [1.0]], "refused")
    yield Mutation("empty", value[:0], "refused")
    yield Mutation("empty list", [], "refused")
    yield Mutation("one sample", value[:1], "either")
    yield Mutation("two samples", value[:2], "either")
    yield Mutation("one axis more", value[None], "refused")
    yield Mutation("one axis more, last", value[..., None], "refused")
    yield Mutation("0-d", value.reshape(-1)[0], "refused")
    if value.ndim > 1:
        yield Mutation("one column", value[:, :1], "either")
        yield Mutation("no column", value[:, :0], "refused")
        yield Mutation("column taken out", value[:, 0], "either")
        yield Mutation("turned", value.mT.contiguous(), "either")
        yield Mutation("one more column", torch.cat([value, value[:, :1]], 1), "either")
    yield Mutation("one more sample", torch.cat([value, value[:1]]), "either")


def of_array(value, rng, choices):
    for each in of_tensor(torch.from_numpy(value.copy()), rng, choices):
        if each.name == "array":
            yield Mutation("tensor", torch.from_numpy(value.copy()), "same")
        elif isinstance(each.value, Tensor) and each.value.dtype != torch.bfloat16:
            given = each.value.detach().resolve_conj().numpy()
            yield Mutation(each.name, given, each.outcome, each.tolerance)
        elif not isinstance(each.value, Tensor):
            yield each


def of_sequence(value, rng, choices):
    kind = type(value)
    other = tuple(value) if kind is list else list(value)
    yield Mutation("other kind", other, "same")
    for name, wrong in {"number": 3.5, "word": "nonsense", "object": object(), "nan": NAN}.items():
        yield Mutation(name, wrong, "refused")
    yield Mutation("empty", kind(), "either")
    if value:
        yield Mutation("one", value[:1], "either")
        yield Mutation("one too many", kind([*value, value[-1]]), "either")
        at = int(rng.integers(len(value)))
        for name, wrong in {"None": None, "word": "nonsense", "object": object()}.items():
            swapped = kind([*value[:at], wrong, *value[at + 1 :]])
            yield Mutation(f"{name} inside", swapped, "refused" if name != "word" else "either")
        if all(isinstance(each, int | float | Tensor) for each in value):
            for inside in mutations(value[at], optional=False, choices=None):
                swapped = kind([*value[:at], inside.value, *value[at + 1 :]])
                fits = inside.outcome if isinstance(value[at], Tensor) else "either"
                yield Mutation(f"{inside.name} inside", swapped, fits, inside.tolerance)
        if all(isinstance(each, int | float) for each in value):
            yield Mutation("array", np.array(value), "same")
        if all(isinstance(each, Tensor) for each in value):
            yield Mutation("stacked", torch.stack(list(value)), "either")
            yield Mutation("arrays", [each.numpy() for each in value], "same")


def of_mapping(value, rng, choices):
    wrongs = {"number": 3, "word": "nonsense", "list": [1, 2], "object": object(), "nan": NAN}
    for name, wrong in wrongs.items():
        yield Mutation(name, wrong, "refused")
    yield Mutation("empty", {}, "either")
    yield Mutation("key of no word", {**value, 3: 4}, "either")
    yield Mutation("unknown key", {**value, "nonsense": next(iter(value.values()), 1)}, "either")
    for key in value:
        yield Mutation(f"None for {key}", {**value, key: None}, "either")
        yield Mutation(f"object for {key}", {**value, key: object()}, "either")
        yield Mutation(f"word for {key}", {**value, key: "nonsense"}, "either")


def of_dataset(value, rng, choices):
    wrongs = {"number": 3, "word": "nonsense", "list": [1], "dict": {"a": 1}, "object": object()}
    for name, wrong in wrongs.items():
        yield Mutation(name, wrong, "refused")
    yield Mutation("array", value[next(iter(value))] if len(value) else 3, "refused")
    yield Mutation("empty", xr.Dataset(), "either")
    yield Mutation("without attrs", value.drop_attrs(), "either")
    names = list(value.variables)
    for name in rng.permutation(names)[:12]:
        yield Mutation(f"without {name}", value.drop_vars(name), "either")
    for name in rng.permutation(list(value.data_vars))[:6]:
        variable = value[name]
        if variable.ndim:
            swapped = value.copy()
            swapped[name] = variable.isel({variable.dims[0]: 0}, drop=True)
            yield Mutation(f"{name} of fewer axes", swapped, "either")
        if variable.dtype.kind == "f":
            for bad in (NAN, INF, 1e200):
                swapped = value.copy()
                swapped[name] = variable * 0 + bad
                yield Mutation(f"{name} all {bad}", swapped, "either")
        swapped = value.copy()
        swapped[name] = variable.astype(str)
        yield Mutation(f"{name} in words", swapped, "either")
    for dim in list(value.sizes)[:4]:
        yield Mutation(f"one {dim}", value.isel({dim: [0]}), "either")
        yield Mutation(f"no {dim}", value.isel({dim: []}), "either")
        yield Mutation(f"{dim} called otherwise", value.rename_dims({dim: "nonsense"}), "either")
    for name in list(value.attrs)[:4]:
        swapped = copy.copy(value)
        swapped.attrs = {**value.attrs, name: "nonsense"}
        yield Mutation(f"attr {name} nonsense", swapped, "either")


def of_object(value, rng, choices):
    wrongs = {
        "number": 3.5,
        "word": "nonsense",
        "list": [1, 2],
        "empty list": [],
        "dict": {"a": 1},
        "object": object(),
        "class": object,
        "array": np.ones(2),
        "tensor": torch.ones(2),
    }
    for name, wrong in wrongs.items():
        yield Mutation(name, wrong, "refused")
    if isinstance(value, torch.dtype):
        yield Mutation("complex", torch.complex64, "refused")
        yield Mutation("whole numbers", torch.int64, "refused")
        yield Mutation("half", torch.float16, "either")
