"""Speed of training the cells of the spring-block paper's phase diagrams, against the plain way.

Run `python benchmarks/phase_diagram.py`: about ten minutes on 2 cores. Plain is one eager nn.Module
after another, autograd and torch.optim.Adam on float32, on as many torch threads as are faster for
the cell, 1 or all. Both ways train the same nets on the same draws for as many epochs as the same
rule allows, and both are measured by the same function, whose time counts. The sample has every
level of a panel, and slopes in turn; each of its cells is trained to its end in both ways.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import cycle
from pathlib import Path

import numba
import numpy as np
import torch

from loadpath.data import Data, from_arrays, mnist
from loadpath.measures.separation import LoadCurve
from loadpath.spring_block.networks import (
    MLP,
    PANELS,
    Recipe,
    Trained,
    TrainingJob,
    separation,
    train_all,
)
from loadpath.spring_block.networks.compiled import Compiled
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.engines import Plain, one_thread
from loadpath.spring_block.networks.kernel import CHUNK, FEWEST_TO_TRANSPOSE, adam_step
from loadpath.spring_block.networks.trained import accuracy
from loadpath.spring_block.networks.training import reason_to_stop
from loadpath.threads import cores, torch_threads

MNIST = Path(__file__).parents[2] / "shared" / "data" / "mnist10k.npz"
WANTED = {"data noise": 1.8, "learning rate": 1.8, "dropout": 1.8, "batch size": 6.0}
EFFICIENCY = 0.85
OTHER_SEEDS = (1, 2, 3)
FAR = 4.0
"""Standard deviations of seeds beyond which two results call for more seeds."""
KIND = "trace_ratio"
Array = np.ndarray


@dataclass(frozen=True)
class Measured:
    """Numbers of one cell that both ways have."""

    test_accuracy: float
    log_separation: Array
    epochs: int

    @classmethod
    def from_run(cls, run: Trained) -> Measured:
        """Take the numbers from a run of `train_all`."""
        return cls(run.test_accuracy, run.log_separation[KIND], run.epochs)

    @property
    def numbers(self) -> Array:
        """Accuracy, concavity, and log separation of the last layer."""
        curve = self.log_separation
        bent = LoadCurve(curve, KIND).concavity if np.isfinite(curve).all() else np.nan
        return np.array([self.test_accuracy, bent, curve[-1]])


NUMBERS = ("test accuracy", "concavity", "last log separation")


def build(cell: TrainingJob, data: Data) -> tuple[MLP, Draws]:
    net = cell.network(data)
    x = data.x_train.float()
    return net, Draws(
        x,
        data.y_train,
        n_classes=net.classes,
        recipe=cell.recipe,
        seed=cell.seed,
        raw_deviation=data.raw_deviation,
    )


def train_plainly(cell: TrainingJob, data: Data) -> Measured:
    """Train one cell from start to end, with torch's threads as they are."""
    net, draws = build(cell, data)
    plain, losses, status = Plain(net, draws, cell.recipe), [], None
    while status is None:
        losses.append(plain.epoch())
        status = reason_to_stop(losses, cell.recipe)
    x = data.x_train.float()
    D = separation(net, x, data.y_train)[KIND]
    accuracy(net, x, data.y_train)
    return Measured(accuracy(net, data.x_test.float(), data.y_test), D, len(losses))


def faster_threads(cell: TrainingJob, data: Data) -> int:
    """Return whichever of one thread and all cores has the faster epoch."""
    seconds = {}
    for threads in (1, cores(None)):
        net, draws = build(cell, data)
        plain = Plain(net, draws, cell.recipe)
        with torch_threads(threads):
            seconds[threads] = fastest(plain.epoch, 2 if len(draws.bounds) > 50 else 6)
    return min(seconds, key=lambda threads: seconds[threads])


