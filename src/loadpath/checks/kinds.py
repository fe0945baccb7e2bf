"""Checks of what a value is: a flag, one of a few words, text, a function, a list, a path."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any

from loadpath.checks.values import shown


def check_flag(name: str, value: object) -> None:
    """Refuse what is not True or False, such as the word "no", which Python takes for True.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given; NumPy's booleans will do.

    Raises
    ------
    ValueError
        If `value` is neither.
    """
    if not isinstance(value, bool) and type(value).__name__ not in ("bool", "bool_"):
        raise ValueError(f"{name} must be True or False, got {shown(value)}.")


def check_choice(name: str, value: object, choices: Iterable[str]) -> None:
    """Refuse what is not one of a few words, written as they are.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given.
    choices : iterable of str
        The words.

    Raises
    ------
    ValueError
        If `value` is none of them.
    """
    words = tuple(choices)
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{name} must be one of {', '.join(words)}, got {shown(value)}.")


def check_text(name: str, value: object) -> None:
    """Refuse what is not text.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given.

    Raises
    ------
    ValueError
        If `value` is not a str, or has half signs, which no file can hold.
    """
    if not isinstance(value, str):
        raise ValueError(f"{name} must be text, got {shown(value)}.")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ValueError(f"{name} must be text that can be written, got {shown(value)}.")


def check_type(
    name: str, value: object, kinds: type | UnionType | tuple[type, ...], words: str
) -> None:
    """Refuse what is not of a class.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given.
    kinds : type, union or tuple of types
        The classes that it may be of.
    words : str
        What they are called, such as "a LeakyResNet".

    Raises
    ------
    ValueError
        If `value` is of none of them.
    """
    if not isinstance(value, kinds):
        raise ValueError(f"{name} must be {words}, got {shown(value)}.")


def check_callable(name: str, value: object) -> None:
    """Refuse what cannot be called.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : object
        What was given.

    Raises
    ------
    ValueError
        If `value` is no function.
    """
    if not callable(value):
        raise ValueError(f"{name} must be a function, got {shown(value)}.")


def as_list(name: str, values: Any, words: str, *, fewest: int = 0) -> list[Any]:
    """Return a list of what was given, of any number of things but one.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : iterable
        What was given. Text and mappings are refused: they can be gone through, but seldom by what
        is meant.
    words : str
        What there are to be many of, such as "layers".
    fewest : int
        How many there must be.

    Returns
    -------
    list
        The things.

    Raises
    ------
    ValueError
        If `values` cannot be gone through, or there are fewer.
    """
    try:
        if isinstance(values, str | bytes | dict | type):
            raise TypeError
        found = list(values)
    except TypeError:
        raise ValueError(f"{name} must be a list of {words}, got {shown(values)}.") from None
    if len(found) < fewest:
        raise ValueError(f"{name} must hold at least {fewest} {words}, got {len(found)}.")
    return found


def as_path(name: str, value: object) -> Path:
    """Return a path with `~` and `~user` at its beginning replaced by the home that they name.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    value : str or path-like
        What was given.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    ValueError
        If `value` is no path, if no file can have that name, or if there is no such user.
    """
    path = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError(f"{name} must be a path, got {shown(value)}.")
    try:
        found = Path(path).expanduser()
        found.lstat()
    except RuntimeError:
        raise ValueError(f"{name} must begin with a home that is known, got {path!r}.") from None
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be a path, and no file can be called {path!r}.") from None
    except OSError as error:  # most often there is no such file yet
        if error.errno == errno.ENAMETOOLONG:
            raise ValueError(f"{name} must be shorter, got {shown(path)}.") from None
    return found
