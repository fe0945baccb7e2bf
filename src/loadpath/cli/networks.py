"""What `phase-diagram` is asked for about networks, and how it draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import xarray as xr

from loadpath import plots, results
from loadpath.checks import check_count
from loadpath.cli import beside_chain
from loadpath.cli.run_folder import FLAGS, earlier_results, read_config, save_config, save_picture
from loadpath.measures.separation import KINDS, SeparationKind
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.phase_diagram import NOISES, Panel, Setting

NAMES: dict[str, Panel] = {panel.replace(" ", "-"): panel for panel in NOISES}
"""Panels as options and files spell them."""
GROWS = {
    *("panel", "noise", "spacing", "slopes", "seeds", "seed"),
    *("kind", "beside_chain", "workers", "scheduler", "out"),
}
"""Options that may differ when a diagram is gone on with: other cells, or the same elsewhere."""


@dataclass(frozen=True)
class NetworkProblem:
    """Options about networks: what they learn, which they are, and the cells of their diagrams."""

    data: Literal["digits", "mnist", "fashion-mnist", "cifar10", "npz"] = "digits"
    """what networks learn; npz is an archive of x_train, y_train, x_test, y_test"""
    folder: str | None = None
    """where the files of the data are, or the archive itself"""
    panel: Literal["data-noise", "learning-rate", "dropout", "batch-size", "all"] = "all"
    """which noise shakes the training, one picture for each"""
    slopes: tuple[float, ...] | None = None
    """of the activation below 0, from 0, a ReLU, to 1, a linear net; [0,0.2,0.4,0.6,0.8,1] if not
    given"""
    seeds: int = 10
    """how many nets in every cell, the first one's seed being that of --seed"""
    image_size: int | None = None
    """average images down to this many pixels a side; 10 if not given, digits have 8"""
    n_train: int | None = None
    """training samples; 2560 if not given, 1437 of digits"""
    n_test: int | None = None
    """test samples; 5000 if not given, what is left of digits"""
    data_seed: int = 0
    """of which samples are drawn, the same for all nets"""
    network: Literal["MLP", "CNN"] = "MLP"
    """fully-connected or convolutional"""
    width: int | None = None
    """features of a layer, 100 if not given; channels of a CNN, 20"""
    depth: int = 8
    """layers with weights"""
    batch_norm: bool = True
    """whether networks have BatchNorm"""
    epochs: int | None = None
    """the most there are; 100 if not given, 200 for learning-rate, 2000 for a CNN"""
    record_every: int | None = None
    """epochs between records of the load curve along training, which add <panel>-training.png;
    none if not given"""
    kind: Literal["fuzziness", "trace_ratio", "inverse"] = "fuzziness"
    """convention of the separation in pictures; results hold all"""
    beside_chain: bool = False
    """fit the spring-block chain to each diagram: <panel>-beside-chain.nc and .png"""
    workers: int = 1
    """processes, each training on one thread; the numbers do not depend on it"""
    scheduler: str | None = None
    """address of a Dask scheduler whose workers are to train"""
    resume: bool = False
    """go on with the diagrams in the folder: only cells that are not there are run"""

    def settings_of(self, panel: Panel) -> Setting:
        """What all cells of a panel share."""
        own = Setting.__dataclass_fields__
        options = {name: value for name, value in asdict(self).items() if name in own}
        return Setting(**{**options, "panel": panel})


