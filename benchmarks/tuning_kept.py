"""The nets of `tuning_study.py` gathered into one file for each stage, and read from it.

A stage has up to ten thousand cells, a file each, in a folder of runs; what the report needs of
them stands in docs/data/tuning.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

import loadpath as lp

KEPT = Path(__file__).parents[1] / "docs" / "data" / "tuning"
KIND = "fuzziness"
"""The registered convention. The others are kept of the log separation after training."""
NUMBERS = (
    *("test_accuracy", "validation_accuracy", "train_loss", "weight_norm", "dropout", "share"),
    *("log_separation", "log_separation_20", "verdict", "straightest", "low", "high"),
)


def gather(
    runs: Path, stage: str, settings: Sequence[str], arms: Sequence[str], seeds: int, kept: Path
) -> None:
    """Write what the report needs of a stage's cells into one file."""
    early = [arm for arm in arms if arm.startswith("early")]
    full = [arm for arm in arms if arm not in early]
    ds = _joined(
        [
            _joined([_part(runs, setting, some, seeds) for some in (early, full) if some], "arm")
            for setting in settings  # by settings, as all cells at once would be large
        ],
        "setting",
    )
    for name, values in ds.data_vars.items():
        if values.dtype == np.float64:
            ds[name] = values.astype(np.float32)
            ds[name].encoding = {"zlib": True, "complevel": 9}
    kept.mkdir(parents=True, exist_ok=True)
    # The runs' own attrs name the folder of their data, which is this machine's.
    ds = lp.results.stamp(ds.drop_attrs(deep=False), stage=stage)
    lp.results.save(ds, kept / f"{stage}.nc", overwrite=True)
    print(f"{stage}: {int(ds['finished'].sum())} nets are kept.")


def _joined(parts: list[xr.Dataset], dim: str) -> xr.Dataset:
    """Put parts that lack some of the variables one behind the other."""
    options = {"data_vars": "all", "coords": "minimal", "compat": "override", "join": "outer"}
    return xr.concat(parts, dim, combine_attrs="drop_conflicts", **options)


def _part(runs: Path, setting: str, arms: Sequence[str], seeds: int) -> xr.Dataset:
    """The cells of a setting; a short net has its accuracy at several epochs."""
    ds = lp.sweep.collect(
        runs, {"setting": [setting], "arm": list(arms), "seed": list(range(seeds))}
    )
    ds = ds[[name for name in (*NUMBERS, "finished") if name in ds]]
    if "log_separation_20" in ds:
        ds["log_separation_20"] = ds["log_separation_20"].sel(kind=KIND, drop=True)
    if "epoch" in ds.dims:
        ds = ds.rename(validation_accuracy="early_accuracy")
    return ds


@functools.cache
def _whole(path: Path) -> xr.Dataset:
    return lp.results.load(path)


def nets(
    kept: Path, stage: str, setting: str, arms: Sequence[str], kind: str = KIND
) -> dict[str, xr.Dataset] | None:
    """The nets of a setting by arm, over the seeds of which all are there; None without any."""
    path = kept / f"{stage}.nc"
    if not path.exists() or setting not in _whole(path)["setting"].values:
        return None
    ds = _whole(path).sel(setting=setting, arm=list(arms))
    if "kind" in ds.dims:
        ds = ds.sel(kind=kind, drop=True)
    there = ds["finished"].all("arm").values
    return {arm: ds.sel(arm=arm).isel(seed=there) for arm in arms} if there.any() else None
