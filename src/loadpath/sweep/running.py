"""Run the cells of a sweep that are not on disk yet, wherever there is room for them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from loadpath.checks import as_list, as_path, check_callable, check_count, check_flag, check_type
from loadpath.results import progress_bar
from loadpath.storage import clear_leftovers
from loadpath.sweep import cluster
from loadpath.sweep import folder as folders
from loadpath.sweep.cells import (
    Cell,
    Key,
    cell_name,
    check_cells,
    check_names,
    key_of_cell,
    with_plain_numbers,
)
from loadpath.sweep.contents import Reader
from loadpath.sweep.holding import held
from loadpath.sweep.job import Done, Job
from loadpath.sweep.processes import in_this_process, on_processes, refuse_while_beginning

SAVERS = 8
"""Files that are written at once where results come faster than a disk confirms them one by one."""


@dataclass(frozen=True)
class Failure:
    """A cell that could not be measured."""

    cell: Cell
    """The settings of the cell."""
    message: str
    """What it raised, or how its process ended, in one line."""


@dataclass(frozen=True)
class Outcome:
    """What a run of a sweep came to."""

    ran: int
    """Number of cells that were measured and saved now."""
    kept: int
    """Number of cells that were on disk already."""
    failed: tuple[Failure, ...]
    """Cells that raised; they are tried again when the sweep is run again."""


def run(
    measure: Callable[..., xr.Dataset],
    cells: Sequence[Cell],
    folder: str | Path,
    *,
    common: Mapping[str, Any] | None = None,
    assumed: Mapping[str, Any] | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    progress: bool | None = None,
) -> Outcome:
    """Measure every cell that is not in `folder` yet, by `measure(**common, **cell)`.

    A cell is measured on one thread, so the numbers are the same wherever it is measured. Its
    Dataset is saved by this process, atomically, when it is done: a run that is killed loses only
    the cells that it was at. A cell that raises is printed, and the others go on.

    Parameters
    ----------
    measure : callable
        A function of a cell's settings that returns a Dataset. Other processes import it by its
        name, so it is defined in a module.
    cells : sequence of Cell
        The cells, as `product` makes them.
    folder : str or Path
        Where the files of the cells are; it is made if it is not there.
    common : mapping, optional
        Settings of all cells.
    assumed : mapping, optional
        Settings that `measure` has gained since, and what they were before: a folder that does not
        name them is taken to have had these.
    workers : int, optional
        Number of processes on this machine; 1 measures in this process.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers then measure.
    progress : bool, optional
        Whether a bar shows; if left out it does on a terminal and in a notebook.

    Returns
    -------
    Outcome
        How many cells ran and were there already, and which failed.

    Raises
    ------
    ValueError
        Before any work, if `workers` is below 1 or given beside a scheduler, if a cell or setting
        is malformed, if `folder` holds another sweep's cells, or if the scheduler does not answer.
    BlockingIOError
        If another process writes to `folder`.
    OSError
        If a result cannot be written, or if `folder` is deleted meanwhile.
    ConnectionError
        If the scheduler goes away.
    ChildProcessError
        If processes end before they can begin; what they said or how they ended stands in it.

    Examples
    --------
    The function stands in a module of its own, here one that is written on the spot:

    >>> import sys, tempfile
    >>> from pathlib import Path
    >>> import loadpath as lp
    >>> place = Path(tempfile.mkdtemp())
    >>> content = '''
    ... import xarray as xr
    ... def power(*, x, n):
    ...     return xr.Dataset({"y": float(x) ** n})
    ... '''
    >>> _ = (place / "powers.py").write_text(content)
    >>> sys.path.insert(0, str(place))
    >>> from powers import power
    >>> cells = lp.sweep.product({"x": [1, 2, 3]})
    >>> lp.sweep.run(power, cells, place / "sweep", common={"n": 2}, progress=False)
    Outcome(ran=3, kept=0, failed=())
    >>> lp.sweep.run(power, cells, place / "sweep", common={"n": 2}, progress=False)
    Outcome(ran=0, kept=3, failed=())
    >>> lp.sweep.collect(place / "sweep", {"x": [1, 2, 3, 4]})["y"].values
    array([ 1.,  4.,  9., nan])
    >>> sys.path.remove(str(place))
    """
    refuse_while_beginning()
    check_callable("measure", measure)
    check_count("workers", workers, 1)
    if common is not None:
        check_type("common", common, Mapping, "a mapping of settings to values")
        check_names("common", common)
    if assumed is not None:
        check_type("assumed", assumed, Mapping, "a mapping of settings to values")
        check_names("assumed", assumed)
    if progress is not None:
        check_flag("progress", progress)
    if scheduler is not None and workers != 1:
        raise ValueError(
            f"workers must not be given beside a scheduler, which has its own, got {workers}."
        )
    folder, common = as_path("folder", folder), dict(common or {})
    cells = as_list("cells", cells, "cells")
    check_cells(cells)
    cells = [with_plain_numbers(cell) for cell in cells]
    wanted = folders.describe_sweep(measure, check_cells(cells), common)
    folders.check_folder(folder)
    with (
        _engine(Job(measure, common), workers, scheduler) as engine,
        held(folder) as still_there,
    ):
        axes = folders.open_folder(folder, wanted, assumed).axes
        clear_leftovers(folder)
        asked = {key_of_cell(cell, axes): {name: cell[name] for name in axes} for cell in cells}
        there, reader = folders.finished_cells(folder, axes), Reader()
        todo = {
            its_key: cell
            for its_key, cell in asked.items()
            if its_key not in there or folders.set_aside_if_damaged(there[its_key], reader)
        }
        failed: dict[Key, Failure] = {}
        bar = progress_bar(progress, total=len(todo), desc=folder.name, unit="cell")
        with (
            bar,
            ThreadPoolExecutor(SAVERS) as savers,
            closing(engine(list(todo.values()))) as come,
        ):
            for done in come:
                files = {folder / cell_name(c): m for c, m in done if isinstance(m, bytes)}
                still_there()
                list(savers.map(folders.write_file, files.keys(), files.values()))
                still_there(files)
                for cell, message in done:
                    if isinstance(message, str):
                        failed[key_of_cell(cell, axes)] = Failure(cell, message)
                        folders.print_line(f"failed: {_words(cell)}: {message}")
                bar.update(len(done))
    in_order = tuple(failed[its_key] for its_key in todo if its_key in failed)
    return Outcome(len(todo) - len(failed), len(asked) - len(todo), in_order)


@contextmanager
def _engine(
    job: Job, workers: int, scheduler: str | None
) -> Iterator[Callable[[Sequence[Cell]], Generator[Done]]]:
    """Yield a function that measures cells and yields those that are done."""
    if scheduler is not None:
        with cluster.connected(scheduler) as client:
            yield lambda cells: cluster.on_cluster(job, cells, client)
    elif workers > 1:
        yield lambda cells: on_processes(job, cells, workers)
    else:
        yield lambda cells: in_this_process(job, cells)


def _words(cell: Cell) -> str:
    """Return the settings of a cell as they stand in messages."""
    return ", ".join(f"{name}={value}" for name, value in cell.items())
