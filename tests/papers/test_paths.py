"""The geodesics of the explorer: each rung begins at the one before, and keeps what is shown."""

import functools
from pathlib import Path

import numpy as np
import pytest

from loadpath import results, sweep
from loadpath.papers import limit
from loadpath.papers import paths as runs
from loadpath.papers.runs import EXPERIMENTS

DATA = Path(__file__).parents[2] / "docs" / "data" / "paths"


@pytest.fixture
def solves(monkeypatch):
    """Tiny rungs, solved for a moment each; gives what `solve` was asked for."""
    asked, solve = [], limit.geodesic.solve

    def briefly(x, y, **options):
        asked.append(options)
        return solve(x, y, max_seconds=0.05, **options)

    monkeypatch.setattr(runs, "RUNGS", {2.0: 4, 3.0: 5})
    monkeypatch.setattr(limit, "ROUNDS", 1)
    monkeypatch.setattr(limit, "WIDTH", 8)
    monkeypatch.setattr(limit, "SAMPLES", 20)
    monkeypatch.setattr(limit.geodesic, "solve", briefly)
    # A memory of its own, so that no other test is handed a tiny net.
    fresh = functools.lru_cache(maxsize=9)(runs._solved.__wrapped__)
    monkeypatch.setattr(runs, "_solved", fresh)
    return asked


def test_rungs_follow_each_other_and_keep_what_is_shown(solves):
    shallow, deep = (runs.path(**cell) for cell in runs._cells([0]))
    assert [asked["effective_depth"] for asked in solves] == [2.0, 3.0]  # and no rung twice
    assert [asked["start"] and asked["start"].effective_depth for asked in solves] == [None, 2.0]
    assert (shallow.sizes["step"], deep.sizes["step"]) == (4, 5)
    assert list(deep["gamma0"].values) == list(runs.GAMMA0S)
    assert deep["target"].sizes["sample"] == deep["projection"].sizes["sample"] == 20
    assert float(deep["target"].std()) == pytest.approx(1, abs=0.05)
    assert deep.attrs["verdict"] in deep["least_norm_residual"].attrs["verdict"]
    assert deep["least_norm_residual"].attrs["words"].count("\n") >= 4


def test_the_parts_of_the_hamiltonian_are_of_one_metric(solves):
    # H_gamma = kinetic - (L~ / 2) COI at the start of every step, for each gamma0 by itself.
    ds = runs.path(effective_depth=3.0, seed=0)
    cost = ds["cost_of_identity"].values[:, :-1]
    parts = ds["kinetic_energy"].values - 3.0 / 2 * cost
    np.testing.assert_allclose(parts, ds["stable_hamiltonian"].values, rtol=1e-10)
    assert (np.diff(cost, axis=0) > 0).all()  # a smaller stabilizer counts more dimensions


def test_steps_stay_short_while_the_leakage_grows():
    leaks = list(runs.RUNGS)
    assert sorted(leaks) == leaks
    assert all(leak / depth <= 0.5 for leak, depth in runs.RUNGS.items())
    assert all(deeper / leak < 1.45 for leak, deeper in zip(leaks, leaks[1:], strict=False))


def test_those_in_docs_are_whole():
    cells = EXPERIMENTS["paths"].cells([0])
    assert len(list(DATA.glob("*.nc"))) == len(cells)
    for cell in (cells[0], cells[-1]):
        ds = sweep.load(DATA, cell)
        assert ds.sizes["step"] == runs.RUNGS[cell["effective_depth"]]
        assert ds.attrs["status"] in (results.Status.CONVERGED, results.Status.NOT_CONVERGED)
