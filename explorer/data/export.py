"""Thin the Datasets of docs/data into what the explorer's pages carry.

`make explorer-data`, or `python explorer/data/export.py`, reads docs/data and writes
phase_diagrams.json and geodesics.json beside this file: numbers that are said, rounded to more
digits than the pages print, and curves that are only drawn, in 16 bits. The digest of every file
that was read stands in the output, so that a test sees when an export is older than its data.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import loadpath as lp

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "docs" / "data"
DATA_SETS = ("mnist", "fashion", "digits", "mnist-no-batch-norm")
PANELS = ("data-noise", "learning-rate", "dropout", "batch-size")
KINDS = ("trace_ratio", "fuzziness", "inverse")
FALLS = {"falls": 1, "does not fall": 0, "one seed": 1, "no curve": -1}
"""Whether the concavity of a mean curve may be read: `mean_curves` says it in words."""
MODES = 12
"""Singular values that are kept; those after them lie on the floor in every layer."""
MISSING = 65535
"""Stands for a number that is not finite among those in 16 bits."""


def panel_files(folder: Path = DATA / "phase_diagrams") -> dict[str, Path]:
    """Return the file of every panel that is there, by its name."""
    files = {
        f"{data}/{panel}": folder / f"{data}-{panel}.nc" for data in DATA_SETS for panel in PANELS
    }
    return {name: file for name, file in files.items() if file.is_file()}


def geodesic_files(folder: Path = DATA / "paths") -> list[Path]:
    """Return the files of the solved geodesics, the shallowest first."""
    return sorted(folder.glob("effective_depth=*.nc"), key=lambda file: float(_depth_of(file)))


def _depth_of(file: Path) -> str:
    """Return the L~ in a file's name, effective_depth=2.0,seed=0.nc."""
    return file.name.split(",")[0].removeprefix("effective_depth=")


