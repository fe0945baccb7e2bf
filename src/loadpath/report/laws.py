"""The page about the laws of one net: which hold, in words, in one table and in two pictures."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from loadpath import plots
from loadpath.checks import HoldsDataset, as_dataset, as_path, check_flag, check_text, check_type
from loadpath.laws import Law, Laws, check_laws
from loadpath.report.figures import Figure, draw_figure
from loadpath.report.page import environment
from loadpath.report.settings import rows, settings
from loadpath.storage import write_page

_FIGURES = (
    Figure(
        "How far the net is from each law",
        plots.laws_against_nulls,
        "At the dashed line a law is obeyed exactly. Dots are the net, with intervals over "
        "samples; small marks are what untrained nets give, the same steps in other orders, and "
        "other labels. A law holds where the dot is nearer to the line than nearly all marks of "
        "every colour.",
    ),
    Figure(
        "The curves of the laws",
        plots.laws_curves,
        "Each curve goes from its least to its largest number, so that shapes can be compared. "
        "Dashed curves belong to steps, and stand at the layer that the step leads to.",
    ),
)
_NULLS = {"untrained": "p, untrained", "depth": "p, orders", "labels": "p, labels"}
"""Headings of the p-values."""


def write_laws(
    path: str | os.PathLike[str],
    laws: Laws | xr.Dataset | HoldsDataset,
    *,
    title: str,
    config: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the page about the laws of one net, whole or not at all.

    The page holds its figures and style itself and asks nothing of the network.

    Parameters
    ----------
    path : str or path
        Where to write it.
    laws : Laws or xr.Dataset
        What `loadpath.laws.measure` returned, or its `dataset`.
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
        If `laws` are none.
    FileExistsError
        If `path` exists and may not be replaced.
    """
    path = as_path("path", path)
    check_text("title", title)
    check_flag("overwrite", overwrite)
    if config is not None:
        check_type("config", config, Mapping, "a mapping of names to values")
    ds = as_dataset("laws", laws)
    check_laws("laws", ds)
    laws = Laws(ds)
    judged = any(law.standing != "not measured" for _, law in laws.items())
    provenance = {name: value for name, value in ds.attrs.items() if name != "parameters"}
    page = environment().get_template("laws.html.j2").render(
        title=title,
        summary=laws.summary(),
        headings=["statistic", "obeyed", *_NULLS.values(), "standing"],
        lines=[(name, _cells(law)) for name, law in laws.items()],
        unmeasured=[law.verdict for _, law in laws.items() if law.standing == "not measured"],
        definitions=[
            (name, f"{law.definition.claim} The statistic: {law.definition.statistic}. Source: "
            f"{law.definition.source}.")
            for name, law in laws.items()
        ],
        figures=[draw_figure(figure, ds) for figure in _FIGURES[0 if judged else 1 :]],
        settings=settings(config or {}, ds),
        provenance=list(rows(provenance)),
    )  # fmt: skip
    return write_page(path, page, overwrite=overwrite)


def _cells(law: Law) -> list[tuple[str, str]]:
    """Return the cells of a law's line in the table: texts, each with an interval or nothing."""
    if law.estimate is None:
        return [("–", ""), (f"{law.definition.ideal:g}", ""), *[("–", "")] * 3, (law.standing, "")]
    e = law.estimate
    interval = "" if math.isnan(e.low) else f"{e.low:.3g} to {e.high:.3g}"
    chance = {null.name: f"{null.p_value:.2g}" for null in law.nulls}
    return [
        (f"{e.value:.3g}", interval),
        (f"{law.definition.ideal:g}", ""),
        *((chance.get(name, "–"), "") for name in ("untrained", "depth", "labels")),
        (law.standing, ""),
    ]
