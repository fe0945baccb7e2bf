"""Cells on this machine: in this process, or on several that are watched one by one."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait

from loadpath.sweep.cell import Job, Measured
from loadpath.sweep.cells import Cell

DEATHS = 3
"""How many processes may die at a cell before it is given up: Dask's own number."""


def in_this_process(job: Job, cells: Sequence[Cell]) -> Iterator[tuple[Cell, Measured]]:
    """Measure one cell after another."""
    for cell in cells:
        yield cell, job(cell)


def on_processes(job: Job, cells: Sequence[Cell], workers: int) -> Iterator[tuple[Cell, Measured]]:
    """Measure cells on `workers` processes of one thread, and yield each when it is done.

    A process that dies (out of memory, killed) is replaced and its cell begun again; the others do
    not notice. That is what the standard library's pools cannot do: they break as a whole, and do
    not tell at which cell.
    """
    waiting, deaths = deque(cells), 0
    died: dict[int, int] = {}
    busy: dict[Connection, tuple[_Worker, Cell]] = {}
    idle = [_Worker(job) for _ in range(min(workers, len(cells)))]
    try:
        while waiting or busy:
            while idle and waiting:
                worker, cell = idle.pop(), waiting.popleft()
                busy[worker.connection] = worker, cell
                worker.begin(cell)
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                worker, cell = busy.pop(connection)
                try:
                    measured: Measured = connection.recv()
                except (EOFError, OSError):
                    code = worker.end()
                    idle.append(_Worker(job))
                    deaths = died[id(cell)] = died.get(id(cell), 0) + 1
                    if deaths < DEATHS:
                        waiting.appendleft(cell)
                        continue
                    measured = f"its process died {deaths} times, the last with exit code {code}"
                else:
                    idle.append(worker)
                yield cell, measured
    finally:
        for worker in [*idle, *(worker for worker, _ in busy.values())]:
            worker.end()


class _Worker:
    """A process that measures the cells it is sent."""

    def __init__(self, job: Job) -> None:
        # Spawned, not forked: a forked child inherits torch's thread pools in a broken state.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(job, theirs))
        self._process.start()
        theirs.close()  # so that the pipe ends when the process does

    def begin(self, cell: Cell) -> None:
        """Hand it a cell."""
        try:
            self.connection.send(cell)
        except OSError:
            pass  # it died: whoever waits for its answer will notice

    def end(self) -> int | None:
        """Stop it wherever it is, and return its exit code."""
        self.connection.close()
        self._process.kill()
        self._process.join()
        return self._process.exitcode


def _serve(job: Job, connection: Connection) -> None:
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    try:
        while True:
            connection.send(job(connection.recv()))
    except (EOFError, OSError, KeyboardInterrupt):
        pass  # the driver has ended, or is about to


def _end_with_the_driver() -> None:
    """Leave when the driver is gone, however it went: nobody would save what is measured."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait([driver.sentinel])
        os._exit(1)
