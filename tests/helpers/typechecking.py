"""What checks shapes and types of every call in the tests: beartype, behind jaxtyping's hook.

pytest's option `--jaxtyping-packages=loadpath,typechecking.checked` has every function and every
dataclass of the package decorated as it is imported. jaxtyping keeps the sizes of a call's axes,
which takes several times as long as beartype's check, so functions without shapes go to beartype
alone. Inner functions are called a million times in a run: the first calls of each function are
checked, and then every so many.
"""

import contextlib
import functools
import inspect
import random
import traceback
import typing

import beartype
import jaxtyping
from beartype._check.code import codemain
from beartype.roar import BeartypeCallHintParamViolation, BeartypeDecorHintException

CHECK = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
"""An int will do where a float is asked for, as type checkers have it."""

codemain.getrandbits = random.Random(0).getrandbits
"""Where beartype looks into a list at random, it must not move Python's own random numbers."""

UNREAD: list[tuple[str, str, object]] = []
"""Hints that beartype cannot read: the function, the argument (or `return`) and the hint."""

COMPILED = ("loadpath.spring_block.chain.kernel", "loadpath.spring_block.networks.kernel")
"""Modules whose functions numba compiles, and which must be plain functions for that."""

FIRST, EVERY = 100, 50
"""Calls of each function, in each process, that are all checked; and how often one is after them.
Checking every call made a run of the tests twice as long."""

HOT = ("_leave_one_out", "as_rows", "torch_threads")
"""Left alone too: called by far the most, a helper and two generators whose hints say little."""

with_shapes = jaxtyping.jaxtyped


def hooked(thing=None, *, typechecker=None):
    """Decorate a function or dataclass as jaxtyping does, or for beartype alone."""
    if thing is None:
        return functools.partial(hooked, typechecker=typechecker)
    if thing.__module__ in COMPILED or thing.__name__ in HOT:
        return thing
    if not inspect.isfunction(thing):
        return with_shapes(thing, typechecker=typechecker)
    if not inspect.isgeneratorfunction(thing) and shapeless(thing):
        with contextlib.suppress(BeartypeDecorHintException):
            return now_and_then(thing, without_shapes(thing))
    return now_and_then(thing, with_shapes(thing, typechecker=typechecker))


def now_and_then(function, strict):
    """Call the strict version of a function at first, and then once in every so many calls."""
    calls = 0

    @functools.wraps(function)
    def call(*args, **kwargs):
        nonlocal calls
        calls += 1
        chosen = strict if calls <= FIRST or calls % EVERY == 0 else function
        return chosen(*args, **kwargs)

    return call


def shapeless(function):
    """Whether no hint of a function has a shape."""
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError:  # of a class that is not yet there
        return False
    return not any(map(has_shape, hints.values()))


def has_shape(hint):
    """Whether a hint is an array of jaxtyping's, or made of one."""
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    parts = typing.get_args(hint)
    return any(has_shape(part) for part in parts if not isinstance(part, str | list))


def without_shapes(function):
    """Check arguments and result of a call; let the function refuse a bad argument itself."""
    strict = CHECK(function)

    @functools.wraps(function)
    def call(*args, **kwargs):
        try:
            return strict(*args, **kwargs)
        except BeartypeCallHintParamViolation as wrong:
            called = [frame.f_code for frame, _ in traceback.walk_tb(wrong.__traceback__)]
            if function.__code__ not in called:  # so it is not of a call further in
                function(*args, **kwargs)
            raise

    return call


def checked(function):
    """Check arguments and result of a call when it is over.

    jaxtyping makes two functions of a signature and has both decorated: one that it calls before
    the call, with the arguments, and one after it, with the arguments and the result, `ret0`. The
    first is left alone: a function that refuses a bad argument does so in its own words, which
    tests compare, and a bad argument that it accepts is found by the second.
    """
    hints = function.__annotations__
    if "ret0" not in hints:
        return function
    try:
        return CHECK(function)
    except BeartypeDecorHintException:
        for name, hint in hints.items():
            if not readable(name, hint):
                UNREAD.append((f"{function.__module__}.{function.__qualname__}", name, hint))
                hints[name] = object
        return CHECK(function)


def readable(name, hint):
    """Whether beartype can check a value against a hint of an argument, or of what is returned.

    It cannot where the hint is a Protocol that is only for type checkers, or Self, which has a
    meaning only where beartype decorates the whole class.
    """

    def hinted(value): ...

    hinted.__annotations__ = {name if name == "return" else "value": hint}
    try:
        CHECK(hinted)
    except BeartypeDecorHintException:
        return False
    return True


jaxtyping.jaxtyped = hooked
"""jaxtyping's hook looks its decorator up by this name."""
