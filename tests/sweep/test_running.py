"""Sweeps: what is run, kept, refused and laid out; how they end is in test_sweep_kills.py."""

from collections import Counter

import numpy as np
import pytest
import sweep_cells
import torch
import xarray as xr

from loadpath import results, sweep

AXES = {"alpha": (0.5, 1.0, 2.0), "seed": range(2)}


def executions(log):
    """How often each cell was executed."""
    return Counter(log.read_text().split())


def files(folder):
    return {path.name for path in folder.iterdir()} - {"sweep.yaml"}


# --- the grid ---


def test_the_last_axis_is_fastest():
    assert sweep.product({"a": (1, 2), "b": ("x", "y")}) == [
        {"a": 1, "b": "x"},
        {"a": 1, "b": "y"},
        {"a": 2, "b": "x"},
        {"a": 2, "b": "y"},
    ]


@pytest.mark.parametrize(
    "axes, message",
    [
        ({}, r"^axes must name at least one axis, got none\.$"),
        ({"a": ()}, r"^axes must give 'a' a list of values, got \(\)\.$"),
        ({"a": "xy"}, r"^axes must give 'a' a list of values, got 'xy'\.$"),
        ({"a": (1, 2, 1.0)}, r"^axes must not give 'a' a value twice, got \[1, 2, 1\.0\]\.$"),
    ],
)
def test_product_refuses_in_one_sentence(axes, message):
    with pytest.raises(ValueError, match=message):
        sweep.product(axes)


# --- what is run ---


def test_only_what_is_new_is_run(tmp_path):
    folder, common = tmp_path / "sweep", {"log": str(tmp_path / "log")}
    first = sweep.product({"alpha": (0.5, 1.0), "seed": range(2)})
    assert sweep.run(sweep_cells.curve, first, folder, common=common) == sweep.Outcome(4, 0, ())
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    # More values and seeds, the axes in another order, a float as an int: what is there stays.
    more = sweep.product({"seed": range(3), "alpha": (2.0, 1, 0.5)})
    assert sweep.run(sweep_cells.curve, more, folder, common=common) == sweep.Outcome(5, 4, ())
    assert sweep.run(sweep_cells.curve, more, folder, common=common) == sweep.Outcome(0, 9, ())
    assert set(executions(tmp_path / "log").values()) == {1} and len(files(folder)) == 9
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert "alpha=2.0,seed=1.nc" in files(folder)


def test_a_cell_asked_for_twice_is_run_once(tmp_path):
    cells = [{"alpha": 1, "seed": 0}, {"alpha": 1.0, "seed": 0}]
    assert sweep.run(sweep_cells.curve, cells, tmp_path) == sweep.Outcome(1, 0, ())
    assert sweep.run(sweep_cells.curve, cells[1:], tmp_path) == sweep.Outcome(0, 1, ())


def test_a_cell_holds_what_was_measured_and_its_settings(tmp_path):
    torch.set_num_threads(2)  # a cell has one all the same
    sweep.run(sweep_cells.curve, [{"alpha": 1.0, "seed": 3}], tmp_path, common={"layers": 5})
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    ds = results.load(tmp_path / "alpha=1.0,seed=3.nc")
    xr.testing.assert_equal(ds, sweep_cells.curve(alpha=1.0, seed=3, layers=5))
    assert (ds.attrs["alpha"], ds.attrs["seed"], ds.attrs["layers"]) == (1.0, 3, 5)
    assert ds["load"].attrs == {"units": "1"}


def test_a_bad_cell_is_reported_and_the_others_go_on(tmp_path, capsys):
    cells = sweep.product(AXES)
    outcome = sweep.run(sweep_cells.bad_at_2, cells, tmp_path, progress=False)
    assert (outcome.ran, outcome.kept) == (4, 0)
    assert [failure.cell for failure in outcome.failed] == cells[4:]
    assert {f.message for f in outcome.failed} == {"ZeroDivisionError: no curve at 2"}
    said = capsys.readouterr().err.splitlines()
    assert "failed: alpha=2.0, seed=1: ZeroDivisionError: no curve at 2" in said and len(said) == 2
    for cell in cells[:4]:
        xr.testing.assert_equal(sweep.load(tmp_path, cell), sweep_cells.curve(**cell))
    again = sweep.run(sweep_cells.bad_at_2, cells, tmp_path)
    assert (again.ran, again.kept, len(again.failed)) == (0, 4, 2)


