"""What users reported of saved Datasets elsewhere: attributes that netCDF cannot hold, and `~`."""

import enum
import inspect
import json
import pkgutil
import re
from datetime import date
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib.figure import Figure

import loadpath as lp
from loadpath import results, sweep

ROOT = Path(__file__).parents[2]


class Color(enum.Enum):
    RED = 1


class Word(enum.StrEnum):
    LAZY = "lazy"


KEPT = {
    "true": True, "none": None, "dict": {"a": [1, None, {"b": True}]}, "texts": ["a", "b"],
    "one text": ["a"], "mixed": [1, "a", None], "booleans": [True, False],
    "number and flag": [1, True], "uneven": [[1, 2], [3]],
    "empty": [], "no text": "", "huge": 2**70, "complex": 1 + 2j,
    "nul": "a\0b", "surrogate": "\ud800", "ten": 10, "half": 0.5, "word": "a word",
}  # fmt: skip
READABLE = {
    "flag": (np.bool_(True), True),
    "flags": (np.array([True, False]), [True, False]),
    "words": (np.array(["a", "bc"]), ["a", "bc"]),
    "objects": (np.array(["a", None], dtype=object), ["a", None]),
    "path": (Path("a/b"), "a/b"),
    "day": (date(2026, 1, 2), "2026-01-02"),
    "instant": (np.datetime64("2026-01-02"), "2026-01-02"),
    "ratio": (Fraction(1, 3), "1/3"),
    "member": (Color.RED, 1),
    "status": (Word.LAZY, "lazy"),
    "tensor": (torch.tensor([True, False]), [True, False]),
    "complex inside": ({"z": np.array([1 + 2j])}, {"z": [1 + 2j]}),
    "type": (torch.float32, "torch.float32"),
    "range": (range(3), [0, 1, 2]),
}


@pytest.mark.parametrize("name", [*KEPT, *READABLE])
def test_attributes_that_netcdf_has_no_form_for_come_back_readable(name, tmp_path):
    """xarray 1500 and 4981, arviz 2365: booleans, None and dicts were refused by the writer."""
    given, wanted = (KEPT[name], KEPT[name]) if name in KEPT else READABLE[name]
    ds = xr.Dataset({"y": ("x", [1.0, 2.0], {name: given})}, attrs={name: given})
    before = dict(ds.attrs)
    back = results.load(results.save(ds, tmp_path / "a.nc"))
    assert ds.attrs.keys() == before.keys() and ds.attrs[name] is given  # as it was
    for attrs in (back.attrs, back["y"].attrs):
        assert attrs[name] == wanted and type(attrs[name]) is type(wanted)
        assert "json_attrs" not in attrs
    again = results.load(results.save(back, tmp_path / "b.nc"))
    assert again.identical(back)


def test_other_programs_find_text(tmp_path):
    ds = xr.Dataset({"y": 1.0}, attrs={"converged": True, "options": {"width": 3}})
    path = results.save(ds, tmp_path / "a.nc")
    with h5py.File(path) as file:
        assert file.attrs["converged"] == "true"
        assert json.loads(file.attrs["options"]) == {"width": 3}
        assert json.loads(file.attrs["json_attrs"]) == ["converged", "options"]


@pytest.mark.parametrize(
    "values",
    [
        np.array([1 + 2j, 3 - 1j]),
        np.array([1j, 2.0], dtype=np.complex64),
        np.array([{"a": 1}, None], dtype=object),
        np.array(["a", 1], dtype=object),
        np.array([True, False], dtype=object),
        np.array([1.5, 2], dtype=object),
        np.array([[1, 2], [3]], dtype=object),
    ],
)
def test_values_that_netcdf_has_no_form_for_come_back(values, tmp_path):
    y = np.empty(len(values), dtype=values.dtype)
    y[:] = list(values)
    ds = xr.Dataset({"y": ("x", y, {"units": "1"})}).assign_coords(z=("x", y))
    back = results.load(results.save(ds, tmp_path / "a.nc"))
    assert back["y"].values.tolist() == back["z"].values.tolist() == y.tolist()
    assert back["y"].attrs == {"units": "1"} and "z" in back.coords
    assert back["y"].dims == ("x",) and (values.dtype == object or back["y"].dtype == values.dtype)
    with h5py.File(tmp_path / "a.nc") as file:
        assert file["y"].dtype.kind in "ifbO"  # what any reader of netCDF knows


def test_complex_labels_come_back(tmp_path):
    ds = xr.Dataset({"y": ("z", [1, 2])}, coords={"z": [1j, 2.0]})
    back = results.load(results.save(ds, tmp_path / "a.nc"))
    assert back["z"].values.tolist() == [1j, 2.0] and back["y"].sel(z=1j) == 1


