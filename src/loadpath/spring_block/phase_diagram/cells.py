"""The cells of a network's phase diagram: measure one, run a grid of them, and put it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loadpath import results, sweep
from loadpath.checks import as_list, as_path, check_number, check_seed, check_type
from loadpath.measures.separation import KINDS
from loadpath.results import Status
from loadpath.spring_block.networks import Trained, build_classifier, train
from loadpath.spring_block.phase_diagram.cell_curves import mean_curves
from loadpath.spring_block.phase_diagram.curves import falling_curves, finite_concavity
from loadpath.spring_block.phase_diagram.levels import axis_value
from loadpath.spring_block.phase_diagram.setting import FORMERLY, SCALE_MEANINGS, Setting
from loadpath.spring_block.phase_diagram.subsets import over_subsets, side_by_side


def measure(*, slope: float, noise: float, seed: int, **setting: Any) -> xr.Dataset:
    """Train one net and measure it: one cell of a phase diagram.

    Parameters
    ----------
    slope : float
        Slope of the activation below 0.
    noise : float
        The cell's place on the panel's axis of noise.
    seed : int
        Seed of the weights and of the training.
    **setting
        Fields of `Setting`.

    Returns
    -------
    xarray.Dataset
        log_separation (kind, layer) of the clean training set in all three conventions, in nats;
        train_accuracy and test_accuracy; the loss of the last epoch; the number of epochs; and the
        status, how training ended. All but the last two are NaN for a net whose training diverged.
        With `record_every` also log_separation_recorded (kind, recorded_epoch, layer), NaN after
        the last epoch.

    Raises
    ------
    ValueError
        If an argument is out of its range, as `Setting` and `loadpath.networks.train`.
    """
    chosen = Setting(**setting)
    data, recipe = chosen.samples(), chosen.recipe(noise)
    run = train(
        build_classifier(chosen.shape(data, recipe, slope=slope), seed=seed),
        data,
        recipe,
        seed=seed,
        kinds=KINDS,
        class_weights=chosen.experiment.class_weights,
        pseudo_inverse=chosen.pseudo_inverse,
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
    """Return the axes of a diagram in the order in which its cells are run.

    Parameters
    ----------
    setting : Setting
        What all cells share.
    slopes, noises : sequence of float, optional
        Values of the axes; those of the setting's protocol if left out.
    seeds : iterable of int
        Seeds of the nets. All cells of a seed come before those of the next.

    Returns
    -------
    dict
        Values of "seed", "noise" and "slope".

    Raises
    ------
    ValueError
        If an axis is empty or holds a value twice.
    """
    check_type("setting", setting, Setting, "a Setting")
    given = {"seeds": seeds, "noises": noises, "slopes": slopes}
    for name, values in given.items():
        for value in [] if values is None and name != "seeds" else as_list(name, values, "values"):
            if name == "seeds":
                check_seed(name, value)
            else:
                check_number(name, value, least=0)
    found: dict[str, list[Any]] = {
        "seed": list(seeds),
        "noise": [
            axis_value(setting.panel, value)
            for value in (setting.paper_noises() if noises is None else noises)
        ],
        "slope": list(setting.experiment.slopes if slopes is None else slopes),
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
    data_seeds: Iterable[int] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool | None = None,
) -> sweep.Outcome:
    """Run every cell of a diagram that is not in `folder` yet; `collect` puts it together.

    Parameters
    ----------
    setting : Setting
        What all cells share; one folder holds cells of one setting.
    folder : str or Path
        Where the cells are kept, a file each.
    slopes : sequence of float, optional
        Slopes of the activations below 0; those of the setting's protocol if left out.
    noises : sequence of float, optional
        Values of the panel's noise; those of the setting's protocol if left out.
    seeds : iterable of int
        Seeds of the nets. The numbers of a cell do not depend on what else is run, or where.
    data_seeds : iterable of int, optional
        Seeds of the subsets of the data, on each of which all nets are trained; that of the setting
        if left out. Cells of another subset than the setting's are in a folder within `folder`.
    workers, scheduler, progress
        Where cells run and whether a bar is shown, as of `loadpath.sweep.run`.

    Returns
    -------
    sweep.Outcome
        How many cells were run and kept, and those that failed.

    Raises
    ------
    ValueError
        If a cell cannot run, before any cell is run; the sentence names the argument.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.
    """
    folder = as_path("folder", folder)
    grid = axes(setting, slopes=slopes, noises=noises, seeds=seeds)
    subsets = [
        (one.checked(grid).plain(), place)
        for one, place in over_subsets(setting, folder, data_seeds)
    ]
    outcomes = [
        sweep.run(
            measure,
            sweep.product(grid),
            place,
            common=common,
            assumed=FORMERLY,
            workers=workers,
            scheduler=scheduler,
            progress=progress,
        )
        for common, place in subsets
    ]
    return sweep.Outcome(
        sum(one.ran for one in outcomes),
        sum(one.kept for one in outcomes),
        tuple(failure for one in outcomes for failure in one.failed),
    )


def collect(
    setting: Setting,
    folder: str | Path,
    *,
    slopes: Sequence[float] | None = None,
    noises: Sequence[float] | None = None,
    seeds: Iterable[int] = range(10),
    data_seeds: Iterable[int] | None = None,
) -> xr.Dataset:
    """Put the cells in `folder` together in one Dataset.

    Parameters
    ----------
    setting : Setting
        What all cells share.
    folder : str or Path
        Where `run` keeps the cells.
    slopes, noises, seeds, data_seeds
        Axes of the diagram, as of `run`.

    Returns
    -------
    xarray.Dataset
        Variables of `measure` over (slope, noise, seed), and the concavity (slope, noise, seed,
        kind) of every curve, dimensionless; NaN for a curve that is infinite somewhere. Cells that
        are not there are NaN, and "" in the status. What `mean_curves` says of the mean curve of
        every cell stands beside them. With `data_seeds` the nets of all subsets of the data are
        numbered along seed, where the coordinates data_seed and net_seed say whose each is; the
        functions here that take a diagram then give intervals over subsets and nets.

    Raises
    ------
    ValueError
        If a cell could not be run, as `run`, its file cannot be read, as
        `loadpath.sweep.collect`, no cell of the grid is there, or the cells were run with another
        scale of data noise, way to resize images or pseudo-inverse. Cells of version 0.1.0, which
        do not name them, have "demeaned", "area" and "exact".
    """
    folder = as_path("folder", folder)
    grid = axes(setting, slopes=slopes, noises=noises, seeds=seeds)
    each = over_subsets(setting, folder, data_seeds)
    parts = [_collected(one, place, grid) for one, place in each]
    ds = parts[0]
    if data_seeds is not None:
        ds = side_by_side(parts, [one.data_seed for one, _ in each])
    return ds.merge(mean_curves(ds))


def _collected(setting: Setting, folder: Path, grid: dict[str, list[Any]]) -> xr.Dataset:
    """Return the cells of one subset of the data, with the concavity of each curve."""
    data = setting.samples()
    ds = sweep.collect(folder, grid).transpose("slope", "noise", "seed", ...)
    for name, former in FORMERLY.items():
        its, mine = ds.attrs.get(name, former), getattr(setting, name)
        if its != mine:
            raise ValueError(
                f"setting must have {name} {its!r}, with which the cells in {str(folder)!r} were "
                f"run, got {mine!r}."
            )
    if "log_separation" not in ds:
        raise ValueError(
            f"slopes, noises and seeds must name some cell that is in {str(folder)!r}, and none is."
        )
    ds = ds.sortby(["slope", "seed"])
    D = ds["log_separation"]
    bent = [finite_concavity(falling_curves(D.sel(kind=kind).to_numpy(), kind)) for kind in KINDS]
    ds["concavity"] = (D.dims[:-1], np.stack(bent, axis=-1), {"units": "1"})
    # Where the files were read from means nothing elsewhere; what they hold does.
    ds.attrs = {k: v for k, v in ds.attrs.items() if k.startswith("cells_")}
    shared = {k: v for k, v in setting.checked(grid).plain().items() if k != "folder"}
    shared["data"] = Path(shared["data"]).name
    about: dict[str, Any] = {f"data_{k}": v for k, v in data.provenance.items()}
    about["class_weights"] = setting.experiment.class_weights
    if setting.panel == "data noise":
        about["noise_scale_meaning"] = SCALE_MEANINGS[setting.noise_scale]
        if data.raw_deviation is not None:
            about["raw_deviation"] = data.raw_deviation
    return results.stamp(ds.assign_attrs(title=setting.panel), **{**shared, **about})


def _dataset(run: Trained) -> xr.Dataset:
    """Return what is kept of a cell: numbers of the end, so that thousands of files stay small."""
    lost = np.nan if run.status == Status.DIVERGED else 1.0
    D = np.array([run.log_separation[kind] for kind in KINDS]) * lost
    nats = {"units": "nats", "long_name": "log separation of the training set"}
    return xr.Dataset(
        {
            "status": ((), str(run.status)),
            "epochs": ((), run.epochs, {"units": "1"}),
            "loss": ((), run.losses[-1] * lost, {"units": "nats"}),
            "train_accuracy": ((), run.train_accuracy * lost, {"units": "1"}),
            "test_accuracy": ((), run.test_accuracy * lost, {"units": "1"}),
            "log_separation": (("kind", "layer"), D, nats),
        },
        coords={"kind": np.array(KINDS, dtype=object), "layer": np.arange(D.shape[1])},
    )


def _along(run: Trained, epochs: int, every: int) -> xr.Dataset:
    """Return records over the epochs that all cells could have, so that cells fit together."""
    at = np.arange(0, epochs, every)
    layers = len(run.log_separation[KINDS[0]])
    D = np.full((len(KINDS), len(at), layers), np.nan)
    for k, kind in enumerate(KINDS):
        D[k, : len(run.recorded_epochs)] = run.recorded[kind]
    return xr.Dataset(
        {"log_separation_recorded": (("kind", "recorded_epoch", "layer"), D, {"units": "nats"})},
        coords={"kind": np.array(KINDS, dtype=object), "recorded_epoch": at},
    )
