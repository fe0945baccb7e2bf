"""`tune`: find the level of a knob at which load curves are straight, without validation."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from loadpath import sweep
from loadpath.checks import (
    as_path,
    check_choice,
    check_count,
    check_level,
    check_number,
    check_seed,
)
from loadpath.data import Data, as_training
from loadpath.measures.separation import KINDS, SeparationKind
from loadpath.spring_block.phase_diagram import Setting
from loadpath.spring_block.tuning.cells import measure
from loadpath.spring_block.tuning.design import first_places, next_place
from loadpath.spring_block.tuning.knobs import Axis, axis_of
from loadpath.spring_block.tuning.selection import bends_of, crossing_of_bends
from loadpath.spring_block.tuning.tuned import Tuned, tuned_from
from loadpath.storage import write_atomic

ARCHIVE = "data.npz"
"""Samples that were passed in memory, in the folder of the tuning."""


def tune(
    data: Any,
    *,
    knob: str = "dropout",
    low: float | None = None,
    high: float | None = None,
    n_levels: int = 8,
    seeds: int = 3,
    seed: int = 0,
    slope: float = 0.0,
    kind: SeparationKind = "fuzziness",
    level: float = 0.95,
    folder: str | Path | None = None,
    data_folder: str | Path | None = None,
    workers: int = 1,
    progress: bool | None = None,
    **net: Any,
) -> Tuned:
    """Find the level of a knob at which load curves are straight, on the training set alone.

    The theory of [1]_ says that accuracy is best there. On nine data sets that nobody had tuned on
    it was not: the level so chosen did no better than a fixed dropout of 0.1, and worse than one
    that 100 validation samples choose (docs/tuning.md). A few nets are trained at four levels, and
    then at one level after another, each where the zero of the concavity is least known. No sample
    is spent on validation.

    Parameters
    ----------
    data : str, Path, Data, pair, Bunch or mapping
        What the nets learn: a source by its name or a file, as `Setting` takes it; or samples in
        memory with classes, all of which are then for training. Each input of samples in memory is
        brought to mean 0 and standard deviation 1.
    knob : {"dropout", "data-noise", "learning-rate", "batch-size"}
        What is tuned.
    low, high : float, optional
        Limits of the levels; those of the panels of [1]_ if left out, 0 and 0.3 for dropout.
    n_levels : int
        Levels that are trained at most, at least 2.
    seeds : int
        Nets at every level, at least 2.
    seed : int
        Seed of the first net; the others follow, every net its own.
    slope : float
        Slope of the activation below 0: 0 is a ReLU.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        Convention of the log separation.
    level : float
        Confidence level of the interval.
    folder : str or Path, optional
        Where the nets' numbers are kept, so that a tuning that is killed goes on; a temporary one
        that is deleted if left out.
    data_folder : str or Path, optional
        Where the files of a source are.
    workers, progress
        As of `loadpath.sweep.run`.
    **net
        Further fields of `Setting`: `network`, `width`, `depth`, `batch_norm`, `epochs`,
        `n_train`, `target` and the like.

    Returns
    -------
    Tuned
        The level, its interval, the curve that it was read off, and how far it can be trusted. A
        set of levels of which none does it is an answer too.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the nets cannot learn these data, before any net is
        trained; and if nets failed.

    Notes
    -----
    Trains up to `n_levels` times `seeds` nets. See `straight_level` for nets of your own.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.

    Examples
    --------
    >>> import loadpath as lp
    >>> options = dict(n_train=200, width=20, depth=4, epochs=20, n_levels=4, seeds=2)
    >>> found = lp.tune("digits", **options, progress=False)
    >>> found.verdict in ("clear", "doubtful", "no level does it")
    True
    >>> int(found.dataset["finished"].sum())
    8
    """
    kept = nullcontext(folder) if folder is not None else tempfile.TemporaryDirectory()
    with kept as place:
        return prepare(
            place,
            data,
            knob=knob,
            low=low,
            high=high,
            n_levels=n_levels,
            seeds=seeds,
            seed=seed,
            slope=slope,
            kind=kind,
            level=level,
            data_folder=data_folder,
            net=net,
        ).run(workers=workers, progress=progress)


def prepare(
    folder: str | Path,
    data: Any,
    *,
    knob: str,
    low: float | None,
    high: float | None,
    n_levels: int,
    seeds: int,
    seed: int,
    slope: float,
    kind: SeparationKind,
    level: float,
    data_folder: str | Path | None,
    net: Mapping[str, Any],
) -> Tuning:
    """Check all that a tuning is asked for, as `tune` does, and train nothing yet.

    Parameters
    ----------
    folder : str or Path
        Where the nets' numbers are to be kept.
    data, knob, low, high, n_levels, seeds, seed, slope, kind, level, data_folder
        As of `tune`.
    net : mapping
        Further fields of `Setting`.

    Returns
    -------
    Tuning
        What is ready to run.

    Raises
    ------
    ValueError
        As `tune`.
    """
    check_count("n_levels", n_levels, 2)
    check_count("seeds", seeds, 2)
    check_seed("seed", seed)
    check_number("slope", slope, least=0, most=1)
    check_choice("kind", kind, KINDS)
    check_level(level)
    home = as_path("folder", folder)
    setting, axis = _setting(data, knob, low, high, home, data_folder, net)
    return Tuning(
        setting,
        axis,
        home / "nets",
        slope=float(slope),
        seed=int(seed),
        seeds=seeds,
        n_levels=n_levels,
        kind=kind,
        level=level,
    )


class Tuning:
    """One tuning on its way: the nets that there are, and those that come next."""

    def __init__(
        self,
        setting: Setting,
        axis: Axis,
        folder: Path,
        *,
        slope: float,
        seed: int,
        seeds: int,
        n_levels: int,
        kind: SeparationKind,
        level: float,
    ) -> None:
        """Check that every net can be trained."""
        self._axis, self._folder, self._slope = axis, folder, slope
        self._seed, self._seeds = seed, seeds
        self._n_levels, self._kind, self._level = n_levels, kind, level
        self._running: dict[str, Any] = {}
        ends: dict[str, list[Any]] = {
            "seed": [seed],
            "noise": [axis.low, axis.high],
            "slope": [slope],
        }
        self._setting = setting.checked(ends)

    def run(self, *, workers: int = 1, progress: bool | None = None) -> Tuned:
        """Train level after level, and return what was found.

        Parameters
        ----------
        workers, progress
            As of `loadpath.sweep.run`.

        Returns
        -------
        Tuned
            The level, and how far it can be trusted.
        """
        self._running = {"workers": workers, "progress": progress}
        n_levels = self._n_levels
        levels = list(dict.fromkeys(self._axis.level(p) for p in first_places(n_levels)))
        while True:
            self._train(levels)
            ds = self._collected(levels)
            places = np.array([self._axis.place(each) for each in levels])
            D = ds["log_separation"].sel(kind=self._kind).transpose("level", "seed", "layer")
            left = ds["log_separation_without"].sel(kind=self._kind)
            left = left.transpose("group", "level", "seed", "layer")
            sign = -1.0 if self._kind == "inverse" else 1.0
            bends = bends_of(sign * D.to_numpy(), sign * left.to_numpy())
            crossing = crossing_of_bends(places, bends, level=self._level)
            place = None if len(levels) >= n_levels else next_place(crossing, places, bends.error)
            following = None if place is None else self._axis.level(place)
            if following is None or following in levels:
                break
            levels.append(following)
        ds = ds.assign(
            concavity=("level", bends.concavity, {"units": "1"}),
            concavity_error=("level", bends.error, {"units": "1"}),
            falls=("level", bends.falls),
        ).sortby("level")
        shared = {k: v for k, v in self._setting.plain().items() if k != "folder"}
        shared["data"] = Path(shared["data"]).name
        del shared["panel"]
        return tuned_from(
            ds,
            self._axis,
            crossing,
            **shared,
            slope=self._slope,
            kind=self._kind,
            confidence=self._level,
        )

    def _train(self, levels: list[float]) -> None:
        """Train the nets of these levels that are not there yet.

        Each level has seeds of its own, in the order in which levels come: the same seeds at two
        levels would err together, and the fit takes errors for independent.
        """
        cells = [
            {"seed": self._seed + i * self._seeds + k, "noise": level}
            for i, level in enumerate(levels)
            for k in range(self._seeds)
        ]
        common = {**self._setting.plain(), "slope": self._slope}
        outcome = sweep.run(measure, cells, self._folder, common=common, **self._running)
        if outcome.failed:
            first = outcome.failed[0]
            raise ValueError(
                f"{len(outcome.failed)} nets failed, the first of them {dict(first.cell)}: "
                f"{first.message.rstrip('.')}."
            )

    def _collected(self, levels: list[float]) -> xr.Dataset:
        """Return the nets of these levels over (level, seed)."""
        seeds = range(self._seed, self._seed + self._seeds * len(levels))
        ds = sweep.collect(self._folder, {"seed": list(seeds), "noise": levels})
        ds = ds.rename(noise="level").transpose("level", "seed", ...)
        ds.attrs = {k: v for k, v in ds.attrs.items() if k.startswith("cells_")}
        return ds


def _setting(
    data: Any,
    knob: str,
    low: float | None,
    high: float | None,
    home: Path,
    data_folder: str | Path | None,
    net: Mapping[str, Any],
) -> tuple[Setting, Axis]:
    """Return what all nets share, and the axis of the knob."""
    panel = axis_of(knob, None, None, 10**9).panel
    taken = {"panel", "data", "folder", "record_every", "fingerprint", "protocol"} & set(net)
    unknown = sorted(set(net) - set(Setting.__dataclass_fields__)) or sorted(taken)
    if unknown:
        raise ValueError(f"{unknown[0]} must not be given: it is no option of the nets of tune.")
    if isinstance(data, str | Path):
        setting = Setting(panel, data=data, folder=data_folder, **net)  # type: ignore[arg-type]
    else:
        if data_folder is not None:
            raise ValueError("data_folder must not be given beside samples in memory.")
        setting = Setting(panel, data="npz", folder=str(_archive(data, home)), **net)
    return setting, axis_of(knob, low, high, len(setting.samples().x_train))


def _archive(data: Any, home: Path) -> Path:
    """Write samples that are in memory to the folder of the tuning, where nets read them."""
    if isinstance(data, Data):
        if data.task != "classification":
            raise ValueError(f"data must be of a classification task, got {data.task!r}.")
        x, y, x_test, y_test = data.x_train, data.y_train, data.x_test, data.y_test
    else:
        x, y = as_training(data, task="classification")
        # A Data has test samples; these are of no use, and all that there are train the nets.
        x_test, y_test = x[:1], y[:1]
    path = home / ARCHIVE
    arrays = {"x_train": x, "y_train": y, "x_test": x_test, "y_test": y_test}
    numbers: dict[str, Any] = {name: t.detach().cpu().numpy() for name, t in arrays.items()}
    if not _holds(path, numbers):
        archive = io.BytesIO()
        np.savez(archive, **numbers)
        write_atomic(path, archive.getvalue())
    return path


def _holds(path: Path, arrays: dict[str, np.ndarray]) -> bool:
    """Whether an archive holds these arrays already."""
    if not path.exists():
        return False
    with np.load(path, allow_pickle=False) as there:
        same = set(there.files) == set(arrays) and all(
            np.array_equal(there[name], values) for name, values in arrays.items()
        )
    if not same:
        raise ValueError(
            f"data must be those that {str(path.parent)!r} was begun with, got others."
        )
    return True
