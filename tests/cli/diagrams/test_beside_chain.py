"""`loadpath phase-diagram --beside-chain`: what it writes, and that its words are its numbers."""

import contextlib
import io

import numpy as np
import pytest
import xarray as xr

from loadpath import cli, results
from loadpath.cli.diagrams.beside_chain import fit_chains, table, verdict
from loadpath.spring_block import phase_diagram

ONE = "--n-train 200 --epochs 20 --slopes [0,0.5] --seeds 2 --depth 5 --panel dropout".split()
ONE += ["--noise", "[0,0.1,0.2]"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with a diagram beside the chain, what was fitted and what was printed."""
    out, said, fitted = tmp_path_factory.mktemp("runs") / "one", io.StringIO(), []
    fit = phase_diagram.beside_chain

    def beside_chain(ds, **options):
        fitted.append((ds, options, fit(ds, **options)))
        return fitted[-1][2]

    with contextlib.redirect_stdout(said), pytest.MonkeyPatch.context() as patch:
        assert cli.main(["phase-diagram", *ONE, "--out", str(out)]) == 0
        patch.setattr(phase_diagram, "beside_chain", beside_chain)
        again = ["--resume", "--beside-chain", "--kind", "trace_ratio", "--out", str(out)]
        assert cli.main(["phase-diagram", *ONE, *again]) == 0
    return out, fitted, said.getvalue()


@pytest.mark.slow  # the fit alone is tried with the phase diagrams
def test_a_finished_diagram_is_set_beside_the_chain(finished):
    out, ((diagram, options, fitted), *_), said = finished  # it fits what it draws itself, too
    assert "dropout: 0 cells run, 12 kept" in said
    xr.testing.assert_identical(diagram, results.load(out / "dropout.nc"))
    assert options["kind"] == "trace_ratio"
    ds = results.load(out / "dropout-beside-chain.nc")
    xr.testing.assert_equal(ds, fitted)
    assert ds.attrs["kind"] == "trace_ratio" and ds.attrs["panel"] == "dropout"
    assert table(ds) in said and all(line in said for line in verdict(ds))
    assert f"- {int(ds.counted.sum())} of 6 cells count" in said
    low, high = ds.friction_left_low.values[0], ds.friction_left_high.values[0]
    if low > 0 and np.isfinite(high):
        assert f"left {ds.friction_left.values[0]:.3g} [{low:.3g}, {high:.3g}]" in said
    assert "the same of curves drawn from the fitted chain" in said
    assert (out / "dropout-beside-chain.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow  # it needs the fitted diagram
def test_a_diagram_that_no_chain_fits_stops_no_other(finished, tmp_path, capsys, monkeypatch):
    good = results.load(finished[0] / "dropout.nc")
    fitted, fit = results.load(finished[0] / "dropout-beside-chain.nc"), phase_diagram.beside_chain

    def beside_chain(ds, **options):  # the fit of the good one is known already
        return fit(ds, **options) if ds.attrs["panel"] == "rising" else fitted

    monkeypatch.setattr(phase_diagram, "beside_chain", beside_chain)
    rising = good.assign(log_separation=-good["log_separation"]).assign_attrs(panel="rising")
    fit_chains({"rising": rising, "dropout": good}, tmp_path, kind="trace_ratio")
    said = capsys.readouterr().out
    assert "rising beside the chain, trace_ratio: not fitted, since ds must have cells" in said
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"dropout-beside-chain.nc", "dropout-beside-chain.png"}
    with pytest.raises(ValueError, match="ds must have cells that count"):
        fit_chains({"rising": rising}, tmp_path / "none", kind="trace_ratio")
    assert not (tmp_path / "none").exists()


def scores(held_out):
    """What the words are about, with these errors of loads and half of them of concavity."""
    models = ["chain for each slope", "chain", "additive", "one bend", "mean curve"]
    errors = np.array([np.nan, *held_out])
    return xr.Dataset(
        {
            "misfit": ("model", [0.01, 0.02, 0.03, 0.04, 0.05]),
            "held_out_error": ("model", errors),
            "held_out_concavity_error": ("model", errors / 2),
            "seed_error": 0.02,
            "concavity_seed_error": 0.01,
        },
        coords={"model": models},
    )


def test_the_verdict_says_better_and_worse():
    lines = verdict(scores([0.03, 0.02, 0.04, 0.05]))
    assert lines[0].endswith("misses loads by 0.0200, noises for each slope by 0.0100")
    assert lines[1].endswith(
        "loads by 0.0300, 1.5 times what is chance: worse than additive (0.0200), better than one "
        "bend (0.0400), better than mean curve (0.0500)"
    )
    assert "concavity by 0.0150, 1.5 times what is chance: worse than additive (0.0100)" in lines[2]


def test_the_verdict_says_where_nothing_could_be_left_out():
    lines = verdict(scores([np.nan] * 4))
    assert lines[1:] == [
        "- no cell can be left out to predict its loads",
        "- no cell can be left out to predict its concavity",
    ]


@pytest.mark.parametrize(
    "options, reason",
    [
        ("--beside-chain --seeds 1", "seeds must be at least 2 to fit a chain beside, got 1"),
        ("--beside-chain --chain", "must not be set for the chain"),
    ],
)
def test_bad_options_are_one_line_and_nothing_is_written(options, reason, tmp_path, refusal):
    out = tmp_path / "out"
    assert reason in refusal("phase-diagram", *ONE, *options.split(), "--out", out)
    assert not out.exists()
