"""Figure 1a to the limit: each rung begins at the one before, and is solved once."""

import functools

import pytest

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
    monkeypatch.setattr(runs, "CONTINUED", 3.0)
    monkeypatch.setattr(runs, "WIDTH", 8)
    monkeypatch.setattr(runs, "SAMPLES", 20)
    monkeypatch.setattr(runs.geodesic, "solve", briefly)
    # A memory of its own, so that no other test is handed a tiny net.
    fresh = functools.lru_cache(maxsize=2)(runs._solved.__wrapped__)
    monkeypatch.setattr(runs, "_solved", fresh)
    return asked


def test_rungs_follow_each_other(solves):
    measured = [runs.limit(effective_depth=leak, seed=1) for leak in runs.RUNGS]
    assert [ds.sizes["step"] for ds in measured] == [4, 5, 6]
    assert [asked["effective_depth"] for asked in solves] == [2.0, 3.0, 4.0]
    starts = [asked["start"] and asked["start"].effective_depth for asked in solves]
    assert starts == [None, 2.0, 3.0]
    assert all(asked["step"] == "exponential" for asked in solves)
    assert measured[0].attrs["teacher_rank"] == 3 and measured[0].attrs["seed"] == 1
    assert list(measured[0]["gamma0"].values) == [1e-2, 1e-3, 1e-4]


def test_a_rung_by_itself_solves_those_before(solves):
    runs.limit(effective_depth=4.0, seed=0)
    assert [asked["effective_depth"] for asked in solves] == [2.0, 3.0, 4.0]


def test_steps_stay_short_while_the_leakage_grows():
    leaks = list(runs.RUNGS)
    assert all(leak / depth <= 0.5 for leak, depth in runs.RUNGS.items())
    assert sorted(leaks) == leaks and set(runs.SHOWN) <= set(leaks)
    cells = EXPERIMENTS["limit"].cells([0, 1])
    assert [(c["seed"], c["effective_depth"]) for c in cells[:8]] == [
        *((0, leak) for leak in leaks),
        (1, 2.0),
    ]
