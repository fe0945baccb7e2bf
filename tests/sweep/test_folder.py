"""The folder of a sweep: whose cells it holds, what is refused, what 0.1.0 wrote."""

import importlib
from collections import Counter
from pathlib import Path

import pytest
import sweep_cells
import xarray as xr
import yaml

from loadpath import results, sweep
from loadpath.sweep.contents import Reader
from loadpath.sweep.folder import (
    describe_sweep,
    importable_name,
    open_folder,
    print_line,
    read_settings,
    set_aside_if_damaged,
)

AXES = {"alpha": (0.5, 1.0, 2.0), "seed": range(2)}
WRITTEN = sorted((Path(__file__).parents[2] / "docs" / "data").glob("*/sweep.yaml"))
"""Folders whose cells 0.1.0 measured."""


def executions(log):
    """How often each cell was executed."""
    return Counter(log.read_text().split())


def test_a_damaged_cell_is_said_and_run_again(tmp_path, capsys):
    cells, common = sweep.product(AXES), {"log": str(tmp_path / "log")}
    folder = tmp_path / "sweep"
    sweep.run(sweep_cells.curve, cells, folder, common=common)
    damaged = folder / "alpha=1.0,seed=1.nc"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"alpha=1.0,seed=1.nc' is cut short or damaged\.$"):
        sweep.collect(folder, AXES)
    outcome = sweep.run(sweep_cells.curve, cells, folder, common=common)
    assert outcome == sweep.Outcome(1, 5, ())
    aside = folder / "alpha=1.0,seed=1.nc.damaged"
    assert aside.read_bytes() == whole[: len(whole) // 2]
    said = f"{str(damaged)!r} was damaged: it is {aside.name!r} now, and its cell is run again.\n"
    assert capsys.readouterr().err.endswith(said)
    assert executions(tmp_path / "log")["1.0,1"] == 2
    assert bool(sweep.collect(folder, AXES)["finished"].all())


@pytest.mark.parametrize(
    "measure, cells, common, message",
    [
        ("bad_at_2", {"alpha": 1.0, "seed": 0}, {}, "measure is 'sweep_cells.curve', not 'sweep_c"),
        ("curve", {"alpha": 1.0, "seed": 0}, {"layers": 5}, r"layers is 4, not 5\.$"),
        ("curve", {"alpha": 1.0, "seed": 0}, {}, r"layers is 4, not None\.$"),
        ("curve", {"seed": 0}, {"layers": 4}, r"axes is \['alpha', 'seed'\], not \['seed'\]\.$"),
    ],
)
def test_a_folder_of_another_sweep_is_refused(measure, cells, common, message, tmp_path):
    sweep.run(sweep_cells.curve, [{"alpha": 1.0, "seed": 0}], tmp_path, common={"layers": 4})
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match=f"holds the cells of another sweep: its {message}"):
        sweep.run(getattr(sweep_cells, measure), [cells], tmp_path, common=common)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_other_folders_are_refused(tmp_path):
    cells = [{"alpha": 1.0, "seed": 0}]
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match=r"^folder must be a folder, but .*file' is a "):
        sweep.run(sweep_cells.curve, cells, tmp_path / "file")
    results.save(xr.Dataset({"x": 1}), tmp_path / "old" / "x.nc")
    with pytest.raises(ValueError, match=r"old' holds results but no sweep\.yaml: it is not a"):
        sweep.run(sweep_cells.curve, cells, tmp_path / "old")
    sweep.run(sweep_cells.curve, cells, tmp_path / "new")
    settings = tmp_path / "new" / "sweep.yaml"
    text = "".join(settings.read_text().splitlines(keepends=True)[1:-1])  # without its digest
    settings.write_text(text.replace("format: 1", "format: 2"))
    with pytest.raises(ValueError, match=r"sweep.yaml' has format 2, but this loadpath reads 1\."):
        sweep.run(sweep_cells.curve, cells, tmp_path / "new")
    settings.write_text(text[:20])
    with pytest.raises(ValueError, match=r"sweep.yaml' is damaged: it does not describe a sweep"):
        sweep.collect(tmp_path / "new", AXES)


def function_at(name):
    """The function that a sweep's name leads to."""
    module, _, function = name.rpartition(".")
    return getattr(importlib.import_module(module), function)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.parent.name)
def test_what_an_earlier_version_wrote_goes_on(path):
    held = read_settings(path.parent)
    measure = function_at(held.measure)
    assert importable_name(measure) == held.measure
    before = path.read_bytes()
    wanted = describe_sweep(measure, held.axes[::-1], held.common)
    assert open_folder(path.parent, wanted) == held  # with the axes in the folder's order
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="holds the cells of another sweep: its measure is"):
        open_folder(path.parent, describe_sweep(sweep_cells.curve, held.axes, held.common))


def written_by_an_earlier_version(folder, measure):
    """The folder of a sweep over seeds as 0.1.0 left it, without its cells."""
    folder.mkdir()
    content = {"format": 1, "measure": measure, "axes": ["seed"], "common": {}}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.mark.parametrize(
    "former, present",
    [
        ("loadpath.experiments.runs.bottleneck", "loadpath.papers.runs.bottleneck"),
        (
            "loadpath.phase_diagram.cells.measure",
            "loadpath.spring_block.phase_diagram.cells.measure",
        ),
        ("somebody.experiments.runs", "somebody.experiments.runs"),
    ],
)
def test_functions_that_moved_have_their_new_names(former, present, tmp_path):
    folder = written_by_an_earlier_version(tmp_path / "sweep", former)
    assert read_settings(folder).measure == present
    assert not present.startswith("loadpath.") or callable(function_at(present))


def test_functions_of_one_former_module_are_still_told_apart(tmp_path):
    former = "loadpath.experiments.runs.digits"
    folder = written_by_an_earlier_version(tmp_path / "sweep", former)
    measure = function_at("loadpath.papers.runs.bottleneck")
    with pytest.raises(ValueError, match=r"its measure is 'loadpath.papers.runs.digits', not 'lo"):
        open_folder(folder, describe_sweep(measure, ["seed"], {}))


def test_a_file_that_cannot_be_read_is_not_set_aside(tmp_path):
    (tmp_path / "seed=1.nc").mkdir()
    with pytest.raises(OSError, match=r"seed=1.nc' cannot be read \(Is a directory\)"):
        set_aside_if_damaged(tmp_path / "seed=1.nc", Reader())
    assert [path.name for path in tmp_path.iterdir()] == ["seed=1.nc"]


def test_lines_go_to_the_error_stream(capsys):
    print_line("a line")
    assert capsys.readouterr() == ("", "a line\n")


def test_settings_that_a_measure_gained_are_taken_for_what_they_were(tmp_path):
    old = describe_sweep(sweep_cells.curve, ["seed"], {"n": 3})
    open_folder(tmp_path / "old", old)
    new = describe_sweep(sweep_cells.curve, ["seed"], {"n": 3, "kind": "plain"})
    assert open_folder(tmp_path / "old", new, {"kind": "plain"}).common == new.common
    with pytest.raises(ValueError, match="its kind is 'rough', not 'plain'"):
        open_folder(tmp_path / "old", new, {"kind": "rough"})
    # What a folder does name is not overruled.
    open_folder(tmp_path / "new", new)
    assert open_folder(tmp_path / "new", new, {"kind": "rough"}).common["kind"] == "plain"
