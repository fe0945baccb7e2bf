"""The folder of a run: what is in it, its config, and the page about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from loadpath import report as pages
from loadpath import results

RUN_FILES = (
    "config.yaml",
    "checkpoint.safetensors",
    "history.nc",
    "profile.nc",
    "model.safetensors",
    "report.html",
)
"""What `train` writes; `overwrite` removes these and nothing else."""
FLAGS = {
    "resume": "go on with what is in the folder, or start if there is nothing",
    "overwrite": "replace what is in the folder already",
}
"""Options without a value; they say what to do once, so config files do not hold them."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return the options of the run in `folder`.

    Raises: FileNotFoundError if it has no config.yaml; ValueError if that is damaged.
    """
    path = folder / "config.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"{str(folder)!r} is not a run's folder: it has no config.yaml.")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        config = None
    if not isinstance(config, dict):
        raise ValueError(f"{str(path)!r} is damaged: it does not hold options and values.")
    return config


def section(folder: Path, title: str) -> pages.Section:
    """Return the part of a page that is about the run in `folder`."""
    config = read_config(folder)
    return pages.Section(
        title,
        profile=results.load(folder / "profile.nc"),
        history=results.load(folder / "history.nc"),
        config=config,
    )


def write_report(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page about the run in `folder`."""
    name = folder.resolve().name
    part = section(folder, f"Run in {name}")
    title = f"Leaky ResNet: {name}"
    return pages.write(page or folder / "report.html", [part], title=title, overwrite=overwrite)
