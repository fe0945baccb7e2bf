"""What a sweep costs beside its cells, and what a thousand workers would do.

Run `python benchmarks/sweep.py`: some minutes on 2 cores. It prints

1. one cell: its file, and the time to encode, save, find and collect it;
2. engines: cells a second that take no time themselves, in this process, on processes, and on
   Dask workers of this machine;
3. dummies: a real scheduler and driver, with many Dask workers in few processes that sleep for a
   while and return the file of a real cell. CPU seconds a cell of scheduler and driver do not
   depend on how busy the machine is, so the most cells a second that each can do follow.

`--dummies 200` says how many there are, `--seconds` how long they sleep, `--only` one of the parts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import distributed
import numpy as np
import psutil
import xarray as xr

from loadpath import results, sweep
from loadpath.storage import write_atomic
from loadpath.sweep.cluster import _OnWorker
from loadpath.sweep.contents import Reader
from loadpath.sweep.folder import set_aside_if_damaged
from loadpath.sweep.job import Job

WORKER = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0")
PER_HOST = 250
"""Dummies in one process."""
SHARED = {"recipe": "a recipe", "width": 100, "depth": 8}


def nothing(*, index: int, **_: object) -> xr.Dataset:
    """The smallest result."""
    return xr.Dataset({"index_squared": index**2})


def typical(*, index: int, **_: object) -> xr.Dataset:
    """A result of the size of a classifier's: curves of three kinds, a hundred losses."""
    rng = np.random.default_rng(index)
    return xr.Dataset(
        {
            "status": ((), "all epochs"),
            "train_accuracy": ((), rng.random()),
            "test_accuracy": ((), rng.random()),
            "loss": ("epoch", rng.random(100)),
            "log_separation": (("kind", "layer"), rng.random((3, 8))),
            "recorded": (("kind", "record", "layer"), rng.random((3, 10, 8))),
        },
        {"kind": ["fuzziness", "trace_ratio", "inverse"], "layer": range(8), "epoch": range(100)},
    )


def cells(count: int) -> list[sweep.Cell]:
    return sweep.product({"index": range(count)})


