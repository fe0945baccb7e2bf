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
about 2 hours (8,520 nets), 10 minutes, half an hour (60) and 2 hours (14,400). `--keep` gathers
what there is of a stage into docs/data/tuning, and `--report` prints regrets and verdicts from
there, of whole seeds.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tuning_kept
import xarray as xr
from torch import nn
from tuning_kept import KIND

import loadpath as lp
from loadpath.diagnosis import Steer
from loadpath.spring_block.networks import CNN, MLP, Recipe, Trained, train
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.engines import choose_engine, make_stepper, one_thread
from loadpath.spring_block.networks.trained import separation
from loadpath.spring_block.networks.training import reason_to_stop

LEVELS = (0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3)
RATES = (3e-4, 1e-3, 3e-3)
VALIDATION = (100, 500, 1000)
EARLY = (10, 20, 30, 50)
"""Epochs at which the forecast sees the accuracy on validation samples."""
SETS = (
    *("breast-cancer", "italy-power", "japanese-vowels", "osu-leaf", "segment", "phishing", "fair"),
    *("fashion-mnist-500", "fashion-mnist"),
)
SIZES = dict(zip(SETS, (200, 200, 270, 240, 500, 400, 1000, 500, 2560), strict=True))
MLPS = [(norm, slope) for norm in ("bn", "plain") for slope in (0.0, 0.4)]
STEERED = {"gain": 0.5, "first": 0.6, "apart": 0.04, "dropout": 0.1, "probe": 512}
RAMP = 0.2


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
    recipe = Recipe(epochs=2000, rate=1e-4) if network == "cnn" else Recipe()
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


def tuned(data: lp.data.Data, network: str, slope: float, seed: int) -> xr.Dataset:
    """What `lp.tune` says of a set by its own design, and three nets at a time."""
    found = lp.tune(
        (data.x_train, data.y_train),
        slope=slope,
        batch_norm=network == "bn",
        seed=100 * seed,
        progress=False,
    )
    low, high = found.interval
    numbers = {"level": found.level, "straightest": found.straightest, "low": low, "high": high}
    return xr.Dataset({**numbers, "verdict": found.verdict})


def forecast_net(
    whole: lp.data.Data,
    network: str,
    slope: float,
    kind: str,
    rate: float,
    dropout: float,
    seed: int,
) -> xr.Dataset:
    """What a trial shows early, or what it comes to; measured only where that is asked for."""
    early = kind == "early"
    task = held_out(whole, 100, seed) if early else whole
    recipe = Recipe(epochs=EARLY[-1] if early else 100, rate=rate, dropout=dropout)
    net = build(whole, network, slope, seed, dropout)
    x, y = task.x_train.float(), task.y_train
    draws = Draws(x, y, n_classes=whole.out_features, recipe=recipe, seed=seed, raw_deviation=None)
    shares, curves = [np.nan] * len(EARLY), {}
    with one_thread():
        stepper = make_stepper(net, draws, recipe, choose_engine(net.shape, None))
        losses: list[float] = []
        while not losses or reason_to_stop(losses, recipe) is None:
            losses.append(stepper.epoch())
            if early and len(losses) in EARLY:
                stepper.finish()
                shares[EARLY.index(len(losses))] = accuracy(net, task)
            elif not early and len(losses) == 20:
                stepper.finish()
                curves = separation(net, x, y, (KIND,))
        stepper.finish()
    if early:
        last = accuracy(net, task)  # a net that stopped before an epoch keeps what it had
        shares = [
            last if e > len(losses) else share for e, share in zip(EARLY, shares, strict=True)
        ]
        return xr.Dataset({"validation_accuracy": ("epoch", shares)}, {"epoch": list(EARLY)})
    ds = xr.Dataset({"test_accuracy": accuracy(net, whole)})
    if curves:
        ds["log_separation_20"] = (("kind", "layer"), [curves[KIND]])
        ds = ds.assign_coords(kind=np.array([KIND], dtype=object))
    return ds


@functools.cache
def samples(folder: str, name: str) -> lp.data.Data:
    """The samples of a set, as `tuning_data.py` wrote them."""
    return lp.data.load("npz", Path(folder) / f"{name}.npz", normalize=False)


