"""Plain files read by h5py alone: the same Datasets as xarray reads, and no others."""

import io

import h5netcdf
import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from loadpath.results.netcdf import decoded
from loadpath.results.plain_netcdf import NotPlainError, read_plain

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
ATTRIBUTE = (
    TEXT
    | st.integers(-(2**62), 2**62)
    | st.floats()
    | st.lists(TEXT, max_size=3)
    | arrays.arrays(st.sampled_from(["f8", "f4", "i4"]), st.integers(0, 3))
)
ATTRS = st.dictionaries(st.sampled_from(["units", "long_name", "level", "seed"]), ATTRIBUTE)
SIZES = {"layer": 3, "sample": 2}


@st.composite
def datasets(draw):
    """Numbers, truth values and text over dimensions with and without coordinates."""
    variables = {}
    for name in draw(st.lists(st.sampled_from("abcde"), unique=True)):
        dims = draw(st.lists(st.sampled_from(list(SIZES)), unique=True))
        dtype = draw(st.sampled_from(["f8", "f4", "i8", "u1", "?", "U"]))
        shape = tuple(SIZES[dim] for dim in dims)
        elements = TEXT if dtype == "U" else None
        values = draw(arrays.arrays("U8" if dtype == "U" else dtype, shape, elements=elements))
        variables[name] = (dims, values, draw(ATTRS))
    ds = xr.Dataset(variables, attrs=draw(ATTRS))
    if draw(st.booleans()):
        ds = ds.assign_coords(layer=[0.5, 1.5, np.nan], kind=("layer", ["x", "yz", ""]))
    if draw(st.booleans()):
        ds = ds.assign_coords(sample=["first", "second"], whole=1.0)
    return ds


def plain(content):
    """What is read without xarray's own reader."""
    with h5py.File(io.BytesIO(content)) as file:
        return read_plain(file)


def by_xarray(content):
    return xr.load_dataset(
        io.BytesIO(content), engine="h5netcdf", decode_times=False, decode_timedelta=False
    )


def assert_the_same(found, expected):
    """Values, attributes, coordinates and their order, and all types are the same."""
    xr.testing.assert_identical(found, expected)
    assert list(found.variables) == list(expected.variables)
    assert set(found.xindexes) == set(expected.xindexes)
    for one, other in zip(
        (found, *found.variables.values()), (expected, *expected.variables.values()), strict=True
    ):
        assert [type(v) for v in one.attrs.values()] == [type(v) for v in other.attrs.values()]
    for name, variable in expected.variables.items():
        assert found[name].dtype == variable.dtype


@settings(max_examples=15, deadline=None)  # writing takes as long as a busy machine likes
@given(datasets())
def test_it_is_what_xarray_reads(ds):
    content = bytes(ds.to_netcdf(engine="h5netcdf"))
    assert_the_same(plain(content), by_xarray(content))


def test_what_was_read_can_be_saved_again():
    ds = xr.Dataset({"load": ("layer", [1.0, np.nan]), "on": ("layer", [True, False])})
    ds = ds.assign_coords(layer=["first", "last"]).assign_attrs(seed=3, kinds=["a", "b"])
    once = plain(bytes(ds.to_netcdf(engine="h5netcdf")))
    assert_the_same(plain(bytes(once.to_netcdf(engine="h5netcdf"))), once)
    xr.testing.assert_identical(once, ds)


def test_times_stay_numbers():
    ds = xr.Dataset({"seconds": ("run", [1.0, 2.5], {"units": "seconds"})})
    found = plain(bytes(ds.to_netcdf(engine="h5netcdf")))
    xr.testing.assert_identical(found, ds)


def test_packed_numbers_are_unpacked():
    ds = xr.Dataset({"load": ("layer", [0.0, 0.5, np.nan])})
    encoding = {"load": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -9, "zlib": True}}
    content = bytes(ds.to_netcdf(engine="h5netcdf", encoding=encoding))
    assert_the_same(plain(content), by_xarray(content))
    np.testing.assert_array_equal(plain(content)["load"], [0.0, 0.5, np.nan])


def test_a_dimension_without_a_place_is_read_by_xarray(tmp_path):
    ds = xr.Dataset({"load": (("layer", "none"), np.ones((3, 0)))})
    ds.to_netcdf(tmp_path / "empty.nc", engine="h5netcdf")
    xr.testing.assert_identical(decoded((tmp_path / "empty.nc").read_bytes(), tmp_path), ds)


def grows(file):
    file.dimensions = {"time": None}
    file.resize_dimension("time", 3)
    file.create_variable("load", ("time",), "f8")[:] = np.arange(3.0)


def has_a_group(file):
    file.create_variable("load", (), "f8")[...] = 2.0
    file.create_group("more")


def has_an_enumeration(file):
    kind = file.create_enumtype("u1", "kind", {"good": 0, "bad": 1})
    file.create_variable("load", (), kind, fillvalue=0)[...] = 1


def has_characters(file):
    file.dimensions = {"a": 2}
    file.create_variable("load", ("a",), "S1")[:] = [b"x", b"y"]


@pytest.mark.parametrize("odd", [grows, has_a_group, has_an_enumeration, has_characters])
def test_what_is_not_plain_is_left_to_xarray(odd, tmp_path):
    path = tmp_path / "odd.nc"
    with h5netcdf.File(path, "w") as file:
        odd(file)
    content = path.read_bytes()
    with pytest.raises(NotPlainError):
        plain(content)
    assert_the_same(decoded(content, path), by_xarray(content))


def test_what_has_no_dimensions_is_not_plain():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["load"] = np.arange(3.0)
    with pytest.raises(NotPlainError):
        plain(buffer.getvalue())
