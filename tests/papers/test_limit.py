"""Figure 1a to the limit: each rung begins at the one before, and is solved once."""

import functools

import numpy as np
import pytest
import xarray as xr

from loadpath.papers import limit as runs
from loadpath.papers.runs import EXPERIMENTS


@pytest.fixture
def solves(monkeypatch):
    """Tiny rungs, solved for a moment each; gives what `solve` was asked for."""
    asked, solve = [], runs.geodesic.solve

    def briefly(x, y, **options):
        asked.append(options)
        return solve(x, y, max_seconds=0.05, **options)

    monkeypatch.setattr(runs, "RUNGS", {2.0: 4, 3.0: 5, 4.0: 6})
    monkeypatch.setattr(runs, "FINER", {3.0: 10})
    monkeypatch.setattr(runs, "ROUNDS", 1)
    monkeypatch.setattr(runs, "WIDTH", 8)
    monkeypatch.setattr(runs, "SAMPLES", 20)
    monkeypatch.setattr(runs.geodesic, "solve", briefly)
    # A memory of its own, so that no other test is handed a tiny net.
    fresh = functools.lru_cache(maxsize=9)(runs._solved.__wrapped__)
    monkeypatch.setattr(runs, "_solved", fresh)
    return asked


def test_rungs_follow_each_other(solves):
    cells = runs._cells([0])
    measured = [runs.limit(**cell) for cell in cells]
    assert [ds.sizes["step"] for ds in measured] == [4, 5, 6, 10]
    assert [asked["effective_depth"] for asked in solves] == [2.0, 3.0, 4.0, 3.0]
    starts = [asked["start"] and asked["start"].effective_depth for asked in solves]
    assert starts == [None, 2.0, 3.0, 3.0]
    assert [asked["depth"] for asked in solves] == [4, 5, 6, 10]  # and no rung twice
    assert all(asked["step"] == "exponential" for asked in solves)
    assert measured[0].attrs["teacher_rank"] == 3 and measured[0].attrs["seed"] == 0
    assert list(measured[0]["gamma0"].values) == [1e-2, 1e-3, 1e-4]


def test_a_rung_by_itself_solves_those_before(solves):
    runs.limit(effective_depth=4.0, depth=6, seed=0)
    assert [asked["effective_depth"] for asked in solves] == [2.0, 3.0, 4.0]


def test_what_has_not_converged_goes_on_from_where_it_ended(solves, monkeypatch):
    monkeypatch.setattr(runs, "ROUNDS", 3)
    found = runs._solved(2.0, 4, 0)
    assert str(found.status) == "out of time"  # as `solves` has each end
    assert [asked["start"] is None for asked in solves] == [True, False, False]
    assert solves[2]["start"] is not solves[1]["start"]


def test_steps_stay_short_while_the_leakage_grows():
    leaks = list(runs.RUNGS)
    assert all(leak / depth <= 0.5 for leak, depth in runs.RUNGS.items())
    assert sorted(leaks) == leaks and set(runs.SHOWN) <= set(leaks)
    assert max(runs.SHOWN) == max(leaks) == 32.0
    assert all(depth == 2 * runs.RUNGS[leak] for leak, depth in runs.FINER.items())
    cells = EXPERIMENTS["limit"].cells([0, 1])
    assert [cell["seed"] for cell in cells] == [0] * 10 + [1] * 10


def test_rungs_are_tabled_with_their_intervals():
    def net(dimension, cost, residual):
        costs = np.array([[1.0, 2.0], [2.0, cost], [3.0, cost + 1]])[:, ::-1]
        return xr.Dataset(
            {
                "dimension": ("step", [dimension - 1, dimension, dimension + 9]),
                "cost_of_identity_by_gamma0": (("gamma0", "layer"), costs),
                "stationarity": ("step", [0.001, residual, 0.002]),
                "bottleneck_rank": 3.0,
                "objective": 14.0,
            },
            {"gamma0": [1e-2, 1e-3, 1e-4]},
        )

    cells = [{"effective_depth": 2.0, "depth": 4, "seed": seed} for seed in (0, 1)]
    cells.append({"effective_depth": 2.0, "depth": 8, "seed": 0})
    nets = [net(1.0, 5.0, 0.004), net(2.0, 5.0, 0.008), net(1.5, 7.0, 0.02)]
    frame = runs.tabulate_rungs(list(zip(cells, nets, strict=True)))
    coarse, fine = frame.loc[(2.0, 4)], frame.loc[(2.0, 8)]
    # Of 1 and 2 the mean is 1.5, and 12.706 deviations / sqrt(2) of 0.7071 are 6.353.
    assert coarse["dimension"] == "1.5 (-4.85 to 7.85)"
    assert (coarse["COI at 0.01"], coarse["COI at 0.001"]) == ("1 (1 to 1)", "2 (2 to 2)")
    assert coarse["COI - dimension"] == "1.5 (-4.85 to 7.85)"
    assert (coarse["residual"], fine["residual"]) == (0.008, 0.02)
    assert (fine["dimension"], fine["COI - dimension"], coarse["rank"]) == ("1.5", "1.5", "3 3")


def test_the_figure_has_the_rungs_that_are_shown():
    cells = [
        {"effective_depth": leak, "depth": depth, "seed": 0}
        for leak, depth in (*runs.RUNGS.items(), *runs.FINER.items())
    ]
    nets = [xr.Dataset({"layers": cell["depth"]}) for cell in cells]
    shown = runs.on_shown_rungs(list(zip(cells, nets, strict=True)))
    assert [cell for cell, _ in shown] == [
        {"effective_depth": leak, "seed": 0} for leak in runs.SHOWN
    ]
    assert [int(ds["layers"]) for _, ds in shown] == [runs.RUNGS[leak] for leak in runs.SHOWN]
