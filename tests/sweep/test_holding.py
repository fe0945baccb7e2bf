"""One run at a time writes to a sweep's folder, and a folder that is deleted is noticed."""

import shutil
import subprocess
import sys

import pytest
import sweep_cells

from loadpath import sweep
from loadpath.sweep import folder as folders
from loadpath.sweep.holding import held

CELLS = sweep.product({"alpha": (0.5, 1.0, 2.0), "seed": [0]})
HOLDER = """
import sys
from pathlib import Path
from loadpath.storage import one_writer
with one_writer(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_second_run_is_refused_in_one_sentence_and_changes_nothing(tmp_path):
    sweep.run(sweep_cells.curve, CELLS[:1], tmp_path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], text=True, **pipes) as process:
        assert process.stdout.readline() == "held\n"
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        said = f"is being written to by process {process.pid} of .*; wait for it, or stop it"
        with pytest.raises(BlockingIOError, match=said):
            sweep.run(sweep_cells.curve, CELLS, tmp_path)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
        process.stdin.close()
    assert sweep.run(sweep_cells.curve, CELLS, tmp_path) == sweep.Outcome(2, 1, ())


@pytest.mark.parametrize("loss", ["deleted", "moved", "sweep.yaml deleted", "put anew"])
def test_a_folder_that_goes_away_stops_the_sweep_and_the_next_starts_anew(loss, tmp_path):
    folder = tmp_path / "sweep"

    def lose():
        if loss == "sweep.yaml deleted":
            (folder / "sweep.yaml").unlink()
        elif loss == "moved":
            folder.rename(tmp_path / "moved")
        else:
            shutil.rmtree(folder)
        if loss == "put anew":
            folder.mkdir()

    log = tmp_path / "log"
    common = {"log": str(log)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_cells, "between", lose, raising=False)
        with pytest.raises(FileNotFoundError) as refused:
            sweep.run(losing, CELLS, folder, common=common)
    assert str(refused.value) == (
        f"{str(folder)!r} was deleted or moved while the sweep wrote to it: the sweep stops, and "
        "starts anew when it is run again."
    )
    assert log.read_text() == "0.5,0\n1.0,0\n"  # not on to the end for nothing
    if loss == "sweep.yaml deleted":  # half of a deletion: what is left is nobody's
        assert names(folder) == {"alpha=0.5,seed=0.nc"}
        shutil.rmtree(folder)
    elif loss == "moved":
        assert names(tmp_path / "moved") == {"sweep.yaml", "alpha=0.5,seed=0.nc", ".loadpath.lock"}
    assert sweep.run(losing, CELLS, folder, common=common) == sweep.Outcome(3, 0, ())
    assert names(folder) == {"sweep.yaml", *(f"alpha={c['alpha']},seed=0.nc" for c in CELLS)}


def losing(*, alpha, seed, log):
    """The same as `curve`; while the second is measured, the folder goes away."""
    ds = sweep_cells.curve(alpha=alpha, seed=seed, log=log)
    if alpha == 1.0 and hasattr(sweep_cells, "between"):
        sweep_cells.between()
    return ds


def test_a_cell_that_was_written_into_a_folder_made_anew_is_removed(tmp_path):
    """The folder is deleted just after it was seen to be there: writing makes it again."""
    folder = tmp_path / "sweep"
    with pytest.raises(FileNotFoundError, match="was deleted or moved"), held(folder) as there:
        (folder / "sweep.yaml").touch()
        there()
        shutil.rmtree(folder)
        path = folders.write_file(folder / "alpha=1.nc", b"a cell") or folder / "alpha=1.nc"
        there([path])
    assert not folder.exists()


def test_a_complete_sweep_that_cannot_be_written_to_can_be_run(tmp_path, monkeypatch):
    sweep.run(sweep_cells.curve, CELLS, tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    monkeypatch.setattr("loadpath.sweep.holding.one_writer", None)  # is not called
    assert sweep.run(sweep_cells.curve, CELLS, tmp_path) == sweep.Outcome(0, 3, ())
