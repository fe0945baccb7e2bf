"""The page about any model: which layers do the work, in words, one table, and curves."""

import math
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from loadpath import plots
from loadpath.checks import (
    HoldsDataset,
    as_dataset,
    as_path,
    check_columns,
    check_flag,
    check_text,
    check_type,
)
from loadpath.diagnosis.judging import (
    HEADINGS,
    Verdict,
    layer_table,
    shown_columns,
    table_cells,
)
from loadpath.diagnosis.profile import summary
from loadpath.report.figures import Figure, draw_figure
from loadpath.report.page import environment
from loadpath.report.settings import rows, settings
from loadpath.results import with_present_names
from loadpath.storage import write_page

_CURVES = (
    (
        ("log_separation",),
        Figure(
            "Load curve",
            plots.layer_load_curve,
            "How far apart the classes are: it falls as they separate, and what a layer takes off "
            "is its load. Above the dashed line the deep layers do more than their share, below it "
            "the shallow ones do.",
        ),
    ),
    (
        ("relative_step", "turn"),
        Figure(
            "Steps",
            plots.layer_steps_taken,
            "How far each layer moves its input. The turn leaves out what only scales it; the "
            "log growth is how much the stream grows, as a natural logarithm. Layers whose "
            "shape differs from the one before have no step.",
        ),
    ),
    (
        ("next_token_gain",),
        Figure(
            "The next token",
            plots.layer_next_token,
            "What each layer takes off the cross-entropy of the next token, read through the head "
            "of the model off what the layer is given and what it puts out. Labels were not used. "
            "Below the dashed line the prediction read in this way gets worse.",
        ),
    ),
    (
        ("participation_ratio", "effective_rank"),
        Figure(
            "Dimensions",
            plots.layer_dimensions,
            "How many directions a layer uses. The counts differ in what weak ones are worth; "
            "the stable rank counts the mean as one of them. A bottleneck shows in all.",
        ),
    ),
    (
        ("cka_next",),
        Figure(
            "Likeness",
            plots.layer_alignment,
            "1 means the same but for rotation and scale. Where likeness with the next layer dips, "
            "the representation is made anew.",
        ),
    ),
    (
        ("probe_ridge",),
        Figure(
            "Probes",
            plots.layer_probes,
            "How well a linear classifier, fitted on part of the kept samples, reads the classes "
            "off the others. What it reads the model need not use.",
        ),
    ),
    (
        ("nc1",),
        Figure(
            "Neural collapse",
            plots.layer_collapse,
            "All four fall toward 0 as samples gather at their class means and these spread out "
            "evenly. The third and fourth are defined only where a linear classifier reads the "
            "layer.",
        ),
    ),
    (
        ("cost_of_identity",),
        Figure(
            "Energies",
            plots.layer_energies,
            "The cost of identity is what holding a representation costs a Leaky ResNet, and the "
            "kinetic energy what moving it does. In other models they compare layers, and are no "
            "conserved quantities.",
        ),
    ),
)
_SKIPPED = Figure(
    "Layers really skipped",
    plots.layers_skipped,
    "Each layer in turn was replaced by its input. Where the bar crosses the dashed line, nothing "
    "can be told from no change.",
)
_ACCURACY = Figure(
    "Accuracy without each layer",
    partial(plots.layers_skipped, change="accuracy_change"),
    "The same for the accuracy, in points of 100: below the dashed line fewer samples are right.",
)
_COLUMNS = (
    ("load", "load"),
    ("relative_step", "relative step"),
    ("turn", "turn"),
    ("log_growth", "log growth"),
    ("participation_ratio", "participation ratio"),
    ("effective_rank", "effective rank"),
    ("intrinsic_dimension", "intrinsic dimension"),
    ("cka_next", "CKA next"),
    ("probe_logistic", "probe"),
    ("next_token_gain", "next token, nats"),
)
"""Columns of the table, and their headings."""
_OF_SKIPPING = (
    (("loss_change", "loss if skipped"), ("accuracy_change", "accuracy if skipped, points")),
    (("output_change", "output if skipped"),),
)
"""The first group of which there is one becomes columns too."""


