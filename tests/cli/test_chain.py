"""`loadpath chain`: what it writes and says, and that it never loses earlier results."""

import contextlib
import io
import json
import re
import shutil

import numpy as np
import pytest
import xarray as xr
import yaml

from loadpath import cli, report, results, spring_block
from loadpath.cli import chain as module
from loadpath.cli.diagrams.chain_summary import (
    concavity_with_error,
    name_shape,
    still_moving,
    summary,
)
from loadpath.cli.folders import CHAIN_FILES, OLDER_FILES
from loadpath.cli.options import ChainOptions
from loadpath.measures.separation import LoadCurve
from tests.cli.test_cli import contents
from tests.report.test_page import images_of, text_of

TINY = ("--n-blocks", "3", "--n-steps", "3000", "--threads", "1")
SHAKEN = (*TINY, "--noise", "0.02", "--friction-left", "0.15", "--n-replicas", "40")
STILL_FILES = {*CHAIN_FILES} - {"animation.html"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folders of a chain at rest and of one shaken beside it, and what the second printed."""
    folder = tmp_path_factory.mktemp("runs")
    rest, shaken = folder / "rest", folder / "shaken"
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert cli.main(["chain", *TINY, "--label", "a < b", "--out", str(rest)]) == 0
        said.seek(said.truncate(0))
        beside = ("--beside", f"[{rest}]", "--animate")
        assert cli.main(["chain", *SHAKEN, *beside, "--out", str(shaken)]) == 0
    return rest, shaken, said.getvalue()


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Parse a command line up to `simulate`, and return what it is asked for."""
    seen = {}

    def simulate(chain, **options):
        seen.update(options, chain=chain)
        raise ValueError("far enough.")

    def run(*arguments):
        seen.clear()
        assert cli.main(["chain", *map(str, arguments)]) == 2
        return dict(seen)

    monkeypatch.setattr(spring_block, "simulate", simulate)
    monkeypatch.chdir(tmp_path)  # the default folder has one writer, and tests run side by side
    return run


def of_loads(loads, **attrs):
    """A chain that ends with these loads (replica, spring), having stood still."""
    loads = np.asarray(loads, dtype=float)
    position = np.cumsum(loads, axis=1)[:, :-1]
    return xr.Dataset(
        {
            "load": (("replica", "time", "spring"), np.stack([loads] * 5, axis=1)),
            "position": (("replica", "time", "block"), np.stack([position] * 5, axis=1)),
        },
        coords={"time": np.arange(5.0)},
        attrs={"label": "some chain", "target": 1.0, **attrs},
    )


# --- what it writes and says ---


def test_it_writes_what_the_library_simulates(finished):
    rest, shaken, said = finished
    assert set(contents(rest)) == STILL_FILES and set(contents(shaken)) == set(CHAIN_FILES)
    ds = results.load(shaken / "chain.nc")
    chain = spring_block.Chain(n_blocks=3, friction_left=0.15)
    alone = spring_block.simulate(chain, noise=0.02, n_steps=3000, n_replicas=40)
    xr.testing.assert_equal(ds.drop_vars(["rest_load", "mean_load"]), alone)
    np.testing.assert_array_equal(ds["rest_load"], spring_block.rest_state(chain))
    np.testing.assert_array_equal(ds["mean_load"], spring_block.mean_state(chain))
    assert said.startswith("40 chains of 3 blocks, pulled at once, noise 0.02; after time 30:\n")
    loads = alone["load"].isel(time=-1)
    for spring in range(4):
        own, rest_load = loads[:, spring], ds["rest_load"][spring]
        error = float(own.std(ddof=1)) / 40**0.5
        row = rf"{spring + 1} +{float(own.mean()):.4f} ± {error:.4f} +{float(rest_load):.4f} +"
        assert re.search(row, said)
    for name in ("load_curves.png", "trajectories.png"):
        assert (shaken / name).read_bytes().startswith(b"\x89PNG")
    assert said.endswith(f"animation: {shaken / 'animation.html'}\n")


def test_a_chain_without_noise_comes_to_the_exact_rest(finished):
    ds = results.load(finished[0] / "chain.nc")
    assert ds.sizes["replica"] == 1 and "mean_load" not in ds
    # The slowest mode decays as exp(-0.586 * 30) = 2e-8.
    np.testing.assert_allclose(ds["load"][0, -1], ds["rest_load"], atol=1e-6)
    said = summary(ds)
    assert "The load curve is concave: the deep springs carry more (lazy)." in said
    assert "Its concavity is +0." in said and "±" not in said  # of one chain there is no error


def test_the_page_plays_both_chains_and_asks_nothing_of_the_network(finished):
    rest, shaken, said = finished
    page = (shaken / "animation.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:)([^"]*)"', page) == [
        "https://arxiv.org/abs/2407.19353"
    ]
    scene = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    first, second = scene["chains"]
    assert first["label"] == "a < b" and "a < b" not in page  # text, not markup
    assert second["verdict"].startswith("active, concavity \N{MINUS SIGN}0.")
    for chain, folder in ((first, rest), (second, shaken)):
        ds = results.load(folder / "chain.nc")
        np.testing.assert_allclose(
            np.array(chain["position"])[:, 1:-1], ds["position"][0], atol=5e-5
        )
        np.testing.assert_allclose(chain["time"], ds["time"])
    text = text_of(shaken / "animation.html")
    for sentence in said.splitlines()[-6:-2]:
        assert " ".join(sentence.split()) in text
    assert set(images_of(page)) == {"Load curves at the end", "Where the blocks are in time"}


