"""Results survive the disk bit for bit, are never half written, and say what is wrong."""

import errno
import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from loadpath import results


def small_result() -> xr.Dataset:
    """Every kind of value that a result holds, awkward ones included."""
    rng = np.random.default_rng(0)
    ds = xr.Dataset(
        {
            "hamiltonian": ("layer", rng.standard_normal(4) * 1e-300, {"units": "1"}),
            "gamma": ("layer", np.array([np.nan, np.inf, -0.0, 5e-324]), {"long_name": "gamma"}),
            "single": ("layer", rng.standard_normal(4).astype(np.float32)),
            "slow": ("step", np.array([0, 1, 1], dtype=np.int8)),
            "seconds": ("record", np.array([0.0, 1.5]), {"units": "seconds"}),
            "bottleneck_rank": ((), 3),
        },
        coords={
            "p": ("layer", np.linspace(0, 1, 4)),
            "stage": ("record", np.array(["adam", "lbfgs"])),
        },
    )
    return ds.assign_attrs(status="converged")


@dataclass(frozen=True)
class Rule:
    name: str
    amplitude: float


def test_round_trip_is_exact_with_attrs(tmp_path):
    ds = results.stamp(small_result(), effective_depth=7.0, depth=20, step="euler")
    assert results.save(ds, tmp_path / "new" / "run.nc") == tmp_path / "new" / "run.nc"
    back = results.load(tmp_path / "new" / "run.nc")
    xr.testing.assert_identical(back, ds)
    for name in ("hamiltonian", "gamma", "single", "slow", "seconds", "bottleneck_rank", "p"):
        assert back[name].dtype == ds[name].dtype
        assert back[name].values.tobytes() == ds[name].values.tobytes()
    assert type(back.attrs["effective_depth"]) is float
    assert type(back.attrs["depth"]) is int


def test_load_closes_the_file(tmp_path):
    path = results.save(small_result(), tmp_path / "run.nc")
    ds = results.load(path)
    path.unlink()
    assert ds["slow"].sum() == 2


def test_stamp_records_versions_and_every_parameter():
    before = small_result()
    ds = results.stamp(
        before,
        effective_depth=np.float64(7),
        dims=(30, 3, 30),
        layer_steps=None,
        bias=True,
        steps=np.array([0.25, 0.75]),
        folder=Path("data"),
        rule=Rule("irregular", 0.5),
    )
    assert ds.attrs["schema_version"] == results.SCHEMA_VERSION
    assert ds.attrs["created"].endswith("+00:00")
    assert ds.attrs["numpy_version"] == np.__version__
    assert ds.attrs["effective_depth"] == 7.0 and ds.attrs["folder"] == "data"
    assert json.loads(ds.attrs["parameters"]) == {
        "effective_depth": 7.0,
        "dims": [30, 3, 30],
        "layer_steps": None,
        "bias": True,
        "steps": [0.25, 0.75],
        "folder": "data",
        "rule": {"name": "irregular", "amplitude": 0.5},
    }
    assert "layer_steps" not in ds.attrs and "bias" not in ds.attrs
    assert before.attrs == {"status": "converged"}


def test_stamp_refuses_reserved_names_and_values_without_a_json_form():
    with pytest.raises(ValueError, match="'created'"):
        results.stamp(small_result(), created="yesterday")
    with pytest.raises(ValueError, match="parameters must be plain values"):
        results.stamp(small_result(), rule=object())


def test_overwriting_is_refused_unless_asked_for(tmp_path):
    path = results.save(small_result(), tmp_path / "run.nc")
    before = path.read_bytes()
    changed = small_result().assign(bottleneck_rank=5)
    with pytest.raises(FileExistsError, match="run.nc' exists already and overwrite is False"):
        results.save(changed, path)
    assert path.read_bytes() == before
    results.save(changed, path, overwrite=True)
    assert results.load(path)["bottleneck_rank"] == 5


def test_a_save_that_fails_midway_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = results.save(small_result(), tmp_path / "run.nc")
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"run.nc' cannot be written \(No space left on device\)\.$"):
        results.save(small_result(), path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_one_sentence(tmp_path, kept):
    path = results.save(small_result(), tmp_path / "run.nc")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(ValueError, match="run.nc' is cut short or damaged.$") as error:
        results.load(path)
    assert "\n" not in str(error.value)


def test_missing_foreign_and_other_version_files_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no result file .*none.nc'.$"):
        results.load(tmp_path / "none.nc")
    (tmp_path / "text.nc").write_text("effective_depth: 7\n")
    with pytest.raises(ValueError, match="text.nc' is not a netCDF-4 file.$"):
        results.load(tmp_path / "text.nc")
    (tmp_path / "empty.nc").touch()
    with pytest.raises(ValueError, match="empty.nc' is not a netCDF-4 file.$"):
        results.load(tmp_path / "empty.nc")
    small_result().to_netcdf(tmp_path / "plain.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="plain.nc' has schema version none"):
        results.load(tmp_path / "plain.nc")
    future = results.stamp(small_result()).assign_attrs(schema_version=99)
    results.save(future, tmp_path / "future.nc")
    with pytest.raises(ValueError, match="future.nc' has schema version 99"):
        results.load(tmp_path / "future.nc")
