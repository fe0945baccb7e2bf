"""What steering costs: nets that train with it and without, in turns.

Run `python benchmarks/tuning.py`; it takes some minutes. Two MLPs of [SB] train on random data of
MNIST's sizes: on the full batch, where an epoch is one step, and in batches of 64. Each has three
copies that train in turns of one epoch, so that a busy moment hits all of them: two plain ones, the
second of which shows how well turns can be compared at all, and one that is steered as
docs/registered/tuning.md has it: looks at a probe of 512 samples, every 4 % of the epochs from 60 %
on. `--from-the-start` looks from the first epoch on instead.

It prints the time of all turns over that of the plain copy.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn

import loadpath as lp
from loadpath.spring_block.networks import MLP

EPOCHS, SAMPLES, FEATURES, CLASSES, PROBE = 100, 2560, 100, 10, 512


class Copy:
    """A net with its optimizer, and its clock."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, size: int, start: int | None) -> None:
        self.net = MLP(FEATURES, CLASSES, slope=0.0, dropout=0.1, seed=0)
        self._optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self._x, self._y, self._size, self.seconds = x, y, size, 0.0
        self._steer = None
        if start is not None:
            self._steer = lp.diagnosis.Steer(
                self.net,
                (x[:PROBE], y[:PROBE]),
                layers=["input_norm", "activation"],
                with_input=False,
                every=EPOCHS // 25,
                start=start,
                gain=0.5,
            )

    def epoch(self) -> None:
        """Train on one more epoch, by the clock."""
        began = time.perf_counter()
        for x, y in zip(self._x.split(self._size), self._y.split(self._size), strict=True):
            self._optimizer.zero_grad()
            nn.functional.cross_entropy(self.net(x), y).backward()
            self._optimizer.step()
        if self._steer is not None:
            self._steer.step()
        self.seconds += time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from-the-start", action="store_true")
    start = EPOCHS // 25 if parser.parse_args().from_the_start else 60
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x, y = torch.randn(SAMPLES, FEATURES), torch.arange(SAMPLES) % CLASSES
    x[:, :CLASSES] += nn.functional.one_hot(y)
    for size, epochs in ((SAMPLES, EPOCHS), (64, EPOCHS // 4)):
        its_start = max(1, start * epochs // EPOCHS)
        copies = {
            "plain": Copy(x, y, size, None),
            "plain again": Copy(x, y, size, None),
            "steered": Copy(x, y, size, its_start),
        }
        names = list(copies)
        for turn in range(epochs):
            for name in names[turn % 3 :] + names[: turn % 3]:
                copies[name].epoch()
        plain = copies["plain"].seconds
        ratios = ", ".join(
            f"{n} {c.seconds / plain:.3f}" for n, c in copies.items() if n != "plain"
        )
        print(f"batches of {size}, {1e3 * plain / epochs:.0f} ms an epoch: {ratios}", flush=True)


if __name__ == "__main__":
    main()