def test_report_draws_the_page_again(finished, tmp_path, refusal, capsys):
    copied = shutil.copytree(finished[1], tmp_path / "shaken")
    before = (copied / "animation.html").read_text()
    assert "exists already" in refusal("report", copied)
    (copied / "animation.html").unlink()
    assert cli.main(["report", str(copied)]) == 0
    assert capsys.readouterr().out == f"{copied / 'animation.html'}\n"
    assert (copied / "animation.html").read_text() == before


def test_the_config_file_starts_the_same_run_again(finished, tmp_path):
    first, second = finished[1], tmp_path / "second"
    config = str(first / "config.yaml")
    assert cli.main(["chain", "--config", config, "--out", str(second)]) == 0
    xr.testing.assert_equal(*(results.load(f / "chain.nc") for f in (first, second)))
    one, other = (yaml.safe_load((f / "config.yaml").read_text()) for f in (first, second))
    assert {**one, "out": str(second)} == other
    assert one["animate"] is True and "overwrite" not in one
    assert set(contents(second)) == set(CHAIN_FILES)


# --- what it says of a curve ---


def test_concavity_and_its_error_are_those_of_the_replicas():
    loads = np.random.default_rng(0).dirichlet([3, 2, 1], size=500)
    c, error = concavity_with_error(of_loads(loads))
    each = [LoadCurve.from_loads(one).concavity for one in loads]  # linear where sums are equal
    assert c == pytest.approx(np.mean(each))
    assert error == pytest.approx(np.std(each, ddof=1) / np.sqrt(500))


def test_the_error_of_curves_with_sums_of_their_own_is_that_of_a_ratio():
    rng = np.random.default_rng(1)
    many = rng.gamma([3.0, 2.0, 1.0], size=(4000, 50, 3))  # 4,000 experiments of 50 chains
    found = [concavity_with_error(of_loads(loads)) for loads in many[:200]]
    spread = np.std([LoadCurve.from_loads(loads.mean(0)).concavity for loads in many], ddof=1)
    # The mean of 200 errors, each known to 10 % or so.
    assert np.mean([error for _, error in found]) == pytest.approx(spread, rel=0.05)


def test_a_curve_is_named_by_what_its_error_leaves():
    assert name_shape(0.02, 0.009) == "concave" and name_shape(-0.02, 0.009) == "convex"
    assert name_shape(0.02, 0.011) == name_shape(-0.0005, 0.0) == "straight"


