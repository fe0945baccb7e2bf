"""What curves at epoch 20 foretell, beside early accuracy, as docs/registered/tuning.md decides it.

`python benchmarks/tuning_study.py --report` prints it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import optimize, stats
from tuning_kept import nets
from tuning_nets import EARLY
from tuning_report import SETTINGS, drawn, verdict
from tuning_study import LEVELS, MLPS, RATES, SETS, arms

from loadpath.measures.separation import concavity

TRIALS = [(rate, p) for rate in RATES for p in LEVELS]
"""Rate and dropout of every trial."""
KEPT = len(TRIALS) // 4
EPOCHS = (10, 20, 30)
"""Where the power law is fitted."""
LAST = 100
CHANCES = 200
"""Random quarters of which the mean is chance."""


def report_forecasts(kept: Path) -> None:
    """Print what is lost by stopping all but the best quarter of trials, score by score."""
    for norm, words in SETTINGS:
        lost = {
            (name, slope): each
            for name in SETS
            for kind, slope in MLPS
            if kind == norm and (each := losses_of(kept, f"{name} {norm} {slope:g}"))
        }
        if not lost:
            print(f"\nforecasts, {words}: no seed is whole yet.")
            continue
        print(f"\nforecasts, {words}: points lost by the best of those that go on")
        for score in next(iter(lost.values())):
            value, low, high = drawn(lost, lambda each, s=score: each[s])
            print(f"  {score:28s} {value:6.2f} [{low:.2f}, {high:.2f}] at {len(lost)} settings")
        found = drawn(lost, lambda each: each["both ranks"] - each["accuracy"])
        print(f"  both ranks - accuracy, at most 0: {verdict(found, 0.0)}")


def losses_of(kept: Path, setting: str) -> dict[str, np.ndarray]:
    """What each score loses, (seed,), in points; empty without whole seeds.

    It is the test accuracy of the best of all trials of a seed less that of the best of the quarter
    that goes on: what a user loses who chooses perfectly among those. The trials at the rate of the
    main study are its nets.
    """
    name = setting.split(" ")[0]
    early = nets(kept, "forecast", setting, tuple(arms(name, "forecast")))
    late = nets(kept, "main", setting, tuple(f"level {p:g}" for p in LEVELS))
    if early is None or late is None:
        return {}
    seeds = np.intersect1d(*(next(iter(each.values()))["seed"] for each in (early, late)))
    if not len(seeds):
        return {}
    full = [
        (late[f"level {p:g}"] if rate == 1e-3 else early[f"rate {rate:g} {p:g}"]).sel(seed=seeds)
        for rate, p in TRIALS
    ]
    test = np.stack([net["test_accuracy"].values.astype(float) for net in full], axis=1)
    curves = np.stack([net["log_separation_20"].values for net in full], axis=1)
    shares = np.stack(
        [early[f"early 100 {rate:g} {p:g}"]["early_accuracy"].sel(seed=seeds).values
         for rate, p in TRIALS],
        axis=1,
    ).astype(float)  # fmt: skip
    seen = {epoch: shares[..., i] for i, epoch in enumerate(EARLY)}
    return {score: 100 * lost for score, lost in losses(test, curves, seen).items()}


def losses(
    test: np.ndarray, curves: np.ndarray, seen: dict[int, np.ndarray]
) -> dict[str, np.ndarray]:
    """What each score loses, (seed,), as a share.

    `test` is (seed, trial), `curves` log separations at epoch 20 (seed, trial, layer), `seen` the
    validation accuracies (seed, trial) by epoch.
    """
    best = test.max(1)
    straight = straightness(curves)
    both = _ranks(straight) + _ranks(seen[20])
    scores = {
        "curves": straight,
        "accuracy": seen[20],
        "both ranks": both,
        "power law": foretold([seen[epoch] for epoch in EPOCHS]),
    }
    rng = np.random.default_rng(0)
    found = {}
    for score, values in scores.items():
        # Equals are told apart at random, so that no score gains by the order of the trials.
        order = np.lexsort((rng.random(values.shape), -values), axis=1)
        found[score] = best - np.take_along_axis(test, order[:, :KEPT], axis=1).max(1)
    found["successive halving"] = best - np.array(
        [test[s, halved(seen[20][s], seen[50][s], rng)].max() for s in range(len(test))]
    )
    chance = [
        np.take_along_axis(test, rng.permuted(np.tile(np.arange(test.shape[1]), (len(test), 1)),
                                              axis=1)[:, :KEPT], axis=1).max(1)
        for _ in range(CHANCES)
    ]  # fmt: skip
    found["chance"] = best - np.mean(chance, axis=0)
    return found


def straightness(curves: np.ndarray) -> np.ndarray:
    """Minus the absolute concavity of each curve; the least of all where it does not fall."""
    finite = np.isfinite(curves).all(-1)
    falls = finite & (curves[..., 0] > curves[..., -1])
    bent = np.abs(concavity(np.where(finite[..., None], curves, 0.0)))
    return np.where(falls, -bent, -np.inf)


def foretold(seen: list[np.ndarray]) -> np.ndarray:
    """Accuracy at the last epoch by the power law a - b t^-c through those that were seen.

    Least squares over c from 0.05 to 3 and a up to 1; where no curve is fitted, because accuracies
    do not rise, the last that was seen.
    """
    t = np.array(EPOCHS, dtype=float)
    y = np.stack(seen, axis=-1)
    found = y[..., -1].copy()
    for at in np.ndindex(*found.shape):
        if y[at][-1] > y[at][0]:
            found[at] = _extrapolated(t, y[at])
    return found


def _extrapolated(t: np.ndarray, y: np.ndarray) -> float:
    """The value at the last epoch of the power law that fits best."""

    def coefficients(c: float) -> tuple[np.ndarray, float]:
        basis = np.stack([np.ones_like(t), -(t**-c)], axis=1)
        fitted = optimize.lsq_linear(basis, y, bounds=([0, 0], [1, np.inf]))
        return fitted.x, float(fitted.cost)

    c = optimize.minimize_scalar(lambda c: coefficients(c)[1], bounds=(0.05, 3), method="bounded").x
    a, b = coefficients(float(c))[0]
    return float(a - b * LAST**-c)


def halved(first: np.ndarray, second: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The trials that successive halving by accuracy keeps: half at each of two looks."""
    order = np.lexsort((rng.random(len(first)), -first))[: len(first) // 2]
    again = np.lexsort((rng.random(len(order)), -second[order]))[: len(order) // 2]
    return order[again]


def _ranks(scores: np.ndarray) -> np.ndarray:
    """The ranks of the trials of each seed, the best having the largest; equals share one."""
    return np.asarray(stats.rankdata(scores, axis=1))
