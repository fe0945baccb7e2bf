"""Outcomes are words that a file keeps, and reading one needs no torch."""

import json
import subprocess
import sys

import pytest
import xarray as xr

from loadpath import results
from loadpath.results import Status


@pytest.mark.parametrize("status", Status)
def test_a_status_is_its_words_on_disk_too(status, tmp_path):
    assert status == status.value and json.loads(json.dumps(status)) == status.value
    path = results.save(results.stamp(xr.Dataset(), status=status), tmp_path / "run.nc")
    assert Status(results.load(path).attrs["status"]) is status


def test_results_load_no_torch(tmp_path):
    path = results.save(xr.Dataset({"load": 1.5}), tmp_path / "run.nc")
    code = (
        "import sys; from loadpath import results; results.load(sys.argv[1]); "
        "results.Status.CONVERGED; print('torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
