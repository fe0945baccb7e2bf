"""The folder of a run: what is in it, its config, and the page about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from loadpath import report as pages
from loadpath import results
from loadpath.cli.folders.replacement import final_folder, finish_replacing
from loadpath.leaky_resnet import LeakyResNet
from loadpath.storage import clear_leftovers, read_settings_file, write_atomic, write_settings_file

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
SURGERY_FILES = ("config.yaml", "plan.nc", "proof.nc", "report.html")
"""What `surgery` writes beside the folder of the model."""
LAW_FILES = ("config.yaml", "laws.nc", "laws.png", "report.html")
"""What `laws` writes."""
TUNING_FILES = ("config.yaml", "tuning.nc", "tuning.png", "report.html")
"""What `tune` writes."""


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
    config = read_settings_file(path)
    if not isinstance(config, dict) or not all(isinstance(name, str) for name in config):
        raise ValueError(f"{str(path)!r} is damaged: it does not hold options and values.")
    return config


def earlier_results(folder: Path) -> list[str]:
    """Return the names of the files in `folder` that a command wrote.

    What a command that was killed left there is put right first: results that were whole, but not
    all in place, and files that were being written.

    Raises
    ------
    NotADirectoryError
        If `folder` is a file, or stands in one.
    """
    check_folder(folder)
    finish_replacing(folder)
    clear_leftovers(folder)
    return written_files(folder)


def check_folder(folder: Path) -> None:
    """Refuse a folder that is a file, or stands in one."""
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f"out must be a folder, but {str(place)!r} is a file.")


def written_files(folder: Path) -> list[str]:
    """Return the names of the files in `folder` that a command writes."""
    files = (
        RUN_FILES,
        GEODESIC_FILES,
        CHAIN_FILES,
        DIAGRAM_FILES,
        DIAGNOSIS_FILES,
        LAW_FILES,
        SURGERY_FILES,
        TUNING_FILES,
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


def save_config(settings: Mapping[str, Any], folder: Path) -> None:
    """Write the options of a run to its folder."""
    write_settings_file(folder / "config.yaml", settings, overwrite=True)


def save_picture(picture: bytes, path: Path) -> Path:
    """Write a picture, as the bytes of its file, to a run's folder."""
    return write_atomic(path, picture, overwrite=True)


def save_model(model: LeakyResNet, folder: Path) -> None:
    """Write weights, maps and layer steps to a run's folder."""
    path = folder / "model.safetensors"
    results.save_tensors(model.state_dict(), path, metadata={"format": "pt"}, overwrite=True)


PROFILE = {
    "p": ("layer",),
    "p_step": ("step",),
    "cost_of_identity": ("layer",),
    "stationarity": ("step",),
    "bottleneck_rank": (),
}
"""What a page needs of a profile at least, with its dimensions."""
HISTORIES = {
    "history of training": dict.fromkeys(("iteration", "stage", "objective"), ("record",)),
    "history of solving": dict.fromkeys(("iteration", "stage", "objective"), ("look",)),
}
"""What it needs of a history."""


def section(folder: Path, title: str) -> pages.Section:
    """Return the part of a page that is about the run in `folder`."""
    config = read_config(folder)
    solved = (folder / "geodesic.nc").exists()
    kind = "history of solving" if solved else "history of training"
    history = results.load(folder / "history.nc", what=kind, holding=HISTORIES[kind])
    path = folder / ("geodesic.nc" if solved else "profile.nc")
    profile = None
    if path.exists() or not pages.warning(history):  # such a run may have nothing to measure
        profile = results.load(
            path, what="profile of a net", holding=PROFILE, attrs=["effective_depth"]
        )
    return pages.Section(title, profile=profile, history=history, config=config)


def write_report(folder: Path, page: Path | None = None, *, overwrite: bool = True) -> Path:
    """Write the page about the run in `folder`."""
    name = final_folder(folder).resolve().name
    part = section(folder, f"Run in {name}")
    title = f"Leaky ResNet: {name}"
    return pages.write(page or folder / "report.html", [part], title=title, overwrite=overwrite)