class Busy:
    """CPU seconds of a process between two moments, and wall seconds."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.start = self._now()

    def _now(self) -> np.ndarray:
        times = self.process.cpu_times()
        return np.array([times.user + times.system, time.perf_counter()])

    def seconds(self) -> tuple[float, float]:
        """Return the seconds of the CPU and of the clock."""
        cpu, wall = self._now() - self.start
        return float(cpu), float(wall)


def one_cell(folder: Path, count: int = 200) -> None:
    print("1. one cell, CPU ms each (wall ms)")
    for measure in (nothing, typical):
        job = Job(measure, {})
        busy = Busy(os.getpid())
        files = [job(cell) for cell in cells(count)]
        parts = {"measure and encode": busy.seconds()}
        place = folder / measure.__name__
        (place / "bare").mkdir(parents=True)
        busy = Busy(os.getpid())
        for i, file in enumerate(files):
            assert isinstance(file, bytes)
            write_atomic(place / "bare" / f"{i}.nc", file)
        parts["save"] = busy.seconds()
        sweep.run(measure, cells(count), place / "sweep", progress=False)
        busy = Busy(os.getpid())
        reader = Reader()
        for path in (place / "sweep").glob("*.nc"):
            assert not set_aside_if_damaged(path, reader)
        parts["see that it is there and whole"] = busy.seconds()
        busy = Busy(os.getpid())
        assert sweep.collect(place / "sweep", {"index": range(count)})["finished"].all()
        parts["collect"] = busy.seconds()
        for name, read in {"load": results.load, "load through xarray": _load_by_xarray}.items():
            busy = Busy(os.getpid())
            for path in (place / "sweep").glob("*.nc"):
                read(path)
            parts[name] = busy.seconds()
        print(f"  {measure.__name__}: {len(files[0]) / 1024:.1f} KB")
        for name, (cpu, wall) in parts.items():
            print(f"    {name:<32} {1e3 * cpu / count:6.2f} ({1e3 * wall / count:.2f})")


def _load_by_xarray(path: Path) -> None:
    with xr.open_dataset(path, engine="h5netcdf", decode_times=False) as ds:
        ds.load()


def engines(folder: Path, count: int) -> None:
    print(f"2. engines, {count} typical cells: cells a second in the second half, s to the first")

    def line(name: str, where: dict[str, Any]) -> None:
        place, started = folder / name, time.time()
        sweep.run(typical, cells(count), place, progress=False, **where)
        saved = sorted(path.stat().st_mtime for path in place.glob("*.nc"))
        rate = (count - count // 2) / (saved[-1] - saved[count // 2 - 1])  # once all have begun
        print(f"  {name:<16} {rate:8.1f}/s {saved[0] - started:8.1f} s", flush=True)

    line("this process", {})
    for workers in (2, 4):
        line(f"{workers} processes", {"workers": workers})
    for workers in (1, 2, 4):
        place = folder / f"at {workers}"
        with scheduler(place) as (address, _):
            command = ["-m", "distributed.cli.dask_worker", address, *WORKER]
            with running([command] * workers, place):
                await_workers(address, workers)
                line(f"{workers} Dask workers", {"scheduler": address})


def dummies(folder: Path, count: int, seconds: float, rounds: float) -> None:
    """Sleep on many dummies, and say what scheduler and driver did meanwhile."""
    n_cells = int(count * rounds)
    with scheduler(folder) as (address, pid):
        hosts = [min(PER_HOST, count - i) for i in range(0, count, PER_HOST)]
        commands = [[__file__, "--host", address, str(n), str(seconds)] for n in hosts]
        with running(commands, folder):
            await_workers(address, count)
            sweep.run(typical, cells(4 * len(hosts)), folder / "warm", scheduler=address)
            idle = Busy(pid)
            time.sleep(5)
            idle_cpu, idle_wall = idle.seconds()
            its, mine, before = Busy(pid), Busy(os.getpid()), memory(pid)
            outcome = sweep.run(
                typical,
                cells(n_cells),
                folder / "sweep",
                common=SHARED,
                scheduler=address,
                progress=False,
            )
            (cpu, wall), (driver, _) = its.seconds(), mine.seconds()
            assert outcome.ran == n_cells and not outcome.failed
            after = memory(pid)
    ideal = seconds * n_cells / count  # seconds
    print(
        f"  {count:5d} dummies, {seconds:5.1f} s a cell, {n_cells:6d} cells: {n_cells / wall:7.1f} "
        f"cells/s of {count / seconds if seconds else float('inf'):7.1f} ideal, efficiency "
        f"{ideal / wall:.2f}\n"
        f"        scheduler {1e3 * cpu / n_cells:.2f} CPU ms a cell ({100 * cpu / wall:.0f} % of a "
        f"core; idle {100 * idle_cpu / idle_wall:.0f} %), {before:.0f} to {after:.0f} MB; "
        f"driver {1e3 * driver / n_cells:.2f} CPU ms a cell",
        flush=True,
    )


def memory(pid: int) -> float:
    """MB that a process holds."""
    return float(psutil.Process(pid).memory_info().rss / 2**20)


@contextmanager
def running(commands: list[list[str]], folder: Path) -> Iterator[list[int]]:
    """Python processes with these arguments, ended afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    log = (folder / "log").open("a")
    started = [
        subprocess.Popen([sys.executable, *command], stdout=log, stderr=log, cwd=folder)
        for command in commands
    ]
    try:
        yield [process.pid for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, int]]:
    """A scheduler of its own: address and process."""
    options = ["--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", "at"]
    with running([["-m", "distributed.cli.dask_scheduler", *options]], folder) as (pid,):
        while not (folder / "at").exists():
            time.sleep(0.05)
        time.sleep(0.2)
        yield json.loads((folder / "at").read_text())["address"], pid


def await_workers(address: str, count: int) -> None:
    with distributed.Client(address, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=600)


def host(address: str, count: int, seconds: float) -> None:
    """Be `count` dummies: sleep in place of measuring, and return the file of a real cell."""
    file = Job(typical, {})({"index": 0})

    def sleep(self: _OnWorker, cell: sweep.Cell) -> bytes | str:
        time.sleep(seconds)
        return file

    _OnWorker.__call__ = sleep  # type: ignore[method-assign]

    async def serve() -> None:
        with tempfile.TemporaryDirectory() as scratch:
            workers = [
                distributed.Worker(
                    address, nthreads=1, dashboard=False, memory_limit=0, local_directory=scratch
                )
                for _ in range(count)
            ]
            for start in range(0, count, 25):
                await asyncio.gather(*workers[start : start + 25])
            await asyncio.gather(*(worker.finished() for worker in workers))

    asyncio.run(serve())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=int, choices=(1, 2, 3), help="one of the three parts")
    parser.add_argument("--cells", type=int, default=800, help="of part 2")
    parser.add_argument("--dummies", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.0, 1.0, 5.0])
    parser.add_argument("--rounds", type=float, default=5.0, help="cells for each dummy")
    parser.add_argument("--host", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.host:
        host(options.host[0], int(options.host[1]), float(options.host[2]))
        return
    packages = ", ".join(f"{name} {version(name)}" for name in ("distributed", "xarray", "h5py"))
    print(f"Python {platform.python_version()}, {packages}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if options.only in (None, 1):
            one_cell(folder)
        if options.only in (None, 2):
            engines(folder, options.cells)
        if options.only in (None, 3):
            print("3. dummies")
            for count in options.dummies:
                for seconds in options.seconds:
                    dummies(folder / f"{count}-{seconds}", count, seconds, options.rounds)


if __name__ == "__main__":
    main()
