"""The analysis of the tuning study on nets whose answers are known."""

import numpy as np
import pytest
import xarray as xr
from tuning_forecast import EPOCHS, LAST, foretold, halved, losses, straightness
from tuning_kept import gather, nets
from tuning_report import drawn, regrets_of_nets, twin, verdict
from tuning_study import LEVELS

import loadpath as lp

N_SEEDS, N_LAYERS = 10, 8
ACCURACY = np.array([0.70, 0.74, 0.78, 0.80, 0.79, 0.77, 0.76, 0.72])
"""Of the eight levels: the fourth, 0.1, is best."""


def curve(bend):
    """A curve from 7 to 0 nats that bends by so much: concave below 0, convex above."""
    p = np.linspace(0, 1, N_LAYERS)
    return 7 * (1 - p) - bend * p * (1 - p)


def net(accuracy, bend, loss=0.1, norm=1.0):
    """A net at every seed."""
    known = {"test_accuracy": accuracy, "train_loss": loss, "weight_norm": norm}
    ds = xr.Dataset({name: ("seed", np.full(N_SEEDS, value)) for name, value in known.items()})
    return ds.assign(log_separation=(("seed", "layer"), np.tile(curve(bend), (N_SEEDS, 1))))


def study(zero=0.15):
    """Nets at all levels whose curves are straight at `zero`, and whose validation is right."""
    found = {f"level {p:g}": net(a, 20 * (p - zero)) for p, a in zip(LEVELS, ACCURACY, strict=True)}
    for p, a in zip(LEVELS, ACCURACY, strict=True):
        found[f"holdout 100 {p:g}"] = xr.Dataset(
            {"validation_accuracy": ("seed", np.full(N_SEEDS, a - 0.1))}
        )
    return found | {"steer": net(0.75, 0.0), "fixed 0.1": net(0.8, 0.0)}


def test_regrets_are_those_of_the_levels_that_each_method_chooses():
    found = regrets_of_nets(study(), [study()])
    lost = {method: float(each.mean()) for method, each in found.items()}
    assert all(each.shape == (N_SEEDS,) for each in found.values())
    # All choose the same for every seed; numbers are differences of shares, exact to rounding.
    expected = {
        **dict.fromkeys(("validation 100", "largest validation", "fixed 0.1"), 0.0),
        **{"best of the other sets": 0.0, "fixed 0.1, best of 8 seeds": 0.0},
        **{"select 8": 1.0, "select 24": 1.0, "dropout 0": 10.0, "steer": 5.0},
        "a level at random": 100 * (0.8 - ACCURACY.mean()),
    }
    assert {m: lost[m] for m in expected} == pytest.approx(expected, abs=1e-9)
    assert "validation 500" not in found


def test_what_curves_choose_follows_where_they_are_straight():
    found = regrets_of_nets(study(zero=0.25), [])
    assert found["select 8"].mean() == pytest.approx(4.0)
    assert found["select 24"].mean() == pytest.approx(4.0)
    never = study()
    for p in LEVELS:
        never[f"level {p:g}"]["log_separation"][:] = curve(0)[::-1]  # curves that rise
    found = regrets_of_nets(never, [])
    assert found["select 8"].mean() == found["select 24"].mean() == 0  # the fixed 0.1


def test_twin_takes_the_smallest_norm_before_the_jump_of_the_loss():
    found = study()
    for i, p in enumerate(LEVELS):
        found[f"level {p:g}"] = net(0.5, 0.0, loss=0.01 if i < 5 else 1.0, norm=10.0 - i)
    assert twin(found, 0) == 4


