"""The cells of a network's phase diagram: measure one, run a grid of them, and put it together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loadpath import results, sweep
from loadpath.measures import separation
from loadpath.measures.separation import KINDS, SeparationKind
from loadpath.spring_block.networks import Trained, train
from loadpath.spring_block.phase_diagram.setting import Setting

SLOPES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the activations in [SB]: from a ReLU to a linear net."""
Array = np.ndarray[Any, np.dtype[np.float64]]


def measure(*, slope: float, noise: float, seed: int, **setting: Any) -> xr.Dataset:
    """Train one net and measure it: a cell of a phase diagram.

    `setting` are the fields of `Setting`. Returns a Dataset with log_separation (kind, layer) of
    the clean training set in all three conventions, train_accuracy and test_accuracy, the loss of
    the last epoch, how many epochs there were, and how training ended, the status. All but these
    two are NaN for a net whose training diverged. With `record_every`, log_separation_recorded
    (kind, recorded_epoch, layer), NaN after the last epoch.

    Raises: ValueError as `Setting` and `loadpath.networks.train`.
    """
    chosen = Setting(**setting)
    data, recipe = chosen.samples(), chosen.recipe(noise)
    net = chosen.net(data, recipe, slope=slope, seed=seed)
    run = train(
        net,
        data,
        recipe,
        seed=seed,
        kinds=KINDS,
        record_every=chosen.record_every,
        engine=chosen.engine,
    )
    ds = _dataset(run)
    if chosen.record_every is not None:
        ds = ds.merge(_along(run, recipe.epochs, chosen.record_every))
    return results.stamp(ds, slope=slope, noise=noise, seed=seed)


def axes(
    setting: Setting,
    *,
    slopes: Sequence[float] | None = None,
    noises: Sequence[float] | None = None,
    seeds: Iterable[int] = range(10),
) -> dict[str, list[Any]]:
    """The axes of a diagram, [SB]'s where none are given; a seed is gone through before the next.

    Raises: ValueError if an axis is empty or holds a value twice.
    """
    found: dict[str, list[Any]] = {
        "seed": list(seeds),
        "noise": [
            setting.level(value)
            for value in (setting.noises(setting.samples()) if noises is None else noises)
        ],
        "slope": list(SLOPES if slopes is None else slopes),
    }
    for name, values in found.items():
        if not values or len(set(values)) < len(values):
            raise ValueError(f"{name}s must be different values, at least one, got {values}.")
    return found


def run(
    setting: Setting,
    folder: str | Path,
    *,
    slopes: Sequence[float] | None = None,
    noises: Sequence[float] | None = None,
    seeds: Iterable[int] = range(10),
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool | None = None,
) -> sweep.Outcome:
    """Run every cell of a diagram that is not in `folder` yet; `collect` puts it together.

    Parameters
    ----------
    setting: what all cells share; one folder holds cells of one setting.
    slopes, noises: of the activations, and levels of the panel's noise; None are those of [SB].
    seeds: of the nets. A cell's numbers do not depend on what else is run, or where.
    workers, scheduler, progress: as of `loadpath.sweep.run`.

    Raises: ValueError that names the argument and its value, before any cell is run.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353.
    """
    grid = axes(setting, slopes=slopes, noises=noises, seeds=seeds)
    common = asdict(setting.checked(grid))
    return sweep.run(
        measure,
        sweep.product(grid),
        Path(folder),
        common=common,
        workers=workers,
        scheduler=scheduler,
        progress=progress,
    )


def collect(
    setting: Setting,
    folder: str | Path,
    *,
    slopes: Sequence[float] | None = None,
    noises: Sequence[float] | None = None,
    seeds: Iterable[int] = range(10),
) -> xr.Dataset:
    """One Dataset of the cells in `folder`: variables of `measure` over (slope, noise, seed).

    To them it adds the concavity (slope, noise, seed, kind) of every curve, NaN for one that is
    infinite somewhere. Cells that are not there are NaN, and "" in the status.

    Raises: ValueError as `run`; as `loadpath.sweep.collect`.
    """
    grid = axes(setting, slopes=slopes, noises=noises, seeds=seeds)
    data = setting.samples()
    ds = sweep.collect(Path(folder), grid).transpose("slope", "noise", "seed", ...)
    ds = ds.sortby(["slope", "seed"])
    D = ds["log_separation"]
    bent = [concavity(D.sel(kind=kind).to_numpy(), kind) for kind in KINDS]
    ds["concavity"] = (D.dims[:-1], np.stack(bent, axis=-1), {"units": "1"})
    # Where the files were read from means nothing elsewhere; what they hold does.
    ds.attrs = {k: v for k, v in ds.attrs.items() if k.startswith("cells_")}
    shared = {k: v for k, v in asdict(setting.checked(grid)).items() if k != "folder"}
    about = {f"data_{k}": v for k, v in data.provenance.items()}
    return results.stamp(ds.assign_attrs(title=setting.panel), **{**shared, **about})


def _dataset(run: Trained) -> xr.Dataset:
    lost = np.nan if run.status == "diverged" else 1.0
    D = np.array([run.log_separation[kind] for kind in KINDS]) * lost
    nats = {"units": "nats", "long_name": "log separation of the training set"}
    return xr.Dataset(
        {
            "status": ((), run.status),
            "epochs": ((), run.epochs, {"units": "1"}),
            "loss": ((), run.losses[-1] * lost, {"units": "nats"}),
            "train_accuracy": ((), run.train_accuracy * lost, {"units": "1"}),
            "test_accuracy": ((), run.test_accuracy * lost, {"units": "1"}),
            "log_separation": (("kind", "layer"), D, nats),
        },
        coords={"kind": np.array(KINDS, dtype=object), "layer": np.arange(D.shape[1])},
    )


def _along(run: Trained, epochs: int, every: int) -> xr.Dataset:
    """Records over the epochs that all cells could have, so that cells fit together."""
    at = np.arange(0, epochs, every)
    layers = len(run.log_separation[KINDS[0]])
    D = np.full((len(KINDS), len(at), layers), np.nan)
    for k, kind in enumerate(KINDS):
        D[k, : len(run.recorded_epochs)] = run.recorded[kind]
    return xr.Dataset(
        {"log_separation_recorded": (("kind", "recorded_epoch", "layer"), D, {"units": "nats"})},
        coords={"kind": np.array(KINDS, dtype=object), "recorded_epoch": at},
    )


def concavity(D: Array, kind: SeparationKind) -> Array:
    """`LoadCurve.concavity` (...) of curves D (..., layer) as measured; NaN if not all finite."""
    score: Callable[[Array], Array] = separation.concavity
    whole = np.asarray(np.isfinite(D).all(-1))
    curves = np.where(whole[..., None], D, 0.0)
    return np.where(whole, score(-curves if kind == "inverse" else curves), np.nan)
