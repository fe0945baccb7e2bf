"""Sweeps that are killed, interrupted or out of disk: nothing finished is lost or repeated."""

import os
import re
import resource
import signal
import subprocess
import sys
import types
from contextlib import suppress
from multiprocessing import Pipe

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
        "2 processes died at it, the last was killed by SIGKILL",
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
        "processes cannot begin, the last said ModuleNotFoundError: No module named 'only_here': "
        "they must be able to import measure, and a script must sweep under "
        "if __name__ == '__main__'."
    )
    with pytest.raises(ChildProcessError, match=f"^{re.escape(said)}$"):
        list(processes.on_processes(Job(module.curve, {}), [{"alpha": 1}], workers=1))


UNGUARDED = """
import sys
from pathlib import Path
from loadpath import sweep

def curve(*, alpha):
    raise AssertionError("never called")

sweep.run(curve, [{"alpha": 1}, {"alpha": 2}], Path(sys.argv[1]), workers=2, progress=False)
"""


def test_a_script_that_sweeps_while_it_is_imported_is_told_so(tmp_path):
    (tmp_path / "unguarded.py").write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, tmp_path / "unguarded.py", tmp_path / "sweep"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and done.stderr.count("Traceback") == 1  # of the script itself
    assert done.stderr.endswith(
        "ChildProcessError: processes cannot begin, the last said RuntimeError: the script sweeps "
        "while it is imported: they must be able to import measure, and a script must sweep under "
        "if __name__ == '__main__'.\n"
    )


class Mortal(processes._Worker):
    """A worker in this process that dies as it is told: "early" before it begins, "late" after."""

    fates = []

    def __init__(self, job, early_ends):
        self.connection, self.theirs = Pipe()
        self.cell, self.early_ends, self.job = None, early_ends, job
        self.fate = self.fates.pop(0) if self.fates else "lives"
        if not self.fate.startswith("early"):
            self.theirs.send(None)
        else:
            self.theirs.close()

    def begin(self, cell):
        self.cell = cell
        if self.fate == "late":
            self.theirs.close()
        else:
            self.theirs.send(self.job(cell))

    def answer(self):
        with suppress(EOFError):
            return self.connection.recv()
        codes = {"early": -signal.SIGKILL, "late": -signal.SIGSEGV, "early alone": 3}
        return processes._how_it_ended(codes[self.fate])

    def stop(self):
        self.connection.close()


@pytest.fixture
def fates(monkeypatch):
    """How the processes of a sweep end, in the order in which they are started."""
    monkeypatch.setattr(processes, "_Worker", Mortal)
    monkeypatch.setattr(Mortal, "fates", [])
    return Mortal.fates


CELLS = [{"alpha": float(alpha), "seed": 0} for alpha in range(1, 7)]


def swept(workers=2):
    """The cells that processes measured, and what was said of others."""
    job = Job(sweep_cells.curve, {})
    done = [one for come in processes.on_processes(job, CELLS, workers) for one in come]
    assert sorted(cell["alpha"] for cell, _ in done) == [cell["alpha"] for cell in CELLS]
    return {cell["alpha"]: said for cell, said in done if isinstance(said, str)}


def test_deaths_at_the_start_do_not_add_up(fates):
    """Six in a sweep, but never three in a row."""
    fates += [*("early", "early", "late") * 2, "early", "early", "lives"]
    assert swept(workers=1) == {} and fates == []


def test_a_place_where_processes_cannot_begin_is_given_up_and_others_go_on(fates, capsys):
    fates += ["early", "lives", "early", "early"]
    assert swept() == {}
    said = "a process of the sweep cannot begin, the last was killed by SIGKILL; 1 go on.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("workers", [1, 3])
def test_a_sweep_none_of_whose_processes_can_begin_says_what_was_seen(workers, fates, capsys):
    fates += ["early"] * 20
    with pytest.raises(ChildProcessError, match=r"^processes cannot begin, the last was killed by"):
        swept(workers)
    assert capsys.readouterr().err.count("\n") == workers - 1


def test_what_ends_by_itself_at_first_is_not_tried_again(fates, capsys):
    fates += ["early alone"]
    with pytest.raises(
        ChildProcessError, match=r"the last ended with exit code 3: they must be ab"
    ):
        swept()
    assert capsys.readouterr().err == "" and fates == []


def test_what_ends_by_itself_once_others_have_begun_is_tried_again(fates):
    fates += ["late", "lives", "early alone", "early alone"]
    assert swept() == {}


def test_a_cell_at_which_processes_die_is_reported_with_their_end(fates):
    fates += ["late", "late", "late"]
    said = "3 processes died at it, the last was killed by SIGSEGV"
    assert swept(workers=1) == {1.0: said}


@pytest.mark.parametrize(
    "code, words, killed",
    [
        (3, "ended with exit code 3", False),
        (0, "ended with exit code 0", False),
        (-9, "was killed by SIGKILL", True),
        (-15, "was killed by SIGTERM", True),
        (-250, "was killed by signal 250", True),
        (None, "closed its pipe", False),
    ],
)
def test_an_end_is_said_in_words(code, words, killed):
    assert processes._how_it_ended(code) == processes._End(words, killed)


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
