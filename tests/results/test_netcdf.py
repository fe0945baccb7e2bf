"""Digests behind netCDF files: seen by us, unseen by others, gone where others changed a file."""

import io

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr

from loadpath import results
from loadpath.storage import DIGEST_BYTES


@pytest.fixture
def path(tmp_path):
    ds = xr.Dataset({"load": ("layer", [1.0, 0.5])}, {"layer": ["first", "last"]})
    return results.save(ds, tmp_path / "run.nc")


def test_every_changed_byte_is_seen_before_hdf5_is_asked(path, monkeypatch):
    """HDF5 loops for ever, deaf to Ctrl-C, on some of these."""

    def asked(*_):
        raise AssertionError("HDF5 was asked")

    whole = path.read_bytes()
    monkeypatch.setattr(h5py.h5f, "open_file_image", asked)
    for place in range(0, len(whole), 29):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(
            ValueError, match="run.nc' is (not a netCDF-4 file|cut short or da.*).$"
        ):
            results.load(path)


@pytest.mark.parametrize("cut", [1, DIGEST_BYTES - 1, DIGEST_BYTES + 1, 1000])
def test_a_cut_is_seen(cut, path):
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match="run.nc' is cut short or damaged.$"):
        results.load(path)


def test_other_programs_read_the_file_and_do_not_see_the_digest(path):
    ds = results.load(path)
    for engine in (None, "h5netcdf"):
        with xr.open_dataset(path, engine=engine) as other:
            np.testing.assert_array_equal(other["load"], ds["load"])
    with h5py.File(path) as file, h5netcdf.File(path) as other:
        assert set(file) == set(other.variables) == {"load", "layer"}


def test_a_file_that_others_changed_is_read_with_a_note(path, caplog):
    with h5py.File(path, "a") as file:  # HDF5 cuts off what stands behind its end
        file["load"][0] = 2.0
    assert results.load(path)["load"].values.tolist() == [2.0, 0.5]
    xr.load_dataset(path).to_netcdf(path.with_name("again.nc"), engine="h5netcdf")
    assert results.load(path.with_name("again.nc"))["load"].values.tolist() == [2.0, 0.5]
    assert len(caplog.records) == 1  # for all files of a folder
    assert f"{str(path)!r} has no digest, as" in caplog.text


@pytest.mark.parametrize("options", [{"compression": "gzip"}, {}])
def test_what_unpacks_to_far_more_than_its_size_is_refused_unread(options, tmp_path):
    path = tmp_path / "bomb.nc"
    with h5py.File(path, "w") as file:
        file.attrs["schema_version"] = 1
        # No chunk of it is written: HDF5 would fill 8 GiB with zeros as it reads.
        file.create_dataset("load", (2**30,), "f8", chunks=(2**16,), **options)
    with pytest.raises(ValueError, match=r"bomb.nc' says that its [\d,]+ bytes unpack to 8,589,93"):
        results.load(path)


def test_what_holds_something_else_is_named(path):
    with pytest.raises(ValueError, match=r"run.nc' is no history: it has no variable 'objective'"):
        results.load(path, what="history", holding={"objective": ("record",)})
    with pytest.raises(
        ValueError, match=r"is no curve: its 'load' is over \('layer',\), not \('re"
    ):
        results.load(path, what="curve", holding={"load": ("record",)})
    with pytest.raises(ValueError, match="run.nc' is no chain: it has no attribute 'label'.$"):
        results.load(path, what="chain", attrs=["label"])
    assert results.load(path, holding={"load": ("layer",)}, attrs=["created"])["load"].size == 2


def test_what_is_whole_but_no_result_is_a_sentence(tmp_path):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["load"] = [1.0]  # without a dimension, as netCDF has none
    (tmp_path / "plain.nc").write_bytes(content.getvalue())
    with pytest.raises(ValueError, match=r"plain.nc' .*\.$"):
        results.load(tmp_path / "plain.nc")


def test_texts_that_are_one_and_the_same_in_the_file_are_refused_before_memory_is_asked_for(
    tmp_path,
):
    n, path = 40_000, tmp_path / "bomb.nc"
    with h5py.File(path, "w") as file:
        file.attrs["schema_version"] = 1
        texts = file.create_dataset("a", (n,), dtype=h5py.string_dtype())
        texts[0] = "x" * 60_000
        texts[n - 1] = "y"
        start = texts.id.get_offset()
    content = bytearray(path.read_bytes())
    # 16 bytes for each text say where it stands: all of them are now the first.
    content[start : start + 16 * n] = content[start : start + 16] * n
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"bomb.nc' says that its [\d,]+ bytes unpack to"):
        results.load(path)


def test_many_short_texts_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("loadpath.results.netcdf.BYTES_AT_ONCE", 100)  # one text at a time
    words = np.array([f"word {i}" for i in range(30)], dtype=object).reshape(5, 6)
    results.save(xr.Dataset({"a": (("x", "y"), words)}), tmp_path / "a.nc")
    assert (results.load(tmp_path / "a.nc")["a"].values == words).all()
