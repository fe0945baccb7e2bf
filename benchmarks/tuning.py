"""What steering costs: nets that train with it and without, in turns.

Run `python benchmarks/tuning.py`; it takes some minutes. MLPs of [SB] train on random data of
MNIST's sizes: on the full batch of 2,560 samples, where an epoch is one step; in batches of 64; and
on 200 samples, where an epoch costs no more than a look. The steered ones look as
docs/registered/tuning.md has it for 100 epochs, at a probe of 512 samples (or all), every fourth
epoch from 60 % on; the last has a budget. Trainings take turns, plain and steered, after one of
each that does not count.

It prints the median over rounds of the steered time over the plain one of the same round, with the
range, and the same for two plain trainings.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import torch
from torch import nn

import loadpath as lp
from loadpath.spring_block.networks import MLP

FEATURES, CLASSES, PROBE = 100, 10, 512
CASES = ((2560, 2560, 100), (2560, 64, 25), (200, 200, 100))
"""Samples, size of a batch, and epochs."""
EVERY, BUDGET = 4, 0.09


def seconds(x: torch.Tensor, y: torch.Tensor, size: int, epochs: int, **steered: float) -> float:
    """Train once, by the clock."""
    net = MLP(FEATURES, CLASSES, slope=0.0, dropout=0.1, seed=0)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    steer = None
    if steered:
        steer = lp.diagnosis.Steer(
            net,
            (x[:PROBE], y[:PROBE]),
            layers=["input_norm", "activation"],
            with_input=False,
            every=EVERY,
            start=round(0.6 * epochs),
            gain=0.5,
            budget=steered["budget"] or None,
        )
    began = time.perf_counter()
    for _ in range(epochs):
        for rows, labels in zip(x.split(size), y.split(size), strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(rows), labels).backward()
            optimizer.step()
        if steer is not None:
            steer.step()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", lp.diagnosis.BudgetWarning)
    torch.manual_seed(0)
    whole, labels = torch.randn(2560, FEATURES), torch.arange(2560) % CLASSES
    whole[:, :CLASSES] += nn.functional.one_hot(labels)
    for samples, size, epochs in CASES:
        x, y = whole[:samples], labels[:samples]
        ways = {"plain": {}, "plain again": {}, "steered": {"budget": 0.0}}
        if samples < PROBE:
            ways[f"steered, budget={BUDGET}"] = {"budget": BUDGET}
        times = {name: [] for name in ways}
        for turn in range(rounds + 1):
            for name, options in ways.items():
                found = seconds(x, y, size, epochs, **options)
                if turn > 0:
                    times[name].append(found)
        print(f"{samples} samples in batches of {size}, {epochs} epochs: ", end="")
        plain = np.array(times["plain"])
        print(f"{1e3 * np.median(plain) / epochs:.1f} ms an epoch")
        for name, each in times.items():
            if name != "plain":
                r = np.array(each) / plain
                print(f"  {name}: {np.median(r):.3f} ({r.min():.3f} to {r.max():.3f})", flush=True)


if __name__ == "__main__":
    main()
