"""Meshes of few layers compared: how far each is from the continuum, and what it makes of new data.

Run `python benchmarks/meshes.py --seeds 0 1`: about five minutes on one core. A relu geodesic is
solved on 20, 40 and 80 exponential steps, one from the other, and its objective extrapolated to
infinitely many. Nets of few layers are then solved from it, so that all are in one valley, on
meshes that the path of 40 layers recommends: equal steps, irregular ones, the paper's adaptive
rule at rest (equal arclength), and steps of equal cost. The mesh "own cost" is made of the costs
of the equal mesh itself, without a finer solution.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import loadpath as lp

DEPTHS = (4, 6, 8, 12, 20)
UNEVEN = 0.8
"""The a of the irregular mesh."""
MARGIN = 0.9
"""Share of the largest rho L~ that a mesh may use under the Euler step, as `Adaptive` has it."""


@dataclass(frozen=True)
class Task:
    """A kind of step, at a leakage, with a cap on rho L~."""

    step: str
    effective_depth: float
    largest_leak: float = 1.0

    @property
    def longest(self) -> float:
        """The longest step of a mesh that is not given."""
        return MARGIN * self.largest_leak / self.effective_depth if self.step == "euler" else 1.0

    def __str__(self) -> str:
        """Return its row's name."""
        cap = f", rho L~ < {self.largest_leak:g}" if self.step == "euler" else ""
        return f"{self.step}, L~ = {self.effective_depth:g}{cap}"


TASKS = (
    Task("exponential", 6.0),
    Task("euler", 3.0),
    Task("euler", 6.0),
    Task("euler", 6.0, largest_leak=2.0),
)


@dataclass(frozen=True)
class Row:
    """One solution: a task, layers, a mesh, and what came of it."""

    task: str
    seed: int
    depth: int
    mesh: str
    gap: float
    """Objective less that of the continuum."""
    test: float
    """Mean squared error on new data, a sum over outputs."""
    past: float
    """How far the worst step passes its target, as a share of |A|."""
    status: str


class Problem:
    """A teacher at one leakage, its fine solutions, and the objective that they tend to."""

    def __init__(self, seed: int, effective_depth: float, *, tolerance: float) -> None:
        self.data = lp.data.teacher((6, 2, 6), n_train=100, n_test=1000, seed=seed)
        self.options: dict[str, Any] = dict(
            effective_depth=effective_depth, width=10, weight_decay=0.06, seed=seed,
            tolerance=tolerance, threads=1, progress=False,
        )  # fmt: skip
        self.fine = self.solve(step="exponential", depth=20)
        predicted = []
        for depth in (40, 80):
            previous, self.fine = self.fine, self.solve(step="exponential", depth=depth)
            predicted.append(self.fine.certificate.continuum_predicted)
        self.guide = previous
        """The path of 40 layers, which recommends meshes."""
        # Each is of second order, so that a third of the change is left.
        self.continuum = predicted[1] + (predicted[1] - predicted[0]) / 3

    def solve(self, **options: Any) -> lp.geodesic.Geodesic:
        """Solve from the finest solution so far."""
        start = self.fine.model if hasattr(self, "fine") else None
        return lp.geodesic.solve(
            self.data.x_train, self.data.y_train, start=start, **self.options, **options
        )

    def test_error(self, found: lp.geodesic.Geodesic) -> float:
        """Mean squared error on new data, a sum over outputs."""
        with torch.no_grad():
            error = found.model(self.data.x_test) - self.data.y_test.double()
        return float(error.square().sum(1).mean())

    def meshes(self, depth: int, longest: float) -> dict[str, Tensor]:
        """Return the meshes that the guide recommends."""
        guide, mesh = self.guide, lp.layer_steps
        costs = guide.certificate.step_costs
        return {
            "equal": mesh.equidistant(depth),
            "irregular": mesh.irregular(depth, UNEVEN),
            "paper's": mesh.equal_arclength(
                guide.layer_steps, list(guide.A), depth, longest=longest
            ),
            "by cost": mesh.equal_cost(guide.layer_steps, costs, depth, longest=longest),
        }


