"""How each net of docs/registered/tuning.md is made, trained and measured."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import nn
from tuning_kept import KIND

import loadpath as lp
from loadpath.diagnosis import Steer
from loadpath.spring_block.networks import CNN, MLP, Recipe, Trained
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.engines import choose_engine, make_stepper, one_thread
from loadpath.spring_block.networks.trained import separation
from loadpath.spring_block.networks.training import reason_to_stop

EARLY = (10, 20, 30, 50)
"""Epochs at which the forecast sees the accuracy on validation samples."""
STEERED = {"gain": 0.5, "first": 0.6, "apart": 0.04, "dropout": 0.1, "probe": 512}
RAMP = 0.2


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


def row(run: Trained, whole: lp.data.Data, *, held: bool, epochs: int) -> xr.Dataset:
    """What is kept of a net."""
    net, kinds = run.network, list(run.log_separation)
    with torch.no_grad():
        net.eval()
        x, y = whole.x_train.float(), whole.y_train
        loss = float(nn.functional.cross_entropy(net(x), y))
        norm = float(torch.cat([w.reshape(-1) for w in net.parameters()]).norm())
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


@torch.no_grad()
def accuracy(net: MLP | CNN, data: lp.data.Data) -> float:
    net.eval()
    return float((net(data.x_test.float()).argmax(1) == data.y_test).double().mean())


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
