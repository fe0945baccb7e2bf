"""No file has the ending of a format that it does not have."""

import pytest
import torch
import xarray as xr

import loadpath as lp
from loadpath.storage import check_ending, write_page
from tests.plots.test_plots import synthetic_profile

WRITERS = {
    "netCDF": lambda path: lp.results.save(xr.Dataset({"load": 1.5}), path),
    "safetensors": lambda path: lp.results.save_tensors({"a": torch.ones(1)}, path, metadata={}),
    "HTML": lambda path: write_page(path, "<p>words"),
}


@pytest.mark.parametrize(
    "format, name",
    [
        *(("netCDF", f"p.{e}") for e in ("csv", "CSV", "json", "parquet", "zarr", "html", "pt")),
        ("netCDF", ".csv"),
        *(("safetensors", f"p.{e}") for e in ("pt", "ckpt", "nc", "npz", "pth")),
        *(("HTML", f"p.{e}") for e in ("csv", "pdf", "md", "png", "nc", "tar.gz")),
    ],
)
def test_an_ending_of_another_format_is_refused(format, name, tmp_path):
    with pytest.raises(ValueError, match=f"path must end in .*, for what is written is {format}, "):
        WRITERS[format](tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "format, name",
    [
        *(("netCDF", name) for name in ("p.nc", "p.NC", "p.h5", "p", "run-0.1", "p.csv.nc")),
        *(("safetensors", name) for name in ("p.safetensors", "sums", "step.10")),
        *(("HTML", name) for name in ("p.html", "p.htm", "page")),
    ],
)
def test_a_name_that_promises_nothing_else_is_taken(format, name, tmp_path):
    assert WRITERS[format](tmp_path / name) == tmp_path / name


def test_it_is_refused_before_any_work(tmp_path, monkeypatch):
    data = lp.data.teacher(dims=(4, 1, 4), n_train=20, n_test=10, seed=0)
    net = lp.LeakyResNet(4, 4, width=6, depth=3, effective_depth=1.0)
    before = net.weights.detach().clone()
    with pytest.raises(ValueError, match="checkpoint must end in .safetensors"):
        lp.fit(net, data, checkpoint=tmp_path / "run.pt", progress=False)
    assert torch.equal(net.weights, before)
    monkeypatch.setattr(lp.plots, "svg", lambda *_: pytest.fail("drew a figure"))
    with pytest.raises(ValueError, match="path must end in .html"):
        section = lp.report.Section("Net", synthetic_profile())
        lp.report.write(tmp_path / "page.csv", [section], title="Net")


def test_the_argument_is_named(tmp_path):
    with pytest.raises(ValueError, match="^checkpoint must end in"):
        check_ending("checkpoint", tmp_path / "a.csv", "safetensors")
