"""The registered statistics, on errors whose gains are known."""

import numpy as np
import pytest
import xarray as xr

from loadpath import plots
from loadpath.papers import learnable, learnable_table
from loadpath.papers.runs import EXPERIMENTS

SEEDS = 5


def made(gain, noise=0.0, seeds=SEEDS):
    """Cells whose adaptive nets have exp(-gain(cell, depth)) times the error of equal steps."""
    rng = np.random.default_rng(0)
    depths, rules = list(learnable.DEPTHS), list(learnable.RULES)
    cells = EXPERIMENTS["learnable"].cells(range(seeds))
    measured = []
    for cell in cells:
        equal = rng.uniform(0.2, 0.4, len(depths))
        logs = np.array([gain(cell, depth) for depth in depths])
        logs = logs + noise * rng.standard_normal(len(depths))
        error = np.stack([equal, equal, equal * np.exp(-logs)], axis=1)
        values = {
            "test_error": error,
            "test_error_earlier": error,
            "train_error": error / 2,
            "residual": np.full(error.shape, 4e-4 / cell["weight_decay"]),
        }
        ds = xr.Dataset(
            {name: (("depth", "rule"), value) for name, value in values.items()},
            {"depth": depths, "rule": rules},
        )
        ds["layer_step"] = ("depth", "rule", "step"), np.zeros((*error.shape, 2))
        measured.append((cell, ds))
    return measured


def by_depth_and_decay(cell, depth):
    """A gain of 0.3 at four layers and weak decay, of -0.1 at strong decay, and else of none."""
    if cell["teacher"] == learnable.CONTROL:
        return 0.0
    if cell["weight_decay"] == learnable.DECAYS[1]:
        return -0.1
    return 0.3 if depth == learnable.DEPTHS[0] else 0.0


def test_gains_are_those_that_the_errors_were_made_with():
    gain = learnable_table.gains(learnable_table.lay_out(made(by_depth_and_decay)))
    one = gain.sel(teacher="leak-0.1", effective_depth=8.0, rule="adaptive", bound="mean")
    few = one.sel(depth=4)
    # The same numbers go through exp and log: equal but for rounding.
    assert float(few.sel(weight_decay=0.001)) == pytest.approx(1 - np.exp(-0.3), rel=1e-12)
    assert float(few.sel(weight_decay=0.01)) == pytest.approx(1 - np.exp(0.1), rel=1e-12)
    assert abs(float(gain.sel(rule="irregular", bound="mean").max())) < 1e-12


def test_intervals_hold_the_mean_and_are_the_right_way_round():
    ds = learnable_table.lay_out(made(by_depth_and_decay, noise=0.2))
    gain = learnable_table.gains(ds).sel(rule="adaptive")
    known = gain.dropna("seed") if "seed" in gain.dims else gain
    low, mean, high = (known.sel(bound=bound) for bound in ("low", "mean", "high"))
    fine = mean.notnull()
    assert bool(((low < mean) & (mean < high)).where(fine, True).all())


def test_the_table_has_a_row_for_each_cell_and_holm_counts_those_that_can_be_learned():
    frame = learnable_table.table(made(by_depth_and_decay, noise=0.01))
    assert len(frame) == 3 * 2 * 2 * 3 + 3
    assert set(frame["seeds"]) == {SEEDS} and set(frame["trivial"]) == {0}
    assert set(frame["residual reached"]) == {1.0}
    control = frame.xs(learnable.CONTROL, level="teacher")
    assert control["p, Holm"].isna().all() and control["p"].notna().all()
    others = frame.drop(learnable.CONTROL, level="teacher")
    assert others["p, Holm"].min() == pytest.approx(36 * others["p"].min())


def test_claims_are_means_over_their_cells():
    found = learnable_table.claims(made(by_depth_and_decay, noise=0.01))
    assert set(found["seeds"]) == {SEEDS}
    expected = {
        "helps where layers are few": -0.3,
        "fades with depth": -0.3,
        "hurts under strong decay": 0.1,
        "gains on the control": 0.0,
    }
    assert list(found.index) == list(expected)
    for name, mean in expected.items():
        row = found.loc[name]
        # Means of at least 15 numbers of deviation 0.01.
        assert row["mean"] == pytest.approx(mean, abs=0.015)
        assert row["low"] < row["mean"] < row["high"]


def test_a_seed_counts_once_all_of_its_cells_are_known():
    measured = made(by_depth_and_decay, noise=0.01)[:-2]
    found = learnable_table.claims(measured)
    assert found.loc["helps where layers are few", "seeds"] == SEEDS
    assert found.loc["hurts under strong decay", "seeds"] == SEEDS - 1
    assert found.loc["gains on the control", "seeds"] == SEEDS - 1
    frame = learnable_table.table(measured)
    assert set(frame["seeds"]) == {SEEDS, SEEDS - 1}


def test_nets_that_learned_nothing_or_are_not_done_are_counted():
    measured = made(by_depth_and_decay, noise=0.01)
    _, ds = measured[0]
    ds["train_error"][0, 0] = 0.995
    ds["residual"][0, 1] = 1.0
    row = learnable_table.table(measured).loc[("leak-0.1", 3.0, 0.001, 4)]
    assert row["trivial"] == 1
    assert row["residual reached"] == pytest.approx(1 - 1 / (3 * SEEDS))


