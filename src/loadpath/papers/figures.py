"""The figures: which runs each needs, and how their results become one picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from loadpath import plots, sweep
from loadpath.checks import as_path
from loadpath.papers import audit_table, comparisons, learnable_table, limit
from loadpath.papers.runs import DETAILED, EXPERIMENTS, WIDTH, equal_width
from loadpath.storage import write_atomic
from loadpath.sweep import Cell

Results = Sequence[tuple[Cell, xr.Dataset]]


@dataclass(frozen=True)
class Figure:
    """A figure of the paper, or one of ours in its manner."""

    experiment: str
    """The experiment whose runs it shows."""
    seeds: int
    """How many seeds it has where the user names none."""
    shows: Callable[[Cell], bool]
    """Whether it needs a cell."""
    draw: Callable[[Results], Any]
    """Makes a matplotlib Figure of the results."""
    summarize: Callable[[Results], pd.DataFrame] | None = None
    """Says the results in numbers; `summary` if None. A table without a column "seed" has
    gathered its seeds already."""
    also: tuple[str, ...] = ()
    """Other experiments that it shows; every cell then has a setting "experiment"."""


def draw(
    name: str,
    out: str | Path,
    *,
    seeds: Iterable[int] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool | None = None,
) -> tuple[Path, pd.DataFrame]:
    """Do the runs of a figure that are not under `out` yet, and draw it.

    Runs are kept in `out`/data/<experiment>, the picture is `out`/figures/figure_<name>.png.

    Parameters
    ----------
    name : str
        One of `FIGURES`.
    out : str or Path
        The folder.
    seeds : iterable of int, optional
        The seeds; those that the figure has by itself if left out.
    workers : int, optional
        Processes, each training on one thread; the numbers do not depend on it.
    scheduler : str, optional
        Address of a Dask scheduler whose workers are to train.
    progress : bool, optional
        Whether a bar shows; if left out it does on a terminal and in a notebook.

    Returns
    -------
    Path
        The picture's path.
    pandas.DataFrame
        The runs that it shows in numbers: their `summary`, or a table of the figure's own.

    Raises
    ------
    ValueError
        If there is no such figure, for seeds below 0 or none that the figure shows, for `workers`
        below 1, or if a run fails.
    """
    out = as_path("out", out)
    if name not in FIGURES:
        raise ValueError(f"figure must be one of {', '.join(FIGURES)}, got {name!r}.")
    figure = FIGURES[name]
    chosen = list(range(figure.seeds)) if seeds is None else list(seeds)
    if not chosen or min(chosen) < 0:
        raise ValueError(f"seeds must be numbers of at least 0, got {chosen}.")
    measured: list[tuple[Cell, xr.Dataset]] = []
    for kind in (figure.experiment, *figure.also):
        experiment = EXPERIMENTS[kind]
        cells = [cell for cell in experiment.cells(chosen) if figure.shows(cell)]
        if not cells:
            only = f"{DETAILED[2]}, the one of figure {name}"
            raise ValueError(f"seeds must hold {only}, got {chosen}.")
        folder = out / "data" / kind
        run = sweep.run(
            experiment.measure,
            cells,
            folder,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )
        if run.failed:
            raise ValueError(
                f"figure {name} wants all of its {len(cells)} runs of {kind}, but "
                f"{len(run.failed)} failed, the first with {run.failed[0].message}"
            )
        label = {"experiment": kind} if figure.also else {}
        measured += [({**label, **cell}, sweep.load(folder, cell)) for cell in cells]
    picture = out / "figures" / f"figure_{name}.png"
    write_atomic(picture, plots.png(figure.draw(measured)), overwrite=True)
    return picture, (figure.summarize or summary)(measured)


def summary(measured: Results) -> pd.DataFrame:
    """Return each run in numbers: one row a run, its settings first.

    Residuals are of the middle third of the steps (the largest) and of the worst step; gap is the
    least ratio of the third to the fourth singular value of centred A for p from 0.4 to 0.6.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets.

    Returns
    -------
    pandas.DataFrame
        The table.
    """
    rows = []
    for cell, ds in measured:
        row: dict[str, Any] = dict(cell)
        for name in ("objective", "test_error", "misclassified", "bottleneck_rank", "path_length"):
            if name in ds:
                row[name] = float(ds[name])
        if "dimension" in ds:
            leak = ds.attrs["effective_depth"]
            row["dimension"] = float(ds["dimension"].median())
            row["symmetric"] = float(-2 / leak * ds["symmetric_hamiltonian"].median())
        costs = ds["cost_of_identity"].expand_dims(gamma0=[ds.attrs["gamma0"]])
        for cost in ds.get("cost_of_identity_by_gamma0", costs):
            row[f"COI at {float(cost.gamma0):g}"] = float(cost.min())
        norm = ds.get("representation_norm")
        if norm is not None:
            row["growth"] = float(np.log(norm[-1] / norm[0]))
        n = ds.sizes["step"] // 3
        row["residual"] = float(ds["stationarity"][n:-n].max())
        row["worst residual"] = float(ds["stationarity"].max())
        if "centred_spectrum" in ds:
            # A hair to either side, for p is a sum of layer steps.
            s = ds["centred_spectrum"].values[abs(ds["p"].values - 0.5) < 0.1 + 1e-9]
            row["gap"] = float((s[:, 2] / s[:, 3]).min())
        row["status"] = ds.attrs["status"]
        rows.append(row)
    return pd.DataFrame(rows)


def table(measured: Results, variables: Sequence[str]) -> xr.Dataset:
    """Lay `variables` of the runs out over their settings; runs that are missing are NaN."""
    parts = [
        ds[list(variables)]
        .drop_vars(("p", "p_step"), errors="ignore")
        .expand_dims({key: [value] for key, value in cell.items()})
        for cell, ds in measured
    ]
    return xr.merge(parts, join="outer", compat="no_conflicts")


def _table_1a(measured: Results) -> xr.Dataset:
    names = ["dimension", "symmetric_hamiltonian", "cost_of_identity_by_gamma0", "stationarity"]
    ds = table(measured, names)
    ds["symmetric_dimension"] = -2 / ds["effective_depth"] * ds["symmetric_hamiltonian"]
    ds["min_cost_of_identity"] = ds["cost_of_identity_by_gamma0"].min("layer")
    return ds.assign_attrs(bottleneck_rank=measured[0][1].attrs["teacher_rank"])


def _figure_1a(measured: Results) -> Any:
    return plots.figure_1a(_table_1a(measured))


def _figure_1a_certified(measured: Results) -> Any:
    of_kind = {
        kind: [(_without(c, "experiment"), ds) for c, ds in measured if c["experiment"] == kind]
        for kind in ("bottleneck", "geodesics")
    }
    return plots.figure_1a_certified(
        {
            "trained": _table_1a(of_kind["bottleneck"]),
            "certified geodesics": _table_1a(of_kind["geodesics"]),
        }
    )


def _figure_1a_limit(measured: Results) -> Any:
    followed = _table_1a(limit.on_shown_rungs(measured))
    return plots.figure_1a_certified({"certified geodesics, exponential steps": followed})


def _certified(measured: Results) -> pd.DataFrame:
    """Return trained nets and geodesics of the same problems, a row for each L~ and kind."""
    rows = summary(measured).drop(columns=["seed", "status"])
    return rows.groupby(["effective_depth", "experiment"]).mean()


def _scale(measured: Results) -> Any:
    return plots.figure_scale(table(measured, ["centred_spectrum", "cost_of_identity_by_gamma0"]))


def _figure_2a(measured: Results) -> Any:
    same = [(_without(c, "width"), ds) for c, ds in measured if c["width"] == WIDTH]
    equal = [
        (_without(c, "width"), ds)
        for c, ds in measured
        if c["width"] == equal_width(int(c["depth"]))
    ]
    ds = table(same, ["test_error"])
    ds["test_error_equal"] = table(equal, ["test_error"])["test_error"]
    widths = [equal_width(int(depth)) for depth in ds["depth"].values]
    parameters = [L * w * (w + 1) for L, w in zip(ds["depth"].values, widths, strict=True)]
    return plots.figure_2a(ds.assign(width=("depth", widths), n_parameters=("depth", parameters)))


def _learnable(measured: Results) -> Any:
    return plots.figure_2_learnable(learnable_table.shown(measured))


def _figure_3(measured: Results) -> Any:
    ds = table(measured, ["path_length", "momentum_norm", "momentum_activation_norm"])
    return plots.figure_3(ds.max("layer"))


def _digits(measured: Results) -> Any:
    names = ["cost_of_identity", "misclassified", "representation_norm"]
    return plots.figure_digits(table(measured, names))


def _surgery(measured: Results) -> Any:
    return plots.figure_surgery(comparisons.surgery_ratios(measured))


def _audit(measured: Results) -> Any:
    return plots.figure_audit(audit_table.lay_out(measured))


def _growth(measured: Results) -> Any:
    return plots.figure_growth(comparisons.growth_ratios(measured))


def _without(cell: Cell, key: str) -> Cell:
    """Return a cell without one of its settings."""
    return {name: value for name, value in cell.items() if name != key}


def _at_7(cell: Cell) -> bool:
    return cell["effective_depth"] == 7.0


def _detailed(cell: Cell) -> bool:
    return (cell["width"], cell["depth"], cell["seed"]) == DETAILED


FIGURES = {
    "1a": Figure("bottleneck", 3, lambda cell: True, _figure_1a),
    "1a-certified": Figure(
        "bottleneck", 1, lambda cell: True, _figure_1a_certified, _certified, ("geodesics",)
    ),
    "1a-limit": Figure("limit", 3, lambda cell: True, _figure_1a_limit, limit.tabulate_rungs),
    "1b": Figure("bottleneck", 1, _at_7, lambda measured: plots.figure_1b(measured[0][1])),
    "1c": Figure("bottleneck", 1, _at_7, lambda measured: plots.figure_1c(measured[0][1])),
    "2a": Figure("discretization", 5, lambda cell: True, _figure_2a),
    "2b": Figure(
        "discretization",
        1,
        lambda cell: _detailed(cell) and cell["rule"] == "adaptive",
        lambda measured: plots.figure_2b(measured[0][1]),
    ),
    "2c": Figure(
        "discretization",
        1,
        _detailed,
        lambda measured: plots.figure_2c({str(cell["rule"]): ds for cell, ds in measured}),
    ),
    "2-learnable": Figure(
        "learnable", 12, lambda cell: True, _learnable, learnable_table.summarize, ("learnability",)
    ),
    "3": Figure("bottleneck", 3, lambda cell: True, _figure_3),
    "scale": Figure("scale", 2, lambda cell: True, _scale),
    "digits": Figure("digits", 3, lambda cell: True, _digits),
    "surgery": Figure("surgery", 5, lambda cell: True, _surgery, comparisons.tabulate_halvings),
    "audit": Figure("audit", 3, lambda cell: True, _audit, audit_table.table),
    "growth": Figure("growth", 5, lambda cell: True, _growth, comparisons.tabulate_growths),
}
"""The figures by the names that `draw` and `loadpath figures` take."""
