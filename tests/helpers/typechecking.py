"""What checks shapes and types of every call in the tests: beartype, behind jaxtyping's hook."""

import beartype
from beartype.roar import BeartypeDecorHintException

CHECK = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))
"""An int will do where a float is asked for, as type checkers have it."""


def checked(function):
    """Check every call of a function, if beartype can read all of its hints.

    It cannot where a hint is a Protocol that is only for type checkers, or Self outside of a class
    that it decorates as a whole.
    """
    try:
        return CHECK(function)
    except BeartypeDecorHintException:
        return function
