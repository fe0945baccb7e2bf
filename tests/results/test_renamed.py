"""Results of older versions are read by the names of today, and nothing else is renamed."""

from pathlib import Path

import numpy as np
import xarray as xr

import loadpath as lp
from loadpath import report
from loadpath.results import with_present_names

STORED = Path(__file__).parents[2] / "docs" / "data" / "diagnose"
"""Diagnoses that version 0.1.0 wrote."""


def test_a_diagnosis_of_0_1_0_is_read_judged_and_shown(tmp_path):
    stored = xr.open_dataset(STORED / "images-profile.nc", engine="h5netcdf")
    assert "effective_depth" in stored  # by its old name, in the file
    ds, skipped = (lp.load(STORED / f"images-{name}.nc") for name in ("profile", "skipped"))
    for end in ("", "_low", "_high"):
        np.testing.assert_array_equal(ds[f"log_growth{end}"], stored[f"effective_depth{end}"])
    assert not [name for name in ds.data_vars if name.startswith("effective_depth")]
    assert ds["log_growth"].attrs["long_name"].startswith("log growth")
    assert ds["log_growth_low"].attrs["long_name"].endswith(": lower end")
    growth = float(np.nansum(stored["effective_depth"]))
    said = " ".join(lp.diagnosis.summary(ds))
    assert f"which is a log growth of {growth:.3g}" in said
    verdict = lp.diagnosis.verdict(ds, skipped)
    page = report.write_diagnosis(
        tmp_path / "page.html", ds, title="Old", skipped=skipped, verdict=verdict
    )
    text = page.read_text(encoding="utf-8")
    assert "log growth" in text and "effective depth" not in text
    # One that was opened by other means has the names of its file, and is read all the same.
    assert lp.diagnosis.summary(stored) == lp.diagnosis.summary(ds)
    stored.close()


def test_the_leakage_of_a_net_keeps_its_name():
    profile = xr.Dataset({"hamiltonian": ("layer", [1.0, 1.0])}, attrs={"effective_depth": 7.0})
    assert with_present_names(profile) is profile
    sweep = xr.Dataset({"effective_depth": ("cell", [1.0, 2.0]), "objective": ("cell", [0.1, 0.2])})
    assert with_present_names(sweep) is sweep
    over_layers = xr.Dataset({"effective_depth": ("layer", [1.0, 2.0])})  # without an interval
    assert with_present_names(over_layers) is over_layers
