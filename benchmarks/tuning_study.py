r"""The test of docs/registered/tuning.md: its cells, resumable, and what they come to.

    python benchmarks/tuning_data.py --out RUNS/data --fashion FOLDER   # once
    python benchmarks/tuning_study.py --data RUNS/data --out RUNS/main --stage main
    python benchmarks/tuning_study.py --data RUNS/data --out RUNS/tune --stage tune
    python benchmarks/tuning_study.py --data RUNS/data --out RUNS/cnn --stage cnn
    python benchmarks/tuning_study.py --data RUNS/data --out RUNS/forecast --stage forecast
    python benchmarks/tuning_study.py --out RUNS/main --stage main --keep
    python benchmarks/tuning_study.py --report --figure docs/figures/tuning_regret.png

A stage runs the cells that are not on disk yet, all of a seed before those of the next, so that
what is there at any time is balanced; `--seeds 3` runs the first three. On one idle core they take
2 hours (8,520 nets), a quarter of an hour, 40 minutes (60) and an hour and a half (14,400), about.
`--keep` gathers what there is of a stage into docs/data/tuning, and `--report` prints regrets and
verdicts from there, of whole seeds.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import tuning_kept
import xarray as xr
from tuning_nets import (
    RAMP,
    STEERED,
    build,
    forecast_net,
    held_out,
    ramp,
    row,
    samples,
    steering,
    temperature_balanced,
    tuned,
)

import loadpath as lp
from loadpath.spring_block.networks import Recipe, train

LEVELS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3)
RATES = (3e-4, 1e-3, 3e-3)
VALIDATION = (100, 500, 1000)
SETS = (
    *("breast-cancer", "italy-power", "japanese-vowels", "osu-leaf", "segment", "phishing", "fair"),
    *("fashion-mnist-500", "fashion-mnist"),
)
SIZES = dict(zip(SETS, (200, 200, 270, 240, 500, 400, 1000, 500, 2560), strict=True))
MLPS = [(norm, slope) for norm in ("bn", "plain") for slope in (0.0, 0.4)]


def measure(*, data: str, setting: str, arm: str, seed: int) -> xr.Dataset:
    """Train one net of the study, and measure it."""
    dataset, network, slope = setting.split(" ")
    if arm == "tune":
        return tuned(samples(data, dataset), network, float(slope), seed)
    whole = samples(data, dataset)
    kind, *values = arm.split(" ")
    if kind in ("early", "rate"):
        rate, dropout = (float(value) for value in values[-2:])
        return forecast_net(whole, network, float(slope), kind, rate, dropout, seed)
    recipe = Recipe(epochs=200, rate=1e-3) if network == "cnn" else Recipe()
    make = functools.partial(build, whole, network, float(slope), seed)
    if kind in ("level", "holdout"):
        recipe = Recipe(epochs=recipe.epochs, rate=recipe.rate, dropout=float(values[-1]))
        task = held_out(whole, int(values[0]), seed) if kind == "holdout" else whole
        every = 20 if kind == "level" and network != "cnn" else None
        net = make(recipe.dropout)
        run = train(net, task, recipe, seed=seed, record_every=every)
        return row(run, whole, held=task is not whole, epochs=recipe.epochs)
    if kind == "fixed":
        net, epoch = make(float(values[0])), lambda *_: None
    elif kind == "steer":
        net = make(STEERED["dropout"])
        steer = steering(net, network, whole, seed, recipe.epochs)
        epoch = lambda *_: steer.step()  # noqa: E731
    elif kind == "ramp":
        up = values[0] == "up"
        net = make(0.0 if up else RAMP)
        epoch = functools.partial(ramp, net, recipe.epochs, up)
    elif kind == "tempbalance":
        net = make(0.1)
        return temperature_balanced(net, whole, seed)
    else:
        raise ValueError(f"arm must be known, got {arm!r}.")
    recipe = Recipe(epochs=recipe.epochs, rate=recipe.rate, dropout=net.dropout)
    run = train(net, whole, recipe, seed=seed, engine="plain", progress=epoch)
    ds = row(run, whole, held=False, epochs=recipe.epochs).assign(dropout=net.drop.p)
    if kind == "steer":
        ds = ds.assign(words=steer.words(), share=steer.share)
    return ds


def arms(dataset: str, stage: str) -> Iterator[str]:
    """The nets of one setting and seed."""
    if stage == "tune":
        yield "tune"
        return
    sizes = [n for n in VALIDATION if n <= SIZES[dataset] / 2]
    if stage == "forecast":
        for rate in RATES:
            for p in LEVELS:
                if rate != 1e-3:
                    yield f"rate {rate:g} {p:g}"
                yield f"early 100 {rate:g} {p:g}"
        return
    for p in LEVELS:
        yield f"level {p:g}"
        for n in sizes if stage == "main" else (100,):
            yield f"holdout {n} {p:g}"
    yield from ("steer", "fixed 0.1", "ramp up", "ramp down")
    if stage == "main":
        yield "tempbalance"


def cells(stage: str, seeds: int) -> list[dict[str, Any]]:
    """The cells of a stage, seed by seed."""
    return [
        {"setting": setting, "arm": arm, "seed": seed}
        for seed in range(min(seeds, 3) if stage in ("cnn", "tune") else seeds)
        for setting in settings_of(stage)
        for arm in arms(setting.split(" ")[0], stage)
    ]


def settings_of(stage: str) -> list[str]:
    """Sets and nets of a stage."""
    if stage == "cnn":
        return ["fashion-mnist-500 cnn 0"]
    return [f"{name} {norm} {slope:g}" for name in SETS for norm, slope in MLPS]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="what tuning_data.py wrote")
    parser.add_argument("--out", type=Path, help="folder of the runs of a stage")
    parser.add_argument("--stage", choices=("main", "tune", "cnn", "forecast"), default="main")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="gather the stage's runs into --kept")
    parser.add_argument("--kept", type=Path, default=tuning_kept.KEPT)
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--figure", type=Path, help="where to draw the regrets")
    options = parser.parse_args()
    if options.report or options.figure:
        import tuning_figure
        import tuning_forecast
        import tuning_report

        if options.report:
            tuning_report.report(options.kept)
            tuning_forecast.report_forecasts(options.kept)
        if options.figure:
            tuning_figure.draw(options.kept, options.figure)
        return
    if options.out is None:
        parser.error("--out is needed: the folder of the runs.")
    wanted = cells(options.stage, options.seeds)
    if options.keep:
        names = list(dict.fromkeys(str(cell["arm"]) for cell in wanted))
        seeds = 1 + max(int(cell["seed"]) for cell in wanted)
        places = settings_of(options.stage)
        tuning_kept.gather(options.out, options.stage, places, names, seeds, options.kept)
        return
    if options.data is None:
        parser.error("--data is needed: the folder that tuning_data.py wrote.")
    torch.set_num_threads(1)
    outcome = lp.sweep.run(
        measure,
        wanted,
        options.out,
        common={"data": str(options.data.resolve())},
        workers=options.workers,
    )
    print(f"{outcome.ran} cells run, {outcome.kept} kept, {len(outcome.failed)} failed")


if __name__ == "__main__":
    main()
