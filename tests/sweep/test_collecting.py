"""The cells of a sweep as one Dataset, and one by one."""

import numpy as np
import pytest
import sweep_cells
import torch
import xarray as xr

from loadpath import results, sweep

AXES = {"alpha": (0.5, 1.0, 2.0), "seed": range(2)}


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


def test_a_cell_under_the_name_of_another_is_named(tmp_path):
    """Whole, with the right digest, and of another cell: copied or renamed by hand."""
    sweep.run(sweep_cells.curve, sweep.product(AXES), tmp_path)
    other = tmp_path / "alpha=2.0,seed=1.nc"
    other.write_bytes((tmp_path / "alpha=1.0,seed=0.nc").read_bytes())
    said = r"alpha=2.0,seed=1.nc' holds the result of another cell, 'alpha=1.0,seed=0.nc'\.$"
    with pytest.raises(ValueError, match=said):
        sweep.collect(tmp_path, AXES)
    with pytest.raises(ValueError, match=said):
        sweep.load(tmp_path, {"alpha": 2.0, "seed": 1})
    other.rename(tmp_path / "alpha=1,seed=0.0.nc")  # the same cell, written otherwise
    assert sweep.load(tmp_path, {"alpha": 1, "seed": 0})["load"].size == 4
