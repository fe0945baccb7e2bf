"""Commands and options as they are spelt: no part of a name stands for it, and slips are named."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

COMMON = ("config", "print_config", "help", "quiet", "verbose")
"""Options that every command has."""
TOP = ("help", "version", "cite", "print_completion", "quiet", "verbose")
"""Options that stand before a command, or without one."""


def names_of_options(command: Any) -> list[str]:
    """Return the names of a command's options: its fields, less those that are given bare."""
    named = [f.name for f in fields(command) if f.default is not MISSING]
    return [*named, *COMMON]


def check_spelling(words: Sequence[str], commands: Mapping[str, Any]) -> None:
    """Refuse a command or an option that there is not, and say which may have been meant.

    Parameters
    ----------
    words : sequence of str
        The words of a command line, options with underscores.
    commands : mapping of str to type
        The options of every command, by its name.

    Raises
    ------
    ValueError
        If a name is not spelt out, or spelt wrongly.
    """
    place, command = next(
        ((i, word) for i, word in enumerate(words) if not word.startswith("-")), (len(words), "")
    )
    for word in words[:place]:
        _check_option(word, TOP, "loadpath")
    if not command:
        return
    if command not in commands:
        raise ValueError(
            f"there is no command {command!r}{meant(command, commands)}; it must be one of "
            f"{', '.join(commands)}."
        )
    for word in words[place + 1 :]:
        if word == "--":
            return
        _check_option(word, names_of_options(commands[command]), f"loadpath {command}")


def _check_option(word: str, known: Sequence[str], command: str) -> None:
    """Refuse one word if it is an option that is not known."""
    if not word.startswith("--") or word == "--":
        return
    name = word[2:].partition("=")[0].rstrip("+")
    if name not in known:
        raise ValueError(
            f"{command} has no option --{name}{meant(name, known, '--')}; {command} --help lists "
            "those that it has."
        )


def meant(name: str, known: Iterable[str], mark: str = "") -> str:
    """Ask whether a name that is like one that is known was meant; "" if none is like it."""
    known = list(known)
    longer = [each for each in known if name and each.startswith(name)]
    like = longer[:1] if len(longer) == 1 else difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {mark}{like[0]}?)" if like else ""
