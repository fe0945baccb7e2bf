"""What the cells of `tuning_study.py` come to, as docs/registered/tuning.md decides it.

`python benchmarks/tuning_study.py --data ... --out ... --report` prints it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr
from scipy import optimize
from tuning_study import LEVELS, MLPS, SETS, VALIDATION, arms

import loadpath as lp
from loadpath.measures.separation import concavity

DRAWS, SEED, LEVEL = 10_000, 0, 0.95
FIXED = LEVELS.index(0.1)
KIND = "fuzziness"


SETTINGS = (("bn", "with BatchNorm"), ("plain", "without BatchNorm"))
"""Kinds of nets that verdicts are given for, and what they are called."""


def report(folder: Path) -> None:
    """Print the regret of every method, and what is decided."""
    for norm, words in SETTINGS:
        regrets = {
            (name, slope): regrets_of(folder, name, norm, slope)
            for name in SETS
            for kind, slope in MLPS
            if kind == norm
        }
        regrets = {key: r for key, r in regrets.items() if r}
        if not regrets:
            print(f"{words}: no seed is whole yet.")
            continue
        print(f"\n{words}: regret in points, over {len(regrets)} settings")
        for method in dict.fromkeys(m for r in regrets.values() for m in r):
            some = {key: r for key, r in regrets.items() if method in r}
            value, low, high = drawn(some, lambda r, m=method: r[m])
            print(f"  {method:28s} {value:6.2f} [{low:.2f}, {high:.2f}] at {len(some)} settings")
        for claim, contrast, bound in CLAIMS:
            print(f"  {claim}, at most {bound:g}: {verdict(drawn(regrets, contrast), bound)}")


CLAIMS = [
    ("steer - largest validation", lambda r: r["steer"] - r["largest validation"], 0.25),
    ("steer - fixed 0.1", lambda r: r["steer"] - r["fixed 0.1, same engine"], 0.0),
    ("select 8 - half of validation 100", lambda r: r["select 8"] - r["validation 100"] / 2, 0.0),
    ("select 24 - half of validation 100", lambda r: r["select 24"] - r["validation 100"] / 2, 0.0),
]  # fmt: skip


def regrets_of(folder: Path, name: str, norm: str, slope: float) -> dict[str, np.ndarray]:
    """The regret of each method at one setting, (seed,), in points; empty without whole seeds."""
    nets = cells_of(folder, name, norm, slope)
    if nets is None:
        return {}
    test = level_values(nets, "level", "test_accuracy")
    best = int(test.mean(0).argmax())
    chosen: dict[str, np.ndarray] = {}
    n = len(test)
    for size in VALIDATION:
        held = level_values(nets, f"holdout {size}", "validation_accuracy")
        if np.isfinite(held).all():
            chosen[f"validation {size}"] = held.argmax(1)  # the lowest of equals
            chosen["largest validation"] = chosen[f"validation {size}"]
    chosen["select 8"], chosen["select 24"] = selections(nets)
    chosen["twin"] = np.array([twin(nets, s) for s in range(n)])
    chosen["dropout 0"], chosen["fixed 0.1"] = np.zeros(n, int), np.full(n, FIXED)
    others = [cells_of(folder, each, norm, slope) for each in SETS if each != name]
    means = [level_values(each, "level", "test_accuracy").mean(0) for each in others if each]
    if means:
        lost = [each.max() - each for each in means]
        chosen["best of the other sets"] = np.full(n, int(np.mean(lost, axis=0).argmin()))
    found = {m: test[np.arange(n), at] for m, at in chosen.items()}
    found["a level at random"] = test.mean(1)
    for arm, words in (("fixed 0.1", "fixed 0.1, same engine"), ("steer", "steer"),
                       ("ramp up", "ramp up"), ("ramp down", "ramp down"),
                       ("tempbalance", "tempbalance")):  # fmt: skip
        found[words] = nets[arm]["test_accuracy"].values
    return {method: 100 * (test[:, best] - each) for method, each in found.items()}


_READ: dict[tuple[str, ...], dict[str, xr.Dataset] | None] = {}


def cells_of(folder: Path, name: str, norm: str, slope: float) -> dict[str, xr.Dataset] | None:
    """The nets of a setting by arm, over the seeds of which all are there."""
    key = (str(folder), name, norm, f"{slope:g}")
    if key not in _READ:
        wanted = list(arms(name, "main"))
        axes = {"setting": [f"{name} {norm} {slope:g}"], "arm": wanted, "seed": list(range(10))}
        ds = lp.sweep.collect(folder, axes).isel(setting=0)
        whole = ds["finished"].all("arm").values
        nets = {arm: ds.sel(arm=arm).isel(seed=whole) for arm in wanted}
        _READ[key] = nets if whole.any() else None
    return _READ[key]


def level_values(nets: dict[str, xr.Dataset], arm: str, variable: str) -> np.ndarray:
    """A number of the nets of eight levels, (seed, level); NaN where there are none."""
    n = next(iter(nets.values())).sizes["seed"]
    columns = [nets.get(f"{arm} {p:g}") for p in LEVELS]
    return np.stack([np.full(n, np.nan) if c is None else c[variable].values for c in columns], 1)


def selections(nets: dict[str, xr.Dataset]) -> tuple[np.ndarray, np.ndarray]:
    """The levels that the curves choose, (seed,): by one net a level, and by three."""
    D = np.stack([nets[f"level {p:g}"]["log_separation"].sel(kind=KIND).values for p in LEVELS], 1)
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
            found = lp.spring_block.tuning.straight_level(LEVELS, curves, kind=KIND)
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
    draws = np.empty(DRAWS)
    for d in range(DRAWS):
        some = rng.integers(len(values), size=len(values))
        draws[d] = np.mean([
            np.mean([each[rng.integers(len(each), size=len(each))].mean() for each in values[i]])
            for i in some
        ])  # fmt: skip
    value = float(np.mean([np.mean([each.mean() for each in v]) for v in values]))
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return value, float(low), float(high)