def fastest(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def sample(panel: str, epochs: int | None) -> list[TrainingJob]:
    """Return a cell for every noise, with slopes in turn, and one more if their number is odd."""
    chosen = PANELS[panel]
    calm = chosen.recipe if epochs is None else replace(chosen.recipe, epochs=epochs)
    recipes = [calm.under(noise) for noise in chosen.noises]
    if len(recipes) % 2:
        recipes.append(recipes[len(recipes) // 2])
    return [TrainingJob(slope, 0, recipe) for slope, recipe in zip(cycle(chosen.slopes), recipes)]


def race(panel: str, data: Data, epochs: int | None) -> bool:
    """Time one panel in both ways, say what came out, and return whether all was as wanted."""
    cells = sample(panel, epochs)
    plain, seconds, threads = [], 0.0, []
    for cell in cells:
        threads.append(faster_threads(cell, data))
        with torch_threads(threads[-1]):
            started = time.perf_counter()
            plain.append(train_plainly(cell, data))
            seconds += time.perf_counter() - started
    ours = {}
    for workers in (1, 2):
        started = time.perf_counter()
        runs = train_all(cells, data, threads=workers, engine="compiled")
        ours[workers] = time.perf_counter() - started
    count = len(PANELS[panel].noises) * len(PANELS[panel].slopes)
    ratio, efficiency = seconds / ours[2], ours[1] / ours[2] / 2
    print(f"{panel}: {len(cells)} of {count} cells, {sum(m.epochs for m in plain)} epochs")
    used = {n: threads.count(n) for n in sorted(set(threads))}
    print(
        f"  plain    {seconds:7.1f} s (threads of torch: "
        + ", ".join(f"{n} for {c} cells" for n, c in used.items())
        + f"); 10 seeds of all cells would take {10 * count / len(cells) * seconds / 3600:.2f} h"
    )
    print(
        f"  compiled {ours[2]:7.1f} s on 2 threads, {ours[1]:.1f} s on 1: efficiency "
        f"{efficiency:.2f}; 10 seeds would take {10 * count / len(cells) * ours[2] / 60:.1f} min"
    )
    print(f"  ratio    {ratio:7.1f} (wanted: {WANTED[panel]})", flush=True)
    same = agree(cells, plain, [Measured.from_run(run) for run in runs], data, threads)
    return ratio >= WANTED[panel] and efficiency >= EFFICIENCY and same


def with_other_seeds(cell: TrainingJob) -> list[TrainingJob]:
    """Return the cell by other seeds."""
    return [replace(cell, seed=seed) for seed in OTHER_SEEDS]


def agree(
    cells: list[TrainingJob],
    plain: list[Measured],
    ours: list[Measured],
    data: Data,
    threads: list[int],
) -> bool:
    """Return whether both ways differ by no more than seeds do; the spread is over other seeds.

    Rounding decides what becomes of a net at the largest rates, and three seeds may not show how
    much that can be: cells whose two results are further apart than seeds were are trained plainly
    by the other seeds too, and compared by their means.
    """
    shape = len(cells), len(OTHER_SEEDS), len(NUMBERS)
    others = [with_other_seeds(cell) for cell in cells]
    runs = train_all([one for cell in others for one in cell], data)
    seeds = np.array([Measured.from_run(run).numbers for run in runs]).reshape(shape)
    mine, its = (np.array([m.numbers for m in way]) for way in (ours, plain))
    variance = 2 * seeds.var(1, ddof=1)  # of the difference of two seeds, cell by cell
    with np.errstate(invalid="ignore"):
        apart = (abs(mine - its) > FAR * np.sqrt(variance)).any(1).nonzero()[0]
    for i in apart:
        with torch_threads(threads[i]):
            more = [train_plainly(cell, data).numbers for cell in others[i]]
        ways = np.array([[mine[i], *seeds[i]], [its[i], *more]])
        mine[i], its[i] = ways.mean(1)
        variance[i] = ways.var(1, ddof=1).sum(0) / ways.shape[1]
    if apart.size:
        print(f"  {apart.size} cells compared by means of {1 + len(OTHER_SEEDS)} seeds each way")
    fine = True
    for k, name in enumerate(NUMBERS):
        told = np.isfinite(mine[:, k] - its[:, k] + variance[:, k])
        gap, spread = mine[told, k] - its[told, k], variance[told, k]
        typical = np.sqrt((gap**2).mean() / spread.mean())
        bias = gap.mean() / np.sqrt(spread.sum()) * len(gap)
        # The same nets on the same draws differ by what rounding grew to: less than seeds do.
        well = bool(typical < 1.5 and abs(bias) < 4)
        fine &= well
        print(
            f"  {name}: differences {typical:.2f} of those between seeds, mean {gap.mean():+.2g} "
            f"({bias:+.1f} standard errors): {'agree' if well else 'DO NOT AGREE'}",
            flush=True,
        )
    return fine


@numba.njit(nogil=True)
def multiply(H: Array, W: Array, Z: Array, D: Array, turn: bool, n: int) -> None:
    """Make the products of a layer and a chunk, n times: forward, weight gradient, backward."""
    for _ in range(n):
        if turn:
            np.dot(H, W.T, Z)
        else:
            np.dot(H, W, Z)
        np.dot(Z.T, H, D)
        np.dot(Z, W, H)


def products(rows: int, turn: bool, repeats: int, rounds: int) -> float:
    H, Z, W, D = (torch.zeros(n, 100).numpy() for n in (rows, rows, 100, 100))
    multiply(H, W, Z, D, turn, 1)
    return fastest(lambda: multiply(H, W, Z, D, turn, repeats), rounds)


def step_of_adam(rounds: int) -> float:
    theta, grad, m, v = (torch.full((83_740,), 1e-3).numpy() for _ in range(4))
    adam_step(theta, grad, m, v, 1e-3, 1)
    return fastest(lambda: adam_step(theta, grad, m, v, 1e-3, 1), 100 * rounds)


def print_what_binds(data: Data) -> None:
    """Print where the time of an epoch of the compiled engine goes, on one thread."""
    print("an epoch on one thread, ms (fastest of several):")
    print("  batch  dropout   plain  compiled = products + Adam + rest   products at GFLOP/s")
    n = len(data.x_train)
    for size, dropout in ((n, 0.0), (n, 0.1), (320, 0.0), (40, 0.0), (10, 0.0), (5, 0.0)):
        cell = TrainingJob(0.2, 0, Recipe(batch_size=size, dropout=dropout))
        rows, rounds = min(size, CHUNK), 20 if size > 100 else 5
        repeats = 7 * -(-n // rows)
        with one_thread():
            multiplying = products(rows, size < FEWEST_TO_TRANSPOSE, repeats, rounds)
            adding = -(-n // size) * step_of_adam(rounds)
            seconds = []
            for engine in (Plain, Compiled):
                net, draws = build(cell, data)
                stepper = engine(net, draws, cell.recipe)
                stepper.epoch()
                seconds.append(fastest(stepper.epoch, rounds if engine is Compiled else 3))
        plain, ours = (1e3 * s for s in seconds)
        rest = ours - 1e3 * (multiplying + adding)
        print(
            f"  {size:5d}  {dropout:7.1f} {plain:7.1f}   {ours:7.1f} = {1e3 * multiplying:8.1f} + "
            f"{1e3 * adding:4.1f} + {rest:4.1f}   "
            f"{6 * 100**2 * rows * repeats / multiplying / 1e9:19.0f}",
            flush=True,
        )


def samples(path: Path) -> Data:
    """Return MNIST as the paper has it, or Gaussian classes of the same sizes."""
    if path.exists():
        return mnist(path, n_train=2560, n_test=5000, image_size=10)
    print(f"there is no MNIST at {path}: Gaussian classes stand in")
    draw = np.random.default_rng(0)
    labels = np.arange(7560) % 10
    x = 0.3 * draw.normal(size=(10, 100))[labels] + draw.normal(size=(7560, 100))
    return from_arrays(x[:2560], labels[:2560], x[2560:], labels[2560:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "data", nargs="?", type=Path, default=MNIST, help="MNIST: an .npz, or its folder"
    )
    parser.add_argument("--panel", action="append", choices=list(PANELS), help="only this one")
    parser.add_argument("--epochs", type=int, help="at most, to try it out; a panel's own else")
    options = parser.parse_args()
    data = samples(options.data)
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "numba"))
    load = os.getloadavg()[0]
    print(
        f"Python {platform.python_version()}, {packages}, {platform.machine()}, {cores(None)} "
        f"cores, load before {load:.1f}"
    )
    train_all(
        [TrainingJob(0.2, 0, Recipe(epochs=1, dropout=0.1))], data, engine="compiled"
    )  # compiles
    print_what_binds(data)
    fine = [race(panel, data, options.epochs) for panel in options.panel or PANELS]
    print("all as wanted" if all(fine) else "NOT all as wanted")
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())
