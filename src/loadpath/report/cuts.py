"""The page about ways to choose layers: harm against layers removed, model by model."""

from __future__ import annotations

import math
import os
from pathlib import Path

import xarray as xr

from loadpath import plots
from loadpath.checks import as_path, check_flag, check_text, check_type
from loadpath.report.figures import Figure, draw_figure
from loadpath.report.page import environment
from loadpath.report.settings import rows, settings
from loadpath.storage import write_page

_FIGURE = Figure(
    "Harm against layers removed",
    plots.figure_cuts,
    "Each line is one way to choose layers, or what takes their place; bars are intervals. Lower "
    "is better; below 0 the model is better without them. The axis is linear near 0 and "
    "logarithmic beyond.",
)


def write_cuts(
    path: str | os.PathLike[str], ds: xr.Dataset, *, title: str, overwrite: bool = False
) -> Path:
    """Write the page that compares ways to cut models, whole or not at all.

    The page holds its figure and style itself and asks nothing of the network.

    Parameters
    ----------
    path : str or path
        Where to write it.
    ds : xr.Dataset
        What `loadpath.plots.figure_cuts` draws: harm(model, share, method) with its ends; passes of
        the same dimensions too, if there are any. The attr `sentences` is shown, a line each.
    title : str
        The heading of the page.
    overwrite : bool, optional
        Whether an earlier file may be replaced.

    Returns
    -------
    Path
        The page's path.

    Raises
    ------
    ValueError
        If `ds` is no comparison of cuts.
    FileExistsError
        If `path` exists and may not be replaced.
    """
    path = as_path("path", path)
    check_text("title", title)
    check_flag("overwrite", overwrite)
    check_type("ds", ds, xr.Dataset, "a comparison of cuts")
    plots.check_cuts(ds)
    provenance = {n: v for n, v in ds.attrs.items() if n not in ("parameters", "sentences")}
    page = environment().get_template("cuts.html.j2").render(
        title=title,
        sentences=str(ds.attrs.get("sentences", "")).splitlines(),
        figures=[draw_figure(_FIGURE, ds)],
        headings=["method", *(f"{float(share):.0%}" for share in ds["share"].values)],
        models=[(str(model), _lines(ds.sel(model=model))) for model in ds["model"].values],
        settings=settings({}, ds),
        provenance=list(rows(provenance)),
    )  # fmt: skip
    return write_page(path, page, overwrite=overwrite)


def _lines(ds: xr.Dataset) -> list[tuple[str, list[str]]]:
    """Return the lines of a model's table: a method, and its harm at each share."""
    found = []
    for method in ds["method"].values:
        here = ds.sel({"method": method}).transpose("share", ...)
        ends = (here[f"harm{end}"].values.astype(float) for end in ("", "_low", "_high"))
        cells = [_cell(*each) for each in zip(*ends, strict=True)]
        if any(cell != "–" for cell in cells):
            found.append((str(method), cells))
    return found


def _cell(value: float, low: float, high: float) -> str:
    """Return a harm with its interval."""
    if math.isnan(value):
        return "–"
    return f"{value:.3f}" if math.isnan(low) else f"{value:.3f} ({low:.3f} to {high:.3f})"
