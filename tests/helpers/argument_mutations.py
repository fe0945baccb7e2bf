"""Wrong, odd and equivalent values in place of one valid argument, by what kind of thing it is."""

import copy
from collections import OrderedDict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
import xarray as xr
from argument_arrays import of_array, of_tensor
from argument_datasets import of_dataset
from argument_outcomes import INF, NAN, Mutation, each
from torch import Tensor


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
        (Path, of_path),
        (Tensor, of_tensor),
        (np.ndarray, of_array),
        (xr.Dataset, of_dataset),
        (dict, of_mapping),
        ((list, tuple), of_sequence),
        (torch.nn.Module, of_module),
    )
    if isinstance(value, str):
        yield from of_word(value, choices)
        return
    for kind, make in kinds:
        if isinstance(value, kind):
            yield from make(value, rng)
            return
    yield from of_object(value, rng)


def of_bool(value, rng):
    yield Mutation("NumPy's", np.bool_(value), "same")
    wrongs = {"word": "no", "two": 2, "list": [value], "nan": NAN, "array": np.ones(2)}
    wrongs |= {"zero": 0, "one": 1, "0-d": torch.tensor(value), "0-d array": np.array(value)}
    wrongs |= {"empty": "", "object": object(), "class": bool}
    yield from each("refused", wrongs)


def of_int(value, rng):
    yield Mutation("NumPy's", np.int64(value), "same")
    small = {"NumPy's small": np.int16(value), "NumPy's without sign": np.uint32(value)}
    yield from each("refused", small)  # their products would overflow
    wrongs = {
        "bool": True,
        "NumPy's bool": np.bool_(True),
        "fraction": value + 0.5,
        "word": str(value),
        "bytes": str(value).encode(),
        "nan": NAN,
        "NumPy's nan": np.float64(NAN),
        "infinity": INF,
        "negative": -1,
        "very negative": -(2**63),
        "huge": 10**30,
        "unsigned and huge": np.uint64(2**63),
        "list": [value],
        "array": np.array([value]),
        "tensor": torch.tensor([value, value]),
        "complex": complex(value, 1),
        "object": object(),
        "dict": {"a": value},
        "class": int,
        "date": np.datetime64("2026-01-01"),
        "range": range(value),
    }
    yield from each("refused", wrongs)
    odds = {
        "zero": 0,
        "one": 1,
        "two": 2,
        "three": 3,
        "one more": value + 1,
        "one less": value - 1,
        "float": float(value),
        "NumPy's float": np.float32(value),
        "0-d": torch.tensor(value),
        "0-d array": np.array(value),
        "Fraction": Fraction(value),
        "Decimal": Decimal(value),
        "above what 32 bits hold": 2**31,
    }
    yield from each("either", odds)


def of_float(value, rng):
    yield Mutation("NumPy's", np.float64(value), "same")
    if value == int(value):
        yield Mutation("int", int(value), "same")
        yield Mutation("NumPy's int", np.int64(value), "same")
        yield Mutation("NumPy's small int", np.int8(value), "refused")
    wrongs = {
        "word": str(value),
        "bytes": str(value).encode(),
        "percent": f"{value:.0%}",
        "nan": NAN,
        "NumPy's nan": np.float32(NAN),
        "list": [value, value, value, value, value],
        "list of one": [value],
        "array of one": np.array([value]),
        "tensor of one": torch.tensor([value]),
        "complex": complex(value, 1),
        "complex without imaginary part": complex(value, 0),
        "object": object(),
        "dict": {"a": value},
        "class": float,
        "date": np.datetime64("2026-01-01"),
        "duration": np.timedelta64(1, "s"),
        "function": len,
    }
    # A list of numbers may do where an array of any shape does.
    yield from each("refused", wrongs)
    odds = {
        "NumPy's small": np.float32(value),
        "half": np.float16(value),
        "long double": np.longdouble(value),
        "infinity": INF,
        "minus infinity": -INF,
        "negative": -abs(value) - 0.5,
        "slightly negative": -1e-12,
        "zero": 0.0,
        "negative zero": -0.0,
        "one": 1.0,
        "slightly less than one": 1 - 1e-12,
        "slightly more than one": 1 + 1e-12,
        "hundred": 100.0,
        "large": 1e12,
        "larger": 1e50,
        "huge": 1e200,
        "very huge": 1.7e308,
        "small": 1e-12,
        "smaller": 1e-50,
        "tiny": 1e-300,
        "denormal": 5e-324,
        "bool": True,
        "0-d": torch.tensor(value),
        "0-d array": np.array(value),
        "fraction": Fraction(value).limit_denominator(1000),
        "Decimal": Decimal(repr(value)),
        "huge int": 10**400,
    }
    yield from each("either", odds)


