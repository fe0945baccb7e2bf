"""Read the words of a command line: which command, and its options."""

# The options are classes of their own, and not the signatures of `fit`, `geodesic.solve`,
# `simulate`, `chain_phase_diagram` and `diagnose`, though jsonargparse could read those. To read a
# signature one has to import its module: that alone took 2.1 times as long as `import torch` and
# 1.8 times its memory (medians of 5 turns), where `loadpath --help` now takes 0.15 and 0.12 times
# as much (benchmarks/start.py). That both say the same is tested in tests/cli/test_options.py.

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import re
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser, set_parsing_settings

from loadpath.cli.options.chain import ChainOptions
from loadpath.cli.options.geodesic import GeodesicOptions
from loadpath.cli.options.mistakes import check_spelling, in_users_terms
from loadpath.cli.options.models import DiagnoseOptions, LawsOptions, SurgeryOptions
from loadpath.cli.options.pages import (
    DemoOptions,
    ExploreOptions,
    FiguresOptions,
    ReportOptions,
)
from loadpath.cli.options.phase_diagram import FORMERLY, PhaseDiagramOptions
from loadpath.cli.options.shared import FLAGS, LOUDNESS, SWITCHES
from loadpath.cli.options.train import TrainOptions
from loadpath.cli.options.tune import TuneOptions

COMMANDS: dict[str, Any] = {
    "demo": DemoOptions,
    "train": TrainOptions,
    "geodesic": GeodesicOptions,
    "chain": ChainOptions,
    "phase-diagram": PhaseDiagramOptions,
    "diagnose": DiagnoseOptions,
    "laws": LawsOptions,
    "surgery": SurgeryOptions,
    "tune": TuneOptions,
    "figures": FiguresOptions,
    "report": ReportOptions,
    "explore": ExploreOptions,
}
"""The options of every command; the module that has its name here has the function `run`."""
_OPTION = re.compile(r"^--[a-z0-9-]+")
_LOUD = {word for name in LOUDNESS for word in (f"-{name[0]}", f"--{name}")}


class _Cite(argparse.Action):
    """Print how to cite the software and the papers, and leave."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str, **_: Any) -> None:
        """Take no value."""
        super().__init__(option_strings, dest=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        """Print and leave."""
        from loadpath.citing import cite

        cite()
        parser.exit(0)


def parser(named: frozenset[str]) -> ArgumentParser:
    """Return the parser: a subcommand for each command, its options from the fields.

    Parameters
    ----------
    named : frozenset of str
        The commands whose options are read or shown. The others have a summary and no options: to
        make those of all commands takes several times as long as to make one command's.
    """
    set_parsing_settings(
        docstring_parse_attribute_docstrings=True, add_print_completion_argument=True
    )
    top = ArgumentParser(
        prog="loadpath",
        description="The mechanics of feature learning: which layers do the work, and how. "
        "Options may be written with dashes or underscores.",
        version=version("loadpath"),
        exit_on_error=False,
    )
    top.add_argument(
        "--cite", action=_Cite, help="Print BibTeX of Loadpath and of the two papers, and exit."
    )
    subcommands = top.add_subcommands(required=True)
    for name, command in COMMANDS.items():
        summary = (command.__doc__ or "").splitlines()[0]
        sub = ArgumentParser(description=summary, exit_on_error=False)
        if name in named:
            _add_options(sub, command)
        subcommands.add_subcommand(name, sub, help=summary)
    return top


def _add_options(sub: ArgumentParser, command: Any) -> None:
    """Give a command's parser its options."""
    sub.add_argument(
        "--config",
        action=ActionConfigFile,
        help="YAML file of options; those on the command line win over it",
    )
    bare = {**FLAGS, **SWITCHES}
    flags = [flag for flag in bare if flag in command.__dataclass_fields__]
    sub.add_class_arguments(command, as_group=False, as_positional=True, skip=set(flags))
    for flag in flags:
        sub.add_argument(f"--{flag}", action="store_true", help=bare[flag])
    for word, meaning in LOUDNESS.items():
        sub.add_argument(f"-{word[0]}", f"--{word}", action="store_true", help=meaning)


