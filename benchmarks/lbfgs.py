"""Two L-BFGS on the same problems: torch's, which `fit` uses, and the geodesic solver's own.

Run `python benchmarks/lbfgs.py`: three to five minutes on one core. Both start from the same net,
trained by Adam, and work in the same curvature coordinates: first as `fit` does (float32, history
30, new coordinates every 100 iterations), then as the geodesic solver does (float64, history 100,
rounded kinks, one set of coordinates). Times are of the processor, on one thread.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

import loadpath as lp
from loadpath.leaky_resnet import Adjoint
from loadpath.leaky_resnet.geodesic.descent.quasi_newton import QuasiNewton, Vector
from loadpath.leaky_resnet.training import Coordinates, layer_residuals
from loadpath.threads import torch_threads


@dataclass(frozen=True)
class Problem:
    """A net and data to train it on."""

    name: str
    dims: tuple[int, ...]
    n_train: int
    width: int
    depth: int
    effective_depth: float


@dataclass(frozen=True)
class Use:
    """How an L-BFGS is used: by `fit`, or by the geodesic solver."""

    name: str
    dtype: torch.dtype
    history: int
    chunk: int
    """Iterations in one set of coordinates."""
    iterations: int
    rounding: float
    """Half-width over which kinks are rounded off, relative to the size of each layer."""


PROBLEMS = (
    Problem("teacher 30-3-30, w = 100, L = 20, L~ = 7", (30, 3, 30), 1000, 100, 20, 7.0),
    Problem("teacher 10-2-10, w = 30, L = 10, L~ = 4", (10, 2, 10), 200, 30, 10, 4.0),
)
USES = (
    Use("as in fit", torch.float32, 30, 100, 1500, 0.0),
    Use("as for a geodesic", torch.float64, 100, 400, 400, 0.01),
)


class Task:
    """One net in one use, its objective in curvature coordinates, and a count of evaluations."""

    def __init__(self, start: lp.LeakyResNet, data: lp.data.Data, use: Use, decay: float) -> None:
        self.model = copy.deepcopy(start).to(use.dtype)
        self.x = data.x_train.to(use.dtype)
        self.decay, self.use, self.evaluations = decay, use, 0
        self.adjoint = Adjoint(self.model, len(self.x), threads=1)
        self.adjoint.load(self.x, data.y_train)
        with torch.no_grad():
            sizes = [float(A.square().mean().sqrt()) for A in self.model.path(self.x)[:-1]]
        self.adjoint.smoothing = [use.rounding * size if l else 0.0 for l, size in enumerate(sizes)]

    def renew(self, done: int) -> None:
        """Take the curvature coordinates of where the net stands."""
        self.coordinates = Coordinates(
            self.model,
            self.x,
            weight_decay=self.decay,
            loss="mse",
            generator=torch.Generator().manual_seed(done),
        )

    def objective(self) -> float:
        """Objective at the coordinates; their gradient is left in `.grad`."""
        self.evaluations += 1
        self.coordinates.write_weights()
        data_term, regularizer = self.adjoint.evaluate(self.decay)
        self.coordinates.read_gradient()
        return data_term + self.decay * regularizer


def by_torch(task: Task, iterations: int) -> None:
    """Iterate torch's L-BFGS."""
    stage = lp.training.LBFGS(history=task.use.history)
    stage.optimizer([task.coordinates.V], iterations).step(task.objective)
    task.coordinates.write_weights()


def by_own(task: Task, iterations: int) -> None:
    """Iterate the geodesic solver's L-BFGS, with a memory of all coordinates."""
    V = task.coordinates.V

    def evaluate(v: Vector) -> tuple[float, Vector]:
        with torch.no_grad():
            V.copy_(torch.from_numpy(v).view_as(V))
        return task.objective(), V.grad.numpy().ravel()

    search = QuasiNewton(evaluate, V.detach().numpy().ravel(), history=task.use.history)
    for _ in range(iterations):
        if not search.iterate():
            break
    with torch.no_grad():
        V.copy_(torch.from_numpy(search.at).view_as(V))
    task.coordinates.write_weights()


def compare(start: lp.LeakyResNet, data: lp.data.Data, use: Use, decay: float) -> None:
    """Run both from `start`, chunk by chunk in turns, and print a row for each."""
    methods: dict[str, Callable[[Task, int], None]] = {"torch's": by_torch, "own": by_own}
    tasks = {name: Task(start, data, use, decay) for name in methods}
    seconds = dict.fromkeys(methods, 0.0)
    for done in range(0, use.iterations, use.chunk):
        for name, method in methods.items():
            started = time.process_time()
            tasks[name].renew(done)
            method(tasks[name], use.chunk)
            seconds[name] += time.process_time() - started
    for name, task in tasks.items():
        evaluations = task.evaluations
        C, R = task.adjoint.evaluate(decay)
        residuals = layer_residuals(task.model, decay)
        print(
            f"  {use.name:<18} {name:<8} {use.iterations:5d} {evaluations:6d} {seconds[name]:7.1f} "
            f"{C + decay * R:11.5f} {float(residuals.median()):9.4f} {float(residuals.max()):8.4f}",
            flush=True,
        )


@torch_threads(1)
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of data and nets")
    options = parser.parse_args()
    print(f"  {'use':<18} {'L-BFGS':<8} steps  evals seconds   objective    median    worst")
    for problem in PROBLEMS:
        print(problem.name)
        data = lp.data.teacher(
            dims=problem.dims, n_train=problem.n_train, n_test=100, seed=options.seed
        )
        start = lp.LeakyResNet(
            problem.dims[0],
            problem.dims[-1],
            width=problem.width,
            depth=problem.depth,
            effective_depth=problem.effective_depth,
            seed=options.seed,
        )
        run = lp.fit(start, data, stages=[lp.training.Adam(600)], threads=1, progress=False)
        for use in USES:
            compare(start, data, use, run.weight_decay)


if __name__ == "__main__":
    main()
