"""What watching a training costs: loops with the monitor and without, in turns.

Run `python benchmarks/monitor.py`; it takes about twenty minutes. Three nets are trained on random
data: a residual CNN, a transformer, and an MLP whose steps are so short that the budget must act.
Each has four copies, which are trained in turns of as many steps, so that a busy moment hits all of
them. Two copies run in a plain loop, and the second of these shows how well turns can be compared
at all. One has a monitor by default (a look every 100 steps, at most 5 % of the time), and one a
monitor without a budget. Neither has guaranteed looks, whose number does not grow with the run. The
clock of a monitor stands still while it is not the turn of its copy.

It prints the time of all turns, looks included, over that of the plain loop; the median and
quartiles of single turns, most of which have no look where the budget acts; and what the monitors
themselves say they took. Making a monitor, with its first look, comes before all turns and is
printed apart.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from loadpath.diagnosis.monitor import account as account_module
from loadpath.diagnosis.monitor.monitor import Monitor

CLASSES, PROBE = 10, 256
BUDGETS = {"plain": 0.0, "plain again": 0.0, "monitor": 0.05, "no budget": None}
"""The budget of each copy's monitor; a copy with 0 has no monitor at all."""


class Block(nn.Module):
    """A residual block of a CNN."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.short: nn.Module = nn.Identity()
        if stride > 1 or before != width:
            self.short = nn.Conv2d(before, width, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the map that the block makes of a map."""
        return torch.relu(self.body(x) + self.short(x))


def cnn() -> nn.Module:
    """Eight residual blocks, as a ResNet-18 of half the width has."""
    widths, blocks, before = (32, 64, 128, 256), [], 32
    for width in widths:
        blocks += [Block(before, width, 1 if width == 32 else 2), Block(width, width, 1)]
        before = width
    stem = nn.Conv2d(3, 32, 3, 1, 1)
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, CLASSES))
    return nn.Sequential(stem, nn.Sequential(*blocks), head)


class Transformer(nn.Module):
    """Six pre-norm layers, and the mean over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(128, 4, 512, 0.1, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 6, enable_nested_tensor=False)
        self.head = nn.Linear(128, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits for inputs (sample, token, width)."""
        return self.head(self.encoder(x).mean(1))


def mlp() -> nn.Module:
    """Six layers of width 128."""
    widths = [128] * 6
    parts = [part for w in widths for part in (nn.Linear(w, w), nn.ReLU())]
    return nn.Sequential(*parts, nn.Linear(widths[-1], CLASSES))


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "CNN, 8 residual blocks to width 256, 32x32": (cnn, (3, 32, 32), 32),
    "transformer, 6 layers of width 128, 64 tokens": (Transformer, (64, 128), 32),
    "MLP, 6 layers of width 128": (mlp, (128,), 64),
}
"""Each net by its words: how it is made, the shape of a sample, the samples in a batch."""


@dataclass
class Clock:
    """A clock that stands still except in its own turns."""

    spent: float = 0.0
    began: float | None = None

    def __call__(self) -> float:
        """Return the seconds of all turns so far."""
        running = 0.0 if self.began is None else time.perf_counter() - self.began
        return self.spent + running


@dataclass
class Copy:
    """A copy of a net that is trained in turns."""

    net: nn.Module
    shape: tuple[int, ...]
    batch: int
    budget: float | None
    clock: Clock = field(default_factory=Clock)
    monitor: Monitor | None = None

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(self.net.parameters(), 1e-4)
        self.generator = torch.Generator().manual_seed(0)
        if self.budget != 0:
            account_module.perf_counter = self.clock
            self.clock.began = time.perf_counter()
            self.monitor = Monitor(self.net, self.draw(PROBE), budget=self.budget, guaranteed=0)
            self.clock.spent, self.clock.began = self.clock(), None

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Return random samples with random labels."""
        x = torch.randn(n, *self.shape, generator=self.generator)
        return x, torch.randint(CLASSES, (n,), generator=self.generator)

    def turn(self, steps: int) -> float:
        """Train for so many steps, and return the seconds that it took."""
        account_module.perf_counter = self.clock
        self.clock.began = start = time.perf_counter()
        for _ in range(steps):
            x, y = self.draw(self.batch)
            loss = nn.functional.cross_entropy(self.net(x), y)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if self.monitor is not None:
                self.monitor.step(loss)
        seconds = time.perf_counter() - start
        self.clock.spent, self.clock.began = self.clock.spent + seconds, None
        return seconds


def measure(name: str, least_turns: int, steps: int, all_seconds: float) -> None:
    """Train the copies of one net in turns, and print what they took."""
    make, shape, batch = NETS[name]
    copies: dict[str, Copy] = {}
    for kind, budget in BUDGETS.items():
        torch.manual_seed(0)
        copies[kind] = Copy(make(), shape, batch, budget)
    warm = min(copy.turn(3) for copy in copies.values() for _ in range(2)) / 3
    turns = max(least_turns, round(all_seconds / (steps * warm)))
    first = {kind: 0.0 if c.monitor is None else c.monitor.seconds for kind, c in copies.items()}
    seconds: dict[str, list[float]] = {kind: [] for kind in copies}
    for turn in range(turns):
        order = list(copies)
        for kind in (
            order[turn % len(order) :] + order[: turn % len(order)]
        ):  # none is always after the same one
            seconds[kind].append(copies[kind].turn(steps))
    plain = seconds.pop("plain")
    print(f"\n{name}, batches of {batch}: {turns} turns of {steps} steps")
    print(f"  plain loop: {1e3 * statistics.median(plain) / steps:.2f} ms a step")
    for kind, spent in seconds.items():
        ratios = [a / b for a, b in zip(spent, plain, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        print(
            f"  {kind + ':':<12} {sum(spent) / sum(plain):.3f} times that in all; turn by turn "
            f"{middle:.3f} ({low:.3f} to {high:.3f})",
            flush=True,
        )
        monitor = copies[kind].monitor
        if monitor is not None:
            own, looks = monitor.seconds - first[kind], len(monitor.history()["look"]) - 1
            print(
                f"{'':<15}its own account: {own / sum(spent):.1%} in {looks} looks of "
                f"{1e3 * own / max(1, looks):.0f} ms, {monitor.put_off} put off; making it "
                f"{1e3 * first[kind]:.0f} ms"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5, help="turns of every copy, at least")
    parser.add_argument("--steps", type=int, default=100, help="steps of a turn")
    parser.add_argument("--seconds", type=float, default=60.0, help="time of every copy, about")
    parser.add_argument("--nets", nargs="*", default=[""], help="by the start of their names")
    parser.add_argument("--threads", type=int, help="CPU threads (default: torch's own choice)")
    options = parser.parse_args()
    if min(options.turns - 1, options.steps, options.threads or 1) < 1 or options.seconds < 0:
        parser.error("--turns must be at least 2, --steps and --threads 1, --seconds 0")
    if options.threads:
        torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32")
    for name in NETS:
        if any(name.startswith(start) for start in options.nets):
            measure(name, options.turns, options.steps, options.seconds)


if __name__ == "__main__":
    main()
