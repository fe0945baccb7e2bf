"""Run the cells of an experiment that are not on disk yet, on one process or several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import torch
import xarray as xr
from tqdm import tqdm

from loadpath import results

Cell = Mapping[str, str | int | float]
"""The settings of one run."""


@dataclass(frozen=True)
class Experiment:
    """A grid of runs."""

    name: str
    """Also the folder of its cells."""
    measure: Callable[..., xr.Dataset]
    """Makes one cell's Dataset from its settings, given by keyword; importable by name, so that
    other processes can run it."""
    cells: Callable[[Iterable[int]], list[Cell]]
    """The settings of all cells, for the seeds given."""

    @property
    def settings(self) -> list[str]:
        """Names of the settings other than the seed."""
        return [name for name in self.cells([0])[0] if name != "seed"]


def cell_path(folder: Path, experiment: Experiment, cell: Cell) -> Path:
    """Where the result of a cell is kept: its settings are its name."""
    name = ",".join(f"{key}={value}" for key, value in cell.items())
    return folder / experiment.name / f"{name}.nc"


def run(
    experiment: Experiment,
    cells: Iterable[Cell],
    folder: Path,
    *,
    workers: int = 1,
    progress: bool | None = None,
) -> int:
    """Run every cell that is not in `folder`, and return how many were run.

    Each worker trains on one thread, so the numbers are the same whatever their number. A cell is
    saved atomically when it is done: a killed run loses only the cells it was at.

    Raises: ValueError if `workers` is below 1; what a cell raises.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    todo = [cell for cell in cells if not cell_path(folder, experiment, cell).exists()]
    hidden = None if progress is None else not progress
    with tqdm(total=len(todo), desc=experiment.name, unit="run", disable=hidden) as bar:
        if workers == 1:
            for cell in todo:
                _measure(experiment, cell, folder)
                bar.update()
        elif todo:
            # Spawned, not forked: a forked child inherits torch's thread pools in a broken state.
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(workers, mp_context=context) as pool:
                futures = [pool.submit(_measure, experiment, cell, folder) for cell in todo]
                try:
                    for future in as_completed(futures):
                        future.result()
                        bar.update()
                except BaseException:
                    pool.shutdown(cancel_futures=True)
                    raise
    return len(todo)


def _measure(experiment: Experiment, cell: Cell, folder: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ds = experiment.measure(**cell)
    finally:
        torch.set_num_threads(threads)
    results.save(ds, cell_path(folder, experiment, cell), overwrite=True)
