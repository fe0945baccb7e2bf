"""What is wrong with an option, in the user's terms: its name, the value, an example that works."""

from __future__ import annotations

import re
from dataclasses import MISSING, fields
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from loadpath.cli.options.mistakes.spelling import meant, names_of_options

KINDS: dict[Any, tuple[str, str, str]] = {
    bool: ("true or false", "true or false", "true"),
    int: ("a whole number", "whole numbers", "10"),
    float: ("a number", "numbers", "0.5"),
    str: ("text", "texts", "name"),
}
"""What a type is called, alone and in a list, and an example of it."""


def in_users_terms(said: str, name: str, command: Any) -> str:
    """Return what the parser says of a command line as one sentence for the one who typed it.

    Parameters
    ----------
    said : str
        What the parser says.
    name : str
        The command.
    command : type
        Its options.

    Returns
    -------
    str
        The sentence; what the parser says itself where nothing better is known.
    """
    said = " ".join(said.replace("Parser key", "option").split())
    hints = get_type_hints(command)
    if found := re.match(r"option \"config\": File does not exist: (.*)$", said):
        return f"--config must name a file of options, and there is no {found[1]}."
    # Of a union the value as a whole comes last, after what each of its types says.
    if found := re.match(r'option "(\w+)": (?:.*Given value:|.*?Got value:) (.*)$', said):
        option, value = found.groups()
        if option in hints:
            shown = value.replace("'", "") if value.startswith("[") else repr(value)
            return (
                f"{_spelt(option, command)} must be {described(hints[option])}, got {shown}; for "
                f"example {example(option, command)}."
            )
    if found := re.match(r"argument --(\w+): expected one argument", said):
        option = found[1]
        if option in hints:
            return (
                f"--{option} needs a value, {described(hints[option])}; for example "
                f"{example(option, command)}."
            )
    if found := re.match(r"argument --(\w+): ignored explicit argument (.*)$", said):
        return f"--{found[1]} takes no value, got {found[2]}."
    if found := re.match(r"unrecognized arguments: (.*)$", said):
        return (
            f"loadpath {name} knows nothing to do with {found[1]!r}; values follow an option, and "
            f"several stand in brackets; loadpath {name} --help lists them."
        )
    if found := re.match(r"the following arguments are required: (.*)$", said):
        missing = found[1].replace(f"{name}.", "")
        first = missing.split(",")[0]
        return (
            f"loadpath {name} needs {missing}; for example loadpath {name} "
            f"{EXAMPLES.get(first, first.upper())}."
        )
    if found := re.match(r"Subcommand '.*' does not accept option '(.*)'$", said):
        known = names_of_options(command)
        return f"loadpath {name} has no option {found[1]!r}{meant(found[1], known)}."
    return f"{said} (try --help)"


EXAMPLES = {"figure": "1a", "run_folder": "run", "entry": "my_model:load"}
"""Examples of what stands without a name."""


def described(hint: Any) -> str:
    """Say in words what values a type has."""
    if hint in KINDS:
        return KINDS[hint][0]
    arguments = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, arguments))}"
    if get_origin(hint) is tuple:
        return f"{_several(arguments[0])} in brackets"
    if not arguments:
        return "a value"
    kinds = [described(each) for each in arguments if each is not NoneType]
    return " or ".join([*dict.fromkeys(kinds), *(["null"] if NoneType in arguments else [])])


def _several(hint: Any) -> str:
    """Say what several values of a type are."""
    if hint in KINDS:
        return KINDS[hint][1]
    if get_origin(hint) is Literal:
        return f"some of {', '.join(map(str, get_args(hint)))}"
    return " or ".join(_several(each) for each in get_args(hint)) or "values"


def example(option: str, command: Any) -> str:
    """Return how an option is given, with its default or another value that it can have."""
    if option in EXAMPLES:
        return EXAMPLES[option]
    default = next(f.default for f in fields(command) if f.name == option)
    if default is None or default is MISSING or default == ():
        return f"--{option} {_example(get_type_hints(command)[option])}"
    return f"--{option} {_written(default)}"


def _written(value: Any) -> str:
    """Return a value as it is typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{','.join(map(_written, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _example(hint: Any) -> str:
    """Return a value of a type as it is typed."""
    if hint in KINDS:
        return KINDS[hint][2]
    arguments = [each for each in get_args(hint) if each is not NoneType]
    if get_origin(hint) is Literal:
        return str(arguments[0])
    if get_origin(hint) is tuple:
        return f"[{_example(arguments[0])}]"
    return _example(arguments[0]) if arguments else "1"


def _spelt(option: str, command: Any) -> str:
    """Return the name of an option as it is typed, bare where it has none."""
    bare = any(f.name == option and f.default is MISSING for f in fields(command))
    return option if bare else f"--{option}"