@pytest.mark.parametrize(
    "ds, said",
    [
        (xr.Dataset(attrs={"f": len}), "attr 'f' of the Dataset must be numbers, text or plain"),
        (xr.Dataset({"y": ((), 1, {"m": re})}), "attr 'm' of 'y' must be numbers, text or plain"),
        (xr.Dataset(attrs={"d": {(1, 2): 3}}), "attr 'd' of the Dataset must be"),
        (xr.Dataset(attrs={3: 1}), "attrs of the Dataset must have names of text, got 3"),
        (xr.Dataset({"a/b": 1}), "names of text without a slash, got 'a/b'"),
        (xr.Dataset({"y": np.array(len, dtype=object)}), "values of variable 'y' must be"),
        (xr.Dataset({"y": np.array((1, 2.0), dtype="i4,f8")}), "variable 'y' must hold numbers"),
    ],
)
def test_what_has_no_form_at_all_is_named_in_a_sentence(ds, said, tmp_path):
    with pytest.raises(ValueError) as caught:
        results.save(ds, tmp_path / "a.nc")
    assert said in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def odd(*, x):
    """A cell of a sweep with a result of every kind."""
    attrs = {"converged": x > 1, "best": None, "options": {"x": x}, "names": ["a", "b"]}
    return xr.Dataset(
        {"y": ("k", [x + 1j, 2j], {"flag": True}), "z": np.array({"x": x})}, attrs=attrs
    )


def test_the_work_of_a_cell_is_not_lost_to_its_attributes(tmp_path):
    """xarray 1500: the writer refused, after hours of work."""
    outcome = sweep.run(odd, sweep.product({"x": [1, 2]}), tmp_path, progress=False)
    assert outcome.ran == 2 and outcome.failed == ()
    one = sweep.load(tmp_path, {"x": 2})
    assert one.attrs["converged"] is True and one.attrs["best"] is None
    assert one.attrs["options"] == {"x": 2} and one["y"].attrs == {"flag": True}
    assert one["z"].item() == {"x": 2}
    ds = sweep.collect(tmp_path, {"x": [1, 2]})
    np.testing.assert_array_equal(ds["y"], [[1 + 1j, 2j], [2 + 1j, 2j]])
    assert [each.item() for each in ds["z"]] == [{"x": 1}, {"x": 2}]


def test_a_parameter_of_a_stamp_without_a_form_is_named():
    with pytest.raises(ValueError, match=r"^parameters must be plain values .*, and 'f' is <built"):
        results.stamp(xr.Dataset(), width=3, f=len)


# `~` in every path of the Python interface


def archive(path, **arrays):
    np.savez(path, **arrays)


