"""Run the cells of a sweep that are not on disk yet, wherever there is room for them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr
from tqdm import tqdm

from loadpath.sweep import cluster
from loadpath.sweep import folder as folders
from loadpath.sweep.job import Done, Job
from loadpath.sweep.cells import Cell, Key, cell_name, check_cells, key, native
from loadpath.sweep.processes import in_this_process, on_processes

SAVERS = 8
"""Files that are written at once where results come faster than a disk confirms them one by one."""


@dataclass(frozen=True)
class Failure:
    """A cell that could not be measured."""

    cell: Cell
    message: str
    """What it raised, or how its process ended, in one line."""


@dataclass(frozen=True)
class Outcome:
    """What a run of a sweep came to."""

    ran: int
    """Cells measured and saved now."""
    kept: int
    """Cells that were on disk already."""
    failed: tuple[Failure, ...]
    """Cells that raised; they are tried again when the sweep is run again."""


def run(
    measure: Callable[..., xr.Dataset],
    cells: Sequence[Cell],
    folder: Path,
    *,
    common: Mapping[str, Any] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool | None = None,
) -> Outcome:
    """Measure every cell that is not in `folder` yet: `measure(**common, **cell)`.

    A cell is measured on one thread, so the numbers are the same wherever it is: in this process,
    on `workers` processes, or on the Dask workers of `scheduler`, an address. Its Dataset is saved
    by this process, atomically, when it is done; a run that is killed loses only the cells it was
    at. A cell that raises is printed and the others go on. `common` are settings of all cells.

    Raises: ValueError if `workers` is below 1 or given beside a scheduler, a cell or setting is
    malformed, `folder` holds another sweep's cells or the scheduler does not answer, all before
    any work; OSError if a result cannot be written, ConnectionError if the scheduler goes away.
    """
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}.")
    if scheduler is not None and workers != 1:
        raise ValueError(
            f"workers must not be given beside a scheduler, which has its own, got {workers}."
        )
    folder, cells, common = Path(folder), [native(cell) for cell in cells], dict(common or {})
    wanted = folders.of(measure, check_cells(cells), common)
    with _engine(Job(measure, common), workers, scheduler) as engine:
        axes = folders.claim(folder, wanted).axes
        asked = {key(cell, axes): {name: cell[name] for name in axes} for cell in cells}
        there = folders.finished(folder, axes)
        todo = {
            its_key: cell
            for its_key, cell in asked.items()
            if its_key not in there or folders.set_aside_if_damaged(there[its_key])
        }
        failed: dict[Key, Failure] = {}
        hidden = None if progress is None else not progress
        bar = tqdm(total=len(todo), desc=folder.name, unit="cell", disable=hidden)
        with (
            bar,
            ThreadPoolExecutor(SAVERS) as savers,
            closing(engine(list(todo.values()))) as come,
        ):
            for done in come:
                files = {folder / cell_name(c): m for c, m in done if isinstance(m, bytes)}
                list(savers.map(folders.write, files.keys(), files.values()))
                for cell, message in done:
                    if isinstance(message, str):
                        failed[key(cell, axes)] = Failure(cell, message)
                        folders.say(f"failed: {_words(cell)}: {message}")
                bar.update(len(done))
    in_order = tuple(failed[its_key] for its_key in todo if its_key in failed)
    return Outcome(len(todo) - len(failed), len(asked) - len(todo), in_order)


@contextmanager
def _engine(
    job: Job, workers: int, scheduler: str | None
) -> Iterator[Callable[[Sequence[Cell]], Generator[Done]]]:
    """What measures cells and yields those that are done."""
    if scheduler is not None:
        with cluster.connected(scheduler) as client:
            yield lambda cells: cluster.on_cluster(job, cells, client)
    elif workers > 1:
        yield lambda cells: on_processes(job, cells, workers)
    else:
        yield lambda cells: in_this_process(job, cells)


def _words(cell: Cell) -> str:
    return ", ".join(f"{name}={value}" for name, value in cell.items())
