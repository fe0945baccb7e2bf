"""The page about a cut: which layers went, what that costs on unseen samples, what it saves."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from loadpath.checks import (
    as_numbers,
    as_path,
    check_columns,
    check_dataset,
    check_flag,
    check_text,
    check_type,
)
from loadpath.report.page import environment
from loadpath.report.settings import rows, settings
from loadpath.storage import write_page

_CHANGES = {
    "loss_change": ("loss", 1),
    "accuracy_change": ("accuracy, points", 100),
    "agreement": ("predictions that stay, %", 100),
    "output_change": ("output, of its spread", 1),
}
"""Changes of a proof: how they are called, and what they are multiplied by."""
_COSTS = {
    "milliseconds": ("ms", 1.0),
    "peak_bytes": ("memory of the pass, KiB", 2.0**10),
    "model_bytes": ("memory of the model, KiB", 2.0**10),
    "parameters": ("parameters", 1.0),
}
"""Costs of a proof: how they are called, and what they are divided by."""


def write_surgery(
    path: str | os.PathLike[str],
    plan: xr.Dataset,
    proof: xr.Dataset,
    *,
    title: str,
    config: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the page about a cut, whole or not at all.

    The page holds its style itself and asks nothing of the network.

    Parameters
    ----------
    path : str or path
        Where to write it.
    plan : xr.Dataset
        The `dataset` of what `loadpath.surgery.plan` returned.
    proof : xr.Dataset
        The `dataset()` of what `loadpath.surgery.prove` returned.
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
        If `plan` or `proof` is none.
    FileExistsError
        If `path` exists and may not be replaced.
    """
    path = as_path("path", path)
    check_text("title", title)
    check_flag("overwrite", overwrite)
    check_type("plan", plan, xr.Dataset, "the dataset of a plan")
    check_type("proof", proof, xr.Dataset, "the dataset of a proof")
    check_columns("plan", plan, "predicted_harm(layer)", "goes(layer)", "status(layer) in words")
    check_dataset("proof", proof, "value(change)", "low(change)", "high(change)")
    batches: list[int] = []
    if costs := [f"{name}(batch, model)" for name in _COSTS if name in proof]:
        check_dataset("proof", proof, *costs, "batch(batch)", model="original")
        check_dataset("proof", proof, model="smaller")
        batches = [int(size) for size in as_numbers("proof's batch", proof["batch"].values)]
    if config is not None:
        check_type("config", config, Mapping, "a mapping of names to values")
    provenance = {
        f"{source}: {name}": value
        for source, ds in (("plan", plan), ("proof", proof))
        for name, value in ds.attrs.items()
        if name not in ("parameters", "sentences")
    }
    page = environment().get_template("surgery.html.j2").render(
        title=title,
        planned=str(plan.attrs.get("sentences", "")).splitlines(),
        proven=str(proof.attrs.get("sentences", "")).splitlines(),
        changes=_changes(proof),
        level=f"{float(proof.attrs.get('level', 0.95)):.0%}",
        batches=batches,
        costs=_costs(proof),
        layers=_layers(plan),
        settings=settings(config or {}, plan),
        provenance=list(rows(provenance)),
    )  # fmt: skip
    return write_page(path, page, overwrite=overwrite)


def _changes(proof: xr.Dataset) -> list[tuple[str, str, str]]:
    """Return the changes that are known: a name, the number, and its interval."""
    found = []
    for name in proof["change"].values:
        words, times = _CHANGES.get(str(name), (str(name), 1))
        here = proof.sel(change=name)
        value, low, high = (times * float(here[part]) for part in ("value", "low", "high"))
        if not math.isnan(value):
            interval = "" if math.isnan(low) else f"{low:.3g} to {high:.3g}"
            found.append((words, f"{value:.3g}", interval))
    return found


def _costs(proof: xr.Dataset) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what both models take: a name, and for each batch the original and the smaller."""
    found = []
    for name, (words, unit) in _COSTS.items():
        if name not in proof:
            continue
        pairs = proof[name].sel(model=["original", "smaller"]).transpose("batch", "model").values
        found.append((words, [(_as_text(a / unit), _as_text(b / unit)) for a, b in pairs]))
    return found


def _as_text(value: float) -> str:
    """Return a number in four digits, and a large one whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _layers(plan: xr.Dataset) -> list[tuple[str, bool, str, str]]:
    """Return the layers: a name, whether it goes, its predicted harm, and whether it may go."""
    return [
        (str(name), bool(goes), "–" if math.isnan(harm) else f"{harm:.3g}", str(status))
        for name, goes, harm, status in zip(
            plan["layer"].values,
            plan["goes"].values,
            plan["predicted_harm"].values.astype(float),
            plan["status"].values,
            strict=True,
        )
    ]
