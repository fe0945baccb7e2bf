"""The command line: parse, call, write, and leave with an exit code.

What parses loads nothing heavy: help, the version and a wrong option answer at once. Only a command
that is to run loads the module of its name, and with it torch.
"""

# The options are classes of their own, and not the signatures of `fit`, `geodesic.solve`,
# `simulate`, `chain_phase_diagram` and `diagnose`, though jsonargparse could read those. To read a
# signature one has to import its module: that alone took 2.1 times as long as `import torch` and
# 1.8 times its memory (medians of 5 turns), where `loadpath --help` now takes 0.15 and 0.12 times
# as much (benchmarks/start.py). That both say the same is tested in tests/cli/test_options.py.

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from jsonargparse import ActionConfigFile, ArgumentParser, set_parsing_settings

from loadpath.cli.options import (
    FLAGS,
    SWITCHES,
    ChainOptions,
    DemoOptions,
    DiagnoseOptions,
    FiguresOptions,
    GeodesicOptions,
    PhaseDiagramOptions,
    ReportOptions,
    TrainOptions,
    with_homes,
)

COMMANDS: dict[str, Any] = {
    "demo": DemoOptions,
    "train": TrainOptions,
    "geodesic": GeodesicOptions,
    "chain": ChainOptions,
    "phase-diagram": PhaseDiagramOptions,
    "diagnose": DiagnoseOptions,
    "figures": FiguresOptions,
    "report": ReportOptions,
}
"""The options of every command; the module that has its name here has the function `run`."""
_OPTION = re.compile(r"^--[a-z0-9-]+")


def parser() -> ArgumentParser:
    """Return the parser: a subcommand for each command, its options from the fields."""
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
    subcommands = top.add_subcommands(required=True)
    for name, command in COMMANDS.items():
        summary = (command.__doc__ or "").splitlines()[0]
        sub = ArgumentParser(description=summary, exit_on_error=False)
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
        subcommands.add_subcommand(name, sub, help=summary)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words of the command line; those of the process if left out.

    Returns
    -------
    int
        The exit code: 0, or 2 for bad input, which is said in one sentence, or 130 if interrupted.
    """
    name = "loadpath"
    try:
        words = normal_form(sys.argv[1:] if arguments is None else arguments)
        check_completion(words)
        config = parser().parse_args(words)
        name = f"loadpath {config.subcommand}"
        values = config[config.subcommand].as_dict()
        values.pop("config", None)
        options = COMMANDS[config.subcommand](**with_homes(values))
        command = config.subcommand.replace("-", "_")
        importlib.import_module(f"loadpath.cli.{command}").run(options)
    except argparse.ArgumentError as error:
        said = " ".join(str(error).replace("Parser key", "option").split())
        print(f"{name}: {said} (try --help)", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    return 0


def check_completion(words: Sequence[str]) -> None:
    """Refuse to print a completion script where shtab, which writes it, is not installed."""
    if any("shtab-" in word for word in words[:2]) and importlib.util.find_spec("shtab") is None:
        raise ValueError("shell completion needs shtab: pip install 'loadpath[completion]'.")


def normal_form(arguments: Sequence[str]) -> list[str]:
    """Spell options as the config file's keys, and put config files before all other options.

    What comes later wins, and what is typed is meant to win over a file wherever it stands.
    """
    files = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    files.add_argument("--config", action="append", default=[])
    known, rest = files.parse_known_args(
        [_OPTION.sub(lambda m: "--" + m[0][2:].replace("-", "_"), word) for word in arguments]
    )
    return [*rest[:1], *(f"--config={file}" for file in known.config), *rest[1:]]