def of_word(value, choices):
    wrongs = {"number": 3, "list": [value], "nan": NAN, "bytes": value.encode(), "bool": True}
    wrongs |= {"tuple": (value,), "object": object(), "class": str, "dict": {value: 1}}
    wrongs |= {"array": np.array([value])}
    if choices:
        wrongs |= {
            "unknown": "nonsense",
            "empty": "",
            "capital": value.capitalize() if value.capitalize() != value else value.lower(),
            "upper case": value.upper() if value.upper() != value else value.lower(),
            "space": value + " ",
            "space before": " " + value,
            "beginning": value[:-1],
            "long": value * 1000,
            "line": value + "\n",
        }
        if "_" in value or "-" in value:
            wrongs["other hyphen"] = value.translate(str.maketrans("_-", "-_"))
    else:
        yield from each("either", {"empty": "", "long": "x" * 5000, "line": "a\nb", "null": "a\0b"})
        yield from each("either", {"half a sign": "\ud800", "tags": "<b>&", "slash": "../a"})
    for mutation in each("refused", wrongs):
        if not (mutation.name == "number" and choices and 3 in choices):
            yield mutation
    yield Mutation("NumPy's", np.str_(value), "same")


def of_path(value, rng):
    yield Mutation("text", str(value), "same")
    wrongs = {"number": 3, "list": [value], "nan": NAN, "bool": True, "null": "a\0b"}
    wrongs |= {"object": object(), "class": Path, "dict": {"a": value}, "half a sign": "\ud800"}
    wrongs |= {"bytes": bytes(value), "unknown home": "~nobody of this name/a"}
    yield from each("refused", wrongs)
    odds = {
        "elsewhere": value.parent / "there is none",
        "folder": value.parent,
        "empty": "",
        "long": value.parent / ("x" * 5000),
        "below a file": Path(__file__) / "a" / value.name,
        "device": Path("/dev/null"),
        "other kind": value.with_suffix(".txt"),
    }
    yield from each("either", odds)


def of_sequence(value, rng):
    kind = type(value)
    other = tuple(value) if kind is list else list(value)
    yield Mutation("other kind", other, "same")
    wrongs = {"number": 3.5, "word": "nonsense", "object": object(), "nan": NAN, "class": list}
    wrongs |= {"whole number": 3, "bytes": b"ab", "dict": {"a": 1}, "function": len}
    yield from each("refused", wrongs)
    odds = {"empty": kind(), "generator": (part for part in value), "deque": deque(value)}
    odds |= {"list of it": [value], "backwards": kind(reversed(value)), "twice": value + value}
    yield from each("either", odds)
    if not value:
        return
    yield Mutation("one", value[:1], "either")
    yield Mutation("one too many", kind([*value, value[-1]]), "either")
    at = int(rng.integers(len(value)))

    def swapped(inside):
        return kind([*value[:at], inside, *value[at + 1 :]])

    for name, wrong in {"None": None, "object": object(), "dict": {}, "class": object}.items():
        yield Mutation(f"{name} inside", swapped(wrong), "refused")
    for name, odd in {"word": "nonsense", "list": [value[at]], "nan": NAN, "bool": True}.items():
        yield Mutation(f"{name} inside", swapped(odd), "either")
    if all(isinstance(part, int | float | Tensor | torch.nn.Module) for part in value):
        for inside in mutations(value[at], optional=False, choices=None):
            fits = inside.outcome if isinstance(value[at], Tensor) else "either"
            yield Mutation(f"{inside.name} inside", swapped(inside.value), fits, inside.tolerance)
    if all(isinstance(part, xr.Dataset) for part in value):
        for inside in mutations(value[at], optional=False, choices=None):
            yield Mutation(
                f"{inside.name} inside", swapped(inside.value), inside.outcome, inside.tolerance
            )
    if all(isinstance(part, int | float) for part in value):
        yield Mutation("array", np.array(value), "same")
    if all(isinstance(part, Tensor) for part in value):
        yield Mutation("stacked", torch.stack(list(value)), "either")
        yield Mutation("arrays", [part.numpy() for part in value], "same")
        yield Mutation("another type inside", swapped(value[at].float()), "either")


