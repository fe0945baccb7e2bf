"""What the report of `laws_study.py` needs of its cells, in one file, and tables made of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

import loadpath as lp
from loadpath.laws import Law, Null
from loadpath.laws.definitions import BY_NAME
from loadpath.statistics import Estimate

Done = list[tuple[dict[str, Any], xr.Dataset]]
"""Cells and what was measured of each."""
FILE = "cells.nc"
WHOLE = {"geodesic": ("geodesic", "7", 0), "residual_mlp": ("residual mlp", "16", 0)}
"""Nets that are kept with their curves and all draws of their nulls, for a picture."""
OF_LAWS = (
    *("statistic", "statistic_low", "statistic_high", "p_value"),
    *("standing", "standing_now"),
)
OF_NETS = (
    *("test_loss", "test_accuracy", "verdict_of_blocks", "certificate"),
    *("near_cosine", "shuffle_cost", "coarse_order", "roughness"),
)
COLUMNS = {
    "equal load, bend, fuzziness": "bend f",
    "equal load, bend, trace_ratio": "bend t",
    "equal load, bend, inverse": "bend i",
    "equal load, spread, fuzziness": "spread f",
    "equal load, spread, trace_ratio": "spread t",
    "equal load, spread, inverse": "spread i",
    "equal separation": "separation",
    "monotone collapse": "collapse",
    "slow middle": "middle",
    "slow middle, metric": "metric",
    "bottleneck rank": "rank",
    "equal spacing": "spacing",
    "steps on a line": "line",
    "geometric growth": "growth",
    "equal readout": "readout",
}
"""Laws, and what they are called above the columns of a table."""
LETTERS = {"holds": "H", "contradicted": "C"}


def keep(done: Done, folder: Path) -> None:
    """Write what the report needs of all cells into one file."""
    held = []
    for cell, ds in done:
        ds = ds.assign(certificate=str(ds.attrs.get("status", "")))
        ds["standing_now"] = "law", np.array(standing_now(ds), dtype=object)
        here = ds[[name for name in (*OF_LAWS, *OF_NETS) if name in ds]]
        held.append(here.drop_attrs().assign_coords({n: str(v) for n, v in cell.items()}))
    whole = xr.concat(held, "cell", data_vars="all", join="exact", combine_attrs="drop")
    for name, values in whole.variables.items():
        if values.dtype.kind == "f":
            whole[name] = values.astype(np.float32)
            whole[name].encoding = {"zlib": True, "complevel": 9}
        elif values.dtype.kind in "OU":
            whole[name] = values.astype(object).fillna("")
    folder.mkdir(parents=True, exist_ok=True)
    for name, wanted in WHOLE.items():
        for cell, ds in done:
            if tuple(cell.values()) == wanted:
                whole_cell = ds.drop_attrs(deep=False).rename(depth_name="layer")
                lp.results.save(lp.results.stamp(whole_cell), folder / f"{name}.nc", overwrite=True)
    # The attrs of a sweep name the folder of its data, which is this machine's.
    lp.results.save(lp.results.stamp(whole), folder / FILE, overwrite=True)
    print(f"{len(done)} cells are kept.")


def draw_curves(folder: Path, figures: Path) -> None:
    """Draw the laws of the nets that were kept whole."""
    for name in WHOLE:
        drawn = lp.plots.figure_laws(lp.load(folder / f"{name}.nc"))
        lp.plots.save(drawn, figures / f"laws_{name}.png", overwrite=True)


def standing_now(ds: xr.Dataset) -> list[str]:
    """How laws stand by what the cell measured, as `lp.laws` judges since it ran.

    Laws whose curve has equal parts have no depth null any more where layers begin anew, where any
    order of equal parts is the same. The spread of loads never had it there, which tells such nets.
    """
    spread = ds.sel(law="equal load, spread, fuzziness", null="depth")
    begins_anew = not np.isnan(ds["statistic"].sel(law=spread["law"])) and np.isnan(
        spread["p_value"]
    )
    found = []
    for name in ds["law"].values:
        here = ds.sel(law=name)
        judged = {
            without: _law(here, without).standing
            for without in ((), ("depth",))  # the first is what the cell says
        }
        assert judged[()] == here["standing"].item(), (name, judged)
        law = BY_NAME[str(name)]
        alike = law.order == "path" and law.need != "steps" and begins_anew
        found.append(judged[("depth",) if alike else ()])
    return found


def _law(ds: xr.Dataset, without: tuple[str, ...]) -> Law:
    """Return one law of a cell, without some of its nulls."""
    value, low, high = (float(ds[f"statistic{end}"]) for end in ("", "_low", "_high"))
    nulls = []
    for name in ds["null"].values:
        draws = ds["null_statistic"].sel(null=name).values
        draws = draws[np.isfinite(draws)]
        if len(draws) and name not in without:
            nulls.append(Null(str(name), draws, value))  # type: ignore[arg-type]
    estimate = None if np.isnan(value) else Estimate(value, low, high, 500, "estimated")
    return Law(BY_NAME[str(ds["law"].item())], estimate, tuple(nulls))


def kept(folder: Path) -> Done:
    """Return the cells that `keep` wrote."""
    whole = lp.load(folder / FILE)
    found: Done = []
    for place in range(whole.sizes["cell"]):
        ds = whole.isel(cell=place)
        cell = {name: ds[name].item() for name in ("kind", "variant")}
        found.append((cell | {"seed": int(ds["seed"].item())}, ds))
    return found


def as_judged_now(done: Done) -> Done:
    """Return cells with the standings of `standing_now` in the place of the registered ones."""
    return [
        (cell, ds.assign(standing=("law", ds["standing_now"].values)))
        if "standing_now" in ds
        else (cell, ds.assign(standing=("law", np.array(standing_now(ds), dtype=object))))
        for cell, ds in done
    ]


def over_seeds(values: np.ndarray) -> tuple[float, float]:
    """The mean over seeds, and half of Student's 95 % interval for it."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return (float(values.mean()) if len(values) else np.nan), np.nan
    reach = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(reach)


