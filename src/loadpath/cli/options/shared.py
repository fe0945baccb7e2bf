"""What the options of several commands have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from loadpath.checks import as_path
from loadpath.cli.options.mistakes import meant

CONFIG_VERSION = 1
"""Version of config files. It rises when an option changes its meaning: no old file is misread."""
FLAGS = {
    "resume": "go on with what is in the folder, or start if there is nothing",
    "overwrite": "replace what is in the folder already",
}
"""Options without a value that say what to do once, so that config files do not hold them."""
LOUDNESS = {
    "quiet": "print nothing but what went wrong or must not be read",
    "verbose": "say first which options are at work, and of errors where they come from",
}
"""Options without a value that say how much to print; they have a letter too."""
SWITCHES = {
    "animate": "write a page with a film too, animation.html",
    "beside_chain": "fit the spring-block chain to networks: <panel>-beside-chain.nc and .png",
    "chain": "draw the diagram of the spring-block chain instead of networks",
    "common_noise": "shake all blocks of a chain alike, by the sum of their noises, sqrt(n) times "
    "one; by default each has its own",
    "pass_labels": "give the model the labels of batches that are dicts, for a loss of its own",
    "with_input": "take the model's input as the first layer",
}
"""Options without a value that config files do hold."""


PATHS = ("out", "folder", "file", "run_folder", "beside", "data")
"""Options that are paths, or several."""


def with_homes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of options with `~` in paths replaced by the home that it names."""
    found = dict(values)
    for name in PATHS:
        value = found.get(name)
        if isinstance(value, str):
            found[name] = str(as_path(name, value))
        elif value is not None:
            found[name] = tuple(str(as_path(name, each)) for each in value)
    return found


def check_source(data: str, sources: Sequence[str]) -> None:
    """Refuse data that are neither a source with a name nor a file of samples.

    Parameters
    ----------
    data : str
        What `--data` says.
    sources : sequence of str
        The names that the command knows.

    Raises
    ------
    ValueError
        If it is none of them.
    """
    if data in sources:
        return
    from loadpath.storage import DATA_ENDINGS, is_data_file

    if not is_data_file(data):
        names = f"one of {', '.join(sources)}, or " if sources else ""
        raise ValueError(
            f"--data must be {names}a file of yours that ends in {', '.join(DATA_ENDINGS)}, got "
            f"{data!r}{meant(data, sources)}; for example --data {(*sources, 'my.npz')[0]}."
        )


def check_target(data: str, target: object, **others: object) -> None:
    """Refuse a table without its target, and options of files for what is none.

    Parameters
    ----------
    data : str
        What `--data` says.
    target : str or tuple of str or None
        What `--target` says.
    **others
        Further options that only files have; None is not given.

    Raises
    ------
    ValueError
        If one is missing or too many.
    """
    table = data.lower().endswith((".csv", ".parquet"))
    if table and not target:
        raise ValueError(
            f"--target must name the column of {data!r} to learn; for example --target price."
        )
    if not table and not data.lower().endswith(".npz"):
        for name, value in {"target": target, **others}.items():
            if value is not None:
                raise ValueError(
                    f"--{name} is for files of your own, and --data is {data!r}, got {value!r}."
                )


def check_config_version(version: int) -> None:
    """Refuse a config file of another version."""
    if version != CONFIG_VERSION:
        raise ValueError(
            f"config_version must be {CONFIG_VERSION} for this loadpath, got {version}."
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that not every random generator takes."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be at least 0 and below 2**32, got {seed}.")


def as_settings(options: Any) -> dict[str, Any]:
    """Return the options as a config file holds them: without flags, and tuples as lists."""
    held = {name: value for name, value in asdict(options).items() if name not in FLAGS}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in held.items()}