def parse(arguments: Sequence[str]) -> tuple[str, dict[str, Any], dict[str, bool]]:
    """Return the command that the words of a command line name, its options, and how loud it is.

    Parameters
    ----------
    arguments : sequence of str
        The words.

    Returns
    -------
    command : str
        The command.
    values : dict
        The options as they were given, with the defaults of the others.
    loudness : dict
        Whether it is to be quiet, and whether verbose.

    Raises
    ------
    ValueError
        If there is no such command or option, or if a value is of another type.
    """
    words = normal_form(arguments)
    check_completion(words)
    named = frozenset(COMMANDS) & frozenset(words)
    if any(word.startswith("--print_completion") for word in words[:1]):
        named = frozenset(COMMANDS)
    else:
        check_spelling(words, COMMANDS)
    try:
        config = parser(named).parse_args(words)
    except argparse.ArgumentError as error:
        command = words[0] if words else ""
        if command in COMMANDS:
            raise ValueError(in_users_terms(str(error), command, COMMANDS[command])) from None
        if all(word.startswith("-") for word in words):
            known = ",".join(COMMANDS)
            raise ValueError(f"name a command, one of {{{known}}} (try --help)") from None
        raise ValueError(f"{' '.join(str(error).split())} (try --help)") from None
    values = config[config.subcommand].as_dict()
    values.pop("config", None)
    loudness = {name: bool(values.pop(name)) for name in LOUDNESS}
    if all(loudness.values()):
        raise ValueError("quiet and verbose exclude each other, got both.")
    return config.subcommand, values, loudness


def check_completion(words: Sequence[str]) -> None:
    """Refuse to print a completion script where shtab, which writes it, is not installed."""
    if any("shtab-" in word for word in words[:2]) and importlib.util.find_spec("shtab") is None:
        raise ValueError("shell completion needs shtab: pip install 'loadpath[completion]'.")


def check_configs(files: Sequence[str]) -> None:
    """Refuse config files that were damaged, or that unpack to more than they are."""
    if not files:  # most calls have none, and need nothing loaded
        return
    from loadpath.storage import check_settings_file

    for file in map(os.path.expanduser, files):
        if os.path.isfile(file):  # the parser says what else is wrong
            check_settings_file(file)


def normal_form(arguments: Sequence[str]) -> list[str]:
    """Spell options as the config file's keys, and put config files before all other options.

    What comes later wins, and what is typed is meant to win over a file wherever it stands.
    """
    files = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    files.add_argument("--config", action="append", default=[])
    known, rest = files.parse_known_args(
        [_OPTION.sub(lambda m: "--" + m[0][2:].replace("-", "_"), word) for word in arguments]
    )
    check_configs(known.config)
    former = former_defaults(rest, known.config)
    # How loud a command is may be said before its name too.
    loud = [*itertools.takewhile(lambda word: word in _LOUD, rest)]
    rest = [*rest[len(loud) : len(loud) + 1], *loud, *rest[len(loud) + 1 :]]
    return [*rest[:1], *(f"--config={file}" for file in known.config), *former, *rest[1:]]


def former_defaults(words: Sequence[str], files: Sequence[str]) -> list[str]:
    """Return options that config files of earlier versions mean, where the default is another now.

    Those are files that a run of networks wrote, which has a version, without naming the option. A
    file that is written by hand means the defaults of today.
    """
    command = next((word for word in words if not word.startswith("-")), "")
    if not files or command != "phase-diagram":
        return []
    import yaml

    held: dict[str, Any] = {}
    for file in map(os.path.expanduser, files):
        if os.path.isfile(file):
            with open(file, encoding="utf-8") as text:  # `check_configs` has checked what it holds
                content = yaml.safe_load(text)
            held |= content if isinstance(content, dict) else {}
    if "config_version" not in held or held.get("chain", False) is not False:
        return []
    return [f"--{name}={value}" for name, value in FORMERLY.items() if name not in held]
