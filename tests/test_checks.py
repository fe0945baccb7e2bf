"""Every check passes what is in range, and refuses the rest in one sentence."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
import xarray as xr

from loadpath.checks import (
    HoldsDataset,
    as_dataset,
    as_rows,
    check_above_zero,
    check_count,
    check_finite,
    check_level,
    check_number,
)

NAN, INF = float("nan"), float("inf")


def test_what_is_in_range_passes():
    check_count("n", 2, 2)
    check_number("x", 0.1, above=0)
    check_number("x", 0.0, least=0)
    check_above_zero("x", None)
    check_above_zero("x", 1e-60)
    check_level(0.95)
    check_finite("t", torch.tensor([1.0, -1e30, 1e30]))


@pytest.mark.parametrize("value", [1, 2.0, True, "2", None, NAN])
def test_a_count_is_a_whole_number_that_is_large_enough(value):
    with pytest.raises(ValueError, match=r"^n must be a whole number of at least 2, not .*\.$"):
        check_count("n", value, 2)


@pytest.mark.parametrize("value", [0, -1, NAN, INF, -INF])
def test_numbers_out_of_range_are_quoted(value):
    with pytest.raises(ValueError, match=rf"^x must be finite and above 0, got {value}\.$"):
        check_number("x", value, above=0)
    with pytest.raises(ValueError, match=rf"^x must be finite and above 0, got {value}\.$"):
        check_above_zero("x", value)
    if value != 0:
        with pytest.raises(ValueError, match=rf"^x must be finite and at least 0, got {value}\.$"):
            check_number("x", value, least=0)


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, NAN])
def test_a_level_lies_between_0_and_1(level):
    with pytest.raises(ValueError, match=rf"^level must be between 0 and 1, got {level}\.$"):
        check_level(level)


@pytest.mark.parametrize("entry", [NAN, INF, -INF])
def test_the_first_entry_that_is_not_finite_is_named(entry):
    t = torch.ones(2, 3)
    t[1, 2] = entry
    with pytest.raises(ValueError, match=rf"^t must be finite, and its entry \(1, 2\) is {entry}"):
        check_finite("t", t)


def test_a_sum_that_overflows_is_not_taken_for_an_entry():
    check_finite("t", torch.full((3,), 1e308, dtype=torch.float64))


def test_rows_are_float64():
    rows = as_rows("A", torch.ones(2, 3, dtype=torch.float16), shape=(2, 3))
    assert rows.dtype == torch.float64 and torch.equal(rows, torch.ones(2, 3, dtype=torch.float64))


@pytest.mark.parametrize(
    "matrix, shape, message",
    [
        (torch.ones(3), None, r"A must be a non-empty \(sample, width\) matrix, got \(3,\)"),
        (torch.ones(0, 3), None, r"A must be a non-empty .* got \(0, 3\)"),
        (torch.ones(2, 3), (2, 4), r"A must have shape \(2, 4\), got \(2, 3\)"),
        (torch.tensor([[1.0, NAN]]), None, "A must be finite, got 1 entries that are NaN or inf"),
    ],
)
def test_what_is_no_matrix_of_rows_is_refused(matrix, shape, message):
    with pytest.raises(ValueError, match=message):
        as_rows("A", matrix, shape=shape)


def test_checks_load_no_torch():
    code = "import sys, loadpath.checks; print('torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_dataset_is_taken_by_itself_or_in_a_result():
    ds = xr.Dataset({"load": ("layer", [1.0])})
    assert as_dataset("ds", ds) is ds
    held = SimpleNamespace(dataset=ds)
    assert as_dataset("ds", held) is ds and isinstance(held, HoldsDataset)


@pytest.mark.parametrize("wrong", [3, {"load": 1}, SimpleNamespace(dataset=lambda: None)])
def test_what_holds_no_dataset_is_refused(wrong):
    with pytest.raises(ValueError, match="^ds must be an xarray.Dataset, got "):
        as_dataset("ds", wrong)