def build(data: lp.data.Data, network: str, slope: float, seed: int, dropout: float) -> MLP | CNN:
    if network == "cnn":
        return CNN(
            data.in_features,
            data.out_features,
            image_channels=1,
            slope=slope,
            dropout=dropout,
            seed=seed,
        )
    return MLP(
        data.in_features,
        data.out_features,
        slope=slope,
        dropout=dropout,
        batch_norm=network == "bn",
        seed=seed,
    )


def held_out(data: lp.data.Data, n: int, seed: int) -> lp.data.Data:
    """The training samples but n, which take the place of those for testing; classes alike."""
    x, y = data.x_train, data.y_train
    rest = lp.data.as_data(
        (x, y), task="classification", n_train=len(x) - n, n_test=n, normalize=False, seed=seed
    )
    assert int(rest.y_train.max()) == int(y.max())
    return rest


def steering(net: MLP | CNN, network: str, data: lp.data.Data, seed: int, epochs: int) -> Steer:
    """Steering as it is registered."""
    drawn = torch.randperm(len(data.x_train), generator=torch.Generator().manual_seed(seed))
    some = drawn[: STEERED["probe"]]
    norm = network != "plain"
    layer = "pool" if network == "cnn" else "activation"
    return Steer(
        net,
        (data.x_train.float()[some], data.y_train[some]),
        layers=["input_norm", layer] if norm else [layer],
        with_input=not norm,
        start=round(STEERED["first"] * epochs),
        every=round(STEERED["apart"] * epochs),
        gain=STEERED["gain"],
        samples=STEERED["probe"],
    )


def ramp(net: MLP | CNN, epochs: int, up: bool, done: int, loss: float) -> None:
    """Set the dropout of the next epoch."""
    share = min(done / (epochs - 1), 1.0)
    net.drop.p = RAMP * (share if up else 1 - share)


def temperature_balanced(net: MLP, data: lp.data.Data, seed: int) -> xr.Dataset:
    """Train with a rate for each weight matrix by the exponent of its spectrum (2312.00359)."""
    weights = [linear.weight for linear in (*net.layers, net.logits)]
    known = {id(w) for w in weights}
    rest = [p for p in net.parameters() if id(p) not in known]
    optimizer = torch.optim.Adam([{"params": [w]} for w in weights] + [{"params": rest}], lr=1e-3)
    x, y = data.x_train.float(), data.y_train
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net.train()
        for epoch in range(100):
            if epoch % 10 == 0:
                alpha = torch.tensor([exponent(w) for w in weights])
                place = (alpha - alpha.min()) / (alpha.max() - alpha.min()).clamp_min(1e-12)
                for group, share in zip(optimizer.param_groups, place, strict=False):
                    group["lr"] = 1e-3 * (0.5 + float(share))
            loss = nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return xr.Dataset({"test_accuracy": accuracy(net, data), "cost": 1.0})


@torch.no_grad()
def exponent(weight: torch.Tensor) -> float:
    """Hill's estimate of a spectrum's exponent, over the larger half of its eigenvalues."""
    values = torch.linalg.svdvals(weight).square()  # from large to small
    k = max(len(values) // 2, 1)
    return 1 + k / float((values[:k] / values[min(k, len(values) - 1)]).log().sum().clamp_min(1e-9))


@torch.no_grad()
def accuracy(net: MLP | CNN, data: lp.data.Data) -> float:
    net.eval()
    return float((net(data.x_test.float()).argmax(1) == data.y_test).double().mean())


def row(run: Trained, whole: lp.data.Data, *, held: bool, epochs: int) -> xr.Dataset:
    """What is kept of a net."""
    net, kinds = run.network, list(run.log_separation)
    with torch.no_grad():
        net.eval()
        x, y = whole.x_train.float(), whole.y_train
        loss = float(nn.functional.cross_entropy(net(x), y))
        norm = float(nn.utils.parameters_to_vector(net.parameters()).norm())
    ds = xr.Dataset(
        {
            "test_accuracy": accuracy(net, whole),
            "validation_accuracy": run.test_accuracy if held else np.nan,
            "train_loss": loss,
            "weight_norm": norm,
            "cost": run.epochs / epochs,
            "log_separation": (("kind", "layer"), [run.log_separation[k] for k in kinds]),
        },
        coords={"kind": np.array(kinds, dtype=object)},
    )
    at = np.flatnonzero(run.recorded_epochs == 20)
    if len(at):
        early = [run.recorded[k][at[0]] for k in kinds]
        ds = ds.assign(log_separation_20=(("kind", "layer"), early))
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
