"""Cells on Dask distributed: workers elsewhere, results back to the driver."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from loadpath.sweep.cells import Cell
from loadpath.sweep.folder import print_line
from loadpath.sweep.job import Done, Job, Measured

CONNECT_SECONDS = 5
"""How long a scheduler may take to answer."""

_ALONE = threading.Lock()
"""Torch's number of threads and its default generator belong to the process: of a worker with many
threads, two cells at once would change each other's numbers."""


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Yield a Dask client of the scheduler at `address`, which is closed at the end.

    Parameters
    ----------
    address : str
        The scheduler's address, such as tcp://host:8786.

    Yields
    ------
    distributed.Client
        The client.

    Raises
    ------
    ValueError
        If Dask distributed is not installed, if `address` is malformed or wants a certificate that
        Dask's settings do not name, or if the scheduler does not answer.
    """
    try:
        from distributed import Client, Security
        from distributed.comm import connect
    except ModuleNotFoundError:
        raise ValueError(
            f"scheduler must not be set where Dask distributed is not installed, got {address!r}: "
            "pip install 'loadpath[cluster]'."
        ) from None

    async def greet() -> None:
        options = Security().get_connection_args("client")
        comm = await asyncio.wait_for(
            connect(address, timeout=CONNECT_SECONDS, **options), CONNECT_SECONDS
        )
        await comm.close()

    try:
        # `Client` waits for ever for one that takes the call and says nothing; a loop of its own,
        # in a thread of its own, because a notebook has one already.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, greet()).result()
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except TypeError as error:
        raise ValueError(
            f"scheduler {address!r} wants TLS, for which Dask needs a certificate of this client: "
            "set distributed.comm.tls.ca-file, .client.cert and .client.key in its settings."
        ) from error
    except (OSError, ValueError) as error:
        raise ValueError(
            "scheduler must be the address of a Dask scheduler, such as tcp://host:8786, but none "
            f"answers at {address!r}."
        ) from error
    with _quiet("distributed.client", "distributed.batched"), client:
        yield client


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Silence loggers within the block: the sweep says what goes wrong, in one sentence."""
    logs = [logging.getLogger(name) for name in names]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


@dataclass(frozen=True)
class _OnWorker:
    """A job as a Dask worker does it: one cell at a time in a process."""

    job: Job

    def __call__(self, cell: Cell) -> Measured:
        import dask

        # xarray would take a lock from the scheduler for every file that it writes.
        with _ALONE, dask.config.set(scheduler="synchronous"):
            return self.job(cell)


def on_cluster(job: Job, cells: Sequence[Cell], client: Any) -> Generator[Done]:
    """Measure cells on the workers of a scheduler, and yield those that are done.

    When a worker goes away, the scheduler begins its cells again on another one.

    Parameters
    ----------
    job : Job
        What is done for each cell.
    cells : sequence of Cell
        The cells.
    client : distributed.Client
        A client of the scheduler.

    Yields
    ------
    Done
        Cells that came together.

    Raises
    ------
    ConnectionError
        If the scheduler goes away.
    ValueError
        If workers cannot begin a cell.
    """
    from distributed import KilledWorker, as_completed

    address, threads = client.scheduler.address, client.nthreads().values()
    if not threads:
        print_line(f"no workers at {address} yet: waiting for them.")
    elif max(threads) > 1:
        print_line(
            f"workers of {address} have {max(threads)} threads, but cells take turns in a process: "
            "start them with --nthreads 1."
        )
    futures = dict(
        zip(client.map(_OnWorker(job), cells, pure=False, key="cell"), cells, strict=True)
    )
    # Results are fetched here and not by `as_completed`, which waits for ever for one whose
    # scheduler goes away while it is on its way.
    for batch in as_completed(futures, loop=client.loop).batches():
        done: Done = []
        fault: Exception | None = None
        for future in batch:
            cell = futures.pop(future)
            try:
                done.append((cell, future.result()))
            except KilledWorker:
                done.append((cell, "its workers died, one after another"))
            except Exception as error:
                if future.status == "error":
                    fault = ValueError(
                        f"{address} cannot begin a cell, as scheduler and workers need what this "
                        f"process can import: {_root(error)}."
                    )
                else:
                    fault = ConnectionError(
                        f"the scheduler at {address} went away; the cells that were saved are "
                        "kept, and the same sweep goes on with the others."
                    )
        yield done
        if fault is not None:
            raise fault


def _root(error: BaseException) -> BaseException:
    """Return the first of the errors that led to one."""
    return _root(error.__cause__) if error.__cause__ else error
