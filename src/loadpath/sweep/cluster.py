"""Cells on Dask distributed: workers elsewhere, results back to the driver."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from loadpath.sweep.cell import Job, Measured
from loadpath.sweep.cells import Cell

CONNECT_SECONDS = 5
"""How long a scheduler may take to answer."""


def connect(address: str) -> Any:
    """Return a Dask client of the scheduler at `address`.

    Raises: ValueError if Dask distributed is not installed, `address` is malformed or the scheduler
    does not answer.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise ValueError(
            f"scheduler {address!r} needs Dask distributed, which is not installed: "
            "pip install 'loadpath[cluster]'."
        ) from None
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ValueError(
            f"scheduler must be the address of a Dask scheduler, such as tcp://host:8786, but "
            f"{address!r} does not answer."
        ) from error


def on_cluster(job: Job, cells: Sequence[Cell], client: Any) -> Iterator[tuple[Cell, Measured]]:
    """Measure cells on the workers of a scheduler, and yield each when it is done."""
    from distributed import as_completed

    futures = dict(zip(client.map(job, cells, pure=False, key="cell"), cells, strict=True))
    arriving = as_completed(futures, loop=client.loop, with_results=True, raise_errors=False)
    for future, measured in arriving:
        yield futures.pop(future), measured
