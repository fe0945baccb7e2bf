"""`loadpath phase-diagram`: what it writes and says, and that it never loses earlier results."""

import contextlib
import io
import shutil

import numpy as np
import pytest
import xarray as xr
import yaml

from loadpath import cli, results, spring_block
from loadpath.cli.diagrams.chain_summary import diagram_summary
from loadpath.cli.folders import DIAGRAM_FILES
from loadpath.cli.phase_diagram import grid
from loadpath.spring_block.chain.diagram import turning_noise
from tests.cli.test_cli import contents

GRID = ("--friction", "[0,0.1]", "--noise", "[0,0.01,0.03]", "--threads", "1")
TINY = ("--chain", *GRID, "--n-replicas", "60", "--n-steps", "6000")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a finished diagram, not to be changed, and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "first"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert cli.main(["phase-diagram", *TINY, "--out", str(out)]) == 0
    return out, said.getvalue()


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Parse a command line up to `spring_block.phase_diagram`, and return what it is asked for."""
    seen = {}

    def chain_phase_diagram(chain, **options):
        seen.update(options, of=chain)
        raise ValueError("far enough.")

    def run(*arguments):
        seen.clear()
        assert cli.main(["phase-diagram", "--chain", *map(str, arguments)]) == 2
        return dict(seen)

    monkeypatch.setattr(spring_block, "chain_phase_diagram", chain_phase_diagram)
    monkeypatch.chdir(tmp_path)  # the default folder has one writer, and tests run side by side
    return run


# --- what it writes and says ---


def test_it_writes_the_diagram_that_the_library_computes(finished):
    out, said = finished
    assert set(contents(out)) == set(DIAGRAM_FILES)
    ds = results.load(out / "phase_diagram.nc")
    expected = spring_block.chain_phase_diagram(
        friction=[0, 0.1], noise=[0, 0.01, 0.03], n_replicas=60, n_steps=6000
    )
    xr.testing.assert_equal(ds, expected)
    assert (out / "phase_diagram.png").read_bytes().startswith(b"\x89PNG")
    # Friction alone is concave, shaken it is convex, and without it nothing is bent.
    assert "6 cells, 60 chains in each" in said
    assert "- concave: the deep layers do the work (lazy): 1\n" in said
    assert "- convex: the shallow layers do (active): 2\n" in said
    assert "- straight, within three standard errors: 3\n" in said
    assert "below 0.0357, and no block moves at frictions above 1." in said
    assert said.endswith(f"picture: {out / 'phase_diagram.png'}\n")


def test_the_config_file_starts_the_same_run_again(finished, tmp_path):
    first, _ = finished
    second = tmp_path / "second"
    config = str(first / "config.yaml")
    assert cli.main(["phase-diagram", "--config", config, "--out", str(second)]) == 0
    xr.testing.assert_equal(*(results.load(f / "phase_diagram.nc") for f in (first, second)))
    one, other = (yaml.safe_load((f / "config.yaml").read_text()) for f in (first, second))
    assert {**one, "out": str(second)} == other
    assert one["chain"] is True and "overwrite" not in one


def test_the_turn_is_said_in_the_units_that_are_known(finished):
    ds = results.load(finished[0] / "phase_diagram.nc")
    (turn,) = turning_noise(ds)[1:]
    ratio = turn / float(ds["unpinning_noise"][1])
    assert f"turns into convex at {ratio:.2f} times the unpinning noise" in finished[1]
    said = diagram_summary(ds.assign_attrs(dynamics="langevin"))
    assert f"turns into convex at {turn / 0.1:.2f} times the friction" in said


# --- earlier results ---


def test_earlier_results_are_not_touched_unless_told(finished, tmp_path, refusal):
    copied = shutil.copytree(finished[0], tmp_path / "copied")
    before = contents(copied)
    assert "holds earlier results (config.yaml" in refusal("phase-diagram", *TINY, "--out", copied)
    assert "phase_diagram.nc" in refusal("train", "--out", copied)
    # Nor are those that are to be replaced by what cannot be computed.
    bad = ("--dt", "0.6", "--overwrite")
    assert "dt must be below" in refusal("phase-diagram", *TINY, *bad, "--out", copied)
    assert contents(copied) == before


def test_overwrite_replaces_the_results_and_nothing_else(tmp_path):
    for name in ("notes.txt", "profile.nc", *DIAGRAM_FILES):
        (tmp_path / name).write_text("old")
    assert cli.main(["phase-diagram", *TINY, "--out", str(tmp_path), "--overwrite"]) == 0
    files = contents(tmp_path)
    assert set(files) == {*DIAGRAM_FILES, "notes.txt"}
    assert files.pop("notes.txt") == b"old" and b"old" not in files.values()


# --- options ---


def test_options_reach_the_diagram(asked):
    given = {
        **dict(ratio=2.0, dynamics="langevin", dt=0.02, n_steps=30, n_replicas=3, mass=2.0),
        **dict(damping=0.5, noise_decay=0.1, by="force", seed=4, threads=1),
    }
    seen = asked(*(f"--{name}={value}" for name, value in given.items()), "--common-noise")
    assert {name: seen[name] for name in given} == given and seen["common_noise"] is True
    assert (seen["noise"][0], seen["noise"][-1]) == (0.004, 0.4)
    seen = asked(*"--n-blocks 3 --stiffness 2 --target 5 --friction-velocity 0.1".split())
    assert seen["of"] == spring_block.Chain(
        3, 2.0, 0.0, 0.0, target=5.0, law=spring_block.Smooth(0.1)
    )
    assert asked()["of"] == spring_block.Chain(friction_right=0.0, friction_left=0.0)
    assert asked()["common_noise"] is False and len(asked()["noise"]) == 24
    # A range that YAML would read as base 60.
    np.testing.assert_allclose(asked("--friction", "1:4:3")["friction"], [1, 2, 4])


def test_a_range_is_divided_by_ratios_or_differences():
    np.testing.assert_allclose(grid("noise", "0.01:1:3", "log"), [0.01, 0.1, 1])
    np.testing.assert_allclose(grid("noise", "0:1:3", "linear"), [0, 0.5, 1])
    np.testing.assert_allclose(grid("noise", "0.5:0.5:1", "log"), [0.5])
    np.testing.assert_array_equal(grid("noise", (0.0, 3.0, 4.0), "log"), [0, 3, 4])


@pytest.mark.parametrize(
    "options, reason",
    [
        ("--noise 0.1", "noise must be low:high:count or a list such as [0,0.1,0.2], got '0.1'"),
        ("--friction 0:1", "friction must be low:high:count or a list"),
        ("--friction 0.1:1:2.5", "friction must be low:high:count or a list"),
        ("--friction 0:1:5", "friction must start above 0 where spacing is log, got '0:1:5'"),
        ("--friction 1:0.5:5", "friction must have 0 <= low < high and a count of at least 1"),
        ("--friction 1:nan:5", "friction must have 0 <= low < high"),
        ("--noise 1:2:0", "noise must have 0 <= low < high and a count of at least 1"),
        ("--noise [0.2,0.1]", "noise must be finite, ascending and at least 0, got [0.2, 0.1]"),
        ("--noise []", "noise must be a list of numbers"),
        ("--friction-velocity 0", "velocity must be finite and above 0, got 0.0"),
        ("--n-replicas 0", "n_replicas must be a whole number of at least 1, not 0"),
        ("--dt 0.6", "dt must be below"),
        ("--threads 0", "threads must be a whole number of at least 1, not 0"),
        ("--seed -1", "seed must be at least 0 and below 2**32, got -1"),
        ("--config-version 0", "config_version must be 1 for this loadpath, got 0"),
        ("--dynamics newton", "--dynamics must be"),
        ("--resume", "resume must not be set for the chain"),
    ],
)
def test_bad_options_are_one_line_and_nothing_is_written(options, reason, tmp_path, refusal):
    out = tmp_path / "out"
    assert reason in refusal("phase-diagram", *TINY, *options.split(), "--out", out)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    "options, reason",
    [
        ("--slopes [0,1]", "slopes must not be set for the chain, got (0.0, 1.0)"),
        ("--seeds 3", "seeds must not be set for the chain, got 3"),
        ("--workers 2", "workers must not be set for the chain, got 2"),
        ("--data mnist", "data must not be set for the chain, got 'mnist'"),
    ],
)
def test_what_a_chain_has_not_is_refused(options, reason, tmp_path, refusal):
    assert reason in refusal("phase-diagram", *TINY, *options.split(), "--out", tmp_path / "out")
    assert contents(tmp_path) == {}
