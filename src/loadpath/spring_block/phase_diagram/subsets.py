"""Diagrams over several subsets of the data: where their cells are, and whose each net is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath import results
from loadpath.checks import as_list, check_seed
from loadpath.spring_block.phase_diagram.setting import Setting

Labels = NDArray[np.int64]
SUBSET, NET = "data_seed", "net_seed"
"""Coordinates along `seed` that say on which subset a net was trained, and which net it is."""


def over_subsets(
    setting: Setting, folder: Path, data_seeds: Iterable[int] | None
) -> list[tuple[Setting, Path]]:
    """Return the setting of each subset of the data, and the folder of its cells.

    Parameters
    ----------
    setting : Setting
        What all cells share but for the subset.
    folder : Path
        Where the cells of the setting's own subset are.
    data_seeds : iterable of int or None
        Seeds by which the subsets are drawn; None for the setting's own.

    Returns
    -------
    list of (Setting, Path)
        One for each subset. Cells of others than the setting's own are in folders within `folder`.

    Raises
    ------
    ValueError
        If a seed is none, there is no seed, or one is given twice.
    """
    if data_seeds is None:
        return [(setting, folder)]
    seeds = as_list("data_seeds", data_seeds, "values")
    for seed in seeds:
        check_seed("data_seeds", seed)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"data_seeds must be different values, at least one, got {seeds}.")
    return [
        (setting, folder)
        if seed == setting.data_seed
        # A fingerprint is that of one subset; `checked` takes the one of this.
        else (
            replace(setting, data_seed=int(seed), fingerprint=None),
            folder / f"data-seed-{seed}",
        )
        for seed in seeds
    ]


def side_by_side(parts: Sequence[xr.Dataset], data_seeds: Sequence[int]) -> xr.Dataset:
    """Put diagrams of several subsets together, every net counted along `seed`.

    Parameters
    ----------
    parts : sequence of Dataset
        A diagram for each subset, over the same slopes, noises and seeds.
    data_seeds : sequence of int
        The subsets' seeds.

    Returns
    -------
    Dataset
        Along `seed` are the nets of all subsets, numbered from 0, with the coordinates data_seed
        and net_seed. Attrs and parameters are those that all parts share.
    """
    nets = parts[0]["seed"].values
    ds = xr.concat(
        parts,
        "seed",
        data_vars="all",
        coords="minimal",
        compat="equals",
        join="exact",
        combine_attrs="drop_conflicts",
    )
    first, *others = [json.loads(part.attrs["parameters"]) for part in parts]
    shared = {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }
    ds = results.stamp(ds, **{**shared, "data_seeds": list(data_seeds)})
    whose = np.repeat(np.asarray(data_seeds, dtype=np.int64), len(nets))
    which = np.tile(nets.astype(np.int64), len(parts))
    return ds.assign_coords(
        {"seed": np.arange(ds.sizes["seed"]), SUBSET: ("seed", whose), NET: ("seed", which)}
    )


def subsets_and_nets(ds: xr.Dataset) -> tuple[Labels, Labels] | None:
    """Return on which subset each net along `seed` was trained, and which net it is.

    Parameters
    ----------
    ds : Dataset
        A diagram.

    Returns
    -------
    tuple of array or None
        (seed,) labels of the two; None if all nets were trained on one subset.
    """
    if SUBSET not in ds.coords or ds[SUBSET].dims != ("seed",):
        return None
    subsets = np.asarray(ds[SUBSET].values)
    if len(np.unique(subsets)) < 2:
        return None
    nets = np.asarray(ds[NET].values) if NET in ds.coords else np.arange(len(subsets))
    return subsets, nets
