"""The page about a tuning: the choice, how far it can be trusted, and the curve it was read off."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from loadpath import plots
from loadpath.checks import (
    HoldsDataset,
    as_dataset,
    as_path,
    check_dataset,
    check_flag,
    check_levels,
    check_text,
    check_type,
)
from loadpath.report.figures import Figure, draw_figure
from loadpath.report.page import environment
from loadpath.report.settings import rows, settings
from loadpath.spring_block.tuning import Tuned, tuned_of_dataset
from loadpath.storage import write_page

_CURVE = Figure(
    "How load curves bend at each level",
    plots.tuning,
    "Above the dashed line curves are concave, and deep layers do the work; below it they are "
    "convex, and shallow layers do. Points are networks, with standard errors over seeds. Where "
    "the band of the fit holds zero is the interval of the choice.",
)
_HEADINGS = ("level", "networks", "concavity", "curves fall", "training accuracy, %")


def write_tuning(
    path: str | os.PathLike[str],
    tuned: Tuned | xr.Dataset | HoldsDataset,
    *,
    title: str,
    config: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the page about a tuning, whole or not at all.

    The page holds its figure and style itself and asks nothing of the network.

    Parameters
    ----------
    path : str or path
        Where to write it.
    tuned : Tuned or xr.Dataset
        What `loadpath.tune` returned, or its `dataset`.
    title : str
        The heading of the page.
    config : mapping, optional
        What was asked for; becomes a table.
    overwrite : bool, optional
        Whether an earlier file may be replaced.

    Returns
    -------
    Path
        The page's path.

    Raises
    ------
    ValueError
        If `tuned` is none.
    FileExistsError
        If `path` exists and may not be replaced.
    """
    path = as_path("path", path)
    check_text("title", title)
    check_flag("overwrite", overwrite)
    if config is not None:
        check_type("config", config, Mapping, "a mapping of names to values")
    ds = as_dataset("tuned", tuned)
    check_dataset("tuned", ds, "concavity(level)", "concavity_error(level)", "falls(level)")
    check_dataset("tuned", ds, "finished(level, seed)", "train_accuracy(level, seed)")
    check_dataset(
        "tuned", ds, *(f"{n}(point)" for n in ("fit_level", "fit", "fit_low", "fit_high"))
    )
    check_levels("tuned", ds, "level")
    for name in ("verdict", "level", "level_low", "level_high", "words", "knob"):
        if name not in ds.attrs:
            raise ValueError(f"tuned must have the attr {name!r} of a tuning, and lacks it.")
    result = tuned_of_dataset(ds)
    provenance = {
        name: value for name, value in ds.attrs.items() if name not in ("parameters", "words")
    }
    page = environment().get_template("tuning.html.j2").render(
        title=title,
        headline=_headline(result),
        verdict=result.verdict,
        sentences=result.words().splitlines(),
        headings=_HEADINGS,
        lines=[_line(ds.isel(level=i)) for i in range(ds.sizes["level"])],
        figures=[draw_figure(_CURVE, ds)],
        settings=settings(config or {}, ds),
        provenance=list(rows(provenance)),
    )  # fmt: skip
    return write_page(path, page, overwrite=overwrite)


def _headline(result: Tuned) -> str:
    """Return the choice in a few words."""
    knob = str(result.dataset.attrs["knob"]).replace("-", " ")
    if math.isnan(result.level):
        return f"No level of {knob} makes the load curve straight"
    low, high = result.interval
    return f"{knob} {result.level:.3g}, between {low:.3g} and {high:.3g}"


def _line(at: xr.Dataset) -> list[str]:
    """Return the cells of a level's line in the table."""
    bent, error = at["concavity"].item(), at["concavity_error"].item()
    seen = "–" if math.isnan(bent) else f"{bent:.3f} ± {error:.3f}"
    return [
        f"{at['level'].item():.4g}",
        f"{int(at['finished'].sum())}",
        seen,
        "yes" if at["falls"].item() else "not surely",
        f"{100 * float(at['train_accuracy'].mean()):.1f}",
    ]
