"""Sweeps on Dask distributed, with real schedulers and workers that are really killed."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest
import sweep_cells
import xarray as xr
from distributed import Client, LocalCluster
from sweep_cells import LONG
from sweep_drivers import driver, executions, saved, wait_until

from loadpath import sweep
from loadpath.sweep import cluster as dask

ONE = [{"alpha": 1.0, "seed": 0}]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Address of a scheduler with four workers, and the scheduler; two deaths at a cell end it."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture
def doomed_cluster(tmp_path):
    """A cluster whose scheduler may be killed, for no other test uses it."""
    with running_cluster(tmp_path, workers=1) as found:
        yield found


@contextlib.contextmanager
def running_cluster(folder, workers=4):
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(sweep_cells.__file__).parent),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }

    def start(program, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{program}", "--no-dashboard"]
        return subprocess.Popen(
            [*command, *options], cwd=folder, env=environment, stderr=subprocess.DEVNULL
        )

    scheduler = start("scheduler", "--port", "0", "--scheduler-file", "at", "--host", "127.0.0.1")
    processes = [scheduler]
    try:
        wait_until(lambda: (folder / "at").exists() and (folder / "at").stat().st_size > 0)
        address = json.loads((folder / "at").read_text())["address"]
        options = ["--nthreads", "1", "--no-nanny", "--memory-limit", "0"]
        processes += [start("worker", address, *options) for _ in range(workers)]
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=120)
        yield address, scheduler
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_a_cluster_gives_the_same_numbers_and_reports_bad_cells(cluster, tmp_path, capsys):
    address, _ = cluster
    cells = sweep.product({"alpha": (0.5, 1, 2), "seed": range(3)})
    for ran, kept in ((6, 0), (0, 6)):
        outcome = sweep.run(
            sweep_cells.bad_at_2, cells, tmp_path, scheduler=address, progress=False
        )
        assert (outcome.ran, outcome.kept) == (ran, kept)
        assert [failure.cell for failure in outcome.failed] == cells[6:]
        assert {f.message for f in outcome.failed} == {"ZeroDivisionError: no curve at 2"}
        said = {f"failed: alpha=2, seed={s}: ZeroDivisionError: no curve at 2" for s in range(3)}
        assert set(capsys.readouterr().err.splitlines()) == said
    for cell in cells[:6]:
        xr.testing.assert_equal(sweep.load(tmp_path, cell), sweep_cells.curve(**cell))


def test_a_killed_driver_loses_no_finished_cell(cluster, tmp_path):
    folder, log, (address, _) = tmp_path / "sweep", tmp_path / "log", cluster
    with driver(tmp_path, "scheduler", address) as process:
        process.kill()
    before = saved(folder)
    assert 3 <= len(before) < len(LONG)
    outcome = sweep_cells.long_sweep(folder, log, scheduler=address)
    assert (outcome.ran, outcome.kept) == (len(LONG) - len(before), len(before))
    counts = executions(log)
    assert all(counts[name] == 1 for name in before)  # repeats none
    assert saved(folder) == set(counts) and len(counts) == len(LONG)


def test_what_the_workers_cannot_import_stops_the_sweep(cluster, tmp_path, monkeypatch):
    module = types.ModuleType("only_here")
    monkeypatch.setitem(sys.modules, "only_here", module)
    exec("def curve(alpha, seed): pass", module.__dict__)
    said = (
        "as scheduler and workers need what this process can import: No module named 'only_here'."
    )
    with pytest.raises(ValueError, match=f"cannot begin a cell, {re.escape(said)}$"):
        sweep.run(module.curve, ONE, tmp_path, scheduler=cluster[0], progress=False)


def test_a_cell_whose_worker_is_killed_is_begun_again(cluster, tmp_path, capsys):
    folder, log = tmp_path / "sweep", tmp_path / "log"
    common = {"log": str(log)}

    def go_on(*alphas):
        return sweep.run(
            sweep_cells.deadly,
            sweep.product({"alpha": alphas, "seed": [0]}),
            folder,
            common=common,
            scheduler=cluster[0],
            progress=False,
        )

    # One after the other: a worker's death counts against all cells that it had.
    assert go_on(0.5, 1.0) == sweep.Outcome(2, 0, ())
    said = "its workers died, one after another"
    failure = sweep.Failure({"alpha": 2.0, "seed": 0}, said)
    assert go_on(0.5, 1.0, 2.0) == sweep.Outcome(0, 2, (failure,))
    assert capsys.readouterr().err == f"failed: alpha=2.0, seed=0: {said}\n"
    counts = executions(log)  # a result that a dying worker still held is measured again, too
    assert counts["alpha=2.0,seed=0"] == 2 <= counts["alpha=1.0,seed=0"]


def test_a_killed_scheduler_is_one_sentence_and_loses_no_finished_cell(doomed_cluster, tmp_path):
    folder, log, (address, scheduler) = tmp_path / "sweep", tmp_path / "log", doomed_cluster
    with driver(tmp_path, "scheduler", address) as process:
        scheduler.kill()
        assert process.wait(30) == 1
        said = process.stderr.read()
    assert said.count("Traceback") == 1  # of the script itself
    assert said.endswith(
        f"ConnectionError: the scheduler at {address} went away; the cells that were saved are "
        "kept, and the same sweep goes on with the others.\n"
    )
    before = saved(folder)
    assert 3 <= len(before) < len(LONG)
    outcome = sweep_cells.long_sweep(folder, log)  # no matter where
    assert (outcome.ran, outcome.kept) == (len(LONG) - len(before), len(before))
    assert all(executions(log)[name] == 1 for name in before)


def test_workers_with_several_threads_are_told_and_measure_one_cell_at_a_time(tmp_path, capsys):
    cells = sweep.product({"alpha": (0.5, 1, 2), "seed": range(4)})
    with LocalCluster(
        n_workers=1, threads_per_worker=4, processes=False, dashboard_address=":0"
    ) as local:
        address = local.scheduler_address
        outcome = sweep.run(sweep_cells.alone, cells, tmp_path, scheduler=address, progress=False)
    assert outcome == sweep.Outcome(12, 0, ())
    assert capsys.readouterr().err == (
        f"workers of {address} have 4 threads, but cells take turns in a process: start them with "
        "--nthreads 1.\n"
    )


@pytest.fixture
def mute():
    """A port that takes calls and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("address", ["mute", "tcp://127.0.0.1:9", "host", "post://host:1"])
def test_a_scheduler_that_does_not_answer_is_one_sentence(address, mute, tmp_path, monkeypatch):
    monkeypatch.setattr(dask, "CONNECT_SECONDS", 0.2)
    address = mute if address == "mute" else address
    said = (
        "scheduler must be the address of a Dask scheduler, such as tcp://host:8786, but none "
        f"answers at {address!r}."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        sweep.run(sweep_cells.curve, ONE, tmp_path / "sweep", scheduler=address)
    assert list(tmp_path.iterdir()) == []


def test_tls_without_a_certificate_is_one_sentence(tmp_path):
    said = (
        r"^scheduler 'tls://127.0.0.1:9' wants TLS, for which Dask needs a certificate of this cli"
    )
    with pytest.raises(ValueError, match=said):
        sweep.run(sweep_cells.curve, ONE, tmp_path / "sweep", scheduler="tls://127.0.0.1:9")
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"is not installed, got 'tcp://h:1': pip install 'loadpa"):
        sweep.run(sweep_cells.curve, ONE, tmp_path / "sweep", scheduler="tcp://h:1")
    assert list(tmp_path.iterdir()) == []
