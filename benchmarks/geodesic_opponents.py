"""Races of the geodesic solver against newer methods, for `geodesic.py --opponents`."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from importlib.util import find_spec
from unittest.mock import patch

import numpy as np
import torch
from gauss_newton import gauss_newton
from geodesic_problems import DEPTH, Problem, recipe, solve
from opponents import Method, Task, race, self_scaled, soap, warmed
from opponents import adam as by_adam

from loadpath.threads import torch_threads

SHARE = 5
"""Opponents get the recipe's time over this."""


@dataclass(frozen=True)
class Tuned:
    """What was best for the opponents on seed 0; docs/geodesics.md says of what."""

    adam: float
    """Rate of Adam over L~."""
    soap: float
    """Rate of SOAP over L~."""
    warm: bool
    """Whether the others start after 300 steps of annealed Adam, as `lp.fit` does."""


TUNED = {"Figure 1": Tuned(0.002, 0.02, warm=True), "digits": Tuned(0.004, 0.04, warm=False)}
"""By problem; Figure 2 is not raced."""


def opponents(problem: Problem, *, grid: bool) -> dict[str, tuple[Method, torch.dtype]]:
    """Each opponent with what was best for it, or with all that was tried."""
    tuned, unit = TUNED[problem.name], max(1.0, problem.effective_depth)
    found: dict[str, tuple[Method, torch.dtype]] = {}

    def add(name: str, method: Method, dtype: torch.dtype = torch.float32) -> None:
        found[name] = method, dtype

    def add_second_order(name: str, method: Method, dtype: torch.dtype = torch.float32) -> None:
        if grid or tuned.warm:
            add(f"{name}, after Adam", warmed(method, rate=0.002 * unit, steps=300), dtype)
        if grid or not tuned.warm:
            add(f"{name}, from the start", method, dtype)

    for rate in (0.001, 0.002, 0.004) if grid else (tuned.adam,):
        add(f"Adam, rate {rate:g} L~", by_adam(rate * unit, 2500))
    if find_spec("pytorch_optimizer"):
        for rate in (0.005, 0.01, 0.02, 0.04, 0.08) if grid else (tuned.soap,):
            add(f"SOAP, rate {rate:g} L~", soap(rate * unit, 1000))
    for memory in (100, 300) if grid else (100,):
        for name, broyden in (("SSBroyden", True), ("SSBFGS", False)):
            method = self_scaled(memory, broyden=broyden)
            add_second_order(f"{name}, memory {memory}", method, torch.float64)
    for products in (10, 30, 100) if grid else (30,):
        for name, layerwise in (("Gauss-Newton", False), ("layerwise Gauss-Newton", True)):
            method = gauss_newton(products, layerwise=layerwise)
            add_second_order(f"{name}, {products} products", method)
    return found


def against(problem: Problem, *, grid: bool, full: bool) -> tuple[float, float]:
    """Print one race of all opponents and `solve`, from the same weights and on one thread.

    Returns how much sooner `solve` reaches what the recipe ends with than the recipe does, and than
    the best of the opponents.
    """
    if not full:
        problem = replace(problem, width=50, n_train=500)
    data = problem.data()
    torch.set_num_threads(1)
    target, seconds = recipe(problem, data, time.process_time)
    cap = seconds / SHARE
    print(f"\n{problem.name}, seed {problem.seed}, w = {problem.width}, N = {len(data.x_train)}")
    print(f"  recipe: objective {target:.4f} after {seconds:.1f} s; the others get {cap:.1f} s")
    with patch("loadpath.leaky_resnet.geodesic.descent.descent.time", ProcessorTime):
        history = solve(problem, data, cap, threads=1).history
    history = history.where(history.depth == DEPTH, drop=True)

    def solved(objective: float) -> float:
        there = history.seconds.where(history.objective <= objective, drop=True)
        return float(there[0]) if there.size else np.inf

    print(f"  {'':42} there after  recipe / it  in a fifth  solve is there  ratio")
    rows = [("solve", solved(target), float(history.objective.min()))]
    for name, (method, dtype) in opponents(problem, grid=grid).items():
        task = Task(
            problem.net().to(dtype), data.x_train, data.y_train, problem.weight_decay, problem.loss
        )
        with torch_threads(1):
            race(task, method, seconds=cap)
        rows.append((name, task.reached(target), task.lowest(cap)))
    for name, there, lowest in rows:
        at = solved(lowest)
        print(
            f"  {name:42} {there:9.2f} s  {seconds / there:11.1f}  {lowest:10.4f}  {at:12.2f} s"
            f"  {cap / at:5.1f}",
            flush=True,
        )
    (_, own, _), *others = rows
    return seconds / own, min(there for _, there, _ in others) / own


class ProcessorTime:
    """What the descent takes for the module `time`."""

    monotonic = staticmethod(time.process_time)