def test_intervals_are_over_sets_and_over_seeds_within_them():
    same = {(name, 0.0): {"m": np.full(10, value)} for name, value in (("a", 0.0), ("b", 1.0))}
    assert drawn(same, lambda r: r["m"]) == (0.5, 0.0, 1.0)  # both draws may be of one set
    rng = np.random.default_rng(0)
    seeds = rng.normal(size=10)
    one = {("a", 0.0): {"m": seeds}}
    value, low, high = drawn(one, lambda r: r["m"])
    wide = 2 * 1.96 * seeds.std() / 10**0.5
    # 10,000 draws know a quantile of a normal to 2 %; the mean of 10 is not quite normal.
    assert value == pytest.approx(seeds.mean()) and high - low == pytest.approx(wide, rel=0.1)
    # Both sizes of Fashion-MNIST are drawn together: as one set they have no spread between sets.
    two = {(name, 0.0): {"m": np.full(10, float(i))} for i, name in enumerate(("f", "f-500"))}
    assert drawn(two, lambda r: r["m"]) == (0.5, 0.5, 0.5)
    assert verdict((0.1, 0.0, 0.2), 0.25).endswith("holds")
    assert verdict((0.4, 0.3, 0.5), 0.25).endswith("fails")
    assert verdict((0.2, 0.1, 0.3), 0.25).endswith("not shown")


def test_a_power_law_is_foretold_exactly_and_noise_takes_the_last():
    a, b, c = 0.9, 0.8, 0.7
    seen = [np.array([a - b * t**-c, 0.5]) for t in EPOCHS]
    # The exponent is found to 1e-5 or so by a search on a line.
    assert foretold(seen) == pytest.approx([a - b * LAST**-c, 0.5], abs=1e-4)


def test_the_forecast_keeps_the_best_quarter_by_each_score():
    rng = np.random.default_rng(1)
    test = np.tile(np.linspace(0.5, 0.73, 24), (3, 1))
    bends = np.linspace(5, 0.1, 24)  # the straightest is the best
    curves = np.tile([curve(b) for b in bends], (3, 1, 1))
    backwards = {epoch: test[:, ::-1] for epoch in (*EPOCHS, 50)}
    found = losses(test, curves, backwards)
    assert found["curves"] == pytest.approx(np.zeros(3), abs=1e-12)
    # By accuracy the worst six go on, of which the best is the sixth.
    assert found["accuracy"] == pytest.approx(np.full(3, 0.18))
    assert found["successive halving"] == pytest.approx(np.full(3, 0.18))
    assert 0 < found["chance"].mean() < 0.1
    kept = halved(test[0], test[0], rng)
    assert sorted(kept) == list(range(18, 24))
    assert straightness(np.array([curve(0)[::-1]]))[0] == -np.inf


def test_cells_are_gathered_into_one_file_and_read_again(tmp_path):
    runs, kept = tmp_path / "runs", tmp_path / "kept"
    cells = [
        {"setting": "s", "arm": arm, "seed": seed}
        for arm in ("rate 1 0", "early 100 1 0")
        for seed in range(2)
    ]
    lp.sweep.run(_cell, cells[:3], runs, progress=False)
    gather(runs, "forecast", ["s"], ["rate 1 0", "early 100 1 0"], 2, kept)
    found = nets(kept, "forecast", "s", ("rate 1 0", "early 100 1 0"))
    assert found["rate 1 0"]["seed"].values.tolist() == [0]  # the other seed is not whole
    assert found["rate 1 0"]["test_accuracy"].item() == 0.5
    assert found["early 100 1 0"]["early_accuracy"].values.tolist() == [[0.25, 0.5]]
    assert nets(kept, "forecast", "other", ("rate 1 0",)) is None
    assert nets(kept, "main", "s", ("rate 1 0",)) is None


def _cell(*, setting, arm, seed):
    if arm.startswith("early"):
        return xr.Dataset({"validation_accuracy": ("epoch", [0.25, 0.5])}, {"epoch": [10, 20]})
    kinds = np.array(["fuzziness"], dtype=object)
    return xr.Dataset(
        {"test_accuracy": 0.5, "log_separation_20": (("kind", "layer"), [curve(1.0)])},
        {"kind": kinds},
    )