X, Y = np.eye(4), np.arange(4) % 2
SPLIT = {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y}
SUMS = {"a": lp.record.Moments(2)}
NET = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(3)))
SMALLER = lp.surgery.cut(NET, lp.surgery.Cut(("1",)), [torch.ones(4, 2)])
WRITERS = {
    "loadpath.plots.save": lambda p: lp.plots.save(Figure(), f"{p}/a.svg"),
    "loadpath.results.save": lambda p: results.save(xr.Dataset({"y": 1}), f"{p}/a.nc"),
    "loadpath.results.save_tensors": lambda p: results.save_tensors(
        {"t": torch.ones(2)}, f"{p}/a.safetensors", metadata={"format": "f"}
    ),
    "loadpath.record.save_sums": lambda p: lp.record.save_sums(SUMS, f"{p}/sums"),
    "loadpath.surgery.export": lambda p: lp.surgery.export(NET, SMALLER, f"{p}/cut"),
    "loadpath.sweep.run": lambda p: sweep.run(
        odd, sweep.product({"x": [1]}), f"{p}/sweep", progress=False
    ),
}
READERS = {
    "loadpath.results.load": lambda p: results.load(f"{p}/a.nc"),
    "loadpath.results.load_tensors": lambda p: results.load_tensors(
        f"{p}/a.safetensors", format="f", what="file"
    ),
    "loadpath.record.load_sums": lambda p: lp.record.load_sums(f"{p}/sums", lp.record.Moments),
    "loadpath.surgery.load": lambda p: lp.surgery.load(NET, f"{p}/cut"),
    "loadpath.sweep.load": lambda p: sweep.load(f"{p}/sweep", {"x": 1}),
    "loadpath.sweep.collect": lambda p: sweep.collect(f"{p}/sweep", {"x": [1]}),
    "loadpath.data.from_npz": lambda p: lp.data.from_npz(f"{p}/xy.npz"),
    "loadpath.data.from_archive": lambda p: lp.data.from_archive(f"{p}/split.npz"),
    "loadpath.data.load": lambda p: lp.data.load("npz", f"{p}/split.npz"),
    "loadpath.phase_diagram.Setting": lambda p: lp.phase_diagram.Setting(
        "dropout", data="npz", folder=f"{p}/split.npz"
    ).samples(),
}
REFUSERS = {  # what takes long, or needs much: it must say where it looked, before any work
    "loadpath.data.mnist": lambda p: lp.data.mnist(f"{p}/none"),
    "loadpath.data.fashion_mnist": lambda p: lp.data.fashion_mnist(f"{p}/none"),
    "loadpath.data.cifar10": lambda p: lp.data.cifar10(f"{p}/none"),
    "loadpath.fit": lambda p: lp.fit(
        lp.LeakyResNet(2, 2, width=2, depth=1, effective_depth=0.5),
        lp.data.teacher(dims=(2, 2, 2), n_train=4, n_test=4),
        checkpoint=f"{p}/a.nc",
    ),
    "loadpath.phase_diagram.collect": lambda p: lp.phase_diagram.collect(
        lp.phase_diagram.Setting("dropout"), f"{p}/none", seeds=[0]
    ),
}
BY_USERS_UNKNOWN = {  # refused at once, so it is expanded before any work
    "loadpath.phase_diagram.run": lambda p: lp.phase_diagram.run(None, p),
    "loadpath.report.write": lambda p: lp.report.write(p, [], title=""),
    "loadpath.report.write_chain": lambda p: lp.report.write_chain(
        p, [], [], title="", words=[], config={}
    ),
    "loadpath.report.write_diagnosis": lambda p: lp.report.write_diagnosis(
        p, None, title="", config={}
    ),
    "loadpath.report.write_cuts": lambda p: lp.report.write_cuts(p, None, title=""),
    "loadpath.report.write_surgery": lambda p: lp.report.write_surgery(p, None, None, title=""),
    "loadpath.report.write_laws": lambda p: lp.report.write_laws(p, None, title=""),
    "loadpath.papers.draw": lambda p: lp.papers.draw("1a", p),
    "loadpath.tune": lambda p: lp.tune("digits", folder=p),
    "loadpath.report.write_tuning": lambda p: lp.report.write_tuning(p, None, title=""),
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home with some data, and another folder to stand in."""
    there = tmp_path / "home" / "there"
    there.mkdir(parents=True)
    archive(there / "xy.npz", x=X, y=X)
    archive(there / "split.npz", **SPLIT)
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(there.parent))
    monkeypatch.chdir(tmp_path / "work")
    return there


def test_paths_in_the_home_are_written_to_and_read_from(home):
    """HistoQC 198, hermes-agent 7458: a folder named ~ where the program happened to stand."""
    for name, call in (WRITERS | READERS).items():
        found = call("~/there")
        assert not isinstance(found, Path) or found.is_relative_to(home), name
    assert {each.name for each in home.iterdir()} >= {"a.nc", "a.safetensors", "sums", "sweep"}
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("name", REFUSERS)
def test_a_path_in_the_home_that_is_refused_is_named_as_expanded(name, home):
    (home / "a.nc").touch()
    with pytest.raises((ValueError, OSError)) as caught:
        REFUSERS[name]("~/there")
    assert str(home) in str(caught.value) and "~/there" not in str(caught.value)


@pytest.mark.parametrize("name", [*WRITERS, *READERS, *REFUSERS, *BY_USERS_UNKNOWN])
def test_a_home_that_nobody_has_is_refused_before_any_work(name):
    call = (WRITERS | READERS | REFUSERS | BY_USERS_UNKNOWN)[name]
    with pytest.raises(ValueError, match=r"must begin with a home that is known, got '~no-one-"):
        call("~no-one-here/there")


def test_every_public_path_is_among_these():
    takers = set()
    for page in (ROOT / "docs" / "reference").glob("*.md"):
        for path in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            thing = pkgutil.resolve_name(path)
            is_error = inspect.isclass(thing) and issubclass(thing, Warning | Exception)
            if is_error or not (inspect.isfunction(thing) or inspect.isclass(thing)):
                continue
            for name, parameter in inspect.signature(thing).parameters.items():
                named = name in ("folder", "file", "path", "out", "checkpoint")
                kind = str(parameter.annotation)
                if re.search(r"\bPath\b|PathLike", kind) or (named and "str" in kind):
                    takers.add(path)
    assert takers == {*WRITERS, *READERS, *REFUSERS, *BY_USERS_UNKNOWN}
