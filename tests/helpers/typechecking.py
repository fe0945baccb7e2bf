"""What checks shapes and types of every call in the tests: beartype, behind jaxtyping's hook.

pytest's option `--jaxtyping-packages=loadpath,typechecking.checked` has every function and every
dataclass of the package decorated as it is imported. jaxtyping keeps the sizes of a call's axes,
which takes several times as long as beartype's check, so functions without shapes go to beartype
alone. Some functions are called a million times in a run: the first calls of each function are
checked, and then every so many. Functions inside functions are left alone, for they would get
their checks again whenever the outer one runs.
"""

import contextlib
import functools
import inspect
import random
import traceback
import typing
from importlib.machinery import SourceFileLoader
from unittest.mock import patch

import beartype
import jaxtyping
from beartype._check.code import codemain
from beartype.roar import BeartypeCallHintParamViolation, BeartypeDecorHintException
from jaxtyping import _import_hook

CHECK = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
"""An int will do where a float is asked for, as type checkers have it."""

codemain.getrandbits = random.Random(0).getrandbits
"""Where beartype looks into a list at random, it must not move Python's own random numbers."""

COMPILED = (
    "loadpath.spring_block.chain.flow_kernel",
    "loadpath.spring_block.chain.kernel",
    "loadpath.spring_block.networks.kernel",
)
"""Modules whose functions numba compiles, and which must be plain functions for that."""

FIRST, EVERY = 20, 200
"""Calls of each function, in each process, that are all checked; and how often one is after them.
Checking every call made a run of the tests twice as long."""

HOT = ("_leave_one_out", "as_rows", "torch_threads")
"""Left alone too: called by far the most, a helper and two generators whose hints say little."""

with_shapes = jaxtyping.jaxtyped


def hooked(thing=None, *, typechecker=None):
    """Decorate a function or dataclass as jaxtyping does, or for beartype alone."""
    if thing is None:
        return functools.partial(hooked, typechecker=typechecker)
    if thing.__module__ in COMPILED or thing.__name__ in HOT or "<locals>" in thing.__qualname__:
        return thing
    if not inspect.isfunction(thing):
        unchecked = thing.__init__
        with_shapes(thing, typechecker=typechecker)  # a dataclass: its __init__ gets the checks
        if thing.__init__ is not unchecked:
            checking = thing.__init__
            thing.__init__ = now_and_then(unchecked, lambda: checking)
        return thing
    return now_and_then(thing, functools.partial(strict_version, thing, typechecker))


def strict_version(function, typechecker):
    """Return the function with its checks: by beartype alone where no hint has a shape."""
    if not inspect.isgeneratorfunction(function) and shapeless(function):
        with contextlib.suppress(BeartypeDecorHintException):
            return without_shapes(function)
    return with_shapes(function, typechecker=typechecker)


def now_and_then(function, make_strict):
    """Call the strict version of a function at first, and then once in every so many calls.

    It is made when it is first called: a process calls few of the package's 2,000 functions, and
    to make all takes 8 seconds.
    """
    calls = 0
    strict = None

    @functools.wraps(function)
    def call(*args, **kwargs):
        nonlocal calls, strict
        calls += 1
        if calls > FIRST and calls % EVERY:
            return function(*args, **kwargs)
        if strict is None:
            strict = make_strict()
        return strict(*args, **kwargs)

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


def code_of_module(loader, name):
    """Read a module's code, under a file name of its own for the bytecode with the checks.

    jaxtyping gives Python's bytecode another file name while a module runs, so everything that
    the module imports, torch and matplotlib too, was compiled again: 10 seconds a process.
    """
    named = functools.partial(
        _import_hook._optimized_cache_from_source, loader._typechecker.get_hash()
    )
    with patch("importlib._bootstrap_external.cache_from_source", named):
        return SourceFileLoader.get_code(loader, name)


jaxtyping.jaxtyped = hooked
"""jaxtyping's hook looks its decorator up by this name."""

_import_hook._JaxtypingLoader.get_code = code_of_module
_import_hook._JaxtypingLoader.exec_module = SourceFileLoader.exec_module