def test_motion_at_the_end_is_said():
    ds = of_loads([[0.2, 0.3, 0.5]] * 3)
    assert not still_moving(ds) and "still change" not in summary(ds)
    ds["position"][:, -1, 0] += 0.01
    assert still_moving(ds) and "The loads still change" in summary(ds)
    ds["position"][:, -1, 0] += [0.5, -0.5, 0.0]  # not more than chance
    assert not still_moving(ds)


# --- earlier results ---


def test_earlier_results_are_not_touched_unless_told(finished, tmp_path, refusal):
    copied = shutil.copytree(finished[1], tmp_path / "copied")
    before = contents(copied)
    assert "holds earlier results (config.yaml" in refusal("chain", *TINY, "--out", copied)
    assert "chain.nc" in refusal("train", "--out", copied)
    for bad in (("--dt", "0.7"), ("--beside", "[nowhere]")):
        refusal("chain", *TINY, *bad, "--overwrite", "--out", copied)
    assert contents(copied) == before


def test_overwrite_replaces_the_results_and_nothing_else(tmp_path):
    for name in ("notes.txt", *CHAIN_FILES, *OLDER_FILES):
        (tmp_path / name).write_text("old")
    assert cli.main(["chain", *TINY, "--out", str(tmp_path), "--overwrite"]) == 0
    files = contents(tmp_path)
    assert set(files) == {*STILL_FILES, "notes.txt"}  # no film of another chain is left
    assert files.pop("notes.txt") == b"old" and b"old" not in files.values()


# --- options ---


def test_options_reach_the_simulation(asked):
    given = {
        **dict(dynamics="langevin", dt=0.02, n_steps=30, n_replicas=3, mass=2.0, damping=0.5),
        **dict(noise_decay=0.1, by="force", seed=4, threads=1, record_every=5, noise=0.3),
    }
    seen = asked(*(f"--{name}={value}" for name, value in given.items()), "--common-noise")
    assert {name: seen[name] for name in given} == given
    assert seen["common_noise"] is True and seen["pull"] is None
    typed = "--n-blocks 3 --stiffness 2 --target 5 --friction-velocity 0.1 --friction-right 0.2"
    assert asked(*typed.split())["chain"] == spring_block.Chain(
        3, 2.0, 0.2, 0.1, target=5.0, law=spring_block.Smooth(0.1)
    )
    assert asked()["n_replicas"] == 1 and asked("--noise", "0.1")["n_replicas"] == 200
    assert asked()["record_every"] is None and asked()["common_noise"] is False


def test_pulls_and_noises_are_the_librarys_schedules(asked):
    steps = ("--n-steps", 100, "--target", 2.0)
    np.testing.assert_array_equal(
        asked(*steps, "--pull", "steady")["pull"], spring_block.steady(2.0, over=80, n_steps=100)
    )
    jerked = asked(*steps, "--pull", "jerks", "--jerks", 3, "--pull-steps", 60)["pull"]
    np.testing.assert_array_equal(jerked, spring_block.jerks(2.0, count=3, every=20, n_steps=100))
    # By force, up to what holds a frictionless chain at the target.
    forced = asked(*steps, "--pull", "steady", "--by", "force", "--n-blocks", 3, "--stiffness", 6)
    assert forced["pull"][-1] == pytest.approx(6 * 2.0 / 4)
    off = asked(*steps, "--noise", 0.3, "--noise-off-after", 7, "--noise-decay", 0.5)
    np.testing.assert_array_equal(
        off["noise"], spring_block.switched_off(0.3, after=7, n_steps=100)
    )
    assert off["noise_decay"] == 0.5
    hot = asked(*steps, "--noise", 0.3, "--reheat-every", 40, "--noise-decay", 0.5)
    np.testing.assert_array_equal(
        hot["noise"], spring_block.reheated(0.3, every=40, rate=0.5, dt=0.01, n_steps=100)
    )
    assert hot["noise_decay"] == 0.0  # it is in the schedule