@pytest.mark.parametrize(
    "measure, message",
    [
        (sweep_cells.not_a_dataset, "TypeError: measure must return a Dataset, got float."),
        (
            sweep_cells.named_like_an_axis,
            "ValueError: measure must not use the names of axes in its Dataset, got seed.",
        ),
    ],
)
def test_what_is_no_result_is_a_bad_cell(measure, message, tmp_path):
    outcome = sweep.run(measure, [{"alpha": 1.0, "seed": 0}], tmp_path)
    assert [failure.message for failure in outcome.failed] == [message]


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


@pytest.mark.parametrize("first, second", [(2**53, 2**53 + 1), ("1_0", 10), ("nan", "NaN")])
def test_settings_that_differ_are_different_cells(first, second, tmp_path):
    cells = [{"alpha": 1.0, "name": name} for name in (first, second)]
    assert sweep.run(sweep_cells.named, cells, tmp_path) == sweep.Outcome(2, 0, ())
    assert sweep.run(sweep_cells.named, cells, tmp_path) == sweep.Outcome(0, 2, ())
    for cell in cells:
        assert sweep.load(tmp_path, cell)["told"].item() == f"{cell['name']!r}"


# --- what is refused, before any work ---


def local(*, alpha, seed):
    raise AssertionError("never called")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"workers": 0}, r"^workers must be at least 1, got 0\.$"),
        ({"workers": 2, "scheduler": "tcp://h:1"}, r"^workers must not be given beside a sched"),
        ({"cells": []}, r"^cells must hold at least one cell, got none\.$"),
        ({"cells": [{"a": 1}, {"b": 1}]}, r"^cells must all have the settings a, got {'b': 1}\.$"),
        ({"cells": [{"a": None}]}, r"^a must be text or a finite number in a cell, got None\.$"),
        ({"cells": [{"a": np.nan}]}, r"^a must be text or a finite number in a cell, got nan\.$"),
        ({"cells": [{"a": "x/y"}]}, r"^a must be text that a file name can hold, got 'x/y'\.$"),
        ({"cells": [{"a": "x" * 240}]}, r"^cells must have shorter settings, got the file name"),
        ({"cells": [{"a": "x", "b": "y,b=z"}]}, r"^cells must not have names of settings in their"),
        ({"cells": [{"a b": 1}]}, r"^cells must have settings with the names of arguments, got"),
        ({"common": {"alpha": 1}}, r"^common must not hold settings of the cells, got alpha\.$"),
        ({"common": {"created": 1}}, r"^parameters must not use the name 'created'"),
        ({"common": {"x": {1j}}}, r"^parameters must be plain values or arrays, not {1j}\.$"),
        ({"measure": lambda **_: None}, r"^measure must be a function that other processes can"),
    ],
)
def test_run_refuses_in_one_sentence(options, message, tmp_path):
    arguments = {"measure": local, "cells": [{"alpha": 1.0, "seed": 0}], **options}
    with pytest.raises(ValueError, match=message):
        sweep.run(folder=tmp_path / "sweep", **arguments)
    assert list(tmp_path.iterdir()) == []


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
        sweep.run(local, cells, tmp_path / "file")
    results.save(xr.Dataset({"x": 1}), tmp_path / "old" / "x.nc")
    with pytest.raises(ValueError, match=r"old' holds results but no sweep\.yaml: it is not a"):
        sweep.run(local, cells, tmp_path / "old")
    sweep.run(sweep_cells.curve, cells, tmp_path / "new")
    settings = tmp_path / "new" / "sweep.yaml"
    text = settings.read_text()
    settings.write_text(text.replace("format: 1", "format: 2"))
    with pytest.raises(ValueError, match=r"sweep.yaml' has format 2, but this loadpath reads 1\."):
        sweep.run(sweep_cells.curve, cells, tmp_path / "new")
    settings.write_text(text[:20])
    with pytest.raises(ValueError, match=r"sweep.yaml' is damaged: it does not describe a sweep"):
        sweep.collect(tmp_path / "new", AXES)