def groups(done: Done) -> dict[tuple[str, str], list[xr.Dataset]]:
    """Return the nets of each variant."""
    found: dict[tuple[str, str], list[xr.Dataset]] = {}
    for cell, ds in done:
        found.setdefault((cell["kind"], cell["variant"]), []).append(ds)
    return found


def markdown(done: Done, laws: Sequence[str]) -> str:
    """Return nets x laws as a table of Markdown.

    A field has the mean over seeds with Student's 95 % interval, in how many nets the law holds (H)
    or is contradicted (C), and in how many its p-value is at most 0.05 against each null: untrained
    nets, other orders in depth, other labels.
    """
    lines = [
        "| net | " + " | ".join(COLUMNS[law] for law in laws) + " |",
        "|---|" + "---|" * len(laws),
    ]
    for (kind, variant), nets in groups(done).items():
        fields = [_field([ds.sel(law=law) for ds in nets]) for law in laws]
        lines.append(f"| {called(kind, variant)} | " + " | ".join(fields) + " |")
    return "\n".join(lines)


def called(kind: str, variant: str) -> str:
    """Return what a variant of a kind of nets is called."""
    if kind.startswith("mlp"):
        slope, dropout = variant.split(" ")
        return f"{kind}, slope {slope}, dropout {dropout}"
    return f"{kind}, {variant}"


def _field(nets: list[xr.Dataset]) -> str:
    mean, reach = over_seeds(np.array([float(ds["statistic"]) for ds in nets]))
    if not np.isfinite(mean):
        return "-"
    standing = [str(ds["standing"].item()) for ds in nets]
    counts = "".join(f" {standing.count(w)}{l}" for w, l in LETTERS.items() if w in standing)
    p = np.array([ds["p_value"].values for ds in nets])  # (net, null)
    low = ["-" if np.isnan(each).all() else str(int((each <= 0.05).sum())) for each in p.T]
    spread = "" if np.isnan(reach) else f" ± {_short(reach, 1)}"
    return f"{_short(mean, 2)}{spread}{counts} ({'/'.join(low)})"


def _short(value: float, digits: int) -> str:
    """Return a number with so many digits, and no exponent."""
    return f"{float(f'{value:.{digits}g}'):g}"
