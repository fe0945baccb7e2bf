"""What checks shapes and types of every call in the tests: beartype, behind jaxtyping's hook."""

import random
import sys

import beartype
from beartype._check.code import codemain
from beartype.roar import BeartypeDecorHintException

codemain.getrandbits = random.Random(0).getrandbits
"""Where beartype looks into a list at random, it must not move Python's own random numbers."""

CHECK = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
"""An int will do where a float is asked for, as type checkers have it."""

UNREAD: list[tuple[str, str, object]] = []
"""Hints that beartype cannot read: the function, the argument (or `return`) and the hint."""

COMPILED = ("loadpath.spring_block.chain.kernel", "loadpath.spring_block.networks.kernel")
"""Modules whose functions numba compiles, and which must be plain functions for that."""


def spare_compiled():
    """Let jaxtyping's hook pass over the modules that numba compiles; it has no option for that."""
    for finder in sys.meta_path:
        if hasattr(finder, "should_instrument"):
            hooks = finder.should_instrument
            finder.should_instrument = lambda name, hooks=hooks: name not in COMPILED and hooks(name)


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