def of_mapping(value, rng):
    wrongs = {"number": 3, "word": "nonsense", "list": [1, 2], "object": object(), "nan": NAN}
    wrongs |= {"pairs": list(value.items()), "class": dict, "set": set(value)}
    yield from each("refused", wrongs)
    yield from each("same", {"in order": OrderedDict(value), "view": MappingProxyType(value)})
    yield Mutation("empty", {}, "either")
    first = next(iter(value.values()), 1)
    for name, key in {
        "no word": 3,
        "nothing": None,
        "bytes": b"a",
        "a pair": ("a", 1),
        "no letters": "",
        "a slash": "a/b",
        "a null": "a\0b",
        "half a sign": "\ud800",
        "words": "not a name",
    }.items():
        yield Mutation(f"key of {name}", {**value, key: first}, "either")
    yield Mutation("unknown key", {**value, "nonsense": first}, "either")
    yield Mutation("unknown key of a copy", {**value, "nonsense": copy.copy(first)}, "either")
    for key in value:
        for name, wrong in {
            "None": None,
            "object": object(),
            "word": "nonsense",
            "nan": NAN,
            "list": [1, 2],
            "dict": {"a": 1},
            "function": len,
            "array": np.ones(2),
            "complex": 1j,
            "half a sign": "\ud800",
            "huge": 10**400,
        }.items():
            yield Mutation(f"{name} for {key}", {**value, key: wrong}, "either")
        if isinstance(value[key], Tensor | xr.Dataset):
            for inside in mutations(value[key], optional=False, choices=None):
                fits = "either" if isinstance(value[key], Tensor) else inside.outcome
                yield Mutation(f"{inside.name} for {key}", {**value, key: inside.value}, fits)


def of_module(value, rng):
    """Nets that are no nets, and nets whose weights are not what they should be."""
    yield from of_object(value, rng)

    def changed(change):
        model = copy.deepcopy(value)
        with torch.no_grad():
            change(model)
        return model

    def fill(number):
        def change(model):
            for parameter in model.parameters():
                parameter.fill_(number)

        return change

    def scale(number):
        def change(model):
            for parameter in model.parameters():
                parameter.mul_(number)

        return change

    yield Mutation("copy", copy.deepcopy(value), "same")
    yield Mutation("being evaluated", changed(lambda model: model.eval()), "same")
    yield Mutation("frozen", changed(lambda model: model.requires_grad_(False)), "either")
    yield Mutation("another net", torch.nn.Linear(2, 2), "either")
    yield Mutation("empty net", torch.nn.Sequential(), "either")
    for name, change in {
        "weights nan": fill(NAN),
        "weights infinite": fill(INF),
        "weights 0": fill(0.0),
        "weights huge": scale(1e200),
        "weights large": scale(1e20),
        "weights tiny": scale(1e-200),
        "in half": lambda model: model.half(),
        "in bfloat16": lambda model: model.bfloat16(),
        "in float32": lambda model: model.float(),
        "in float64": lambda model: model.double(),
        "without memory": lambda model: model.to("meta"),
    }.items():
        yield Mutation(name, changed(change), "either")


def of_object(value, rng):
    wrongs = {
        "number": 3.5,
        "whole number": 3,
        "word": "nonsense",
        "list": [1, 2],
        "list of it": [value],
        "empty list": [],
        "dict": {"a": 1},
        "object": object(),
        "class": object,
        "its class": type(value),
        "array": np.ones(2),
        "tensor": torch.ones(2),
        "nan": NAN,
        "bytes": b"ab",
    }
    if not callable(value) or isinstance(value, torch.nn.Module):
        wrongs["function"] = lambda *_, **__: None
    else:  # classes may be called, and raise what they like
        wrongs = {name: wrong for name, wrong in wrongs.items() if "class" not in name}
    yield from each("refused", wrongs)
    if callable(value) and not isinstance(value, torch.nn.Module):
        odds = {
            "function that gives nothing": lambda *_, **__: None,
            "function that gives a word": lambda *_, **__: "nonsense",
            "function that gives NaN": lambda *_, **__: NAN,
            "function that gives an empty list": lambda *_, **__: [],
        }
        yield from each("either", odds)
    if isinstance(value, torch.dtype):
        yield Mutation("complex", torch.complex64, "refused")
        yield Mutation("whole numbers", torch.int64, "refused")
        yield Mutation("bool", torch.bool, "refused")
        yield Mutation("NumPy's", np.float64, "refused")
        yield from each("either", {"half": torch.float16, "bfloat16": torch.bfloat16})
        yield from each("either", {"float8": torch.float8_e4m3fn})
