"""What the cells of `tuning_study.py` come to, as docs/registered/tuning.md decides it.

`python benchmarks/tuning_study.py --report` prints it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from scipy import optimize, stats
from tuning_kept import KIND
from tuning_kept import nets as kept_nets
from tuning_study import LEVELS, MLPS, SETS, VALIDATION, arms

import loadpath as lp
from loadpath.measures.separation import KINDS, concavity

DRAWS, SEED, LEVEL = 10_000, 0, 0.95
FIXED = LEVELS.index(0.1)
SEEDS = 8
"""Seeds of which the best is taken, beside methods that train eight nets."""
SETTINGS = (("bn", "with BatchNorm"), ("plain", "without BatchNorm"))
"""Kinds of nets that verdicts are given for, and what they are called."""
CNN = "fashion-mnist-500 cnn 0"

Regrets = dict[tuple[str, float], dict[str, np.ndarray]]
"""By set and slope, of every method the regrets of the seeds, in points."""

CLAIMS = [
    ("steer - largest validation", lambda r: r["steer"] - r["largest validation"], 0.25),
    ("steer - fixed 0.1", lambda r: r["steer"] - r["fixed 0.1, same engine"], 0.0),
    ("select 8 - half of validation 100", lambda r: r["select 8"] - r["validation 100"] / 2, 0.0),
    ("select 24 - half of validation 100", lambda r: r["select 24"] - r["validation 100"] / 2, 0.0),
]  # fmt: skip


def report(kept: Path) -> None:
    """Print the regret of every method, and what is decided."""
    for norm, words in SETTINGS:
        regrets = regrets_by_setting(kept, norm)
        if not regrets:
            print(f"{words}: no seed is whole yet.")
            continue
        seeds = {next(iter(r.values())).size for r in regrets.values()}
        print(f"\n{words}: regret in points, over {len(regrets)} settings, seeds {seeds}")
        for method, some in by_method(regrets).items():
            value, low, high = drawn(some, lambda r, m=method: r[m])
            print(f"  {method:28s} {value:6.2f} [{low:.2f}, {high:.2f}] at {len(some)} settings")
        for told, some in (("", regrets), (", without Fashion-MNIST", unseen(regrets))):
            for claim, contrast, bound in CLAIMS:
                if some:
                    found = verdict(drawn(some, contrast), bound)
                    print(f"  {claim}, at most {bound:g}{told}: {found}")
        by_set(regrets)
        told_by_tune(kept, norm)
        described(kept, norm, regrets)
    report_cnn(kept)


def regrets_by_setting(kept: Path, norm: str) -> Regrets:
    """The regrets at every set and slope of a kind of nets."""
    found = {
        (name, slope): regrets_of(kept, name, norm, slope)
        for name in SETS
        for kind, slope in MLPS
        if kind == norm
    }
    return {key: r for key, r in found.items() if r}


def by_method(regrets: Regrets) -> dict[str, Regrets]:
    """The settings at which each method could be used."""
    methods = dict.fromkeys(m for r in regrets.values() for m in r)
    return {m: {key: r for key, r in regrets.items() if m in r} for m in methods}


def unseen(regrets: Regrets) -> Regrets:
    """Those of the sets of which nothing was known beforehand."""
    return {key: r for key, r in regrets.items() if not key[0].startswith("fashion")}


SHOWN = ("select 8", "select 24", "steer", "fixed 0.1", "validation 100", "largest validation")


def by_set(regrets: Regrets) -> None:
    """Print what each set adds: means over slopes and seeds, with no claim."""
    print("  by set: " + ", ".join(SHOWN))
    for name in SETS:
        here = [r for (each, _), r in regrets.items() if each == name]
        if here:
            means = [
                np.mean([r[m].mean() for r in here if m in r]) if m in here[0] else np.nan
                for m in SHOWN
            ]
            print(f"    {name:18s} " + " ".join(f"{mean:6.2f}" for mean in means))


def regrets_of(kept: Path, name: str, norm: str, slope: float) -> dict[str, np.ndarray]:
    """The regret of each method at one setting, (seed,), in points; empty without whole seeds."""
    nets = cells_of(kept, name, norm, slope)
    if nets is None:
        return {}
    others = [cells_of(kept, each, norm, slope) for each in SETS if each != name]
    return regrets_of_nets(nets, others)


def regrets_of_nets(
    nets: dict[str, xr.Dataset], others: list[dict[str, xr.Dataset] | None]
) -> dict[str, np.ndarray]:
    """The regret of each method, (seed,), in points."""
    test = level_values(nets, "level", "test_accuracy")
    best = int(test.mean(0).argmax())
    chosen: dict[str, np.ndarray] = {}
    n = len(test)
    for size in VALIDATION:
        held = level_values(nets, f"holdout {size}", "validation_accuracy")
        if np.isfinite(held).all():
            chosen[f"validation {size}"] = held.argmax(1)  # the lowest of equals
            chosen["largest validation"] = chosen[f"validation {size}"]
            largest = held
    chosen["select 8"], chosen["select 24"] = selections(nets)
    chosen["twin"] = np.array([twin(nets, s) for s in range(n)])
    chosen["dropout 0"], chosen["fixed 0.1"] = np.zeros(n, int), np.full(n, FIXED)
    means = [level_values(each, "level", "test_accuracy").mean(0) for each in others if each]
    if means:
        lost = [each.max() - each for each in means]
        chosen["best of the other sets"] = np.full(n, int(np.mean(lost, axis=0).argmin()))
    found = {m: test[np.arange(n), at] for m, at in chosen.items()}
    if n >= SEEDS:
        # Eight nets at 0.1, of which the largest validation chooses: as dear as eight levels.
        draws = [(np.arange(SEEDS) + s) % n for s in range(n)]
        seeds = [d[largest[d, FIXED].argmax()] for d in draws]
        found["fixed 0.1, best of 8 seeds"] = test[seeds, FIXED]
    found["a level at random"] = test.mean(1)
    for arm, words in (("fixed 0.1", "fixed 0.1, same engine"), ("steer", "steer"),
                       ("ramp up", "ramp up"), ("ramp down", "ramp down"),
                       ("tempbalance", "tempbalance")):  # fmt: skip
        if arm in nets:
            found[words] = nets[arm]["test_accuracy"].values.astype(float)
    return {method: 100 * (test[:, best] - each) for method, each in found.items()}


def cells_of(
    kept: Path, name: str, norm: str, slope: float, kind: str = KIND
) -> dict[str, xr.Dataset] | None:
    """The nets of a setting by arm, over the seeds of which all are there."""
    return kept_nets(kept, "main", f"{name} {norm} {slope:g}", tuple(arms(name, "main")), kind)


def described(kept: Path, norm: str, regrets: Regrets) -> None:
    """Print what no claim rests on: other conventions, and where straight and best levels lie."""
    for kind in KINDS:
        lost: Regrets = {}
        for name, slope in regrets:
            nets = cells_of(kept, name, norm, slope, kind)
            assert nets is not None
            test = level_values(nets, "level", "test_accuracy")
            chosen = test[np.arange(len(test)), selections(nets)[0]]
            lost[name, slope] = {"m": 100 * (test[:, int(test.mean(0).argmax())] - chosen)}
        value, low, high = drawn(lost, lambda r: r["m"])
        print(f"  described: select 8 by {kind:12s} {value:6.2f} [{low:.2f}, {high:.2f}]")
    crossing, noisier = 0, 0
    print("  described: the best level, and where select 24 goes most often, with accuracies, %")
    for name, slope in regrets:
        nets = cells_of(kept, name, norm, slope)
        assert nets is not None
        test = level_values(nets, "level", "test_accuracy")
        levels, best = np.array(LEVELS), int(test.mean(0).argmax())
        chosen = int(np.bincount(selections(nets)[1]).argmax())
        told = [f"{levels[at]:.2f} ({100 * test.mean(0)[at]:.1f})" for at in (best, chosen)]
        print(f"    {name:18s} {slope:g}: {told[0]}, {told[1]}")
        curves = [nets[f"level {p:g}"]["log_separation"].values for p in LEVELS]
        mean = concavity(np.nan_to_num(np.array(curves))).mean(1)
        if mean[0] > 0 > mean[-1]:
            crossing += 1
            noisier += int(best > int(np.argmax(mean < 0)) - 1)
    print(
        f"  described: the mean concavity goes from above 0 to below it at {crossing} of "
        f"{len(regrets)} settings; at {noisier} of them the best level is beyond the concave ones"
    )


def told_by_tune(kept: Path, norm: str) -> None:
    """Print how often `lp.tune` says what, and what its choice then loses."""
    lost: dict[str, list[float]] = {}
    for name in SETS:
        for slope in (each for kind, each in MLPS if kind == norm):
            tuned = kept_nets(kept, "tune", f"{name} {norm} {slope:g}", ("tune",))
            nets = cells_of(kept, name, norm, slope)
            if tuned is None or nets is None:
                continue
            means = level_values(nets, "level", "test_accuracy").mean(0)
            for told, place in zip(
                tuned["tune"]["verdict"].values, tuned["tune"]["straightest"].values, strict=True
            ):
                at = FIXED if np.isnan(place) else nearest(float(place))
                lost.setdefault(str(told), []).append(100 * float(means.max() - means[at]))
    for told, each in lost.items():
        print(f"  lp.tune says {told!r} {len(each)} times, and loses {np.mean(each):.2f} points")


def report_cnn(kept: Path) -> None:
    """Print the regrets of the CNN, with Student's intervals over its seeds."""
    nets = kept_nets(kept, "cnn", CNN, tuple(arms("fashion-mnist-500", "cnn")))
    if nets is None:
        print("\nthe CNN: no seed is whole yet.")
        return
    regrets = regrets_of_nets(nets, [])
    print(f"\nthe CNN: regret in points, over {len(regrets['steer'])} seeds")
    for method, each in regrets.items():
        reach = stats.t.ppf((1 + LEVEL) / 2, len(each) - 1) * each.std(ddof=1) / len(each) ** 0.5
        print(f"  {method:28s} {each.mean():6.2f} ± {reach:.2f}")