def write_diagnosis(
    path: str | os.PathLike[str],
    ds: xr.Dataset | HoldsDataset,
    *,
    title: str,
    skipped: xr.Dataset | None = None,
    verdict: Verdict | None = None,
    config: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the page about any model, whole or not at all.

    The page holds its figures and style itself and asks nothing of the network.

    Parameters
    ----------
    path : str or path
        Where to write it.
    ds : Diagnosis or xr.Dataset
        The diagnosis, from `loadpath.diagnose`.
    title : str
        The heading of the page.
    skipped : xr.Dataset, optional
        What `loadpath.diagnosis.skip_layers` returned.
    verdict : Verdict, optional
        What `loadpath.diagnosis.verdict` returned.
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
    FileExistsError
        If `path` exists and may not be replaced.
    """
    path, ds = as_path("path", path), as_dataset("ds", ds)
    check_text("title", title)
    check_flag("overwrite", overwrite)
    check_columns("ds", ds, "meaning(layer) in words", "width(layer)")
    if skipped is not None:
        check_type("skipped", skipped, xr.Dataset, "what loadpath.diagnosis.skip_layers returns")
    if config is not None:
        check_type("config", config, Mapping, "a mapping of names to values")
    ds = with_present_names(ds)
    figures = [
        draw_figure(figure, ds)
        for names, figure in _CURVES
        if any(_known(ds, name) for name in names)
    ]
    if skipped is not None:
        figures.insert(0, draw_figure(_SKIPPED, skipped))
        if _known(skipped, "accuracy_change"):
            figures.insert(1, draw_figure(_ACCURACY, skipped))
    headings, lines, reasons = table(ds, skipped)
    listed = layer_table(ds, skipped, tolerated=(config or {}).get("tolerated"))
    stars = listed["try_without"].tolist() if "try_without" in listed else [False] * len(listed)
    batch = ds["model_milliseconds"].attrs.get("n_samples", 0) if "model_milliseconds" in ds else 0
    provenance = {
        f"{source}: {name}": value
        for source, part in (("diagnosis", ds), ("skipping", skipped))
        for name, value in (part.attrs if part is not None else {}).items()
        if name != "layers"
    }
    page = environment().get_template("diagnosis.html.j2").render(
        title=title,
        summary=summary(ds),
        answer=verdict.answer if verdict is not None else (),
        verdict=verdict.rest if verdict is not None else (),
        costs=[HEADINGS[column] for column in shown_columns(listed)],
        takes=list(zip(listed.index, stars, table_cells(listed), strict=True)),
        batch=int(batch),
        headings=headings,
        lines=lines,
        reasons=reasons,
        level=f"{_level(ds):.0%}",
        meanings=list(zip(ds["layer"].values, ds["meaning"].values, strict=True)),
        figures=figures,
        settings=settings(config or {}, ds, skipped),
        provenance=list(rows(provenance)),
    )  # fmt: skip
    return write_page(path, page, overwrite=overwrite)


class Cell(NamedTuple):
    """One cell of the table of layers."""

    text: str
    value: str = ""
    """What it is sorted by, empty where that is the text."""
    interval: str = ""
    reason: int = 0
    """Which of the reasons says why there is no number, from 1."""


def table(
    ds: xr.Dataset, skipped: xr.Dataset | None
) -> tuple[list[str], list[tuple[str, list[Cell]]], list[str]]:
    """Lay the diagnosis out as a table, a line a layer.

    Parameters
    ----------
    ds : xr.Dataset
        The diagnosis.
    skipped : xr.Dataset or None
        What skipping the layers changes, if it was tried.

    Returns
    -------
    list of str
        The headings of the columns, but for the first.
    list of tuple
        For every layer its name and its cells, each with a text, what it is sorted by, an interval,
        and the number of the reason why there is no number.
    list of str
        The reasons, numbered from 1.
    """
    part = ds.sel(kind="fuzziness") if "kind" in ds.dims else ds
    parts = [(part, *column) for column in _COLUMNS if _known(part, column[0])]
    if skipped is not None:
        gone = skipped.reindex(layer=ds["layer"].values)
        groups = [[c for c in group if _known(skipped, c[0])] for group in _OF_SKIPPING]
        parts += [(gone, *column) for column in next(filter(None, groups), [])]
    lines: list[tuple[str, list[Cell]]] = []
    reasons: list[str] = []
    for l, name in enumerate(ds["layer"].values):
        cells = [Cell(str(int(ds["width"][l])))]
        cells += [_cell(each, variable, l, reasons) for each, variable, _ in parts]
        lines.append((str(name), cells))
    return ["width", *(heading for _, _, heading in parts)], lines, reasons


def _cell(ds: xr.Dataset, name: str, l: int, reasons: list[str]) -> Cell:
    """Return one number as a cell of the table; a reason not met before joins the others."""
    times = 100 if name == "accuracy_change" else 1  # in points of 100, as everywhere
    value, low, high = (
        times * float(ds[f"{name}{end}"].values[l]) for end in ("", "_low", "_high")
    )
    status = f"{name}_status" if f"{name}_status" in ds else "status"
    word = str(ds[status].values[l]) if status in ds else ""
    if math.isnan(value):
        reason = "not skipped" if word == "nan" else word or "not measured"
        if reason not in reasons:
            reasons.append(reason)
        return Cell("–", reason=1 + reasons.index(reason))
    interval = "" if math.isnan(low) else f"{low:.3g} to {high:.3g}"
    return Cell(f"{value:.3g}", f"{value:.10g}", interval)


def _known(ds: xr.Dataset, name: str) -> bool:
    """Tell whether a variable is there and has a number for some layer."""
    return name in ds and bool(np.isfinite(ds[name]).any())


def _level(ds: xr.Dataset) -> float:
    """Return the confidence level of the intervals."""
    return float(ds.attrs.get("level", 0.95))