def digests(files: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of every file by its name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def export_panel(name: str, ds: xr.Dataset) -> dict[str, Any]:
    """Return what the second page shows of one panel; cells are (slope, level), slope by slope."""
    data, panel = name.split("/")
    ds = ds.transpose("slope", "noise", "seed", "kind", "layer", ...)
    curves = lp.phase_diagram.mean_curves(ds)
    accuracy = [
        _flat(curves[f"mean_test_accuracy{end}"], ("slope", "noise"))
        for end in ("", "_low", "_high")
    ]
    subsets = len(set(ds["data_seed"].values.tolist())) if "data_seed" in ds.coords else 1
    return {
        "data": data,
        "panel": panel,
        "slopes": ds["slope"].values.tolist(),
        "levels": ds["noise"].values.tolist(),
        "subsets": subsets,
        "nets": ds.sizes["seed"] // subsets,
        "n_train": int(ds.attrs["data_n_train"]),
        "n_test": int(ds.attrs["data_n_test"]),
        "layers": ds.sizes["layer"],
        "accuracy": [list(cell) for cell in zip(*accuracy, strict=True)],
        "net_accuracy": packed(ds["test_accuracy"].values),
        "kinds": {kind: _export_kind(ds, curves, kind) for kind in KINDS},
    }


def _export_kind(ds: xr.Dataset, curves: xr.Dataset, kind: str) -> dict[str, Any]:
    """Return the load curves of a panel by one convention, and what is measured of them."""
    mean = curves.sel(kind=kind)
    columns = [
        _flat(mean[f"mean_concavity{end}"], ("slope", "noise")) for end in ("", "_low", "_high")
    ]
    falls = [FALLS[word] for word in mean["mean_curve_status"].values.ravel().tolist()]
    # Separating is falling in all three: the inverse convention grows with separation.
    D = ds["log_separation"].sel(kind=kind).values * (-1 if kind == "inverse" else 1)
    return {
        "concavity": [[*cell, fall] for *cell, fall in zip(*columns, falls, strict=True)],
        "curves": packed(D),
        "between_nets": _coefficient(ds, kind=kind),
        "between_cells": _coefficient(ds, kind=kind, between="cells", method="pearson"),
    }


def _coefficient(ds: xr.Dataset, **options: Any) -> list[float | None]:
    """Return a correlation of accuracy with straightness: value, low, high, nets that count."""
    found = lp.phase_diagram.correlation(ds, **options)
    return [*(rounded(value) for value in (found.value, found.low, found.high)), found.n_nets]


def export_geodesic(ds: xr.Dataset) -> dict[str, Any]:
    """Return what the third page shows of one geodesic."""
    residual = ds["least_norm_residual"]
    return {
        "effective_depth": ds.attrs["effective_depth"],
        "p": _flat(ds["p"]),
        "spectrum": [_flat(row, digits=4) for row in ds["centred_spectrum"][:, :MODES]],
        "gamma0": ds["gamma0"].values.tolist(),
        # Over the steps, so that the parts are of the position and the metric of their sum.
        "kinetic": [_flat(row) for row in ds["kinetic_energy"]],
        "cost_of_identity": [_flat(row) for row in ds["cost_of_identity"][:, :-1]],
        "dimension": _flat(ds["dimension"]),
        "symmetric": _flat(-2 / ds.attrs["effective_depth"] * ds["symmetric_hamiltonian"]),
        "residual": _flat(residual),
        "tolerance": residual.attrs["tolerance"],
        "verdict": residual.attrs["verdict"],
        "words": residual.attrs["words"].split("\n"),
        "status": ds.attrs["status"],
        "bottleneck_rank": int(ds["bottleneck_rank"]),
        "objective": rounded(float(ds["objective"])),
        "data_term": rounded(float(ds["data_term"])),
        "projection": packed(ds["projection"].values),
        "explained": rounded(ds["projection"].attrs["explained_variance"], 4),
        "target": _flat(ds["target"], digits=4),
    }


def packed(values: np.ndarray) -> dict[str, Any]:
    """Return numbers as 16 bits each, in base64: value = low + step q, and no q is `MISSING`."""
    known = np.isfinite(values)
    low, high = float(values[known].min()), float(values[known].max())
    step = (high - low) / (MISSING - 1) or 1.0
    q = np.full(values.shape, MISSING, dtype="<u2")
    q[known] = np.round((values[known] - low) / step).astype("<u2")
    return {
        "shape": list(values.shape),
        "low": low,
        "step": step,
        "q": base64.b64encode(q.tobytes()).decode(),
    }


def rounded(value: float, digits: int = 6) -> float | None:
    """Return a number to some significant digits; None for one that is not finite."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _flat(array: xr.DataArray, order: tuple[str, ...] = (), digits: int = 6) -> list[float | None]:
    """Return the numbers of an array, row by row of `order`, rounded."""
    values = array.transpose(*order) if order else array
    return [rounded(float(value), digits) for value in values.values.ravel()]


def export(name: str, files: Iterable[Path], make: Callable[[], list[dict[str, Any]]]) -> Path:
    """Write one of the two outputs."""
    target = HERE / f"{name}.json"
    content = {"sources": digests(files), name: make()}
    # A line for each part: versions of the file then differ only where the data do.
    lines = [f'"sources":{_compact(content["sources"])}']
    lines.append(f'"{name}":[\n' + ",\n".join(_compact(part) for part in content[name]) + "\n]")
    target.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    return target


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


if __name__ == "__main__":
    panels, paths = panel_files(), geodesic_files()
    written = [
        export(
            "phase_diagrams",
            panels.values(),
            lambda: [export_panel(name, lp.load(file)) for name, file in panels.items()],
        ),
        export("geodesics", paths, lambda: [export_geodesic(lp.load(file)) for file in paths]),
    ]
    for file in written:
        print(f"{file}: {file.stat().st_size / 1e3:.0f} kB")