def test_claims_can_leave_out_seeds_with_a_net_that_is_not_done():
    measured = made(by_depth_and_decay, noise=0.01)
    undone, trivial = measured[0][1], measured[1][1]  # of weight decays 0.001 and 0.01
    undone["residual"][0, 1] = 1.0  # at the fewest layers
    trivial["train_error"][1, 0] = 0.995  # at more of them
    found = learnable_table.claims(measured, reached=True)["seeds"]
    assert found["helps where layers are few"] == found["fades with depth"] == SEEDS - 1
    assert found["hurts under strong decay"] == SEEDS - 1
    assert found["gains on the control"] == SEEDS
    assert set(learnable_table.claims(measured)["seeds"]) == {SEEDS}
    for _, ds in measured:
        ds["residual"][:] = 1.0
    frame = learnable_table.summarize(with_ridge(measured))
    at = ("where all nets reached the residual: fades with depth", "", "", "")
    assert (frame.loc[at, "seeds"], frame.loc[at, "adaptive"]) == (0, "no seed left")


def test_checks_are_compared_on_the_same_seeds():
    measured = made(by_depth_and_decay)
    at = {"teacher": "fully-connected", "effective_depth": 8.0, "weight_decay": 0.001}
    checks = [
        (
            {**cell, "width": 100, "deepest": 8, "dtype": "float32"},
            ds.sel(depth=[4, 8]).copy(deep=True),
        )
        for cell, ds in measured
        if at.items() <= cell.items() and cell["seed"] < 3
    ]
    for _, ds in checks:
        ds["test_error"].loc[{"rule": "adaptive", "depth": 4}] *= 1.1
    frame = learnable_table.tabulate_checks(measured, checks)
    assert list(frame.index) == [(100, "float32", 4), (100, "float32", 8)]
    assert set(frame["seeds"]) == {3}
    few, more = frame.iloc
    # A gain of 1 - exp(-0.3) in the grid; the check's errors are 1.1 times those.
    assert few["in the grid"].startswith("0.259 (") and few["gain"].startswith("0.185 (")
    assert few["difference"].startswith("-0.0741 (")
    assert float(more["difference"].split()[0]) == pytest.approx(0, abs=1e-12)


def test_holm_is_that_of_the_book():
    p = np.array([0.01, 0.04, np.nan, 0.03, 0.005])
    # 4 x 0.005, 3 x 0.01, then 2 x 0.03, and 0.04 no less than that before it.
    np.testing.assert_allclose(learnable_table.holm(p), [0.03, 0.06, np.nan, 0.06, 0.02])


def with_ridge(measured):
    """The cells beside two seeds of "learnability", whose best kernel is the second."""
    teachers = [*learnable.LEARNABLE, learnable.CONTROL]
    left = np.stack([np.full(4, 0.9), np.array([0.1, 0.2, 0.3, 0.5])], axis=1)
    ridge = xr.Dataset({"unexplained": (("teacher", "kernel"), left)}, {"teacher": teachers})
    cells = [({"experiment": "learnable", **cell}, ds) for cell, ds in measured]
    return cells + [({"experiment": "learnability", "seed": seed}, ridge) for seed in (0, 1)]


def test_the_summary_has_claims_under_the_cells():
    measured = made(by_depth_and_decay, noise=0.01)
    frame = learnable_table.summarize(with_ridge(measured))
    assert len(frame) == 39 + 3 * 4
    early = frame.loc[("at four times the residual: helps where layers are few", "", "", "")]
    assert early["seeds"] == SEEDS
    assert frame.loc[("leak-0.3", 8.0, 0.01, 18), "left by ridge"] == 0.2
    claim = frame.loc[("claim: helps where layers are few", "", "", "")]
    assert claim["seeds"] == SEEDS
    mean, low, high = (
        float(x) for x in claim["adaptive"].strip(")").replace("(", "to ").split("to ")
    )
    assert low < mean < high and mean == pytest.approx(1 - np.exp(-0.3), abs=0.01)


def test_the_figure_shows_the_gains_in_per_cent():
    shown = learnable_table.shown(with_ridge(made(by_depth_and_decay, noise=0.05)))
    figure = plots.figure_2_learnable(shown)
    panels = [ax for ax in figure.axes if ax.axison]
    assert len(panels) == 7  # the control is at one effective depth only
    one = shown["gain"].sel(
        teacher="leak-0.1", effective_depth=3.0, rule="adaptive", weight_decay=0.001
    )
    drawn = [c.lines[0].get_ydata() for c in panels[0].containers]
    assert any(np.allclose(y, 100 * one.sel(bound="mean").values) for y in drawn)
    assert "10 % left by ridge" in panels[0].get_title()


def test_the_figure_refuses_what_holds_no_number():
    ds = learnable_table.lay_out(made(by_depth_and_decay))
    shown = (learnable_table.gains(ds) * np.nan).to_dataset(name="gain")
    shown["unexplained"] = ("teacher", np.zeros(4))
    with pytest.raises(ValueError, match=r"^ds must hold finite numbers of 'gain', got none\.$"):
        plots.figure_2_learnable(shown)
