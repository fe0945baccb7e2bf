"""Sweeps that are killed, interrupted or out of disk: nothing finished is lost or repeated."""

import os
import re
import resource
import signal
import sys
import types

import psutil
import pytest
import sweep_cells
import xarray as xr
from sweep_cells import LONG
from sweep_drivers import driver, executions, saved

from loadpath import sweep
from loadpath.sweep import processes
from loadpath.sweep.job import Job


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_driver_that_is_killed_or_interrupted_loses_no_finished_cell(how, tmp_path):
    folder, log = tmp_path / "sweep", tmp_path / "log"
    with driver(tmp_path, "workers", 2) as process:
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        if how == signal.SIGINT:
            os.killpg(process.pid, how)  # what a terminal does
            assert process.wait(10) == 130 and process.stderr.read() == ""
            assert not [path for path in folder.iterdir() if path.suffix == ".tmp"]
        else:
            process.kill()
            process.wait()
    psutil.wait_procs(children, timeout=10)
    assert not any(child.is_running() for child in children)
    before = saved(folder)
    assert 3 <= len(before) < len(LONG)
    outcome = sweep_cells.long_sweep(folder, log)
    assert (outcome.ran, outcome.kept, outcome.failed) == (len(LONG) - len(before), len(before), ())
    counts = executions(log)
    assert all(counts[name] == 1 for name in before)  # repeats none
    assert sum(counts.values()) <= len(LONG) + 2 and set(counts.values()) <= {
        1,
        2,
    }  # two were in flight
    for cell in LONG:
        xr.testing.assert_equal(sweep.load(folder, cell), sweep_cells.curve(**cell))


def test_a_killed_process_is_replaced_and_its_cell_begun_again(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(processes, "DEATHS", 2)
    folder, log = tmp_path / "sweep", tmp_path / "log"
    cells = sweep.product({"alpha": (0.5, 1.0, 2.0, 3.0), "seed": [0]})
    common = {"log": str(log)}
    outcome = sweep.run(sweep_cells.deadly, cells, folder, common=common, workers=2, progress=False)
    said = (
        "2 processes died at it, the last with exit code -9",
        "ZeroDivisionError: no curve at 3",
    )
    assert outcome == sweep.Outcome(2, 0, tuple(map(sweep.Failure, cells[2:], said)))
    assert set(capsys.readouterr().err.splitlines()) == {
        f"failed: alpha={alpha}, seed=0: {why}" for alpha, why in zip((2.0, 3.0), said, strict=True)
    }
    # The cells beside them were not disturbed.
    counts = {"0.5": 1, "1.0": 2, "2.0": 2}
    assert executions(log) == {f"alpha={alpha},seed=0": n for alpha, n in counts.items()}
    assert saved(folder) == {"alpha=0.5,seed=0", "alpha=1.0,seed=0"}


def test_processes_that_cannot_begin_stop_the_sweep_in_one_sentence(monkeypatch):
    module = types.ModuleType("only_here")
    monkeypatch.setitem(sys.modules, "only_here", module)
    exec("def curve(alpha): pass", module.__dict__)
    said = (
        "processes end before they begin, with exit code 1: they must be able to import measure, "
        "and a script must sweep under if __name__ == '__main__'."
    )
    with pytest.raises(ChildProcessError, match=f"^{re.escape(said)}$"):
        list(processes.on_processes(Job(module.curve, {}), [{"alpha": 1}], workers=1))


def test_a_full_disk_stops_the_sweep_and_leaves_what_was_saved(tmp_path):
    folder = tmp_path / "sweep"
    small = [{"layers": 4 + seed, "alpha": 1.0, "seed": seed} for seed in range(3)]
    cells = [*small, {"layers": 50_000, "alpha": 1.0, "seed": 9}]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # no file may be longer
    try:
        with pytest.raises(OSError, match=r"seed=9.nc' cannot be written \(File too large\); the "):
            sweep.run(sweep_cells.curve, cells, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.suffix for path in folder.iterdir()} <= {".nc", ".yaml"}  # no part of a file
    before = {path: path.stat().st_mtime_ns for path in folder.glob("*.nc")}
    assert {path.name for path in before} == {
        f"layers={4 + seed},alpha=1.0,seed={seed}.nc" for seed in range(3)
    }
    outcome = sweep.run(sweep_cells.curve, cells, folder)
    assert (outcome.ran, outcome.kept) == (1, 3)
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
