"""Sweeps: what is run, kept and refused; how they end is in test_processes.py."""

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
        ({"workers": 0}, r"^workers must be a whole number of at least 1, not 0\.$"),
        ({"workers": 2, "scheduler": "tcp://h:1"}, r"^workers must not be given beside a sched"),
        ({"cells": []}, r"^cells must hold at least one cell, got none\.$"),
        ({"cells": [{"a": 1}, {"b": 1}]}, r"^cells must all have the settings a, got {'b': 1}\.$"),
        ({"cells": [{"a": None}]}, r"^cells must give 'a' text or a finite number, got None\.$"),
        ({"cells": [{"a": np.nan}]}, r"^cells must give 'a' text or a finite number, got nan\.$"),
        (
            {"cells": [{"a": "x/y"}]},
            r"^cells must give 'a' text that a file name can hold, got 'x/y'\.$",
        ),
        ({"cells": [{"a": "x" * 240}]}, r"^cells must have shorter settings, got the file name"),
        ({"cells": [{"a": "x", "b": "y,b=z"}]}, r"^cells must not have names of settings in their"),
        ({"cells": [{"a b": 1}]}, r"^cells must have settings with the names of arguments, got"),
        ({"common": {"alpha": 1}}, r"^common must not hold settings of the cells, got alpha\.$"),
        (
            {"common": {"created": 1}},
            r"^common must give 'created' a plain value, and another name",
        ),
        ({"common": {"x": {1j}}}, r"^common must give 'x' a plain value, .* got {1j}\.$"),
        ({"measure": lambda **_: None}, r"^measure must be a function that other processes can"),
    ],
)
def test_run_refuses_in_one_sentence(options, message, tmp_path):
    arguments = {"measure": local, "cells": [{"alpha": 1.0, "seed": 0}], **options}
    with pytest.raises(ValueError, match=message):
        sweep.run(folder=tmp_path / "sweep", **arguments)
    assert list(tmp_path.iterdir()) == []
