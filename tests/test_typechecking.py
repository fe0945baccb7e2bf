"""The check of shapes and types that the whole test run makes: see `helpers/typechecking.py`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import pandas
import pytest
import torch
import typechecking
import xarray as xr
from beartype.roar import BeartypeCallHintParamViolation, BeartypeCallHintReturnViolation
from jaxtyping import Float, TypeCheckError, jaxtyped
from numpy.typing import NDArray
from torch import Tensor

import loadpath as lp

LATE = {
    "Tensor": Tensor,
    "nn": torch.nn,
    "device": torch.device,
    "np": np,
    "NDArray": NDArray,
    "pd": pandas,
    "xr": xr,
}
"""What modules name that do not import it, so that they load fast."""

hooked = jaxtyped(typechecker=typechecking.checked)


@hooked
def product(
    A: Float[Tensor, "sample width"], B: Float[Tensor, "width new"], *, turned: bool = False
) -> Float[Tensor, "sample new"]:
    if not torch.is_tensor(B):
        raise ValueError(f"B must be a tensor, got {B}.")
    return (A @ B).T if turned else A @ B


@hooked
@dataclass
class Range:
    least: float

    def __post_init__(self):
        if isinstance(self.least, str):
            raise ValueError(f"least must be a number, got {self.least}.")


def functions_of(module):
    """The classes, methods and functions that a module defines, without their wrappers."""
    for thing in vars(module).values():
        if getattr(thing, "__module__", None) == module.__name__:
            members = vars(thing).values() if inspect.isclass(thing) else ()
            for member in (thing, *members):
                function = inspect.unwrap(getattr(member, "fget", None) or member)
                written = getattr(getattr(function, "__code__", None), "co_filename", "<string>")
                if inspect.isclass(function) or written != "<string>":  # not made by dataclass
                    yield function


@hooked
def first(A: Float[Tensor, "sample width"], B: Float[Tensor, "width new"]) -> None: ...


class OnlyForTypeCheckers(Protocol):
    def go(self) -> None: ...


@hooked
def with_protocol(way: OnlyForTypeCheckers, n: int) -> None: ...


A, B = torch.ones(3, 2), torch.ones(2, 4)


def test_right_calls_pass_and_an_int_is_a_float():
    assert product(A, B).shape == (3, 4)
    assert Range(1).least == 1


def test_a_wrong_result_is_found():
    with pytest.raises(TypeCheckError) as wrong:
        product(A, B, turned=True)
    assert isinstance(wrong.value.__cause__, BeartypeCallHintReturnViolation)


def test_a_wrong_argument_that_is_accepted_is_found():
    with pytest.raises(TypeCheckError) as wrong:
        product(A, B, turned=0)
    assert isinstance(wrong.value.__cause__, BeartypeCallHintParamViolation)
    with pytest.raises(TypeCheckError):
        Range([1.0])


def test_shapes_that_do_not_fit_each_other_are_found():
    first(A, B)
    with pytest.raises(TypeCheckError, match="width"):
        first(A, A)


def test_a_wrong_argument_that_is_refused_gives_its_own_sentence():
    with pytest.raises(ValueError, match="B must be a tensor, got 2."):
        product(A, 2)
    with pytest.raises(ValueError, match="least must be a number, got few."):
        Range("few")


def test_the_other_hints_of_a_function_are_checked_where_one_cannot_be_read():
    with_protocol(None, 1)
    with pytest.raises(TypeCheckError):
        with_protocol(None, "one")


def test_the_package_is_checked_in_this_run():
    assert hasattr(lp.layer_steps.equidistant, "__wrapped__")


@pytest.fixture(scope="module")
def hints():
    """The hints of every function of the package."""
    found = []
    for module in pkgutil.walk_packages(lp.__path__, "loadpath."):
        if not module.name.endswith("__main__"):
            for function in functions_of(importlib.import_module(module.name)):
                # jaxtyping checks nothing where a hint names nothing, and says nothing of it.
                named = typing.get_type_hints(function, None, LATE, True)
                found += named.items()
    return found


def test_self_is_all_that_cannot_be_read(hints):
    each = {
        (name == "return", str(hint)): (name, hint)
        for name, hint in hints
        if typing.get_origin(hint) is not typing.ClassVar
    }
    assert len(each) > 100
    unread = [hint for name, hint in each.values() if not typechecking.readable(name, hint)]
    assert [hint for hint in unread if hint is not Self] == []