# --- results ---


def test_load_finds_a_cell_however_its_settings_are_written(tmp_path):
    sweep.run(sweep_cells.curve, [{"alpha": 1.0, "seed": 3}], tmp_path)
    ds = sweep.load(tmp_path, {"seed": 3.0, "alpha": np.int64(1)})
    xr.testing.assert_equal(ds, sweep_cells.curve(alpha=1.0, seed=3))
    with pytest.raises(FileNotFoundError, match=r"^There is no result file .*alpha=2,seed=3.nc'"):
        sweep.load(tmp_path, {"alpha": 2, "seed": 3})
    with pytest.raises(ValueError, match=r"^cell must have the settings alpha, seed, got {'a': 1}"):
        sweep.load(tmp_path, {"a": 1})


def test_collect_lays_cells_out_over_the_axes(tmp_path):
    cells = sweep.product(AXES)
    sweep.run(sweep_cells.curve, cells, tmp_path, common={"layers": 3})
    ds = sweep.collect(tmp_path, AXES)
    assert ds["load"].dims == ("alpha", "seed", "layer") and ds["load"].attrs == {"units": "1"}
    for cell in cells:
        np.testing.assert_array_equal(
            ds["load"].sel(cell), sweep_cells.curve(**cell, layers=3)["load"]
        )
    assert bool(ds["finished"].all()) and ds["finished"].dtype == bool
    assert ds.attrs["layers"] == 3 and ds.attrs["cells_measure"] == "sweep_cells.curve"
    assert ds.attrs["cells_torch_version"] == torch.__version__
    turned = sweep.collect(tmp_path, {"seed": [1, 0], "alpha": [2.0]})
    xr.testing.assert_identical(
        turned["load"], ds["load"].sel(turned.coords).T.transpose("seed", "alpha", "layer")
    )
    results.save(ds, tmp_path / "whole.nc")
    xr.testing.assert_identical(results.load(tmp_path / "whole.nc"), ds)


def test_collect_leaves_holes_where_cells_are_missing_or_shorter(tmp_path):
    cells = [c for c in sweep.product(AXES) if (c["alpha"], c["seed"]) != (1.0, 0)]
    sweep.run(sweep_cells.uneven, cells, tmp_path)
    ds = sweep.collect(tmp_path, AXES)
    parts = [
        sweep_cells.uneven(**cell).expand_dims({name: [value] for name, value in cell.items()})
        for cell in cells
    ]
    for name in ("loss", "epochs", "sound"):  # an oracle: xarray's own merge
        joined = xr.merge(
            [part[[name]].astype(float) for part in parts], join="outer", compat="no_conflicts"
        )
        xr.testing.assert_equal(ds[name].astype(float), joined[name].transpose(*ds[name].dims))
    assert ds["epochs"].dims == ("alpha", "seed")
    np.testing.assert_array_equal(ds["status"][1], ["", "seed 1"])
    np.testing.assert_array_equal(ds["finished"], [[True, True], [False, True], [True, True]])
    np.testing.assert_array_equal(ds["recorded"][0, 0], [[0.5, np.nan], [-0.5, np.nan]])
    np.testing.assert_array_equal(ds["recorded"][2, 1], [[2.0, 3.0], [-2.0, -3.0]])
    assert bool(ds["recorded"][1, 0].isnull().all())
    empty = sweep.collect(tmp_path, {"alpha": [7.0], "seed": [0]})
    assert list(empty.data_vars) == ["finished"] and not empty["finished"].any()


def test_collect_refuses_other_axes_and_other_folders(tmp_path):
    sweep.run(sweep_cells.curve, [{"alpha": 1.0, "seed": 0}], tmp_path / "sweep")
    with pytest.raises(ValueError, match=r"sweep', alpha, seed, got alpha, depth\.$"):
        sweep.collect(tmp_path / "sweep", {"alpha": [1.0], "depth": [2]})
    with pytest.raises(FileNotFoundError, match=r"is not a sweep's folder: it has no sweep.yaml"):
        sweep.collect(tmp_path, AXES)
