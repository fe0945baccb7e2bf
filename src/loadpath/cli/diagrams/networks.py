"""`loadpath phase-diagram` of networks: the runs, their Datasets, their pictures, their words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loadpath import plots, results
from loadpath.checks import check_count
from loadpath.cli.diagrams.beside_chain import fit_chains
from loadpath.cli.folders import earlier_results, read_config, save_config, save_picture
from loadpath.cli.options import FLAGS, FORMERLY, NetworkOptions, PhaseDiagramOptions
from loadpath.measures.separation import KINDS, SeparationKind
from loadpath.spring_block import phase_diagram
from loadpath.spring_block.phase_diagram import NOISES, Panel, Setting

NAMES: dict[str, Panel] = {panel.replace(" ", "-"): panel for panel in NOISES}
"""Panels as options and files spell them."""
GROWS = {
    *("panel", "noise", "spacing", "slopes", "seeds", "seed", "data_seeds"),
    *("kind", "beside_chain", "workers", "scheduler", "out"),
}
"""Options that may differ when a diagram is gone on with: other cells, or the same elsewhere."""


def setting_of_panel(options: NetworkOptions, panel: Panel) -> Setting:
    """Return what all cells of a panel share."""
    own = Setting.__dataclass_fields__
    shared = {name: value for name, value in asdict(options).items() if name in own}
    return Setting(**{**shared, "panel": panel})


def draw_diagrams(options: PhaseDiagramOptions, noises: Sequence[float] | None) -> None:
    """Run the cells that are not on disk yet, and write Datasets and pictures of them all.

    `noises` are the levels of the one panel that is asked for; those of the paper if None.
    """
    out, settings = Path(options.out), options.settings()
    check_count("seeds", options.seeds, 1)
    check_count("data_seeds", options.data_seeds, 1)
    check_count("workers", options.workers, 1)
    if options.scheduler is not None and options.workers != 1:
        raise ValueError(
            "workers must not be given beside a scheduler, which has its own, got "
            f"{options.workers}."
        )
    if options.beside_chain and options.seeds * options.data_seeds < 2:
        raise ValueError(f"seeds must be at least 2 to fit a chain beside, got {options.seeds}.")
    names = list(NAMES) if options.panel == "all" else [options.panel]
    if noises is not None and len(names) > 1:
        raise ValueError("noise must not be set for all panels at once: choose one by --panel.")
    grid: dict[str, Any] = dict(
        slopes=options.slopes,
        noises=noises,
        seeds=range(options.seed, options.seed + options.seeds),
    )
    subsets = range(options.data_seed, options.data_seed + options.data_seeds)
    data_seeds = subsets if len(subsets) > 1 else None
    by_panel = {name: setting_of_panel(options, NAMES[name]) for name in names}
    for setting in by_panel.values():  # the last one's fault must not show after hours
        setting.checked(phase_diagram.axes(setting, **grid))
    _check_folder(out, options.resume, settings)
    save_config(settings, out)
    panels, failed = [], []
    for name, setting in by_panel.items():
        outcome = phase_diagram.run(
            setting,
            out / "cells" / name,
            **grid,
            data_seeds=data_seeds,
            workers=options.workers,
            scheduler=options.scheduler,
        )
        failed += [(name, failure) for failure in outcome.failed]
        ds = phase_diagram.collect(setting, out / "cells" / name, **grid, data_seeds=data_seeds)
        results.save(ds, out / f"{name}.nc", overwrite=True)
        print(f"{setting.panel}: {outcome.ran} cells run, {outcome.kept} kept\n{summary(ds)}")
        panels.append(ds)
    kind = options.kind
    for file, figure in (
        ("phase_diagram.png", plots.figure_phase_diagrams(panels, kind=kind)),
        ("accuracy.png", plots.figure_accuracy(panels, kind=kind)),
    ):
        print(f"picture: {save_picture(plots.png(figure), out / file)}")
    if options.record_every is not None:
        for name, ds in zip(names, panels, strict=True):
            picture = plots.png(plots.figure_along_training(ds, kind=kind))
            print(f"picture: {save_picture(picture, out / f'{name}-training.png')}")
    if options.beside_chain:
        fit_chains(dict(zip(names, panels, strict=True)), out, kind=kind)
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
        best, curves = mean.isel(at), phase_diagram.mean_curves(ds)
        there = curves.sel(slope=best["slope"], noise=best["noise"])
        bends = ", ".join(f"{_bend(there.sel(kind=kind))} ({kind})" for kind in KINDS)
        accuracy = _with_interval(there.isel(kind=0), "mean_test_accuracy", 4)
        lines.append(
            f"- best test accuracy {accuracy} at slope {best['slope'].item():g}, "
            f"noise {best['noise'].item():g}, where the mean curve has a concavity of {bends}"
        )
        lines += _flat_curves(curves)
    if ds.sizes["seed"] > 1:
        lines += [
            f"- accuracy with -|concavity|, {kind}: {_correlation(ds, kind)}" for kind in KINDS
        ]
    return "\n".join(lines)


def _bend(curve: xr.Dataset) -> str:
    """Say how a mean curve bends, with its interval if it has one."""
    return _with_interval(curve, "mean_concavity", 3)


def _with_interval(one: xr.Dataset, name: str, digits: int) -> str:
    """Say a number with its interval if it has one."""
    value, low, high = (one[f"{name}{end}"].item() for end in ("", "_low", "_high"))
    if not np.isfinite([low, high]).all():
        return f"{value:.{digits}f}"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _flat_curves(curves: xr.Dataset) -> list[str]:
    """Say how many mean curves do not fall, so that their concavity may be anything."""
    flat = (curves["mean_curve_status"] == "does not fall").sum(("slope", "noise"))
    if not bool(flat.any()):
        return []
    counts = ", ".join(f"{flat.sel(kind=kind).item()} ({kind})" for kind in KINDS)
    cells = curves.sizes["slope"] * curves.sizes["noise"]
    return [
        f"- of {cells} mean curves so many do not surely fall, and may bend in any way: {counts}"
    ]


def _correlation(ds: xr.Dataset, kind: SeparationKind) -> str:
    """Say how far accuracy and straightness go together, or why nobody can tell."""
    try:
        found = phase_diagram.correlation(ds, kind=kind)
        wide = phase_diagram.correlation(ds, kind=kind, over="seeds and cells")
        pearson = phase_diagram.correlation(ds, kind=kind, method="pearson")
    except ValueError as error:  # too few nets, or all alike
        return f"no correlation, since {error}"
    said = (
        f"Spearman {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] over {found.n_nets} nets, "
        f"[{wide.low:.3f}, {wide.high:.3f}] if cells are drawn too; Pearson {pearson.value:.3f} "
        f"[{pearson.low:.3f}, {pearson.high:.3f}]"
    )
    try:
        cells = phase_diagram.correlation(ds, kind=kind, method="pearson", between="cells")
    except ValueError:  # too few cells
        return said
    return f"{said}; between cells {cells.value:.3f} [{cells.low:.3f}, {cells.high:.3f}]"


def _check_folder(out: Path, resume: bool, settings: dict[str, Any]) -> None:
    """Refuse earlier results that are not to be gone on with, or that had other settings."""
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
    earlier = {**FORMERLY, **read_config(out)}
    for name, value in settings.items():
        if name not in GROWS | FLAGS.keys() and earlier.get(name, value) != value:
            raise ValueError(
                f"{name} is {value!r}, but the diagram in {str(out)!r} has {earlier[name]!r}; "
                "resume it with --config and its config.yaml."
            )