def draw(
    problem: NetworkProblem,
    options: dict[str, Any],
    *,
    out: Path,
    noises: Sequence[float] | None,
    seed: int,
) -> None:
    """Run the cells that are not on disk yet, and write Datasets and pictures of them all.

    `options` are those that the config file is to hold.
    """
    check_count("seeds", problem.seeds, 1)
    check_count("workers", problem.workers, 1)
    if problem.scheduler is not None and problem.workers != 1:
        raise ValueError(
            "workers must not be given beside a scheduler, which has its own, got "
            f"{problem.workers}."
        )
    if problem.beside_chain and problem.seeds < 2:
        raise ValueError(f"seeds must be at least 2 to fit a chain beside, got {problem.seeds}.")
    names = list(NAMES) if problem.panel == "all" else [problem.panel]
    if noises is not None and len(names) > 1:
        raise ValueError("noise must not be set for all panels at once: choose one by --panel.")
    grid: dict[str, Any] = dict(
        slopes=problem.slopes, noises=noises, seeds=range(seed, seed + problem.seeds)
    )
    settings = {name: problem.settings_of(NAMES[name]) for name in names}
    for setting in settings.values():  # the last one's fault must not show after hours
        setting.checked(phase_diagram.axes(setting, **grid))
    _check_folder(out, problem.resume, options)
    save_config(options, out)
    panels, failed = [], []
    for name, setting in settings.items():
        outcome = phase_diagram.run(
            setting,
            out / "cells" / name,
            **grid,
            workers=problem.workers,
            scheduler=problem.scheduler,
        )
        failed += [(name, failure) for failure in outcome.failed]
        ds = phase_diagram.collect(setting, out / "cells" / name, **grid)
        results.save(ds, out / f"{name}.nc", overwrite=True)
        print(f"{setting.panel}: {outcome.ran} cells run, {outcome.kept} kept\n{summary(ds)}")
        panels.append(ds)
    kind = problem.kind
    for file, figure in (
        ("phase_diagram.png", plots.figure_phase_diagrams(panels, kind=kind)),
        ("accuracy.png", plots.figure_accuracy(panels, kind=kind)),
    ):
        print(f"picture: {save_picture(plots.png(figure), out / file)}")
    if problem.record_every is not None:
        for name, ds in zip(names, panels, strict=True):
            picture = plots.png(plots.figure_along_training(ds, kind=kind))
            print(f"picture: {save_picture(picture, out / f'{name}-training.png')}")
    if problem.beside_chain:
        beside_chain.draw(dict(zip(names, panels, strict=True)), out, kind=kind)
    if failed:
        name, first = failed[0]
        raise ValueError(
            f"{len(failed)} cells failed, the first of them {dict(first.cell)} of {name}: "
            f"{first.message.rstrip('.')}; --resume tries them again."
        )


def summary(ds: xr.Dataset) -> str:
    """Say what a diagram shows, in a few lines."""
    status, count = np.unique(ds["status"].values.astype(str), return_counts=True)
    ends = (f"{said or 'not run'}: {n}" for said, n in zip(status, count, strict=True))
    lines = ["- " + ", ".join(ends)]
    mean = ds["test_accuracy"].mean("seed")
    if bool(mean.notnull().any()):
        at = mean.argmax(...)
        best, bend = mean.isel(at), ds["concavity"].mean("seed").isel(at)
        bends = ", ".join(f"{bend.sel(kind=kind).item():.3f} ({kind})" for kind in KINDS)
        lines.append(
            f"- best test accuracy {best.item():.4f} at slope {best['slope'].item():g}, "
            f"noise {best['noise'].item():g}, with a concavity of {bends}"
        )
    if ds.sizes["seed"] > 1:
        lines += [f"- accuracy with -|concavity|, {kind}: {_together(ds, kind)}" for kind in KINDS]
    return "\n".join(lines)


def _together(ds: xr.Dataset, kind: SeparationKind) -> str:
    """How far accuracy and straightness go together, or why nobody can tell."""
    try:
        found = phase_diagram.correlation(ds, kind=kind)
        wide = phase_diagram.correlation(ds, kind=kind, over="seeds and cells")
        pearson = phase_diagram.correlation(ds, kind=kind, method="pearson")
    except ValueError as error:  # too few nets, or all alike
        return f"no correlation, since {error}"
    return (
        f"Spearman {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] over {found.n_nets} nets, "
        f"[{wide.low:.3f}, {wide.high:.3f}] if cells are drawn too; Pearson {pearson.value:.3f} "
        f"[{pearson.low:.3f}, {pearson.high:.3f}]"
    )


def _check_folder(out: Path, resume: bool, options: dict[str, Any]) -> None:
    present = earlier_results(out)
    if not resume:
        if present:
            raise FileExistsError(
                f"{str(out)!r} holds earlier results ({', '.join(present)}); pass --resume to go "
                "on with them."
            )
        return
    if "config.yaml" not in present:
        return
    earlier = read_config(out)
    for name, value in options.items():
        if name not in GROWS | FLAGS.keys() and earlier.get(name, value) != value:
            raise ValueError(
                f"{name} is {value!r}, but the diagram in {str(out)!r} has {earlier[name]!r}; "
                "resume it with --config and its config.yaml."
            )
