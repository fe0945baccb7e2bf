"""Cells on this machine: in this process, or on several that are watched one by one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

from loadpath.sweep.cells import Cell
from loadpath.sweep.job import Done, Job, Measured

DEATHS = 3
"""How many processes may die at a cell before it is given up."""


def in_this_process(job: Job, cells: Sequence[Cell]) -> Generator[Done]:
    """Measure one cell after another in this process, and yield each as it is done."""
    for cell in cells:
        yield [(cell, job(cell))]


def on_processes(job: Job, cells: Sequence[Cell], workers: int) -> Generator[Done]:
    """Measure cells on `workers` processes, and yield each as it is done.

    A process that dies (killed, out of memory) is replaced and its cell begun again, while the
    others go on. The standard library's pool cannot do that: it breaks as a whole, and does not
    say where. How pebble's pool and Dask's compare stands in `docs/sweeps.md`.

    Parameters
    ----------
    job : Job
        What is done for each cell.
    cells : sequence of Cell
        The cells.
    workers : int
        Number of processes.

    Yields
    ------
    Done
        One cell at a time.

    Raises
    ------
    ChildProcessError
        If processes die before they begin.
    """
    waiting, deaths = deque(cells), Counter[int]()
    busy: dict[Connection, _Worker] = {}

    def start() -> None:
        worker = _Worker(job)
        busy[worker.connection] = worker

    for _ in range(min(workers, len(cells))):
        start()
    try:
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                worker = busy.pop(connection)
                cell = worker.cell
                try:
                    measured: Measured | None = connection.recv()
                except (EOFError, OSError):
                    code = worker.end()
                    deaths[id(cell)] += 1
                    measured = _verdict(cell, deaths[id(cell)], code)
                    if cell is not None and measured is None:
                        waiting.appendleft(cell)
                    if waiting:
                        start()
                else:
                    if waiting:  # before the result is saved, so that nobody waits for the disk
                        worker.begin(waiting.popleft())
                        busy[connection] = worker
                    else:
                        worker.end()
                if cell is not None and measured is not None:
                    yield [(cell, measured)]
    finally:
        for worker in busy.values():
            worker.end()


def _verdict(cell: Cell | None, deaths: int, code: int | None) -> str | None:
    """Return what is said of a cell at which another process died; None to try it again."""
    # A process that ended by itself before it began a cell would do so again; a killed one may not.
    if cell is None and code is not None and code > 0:
        deaths = DEATHS
    if deaths < DEATHS:
        return None
    if cell is None:
        raise ChildProcessError(
            f"processes end before they begin, with exit code {code}: they must be able to import "
            "measure, and a script must sweep under if __name__ == '__main__'."
        )
    return f"{deaths} processes died at it, the last with exit code {code}"


class _Worker:
    """A process that measures the cells that it is sent."""

    def __init__(self, job: Job) -> None:
        # Spawned, not forked: a forked child inherits torch's thread pools in a broken state.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.cell: Cell | None = None
        """The cell that it is at; None until it has said that it is ready."""
        self._process = context.Process(target=_serve, args=(job, theirs))
        with _deaf():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def begin(self, cell: Cell) -> None:
        """Hand it a cell."""
        self.cell = cell
        with suppress(OSError):  # it died: who reads its answer will notice
            self.connection.send(cell)

    def end(self) -> int | None:
        """Stop it wherever it is, and return its exit code."""
        self._process.kill()
        self._process.join()
        self.connection.close()
        return self._process.exitcode


@contextmanager
def _deaf() -> Iterator[None]:
    """Make processes that are started within the block ignore Ctrl-C.

    It reaches every process of a terminal, but these are ended by their driver and have nothing to
    say.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would take the block away when it is started
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(job: Job, connection: Connection) -> None:
    """Measure what comes through the pipe, until it ends."""
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    with suppress(EOFError, OSError):
        connection.send("ready")
        while True:
            connection.send(job(connection.recv()))


def _end_with_the_driver() -> None:
    """Leave when the driver is gone, however it went: nobody would save what is measured."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait([driver.sentinel])
        os._exit(1)