def compare(problem: Problem, task: Task, depth: int) -> Iterator[Row]:
    """Solve on every mesh that the task and the depth allow; print a line for each."""
    longest, leak = task.longest, task.effective_depth
    if longest * depth < 1:
        return
    own = None
    for name, steps in problem.meshes(depth, longest).items():
        if task.step == "euler" and float(steps.max()) * leak >= task.largest_leak:
            continue
        found = problem.solve(step=task.step, layer_steps=steps, largest_leak=task.largest_leak)
        yield report(problem, task, name, found)
        own = found if name == "equal" else own
    if own is not None:
        steps = lp.layer_steps.equal_cost(
            own.layer_steps, own.certificate.step_costs, depth, longest=longest
        )
        found = problem.solve(step=task.step, layer_steps=steps, largest_leak=task.largest_leak)
        yield report(problem, task, "own cost", found)
    if own is not None and task.largest_leak > 1:
        net = copy.deepcopy(own.model)
        lp.layer_steps.Adaptive(net, every=1, smoothing=1.0).step(own.x)
        found = problem.solve(
            step=task.step, layer_steps=net.layer_steps, largest_leak=task.largest_leak
        )
        yield report(problem, task, "guarded", found)


def report(problem: Problem, task: Task, name: str, found: lp.geodesic.Geodesic) -> Row:
    """Print and return one solution, with the gap of its own prediction of the continuum."""
    over = lp.layer_steps.overshoots(
        found.layer_steps, list(found.A), effective_depth=task.effective_depth
    )
    gap, left = (
        value - problem.continuum
        for value in (found.objective, found.certificate.continuum_predicted)
    )
    past = float(over.max()) if task.step == "euler" else 0.0
    test = problem.test_error(found)
    seed, depth = problem.options["seed"], len(found.layer_steps)
    print(
        f"{str(task):32} {seed:2} {depth:3} {name:10} {gap:+8.4f} {left:+8.4f} "
        f"{test:8.3f} {past:8.3f} {found.status}",
        flush=True,
    )
    return Row(str(task), seed, depth, name, gap, test, past, str(found.status))


def table(rows: list[Row]) -> Iterator[str]:
    """Yield a table of gaps, seed by seed, and in brackets the mean test error."""
    names = ("equal", "irregular", "paper's", "by cost", "own cost", "guarded")
    yield f"| | L | {' | '.join(names)} | passed |"
    yield "|---" * (len(names) + 3) + "|"
    task = ""
    for key in dict.fromkeys((row.task, row.depth) for row in rows):
        here = [row for row in rows if (row.task, row.depth) == key]
        cells = []
        for name in names:
            of_mesh = [row for row in here if row.mesh == name]
            gaps = " / ".join(
                f"{row.gap:+.3f}" + "*" * (row.status != "converged") for row in of_mesh
            )
            mean = sum(row.test for row in of_mesh) / max(1, len(of_mesh))
            cells.append(f"{gaps} ({mean:.2f})" if of_mesh else "")
        past = max(row.past for row in here)
        shown = "" if key[0] == task else key[0]
        task = key[0]
        yield f"| {shown} | {key[1]} | {' | '.join(cells)} | {f'{past:.2f}' if past else ''} |"


def main() -> None:
    """Compare all meshes in all tasks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="teachers and nets")
    parser.add_argument("--depths", type=int, nargs="+", default=list(DEPTHS), help="layers")
    parser.add_argument("--tolerance", type=float, default=0.03, help="worst layer's residual")
    options = parser.parse_args()
    torch.set_num_threads(1)
    heads = f"{'gap':>8} {'predict':>8} {'test':>8} {'passed':>8}"
    print(f"{'task':32} {'s':>2} {'L':>3} {'mesh':10} {heads} status")
    rows: list[Row] = []
    for seed in options.seeds:
        for leak in sorted({task.effective_depth for task in TASKS}):
            problem = Problem(seed, leak, tolerance=options.tolerance)
            print(f"continuum, L~ = {leak:g}, seed {seed}: {problem.continuum:.4f}", flush=True)
            for task in (task for task in TASKS if task.effective_depth == leak):
                for depth in options.depths:
                    rows += compare(problem, task, depth)
    print(*table(rows), sep="\n")


if __name__ == "__main__":
    main()
