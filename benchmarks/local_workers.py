"""Worker processes of this machine: our own against pebble's pool and Dask's LocalCluster.

Run `python benchmarks/local_workers.py` with pebble and distributed installed: three minutes. In
turns, each measures the same tiny cells on two spawned processes. It prints

- seconds from the call to the first cell, and from the last cell to the end;
- milliseconds a cell in the second half, CPU milliseconds a cell of the driver alone, and CPU
  seconds of driver and processes in all, which do not depend on how busy the machine is;
- memory that the driver gained and that its processes hold by themselves (unique set size);
- what a SIGKILL in the middle of one cell costs: cells lost, and cells measured more than once;
- how many processes still run 3 seconds after the driver got a SIGKILL, or a terminal's Ctrl-C, in
  the middle of cells of 15 seconds.

`--cells`, `--workers` and `--turns` say how many there are of each.
"""

from __future__ import annotations

import argparse
import gc
import logging
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import psutil
import xarray as xr

from loadpath import sweep
from loadpath.sweep.cluster import _OnWorker
from loadpath.sweep.job import Job
from loadpath.sweep.processes import on_processes

PLACE = Path(__file__).parent
Pool = Callable[[Job, list[sweep.Cell], int], Iterator[object]]


def tiny(*, index: int, log: str, deadly: int) -> xr.Dataset:
    """Return the smallest result; the first process at the cell `deadly` is killed within it."""
    with Path(log).open("a") as file:
        file.write(f"{index}\n")
    if index == deadly and Path(log).read_text().split().count(str(index)) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return xr.Dataset({"index_squared": index**2})


def sleepy(*, index: int, seconds: float) -> xr.Dataset:
    """Return the same after a while."""
    time.sleep(seconds)
    return xr.Dataset({"index_squared": index**2})


def by_our_processes(job: Job, cells: list[sweep.Cell], workers: int) -> Iterator[object]:
    for done in on_processes(job, cells, workers):
        yield from (measured for _, measured in done)


def by_pebble(job: Job, cells: list[sweep.Cell], workers: int) -> Iterator[object]:
    from concurrent.futures import as_completed

    from pebble import ProcessPool

    context = multiprocessing.get_context("spawn")
    with ProcessPool(max_workers=workers, context=context) as pool:
        for future in as_completed([pool.schedule(job, args=[cell]) for cell in cells]):
            yield future.exception() or future.result()


def by_local_cluster(job: Job, cells: list[sweep.Cell], workers: int) -> Iterator[object]:
    from distributed import Client, LocalCluster, as_completed

    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        for future in as_completed(client.map(_OnWorker(job), cells, pure=False), loop=client.loop):
            yield future.exception() or future.result()


POOLS: dict[str, Pool] = {
    "our own": by_our_processes,
    "pebble": by_pebble,
    "LocalCluster": by_local_cluster,
}

COLUMNS = "first s,last s,ms/cell,CPU ms,CPU s,driver MB,its MB,lost,twice".split(",")


def turn(pool: Pool, cells: list[sweep.Cell], workers: int, log: Path, deadly: int) -> np.ndarray:
    """Measure the cells once, and return a line of the table."""
    gc.collect()
    driver = psutil.Process()
    before, cpu = driver.memory_full_info().uss, np.array(driver.cpu_times()[:4])
    started, came, lost, gained, held = time.perf_counter(), [], 0, 0.0, 0.0
    for result in pool(Job(tiny, {"log": str(log), "deadly": deadly}), cells, workers):
        came.append(time.perf_counter())
        lost += not isinstance(result, bytes)
        if len(came) == len(cells) // 2:
            gained = driver.memory_full_info().uss - before
            children = driver.children(recursive=True)
            held = sum(child.memory_full_info().uss for child in children)
    ended = time.perf_counter()
    spent = np.array(driver.cpu_times()[:4]) - cpu  # its own, then that of children that ended
    counts = Counter(log.read_text().split())
    half = len(cells) // 2
    return np.array(
        [
            came[0] - started,
            ended - came[-1],
            1e3 * (came[-1] - came[half]) / (len(cells) - half - 1),
            1e3 * spent[:2].sum() / len(cells),
            spent.sum(),
            gained / 2**20,
            held / 2**20,
            lost,
            sum(counts.values()) - len(counts),
        ]
    )


def drive(name: str) -> None:
    """Be a driver whose processes are in the middle of cells."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from local_workers import sleepy  # by the name that other processes know

    list(POOLS[name](Job(sleepy, {"seconds": 15.0}), sweep.product({"index": range(4)}), 2))


def left_running(name: str, how: signal.Signals) -> int:
    """End a driver and return how many processes of its group still run after 3 seconds."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--drive", name],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": f"{PLACE}:{os.environ.get('PYTHONPATH', '')}"},
    )
    time.sleep(15)  # to start, and to begin the first cells
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    try:
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # what a terminal does
        else:
            process.send_signal(how)
        time.sleep(3)
        process.poll()
        return sum(each.is_running() for each in family)
    finally:
        for each in family:
            if each.is_running():
                each.kill()
        process.wait()


def version_of(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"no {package}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--drive", choices=POOLS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.drive:
        drive(options.drive)
        return
    logging.disable(logging.WARNING)  # of Dask, when a worker dies
    packages = ", ".join(version_of(name) for name in ("pebble", "distributed"))
    print(f"Python {platform.python_version()}, {packages}, {os.cpu_count()} cores")
    print("              " + " ".join(f"{name:>9}" for name in COLUMNS))
    cells = sweep.product({"index": range(options.cells)})
    found: dict[tuple[str, bool], list[np.ndarray]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.turns):
            for name, pool in POOLS.items():
                for killed in (False, True):
                    log = Path(folder) / f"{name} {killed} {number}"
                    deadly = options.cells // 3 if killed else -1
                    line = turn(pool, cells, options.workers, log, deadly)
                    found.setdefault((name, killed), []).append(line)
                    print(end=".", file=sys.stderr, flush=True)
    for (name, killed), lines in found.items():
        numbers = " ".join(f"{value:9.2f}" for value in np.median(lines, axis=0))
        print(f"{name:<13} {numbers}{'  (a SIGKILL)' if killed else ''}")
    print("processes that run on after the driver's SIGKILL, and after Ctrl-C")
    for name in POOLS:
        numbers = [left_running(name, how) for how in (signal.SIGKILL, signal.SIGINT)]
        print(f"{name:<13} {numbers[0]:9d} {numbers[1]:9d}", flush=True)


if __name__ == "__main__":
    main()
