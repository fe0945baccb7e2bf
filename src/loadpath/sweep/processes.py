"""Cells on this machine: in this process, or on several that are watched one by one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker, spawn
from multiprocessing.connection import Connection, wait

from loadpath.sweep.cells import Cell
from loadpath.sweep.folder import print_line
from loadpath.sweep.job import Done, Job, Measured, in_one_line

DEATHS = 3
"""How many processes may die at a cell, or one after another before they begin, until no further
one is started for it."""
END_SECONDS = 10
"""How long a process may take to end once it has closed its pipe."""
ADVICE = (
    "they must be able to import measure, and a script must sweep under if __name__ == '__main__'"
)
"""What is to be done where processes end by themselves before they begin."""

_beginning = False
"""Whether this process is one of a sweep, and is importing what it needs."""


def refuse_while_beginning() -> None:
    """Refuse to sweep while a script is imported by a process of its own sweep."""
    if _beginning:
        raise RuntimeError("the script sweeps while it is imported")


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
        If no process is left to measure, because they end before they begin.
    """
    waiting, deaths = deque(cells), Counter[int]()
    busy: dict[Connection, _Worker] = {}
    any_began = False

    def start(early_deaths: int = 0) -> None:
        worker = _Worker(job, early_deaths)
        busy[worker.connection] = worker

    for _ in range(min(workers, len(cells))):
        start()
    try:
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                worker = busy.pop(connection)
                cell, measured = worker.cell, worker.answer()
                if isinstance(measured, _End):
                    if cell is None:
                        if waiting and _may_try_again(worker, measured, any_began, len(busy)):
                            start(worker.early_ends + 1)
                        continue
                    deaths[id(cell)] += 1
                    if deaths[id(cell)] < DEATHS:
                        waiting.appendleft(cell)
                        start()
                        continue
                    measured = f"{DEATHS} processes died at it, the last {measured.words}"
                    if waiting:
                        start()
                else:
                    any_began = True
                    if waiting:  # before the result is saved, so that nobody waits for the disk
                        worker.begin(waiting.popleft())
                        busy[connection] = worker
                    else:
                        worker.stop()
                if cell is not None and measured is not None:
                    yield [(cell, measured)]
    finally:
        for worker in busy.values():
            worker.stop()


@dataclass(frozen=True)
class _End:
    """How a process ended that was not told to."""

    words: str
    """The same in words, to stand after a subject."""
    killed: bool = False
    """Whether a signal ended it."""


def _may_try_again(worker: _Worker, end: _End, any_began: bool, others: int) -> bool:
    """Return whether another process is started in place of one that ended before it began.

    Ends are counted by place, for other processes may have begun and work. What ends by itself, and
    not by a signal, would do so again, unless processes of its kind have begun.
    """
    if worker.early_ends + 1 < DEATHS and (end.killed or any_began):
        return True
    if others and (end.killed or any_began):
        print_line(f"a process of the sweep cannot begin, the last {end.words}; {others} go on.")
        return False
    advice = "" if end.killed else f": {ADVICE}"
    raise ChildProcessError(f"processes cannot begin, the last {end.words}{advice}.")


class _Worker:
    """A process that measures the cells that it is sent."""

    def __init__(self, job: Job, early_ends: int) -> None:
        # Spawned, not forked: a forked child inherits torch's thread pools in a broken state.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.cell: Cell | None = None
        """The cell that it is at; None until it has said that it is ready."""
        self.early_ends = early_ends
        """How many processes in its place ended before they began, one after another."""
        self._process = context.Process(target=_serve, args=(theirs,))
        main = {k: v for k, v in spawn.get_preparation_data("").items() if "main" in k}
        with _deaf(), _hidden_main():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does
        with suppress(OSError):  # it died: who reads its answer will notice
            self.connection.send(main)
            self.connection.send(job)

    def begin(self, cell: Cell) -> None:
        """Hand it a cell."""
        self.cell = cell
        with suppress(OSError):
            self.connection.send(cell)

    def answer(self) -> Measured | _End | None:
        """Return what it says: what came of its cell, nothing if it has begun, or how it ended."""
        try:
            said: Measured | _End | None = self.connection.recv()
        except (EOFError, OSError):
            self._process.join(END_SECONDS)  # killed now, it would seem to have been killed before
            said = _how_it_ended(self._process.exitcode)
        if isinstance(said, _End):
            self.stop()
        return said

    def stop(self) -> None:
        """Stop it wherever it is."""
        self._process.kill()
        self._process.join()
        self.connection.close()


def _how_it_ended(code: int | None) -> _End:
    """Return what an exit code says."""
    if code is None:
        return _End("closed its pipe")
    if code >= 0:
        return _End(f"ended with exit code {code}")
    try:
        return _End(f"was killed by {signal.Signals(-code).name}", killed=True)
    except ValueError:
        return _End(f"was killed by signal {-code}", killed=True)


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep processes that are started within the block from importing the driver's script.

    They import it when they can say what went wrong.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


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


def _serve(connection: Connection) -> None:
    """Measure what comes through the pipe, until it ends."""
    threading.Thread(target=_end_with_the_driver, daemon=True).start()
    with suppress(EOFError, OSError):
        job = _begin(connection)
        connection.send(None if isinstance(job, Job) else job)
        while isinstance(job, Job):
            connection.send(job(connection.recv()))


def _begin(connection: Connection) -> Job | _End:
    """Import the driver's script and what the job needs; return the job, or what went wrong."""
    global _beginning
    _beginning = True
    try:
        spawn.prepare(connection.recv())
        job = connection.recv()
        assert isinstance(job, Job)
        return job
    except BaseException as error:  # a script may leave, too
        return _End(f"said {in_one_line(error)}")
    finally:
        _beginning = False


def _end_with_the_driver() -> None:
    """Leave when the driver is gone, however it went: nobody would save what is measured."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait([driver.sentinel])
        os._exit(1)