def level_values(nets: dict[str, xr.Dataset], arm: str, variable: str) -> np.ndarray:
    """A number of the nets of eight levels, (seed, level); NaN where there are none."""
    n = next(iter(nets.values())).sizes["seed"]
    columns = [nets.get(f"{arm} {p:g}") for p in LEVELS]
    return np.stack(
        [np.full(n, np.nan) if c is None else c[variable].values for c in columns], 1
    ).astype(float)


def selections(nets: dict[str, xr.Dataset]) -> tuple[np.ndarray, np.ndarray]:
    """The levels that the curves choose, (seed,): by one net a level, and by three."""
    D = np.stack([nets[f"level {p:g}"]["log_separation"].values for p in LEVELS], 1)
    n = len(D)
    bent = np.where(np.isfinite(D).all(-1), concavity(np.nan_to_num(D, posinf=0, neginf=0)), np.nan)
    falls = D[..., 0] > D[..., -1]
    one, three = np.full(n, FIXED), np.full(n, FIXED)
    for s in range(n):
        known = np.isfinite(bent[s]) & falls[s]
        if known.sum() > 1:
            curve = optimize.isotonic_regression(bent[s, known], increasing=False).x
            levels = np.array(LEVELS)[known]
            crosses = curve[0] >= 0 >= curve[-1]
            at = np.interp(0, -curve, levels) if crosses else levels[np.abs(curve).argmin()]
            one[s] = nearest(at)
        if n >= 3:
            # Levels beside each other have different seeds, as their errors are taken for.
            seeds = [[(s + i + k * (n // 3)) % n for k in range(3)] for i in range(len(LEVELS))]
            curves = np.array([D[at, i] for i, at in enumerate(seeds)])
            found = lp.spring_block.tuning.straight_level(np.array(LEVELS), curves, kind=KIND)
            three[s] = FIXED if np.isnan(found.straightest) else nearest(found.straightest)
    return one, three


def nearest(level: float) -> int:
    return int(np.abs(np.array(LEVELS) - level).argmin())


def twin(nets: dict[str, xr.Dataset], seed: int) -> int:
    """The level of the smallest norm among those before the largest jump of the training loss."""
    loss, norm = (level_values(nets, "level", v)[seed] for v in ("train_loss", "weight_norm"))
    jumps = np.diff(np.log(np.maximum(loss, 1e-12)))
    fitting = np.arange(len(loss)) <= jumps.argmax()
    return int(np.where(fitting, norm, np.inf).argmin())


def verdict(found: tuple[float, float, float], bound: float) -> str:
    """What is decided of a claim that a contrast is at most so much."""
    value, low, high = found
    holds = "holds" if high <= bound else "fails" if low > bound else "not shown"
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}] -> {holds}"


def drawn(regrets, contrast) -> tuple[float, float, float]:
    """The mean of a contrast over sets, with the interval of draws of sets and of seeds."""
    rng = np.random.default_rng(SEED)
    sets: dict[str, list[np.ndarray]] = {}
    for (name, _), r in regrets.items():
        sets.setdefault(name.removesuffix("-500"), []).append(contrast(r))
    values = list(sets.values())
    slots = np.arange(len(values))
    again = np.empty((len(values), DRAWS, len(values)))  # every set, in every slot of every draw
    for at, slopes in zip(again, values, strict=True):
        drawn_means = [
            each[rng.integers(len(each), size=(*at.shape, len(each)))].mean(-1) for each in slopes
        ]
        at[:] = np.mean(drawn_means, axis=0)
    some = rng.integers(len(values), size=(DRAWS, len(values)))
    draws = again[some, np.arange(DRAWS)[:, None], slots].mean(1)
    value = float(np.mean([np.mean([each.mean() for each in v]) for v in values]))
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value, float(low), float(high)
