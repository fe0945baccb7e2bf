"""What is made of one cell: a file, or one line about what went wrong."""

import pytest
import sweep_cells
import torch
import xarray as xr

from loadpath import results
from loadpath.sweep.job import Job

CELL = {"alpha": 1.0, "seed": 3}


def test_a_cell_becomes_the_file_that_save_would_write(tmp_path):
    torch.set_num_threads(2)  # a cell has one all the same
    content = Job(sweep_cells.curve, {"layers": 5})(CELL)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    (tmp_path / "cell.nc").write_bytes(content)
    ds = results.load(tmp_path / "cell.nc")
    xr.testing.assert_equal(ds, sweep_cells.curve(**CELL, layers=5))
    assert (ds.attrs["alpha"], ds.attrs["seed"], ds.attrs["layers"]) == (1.0, 3, 5)


def test_what_a_cell_raises_is_one_line():
    assert Job(sweep_cells.bad_at_2, {})({"alpha": 2, "seed": 0}) == (
        "ZeroDivisionError: no curve at 2"
    )


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
def test_what_is_no_result_is_said(measure, message):
    assert Job(measure, {})(CELL) == message
