"""The folder of a run: what is in it, its config, and the page about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file

from loadpath import report as pages
from loadpath import results
from loadpath.leaky_resnet import LeakyResNet

RUN_FILES = (
    "config.yaml",
    "checkpoint.safetensors",
    "history.nc",
    "profile.nc",
    "model.safetensors",
    "report.html",
)
"""What `train` writes."""
GEODESIC_FILES = (
    "config.yaml",
    "history.nc",
    "geodesic.nc",
    "model.safetensors",
    "report.html",
)
"""What `geodesic` writes."""
CHAIN_FILES = (
    "config.yaml",
    "chain.nc",
    "load_curves.png",
    "trajectories.png",
    "animation.html",
)
"""What `chain` writes."""
OLDER_FILES = ("animation.gif",)
"""What commands of version 0.1.0 wrote, and are written no more."""
DIAGRAM_FILES = ("config.yaml", "phase_diagram.nc", "phase_diagram.png")
"""What `phase-diagram` writes."""
DIAGNOSIS_FILES = ("config.yaml", "diagnosis.nc", "skipped.nc", "report.html")
"""What `diagnose` writes."""


def read_config(folder: Path) -> dict[str, Any]:
    """Return the options of the run in `folder`.

    Raises
    ------
    FileNotFoundError
        If the folder has no config.yaml.
    ValueError
        If that file is damaged.
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


def earlier_results(folder: Path) -> list[str]:
    """Return the names of the files in `folder` that a command wrote.

    Raises
    ------
    NotADirectoryError
        If `folder` is a file, or stands in one.
    """
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f"out must be a folder, but {str(place)!r} is a file.")
    files = (
        RUN_FILES,
        GEODESIC_FILES,
        CHAIN_FILES,
        DIAGRAM_FILES,
        DIAGNOSIS_FILES,
        OLDER_FILES,
    )
    names = dict.fromkeys(name for each in files for name in each)
    return [name for name in names if (folder / name).exists()]


def check_free(out: str, present: Iterable[str], overwrite: bool) -> None:
    """Refuse earlier results that are present and may not be replaced."""
    if present and not overwrite:
        raise FileExistsError(
            f"{out!r} holds earlier results ({', '.join(present)}); pass --overwrite to replace "
            "them."
        )


def remove(folder: Path, names: Iterable[str]) -> None:
    """Remove these files from `folder`, and nothing else."""
    for name in names:
        (folder / name).unlink()


def save_config(settings: Mapping[str, Any], folder: Path) -> None:
    """Write the options of a run to its folder."""
    text = yaml.safe_dump(dict(settings), sort_keys=False)
    results.write_text_atomic(folder / "config.yaml", text, overwrite=True)


def save_picture(picture: bytes, path: Path) -> Path:
    """Write a picture, as the bytes of its file, to a run's folder."""
    with results.atomic_path(path, overwrite=True) as temporary:
        temporary.write_bytes(picture)
    return path


def save_model(model: LeakyResNet, folder: Path) -> None:
    """Write weights, maps and layer steps to a run's folder."""
    with results.atomic_path(folder / "model.safetensors", overwrite=True) as temporary:
        save_file({k: v.cpu().contiguous() for k, v in model.state_dict().items()}, temporary)


def section(folder: Path, title: str) -> pages.Section:
    """Return the part of a page that is about the run in `folder`."""
    config = read_config(folder)
    solved = (folder / "geodesic.nc").exists()
    return pages.Section(
        title,
        profile=results.load(folder / ("geodesic.nc" if solved else "profile.nc")),
        history=results.load(folder / "history.nc"),
        config=config,
    )


def write_report(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page about the run in `folder`."""
    name = folder.resolve().name
    part = section(folder, f"Run in {name}")
    title = f"Leaky ResNet: {name}"
    return pages.write(page or folder / "report.html", [part], title=title, overwrite=overwrite)
