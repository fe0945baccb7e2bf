"""`lp.tune`: what it finds on tiny nets, that it goes on when killed, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import loadpath as lp
from loadpath.spring_block.tuning import standing_words, tuning
from loadpath.spring_block.tuning.knobs import axis_of
from loadpath.spring_block.tuning.tuned import tuned_of_dataset

TINY = {"n_train": 100, "width": 12, "depth": 4, "epochs": 150, "engine": "plain"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuning")
    options = {"n_levels": 3, "seeds": 2, "folder": folder, "progress": False}
    return lp.tune("digits", **options, **TINY), folder, options


def test_a_tuning_keeps_every_net_and_says_what_it_found(found):
    result, folder, _ = found
    ds = result.dataset
    assert int(ds["finished"].sum()) == 6 and ds.sizes["level"] == 3
    assert len(list((folder / "nets").glob("*.nc"))) == 6
    assert result.verdict in ("clear", "doubtful", "no level does it")
    assert np.isnan(result.level) == (result.verdict == "no level does it")
    assert "This rests on 6 nets at 3 levels" in result.words()
    assert result.table().count("\n") == 3
    assert "verdict" in repr(result) and "Levels" in result._repr_html_()


def test_its_curve_is_that_of_the_nets(found):
    result, _, _ = found
    ds = result.dataset
    assert ds["falls"].any()
    for at in (ds.isel(level=i) for i in range(3)):
        D = at["log_separation"].sel(kind="fuzziness").dropna("seed").mean("seed").values
        if at["falls"].item():
            assert lp.separation.concavity(D) == pytest.approx(at["concavity"].item(), abs=1e-12)


def test_the_nets_are_those_that_a_phase_diagram_trains(found):
    result, _, _ = found
    seed, level = 0, 0.0
    setting = lp.phase_diagram.Setting("dropout", **TINY)
    cell = lp.phase_diagram.measure(slope=0.0, noise=level, seed=seed, **setting.plain())
    mine = result.dataset["log_separation"].sel(level=level, seed=seed)
    np.testing.assert_allclose(
        mine.transpose("kind", "layer"), cell["log_separation"], rtol=1e-9
    )  # rounding


def test_a_tuning_that_was_killed_goes_on_with_the_nets_it_has(found, monkeypatch):
    result, folder, options = found
    (folder / "nets" / "seed=3,noise=0.15.nc").unlink(missing_ok=True)
    nets = sorted(path.name for path in (folder / "nets").glob("*.nc"))
    trained = []
    measure = tuning.measure
    monkeypatch.setattr(tuning.sweep, "run", counting(tuning.sweep.run, trained))
    again = lp.tune("digits", **options, **TINY)
    assert sum(trained) == 6 - len(nets)
    assert again.words() == result.words() and tuning.measure is measure
    xr.testing.assert_equal(again.dataset["log_separation"], result.dataset["log_separation"])


def counting(run, trained):
    def counted(*arguments, **options):
        outcome = run(*arguments, **options)
        trained.append(outcome.ran)
        return outcome

    return counted


def test_a_result_that_was_saved_is_the_same_result(found, tmp_path):
    result, _, _ = found
    lp.results.save(result.dataset, tmp_path / "tuning.nc")
    again = tuned_of_dataset(lp.load(tmp_path / "tuning.nc"))
    assert again.words() == result.words() and again.table() == result.table()
    assert again.interval == pytest.approx(result.interval, nan_ok=True)


def test_a_result_draws_its_curve(found):
    ax = found[0].plot()
    assert ax.get_xlabel() == "dropout"
    known = found[0].dataset["concavity"].dropna("level")
    (bars,) = ax.containers
    np.testing.assert_array_equal(bars.lines[0].get_ydata(), known.values)
    np.testing.assert_array_equal(bars.lines[0].get_xdata(), known["level"].values)


def test_samples_in_memory_all_train(tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 4)), np.arange(60) % 2
    options = {"n_levels": 2, "seeds": 2, "progress": False, "folder": tmp_path}
    net = {"width": 6, "depth": 4, "epochs": 2, "engine": "plain"}
    result = lp.tune((x, y), **options, **net)
    assert int(result.dataset["finished"].sum()) == 4
    with np.load(tmp_path / "data.npz") as kept:
        assert len(kept["x_train"]) == 60
    with pytest.raises(ValueError, match="data must be those that .* was begun with"):
        lp.tune((x + 1, y), **options, **net)


@pytest.mark.parametrize(
    "knob, low, high, place, level",
    [
        ("dropout", None, None, 0.5, 0.15),
        ("dropout", 0.1, 0.5, 1.0, 0.5),
        ("learning-rate", 1e-4, 1e-2, 0.5, 1e-3),
        ("batch-size", 10, 1000, 0.0, 1000),
        ("batch-size", 10, 1000, 0.5, 100),
        ("batch-size", None, None, 0.0, 1500),
    ],
)
def test_places_go_from_calm_to_noisy(knob, low, high, place, level):
    axis = axis_of(knob, low, high, 1500)
    assert axis.level(place) == pytest.approx(level)
    assert axis.place(axis.level(place)) == pytest.approx(place, abs=1e-3)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"knob": "width"}, "knob must be one of .*'width'"),
        ({"low": 0.3, "high": 0.2}, "high must be finite and above 0.3"),
        ({"high": 1.0}, "high must be finite and below 1"),
        ({"seeds": 1}, "seeds must be a whole number of at least 2, not 1"),
        ({"n_levels": 1}, "n_levels must be a whole number of at least 2, not 1"),
        ({"kind": "best"}, "kind must be one of"),
        ({"panel": "dropout"}, "panel must not be given"),
        ({"colour": "red"}, "colour must not be given"),
        ({"knob": "batch-size", "high": 200}, "high must be a whole number of at most the 100"),
    ],
)
def test_what_cannot_be_tuned_is_refused_in_a_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        lp.tune("digits", **{**TINY, **options})


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="at least 2 classes"):
        lp.tune((np.random.default_rng(0).standard_normal((30, 3)), np.zeros(30, dtype=int)))


@pytest.mark.slow
def test_the_panel_of_digits_has_its_straight_level_where_the_diagram_has_it():
    result = lp.tune("digits", progress=False)
    # docs/data/phase_diagrams/digits-dropout.nc: fuzziness is 0.016 at 0.15 and -0.012 at 0.2.
    assert result.verdict == "clear"
    assert result.interval[0] < 0.18 < result.interval[1]
    assert result.level == pytest.approx(0.18, abs=0.03)


def test_what_is_known_of_the_rule_is_said_as_the_docs_have_it():
    (said,) = standing_words("dropout")
    assert standing_words("batch-size") == [
        said,
        "Other knobs than dropout were not put to that test.",
    ]
    page = (Path(__file__).parents[3] / "docs" / "tuning.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line.startswith("| ")}
    numbers = {
        "select 8: the same, one net a level": ("0.77", "0.24 to 1.49", "1.14", "0.45 to 2.03"),
        "dropout 0.1": ("0.78", "0.50"),
        "100 validation samples": ("0.59", "0.70"),
    }
    for row, each in numbers.items():
        assert all(number in rows[row] and number in said for number in each), row
