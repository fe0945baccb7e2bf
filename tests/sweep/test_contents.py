"""Many results read at once are what `results.load` says they are, one by one."""

import numpy as np
import pytest
import xarray as xr

from loadpath import results
from loadpath.sweep.contents import Reader


def plain(rng, n):
    """A result of every type, with dimensions that have labels and one that has none."""
    return xr.Dataset(
        {
            "status": ((), rng.choice(["stopped at loss", "all", ""])),
            "epochs": ((), n, {"units": "1"}),
            "sound": ("layer", rng.random(3) < 0.5),
            "loss": ("epoch", rng.random(n).astype(np.float32)),
            "curve": (("kind", "layer"), np.where(rng.random((2, 3)) < 0.3, np.nan, 1.0)),
            "recorded": (("record", "layer"), rng.random((n - 1, 3))),
        },
        {
            "kind": np.array(["fuzziness", "inverse"], dtype=object),
            "layer": np.arange(3),
            "epoch": np.arange(1, n + 1),
            "p": ("layer", rng.random(3)),
        },
        {"alpha": 0.1 * n, "note": "a note"},
    )


def filled(rng, n):
    """Whole numbers of which some are missing, and numbers that are scaled in the file."""
    ds = plain(rng, n)
    ds["missing"] = ("layer", np.where(rng.random(3) < 0.5, np.nan, 2.0))
    ds["missing"].encoding = {"dtype": "int32", "_FillValue": -1}
    ds["scaled"] = ("layer", 0.5 * np.arange(3))
    ds["scaled"].encoding = {"dtype": "int16", "scale_factor": 0.5, "_FillValue": -1}
    return ds


def turned(rng, n):
    return plain(rng, n).transpose("layer", "kind", "record", "epoch")


@pytest.fixture
def loaded(monkeypatch):
    """How many files were left to xarray."""
    count, understood = [], results.understood

    def counted(content, path):
        count.append(path)
        return understood(content, path)

    monkeypatch.setattr(results, "understood", counted)
    return count


def assert_same(contents, path, load=results.load):
    ds = load(path)
    assert set(contents.values) == {*ds.variables}
    for name, variable in ds.variables.items():
        assert contents.dims(name) == variable.dims
        assert contents.values[name].dtype.kind == variable.dtype.kind
        np.testing.assert_array_equal(contents.values[name], variable.values)
    assert contents.attrs == ds.attrs
    assert {name: contents.frame[name].attrs for name in ds} == {n: v.attrs for n, v in ds.items()}


@pytest.mark.parametrize("make, by_xarray", [(plain, 1), (filled, 7), (turned, 1)])
def test_what_is_read_is_what_load_says(make, by_xarray, tmp_path, loaded):
    rng, reader = np.random.default_rng(0), Reader()
    paths = [results.save(make(rng, n), tmp_path / f"{n}.nc") for n in range(2, 8)]
    read = [reader.read(path) for path in paths]
    assert len(loaded) == by_xarray  # xarray explains the first, and what HDF5 cannot read alike
    for contents, path in zip(read, paths, strict=True):
        assert_same(contents, path)


def test_results_that_are_built_otherwise_are_not_mistaken(tmp_path, loaded):
    rng, reader = np.random.default_rng(0), Reader()
    made = [plain(rng, 4), turned(rng, 4), plain(rng, 4).drop_vars("loss"), filled(rng, 4)]
    made += [plain(rng, 4).assign(epochs=4.0), plain(rng, 4)]
    paths = [results.save(ds, tmp_path / f"{i}.nc") for i, ds in enumerate(made)]
    for path in [*paths, *paths[:3]]:
        assert_same(reader.read(path), path)


def test_positions_stand_in_for_labels(tmp_path):
    path = results.save(plain(np.random.default_rng(0), 4), tmp_path / "x.nc")
    contents = Reader().read(path)
    assert contents.labels("epoch") == (1, 2, 3, 4)
    assert contents.labels("kind") == ("fuzziness", "inverse")
    assert contents.labels("record") == (0, 1, 2)


def test_a_damaged_or_foreign_file_is_named(tmp_path):
    reader = Reader()
    first = results.save(plain(np.random.default_rng(0), 4), tmp_path / "first.nc")
    reader.read(first)
    cut = tmp_path / "cut.nc"
    cut.write_bytes(first.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"cut.nc' is cut short or damaged\.$"):
        reader.read(cut)
    plain(np.random.default_rng(0), 4).to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"foreign.nc' has schema version none, but this"):
        reader.read(tmp_path / "foreign.nc")
