"""What the options of several commands have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from loadpath.checks import as_path

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
}
"""Options without a value that config files do hold."""


PATHS = ("out", "folder", "file", "run_folder", "beside")
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