def test_a_chain_is_called_by_its_pull_and_noise():
    assert ChainOptions().title() == "pulled at once, not shaken"
    assert ChainOptions(pull="jerks", noise=0.2).title() == "pulled in 4 jerks, noise 0.2"
    assert ChainOptions(pull="jerks", jerks=1).title() == "pulled in one jerk, not shaken"
    assert ChainOptions(pull="steady", label="lazy").title() == "lazy"


def test_smooth_friction_has_no_exact_states_to_show(tmp_path, capsys):
    options = [*SHAKEN, "--friction-velocity", "0.01", "--out", str(tmp_path / "out")]
    assert cli.main(["chain", *options]) == 0
    assert "exactly" not in capsys.readouterr().out
    assert not {"rest_load", "mean_load"} & set(results.load(tmp_path / "out" / "chain.nc"))


@pytest.mark.parametrize(
    "options, reason",
    [
        ("--stiffness -1", "stiffness must be finite and above 0, got -1.0"),
        ("--friction-right -0.1", "friction_right must be finite and at least 0, got -0.1"),
        ("--friction-velocity 0", "friction_velocity must be finite and above 0, got 0.0"),
        ("--noise -1", "noise must be finite and at least 0, got -1.0"),
        ("--n-blocks 0", "n_blocks must be a whole number of at least 1, not 0"),
        ("--n-replicas 0", "n_replicas must be a whole number of at least 1, not 0"),
        ("--n-replicas 2147483647", "n_replicas must be small enough to fit into memory"),
        ("--record-every 0", "record_every must be a whole number of at least 1, not 0"),
        ("--record-every 3001", "record_every must be at most n_steps = 3000, got 3001"),
        ("--dt 0.7", "dt must be below"),
        ("--pull-steps 5", "pull_steps must not be set where pull is at-once, got 5"),
        ("--pull steady --pull-steps 0", "pull_steps must be a whole number of at least 1, not 0"),
        ("--jerks 0", "jerks must be a whole number of at least 1, not 0"),
        ("--pull jerks --jerks 9 --pull-steps 8", "jerks must be at most the 8 steps of the pull"),
        ("--noise-off-after 5 --reheat-every 5", "noise_off_after must not be set together with"),
        ("--noise-off-after -1", "noise_off_after must be a whole number of at least 0, not -1"),
        ("--reheat-every 0", "reheat_every must be a whole number of at least 1, not 0"),
        ("--beside [nowhere]", "'nowhere' holds no chain: it has no chain.nc"),
        ("--seed -1", "seed must be at least 0 and below 2**32, got -1"),
        ("--config-version 0", "config_version must be 1 for this loadpath, got 0"),
        ("--pull slowly", "--pull must be"),
        ("--resume", "resume"),
    ],
)
def test_bad_options_are_one_line_and_nothing_is_written(options, reason, tmp_path, refusal):
    assert reason in refusal("chain", *TINY, *options.split(), "--out", tmp_path / "out")
    assert contents(tmp_path) == {}


def test_a_damaged_chain_beside_it_is_refused(finished, tmp_path, refusal):
    other = tmp_path / "other"
    other.mkdir()
    (other / "chain.nc").write_bytes((finished[0] / "chain.nc").read_bytes()[:5000])
    said = refusal("chain", *TINY, "--beside", f"[{other}]", "--out", tmp_path / "out")
    assert "is cut short or damaged" in said and not (tmp_path / "out").exists()


def test_results_are_kept_if_they_cannot_be_drawn(tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise OSError("No space left on device.")

    monkeypatch.setattr(module, "save_picture", fail)
    assert cli.main(["chain", *TINY, "--out", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert "load curve is concave" in captured.out and "No space left" in captured.err
    assert set(contents(tmp_path / "out")) == {"config.yaml", "chain.nc"}


def test_a_page_needs_a_chain(tmp_path):
    with pytest.raises(ValueError, match=r"^chains must hold at least one chain, got 0\.$"):
        report.write_chain(tmp_path / "page.html", [], [], title="none", words=[], config={})
    assert contents(tmp_path) == {}
