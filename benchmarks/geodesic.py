"""`lp.geodesic.solve` against the paper's recipe, and what a solution costs.

Run `python benchmarks/geodesic.py`: a quarter of an hour to 20 minutes on 2 cores. Each of three
problems, in a process of its own so that none runs in the memory and among the threads of another,
is first given to the recipe of arXiv:2405.17573 in plain eager autograd: Adam for 5,000 epochs,
then SGD for 1,000 at a smaller rate, full batch, float32; docs/geodesics.md says how it was tuned.
Then `solve` gets the recipe's own time. Reported: how long it takes to reach the objective that
the recipe ends with, and the residual that it reaches in that time. `--quick` takes a fiftieth of
the epochs, to see that it runs (a minute); its times and objectives mean nothing.

`--opponents` races newer methods and `solve` on problems of half the width and half the samples, on
one thread and by the processor's own clock, which other work on the machine hardly touches: how
soon each reaches what the recipe ends with, and where it is in a fifth of the recipe's time (two
seeds, two minutes each a problem; `pip install pytorch_optimizer` first, or SOAP is left out).
`--full` does so on the whole problems, seven minutes each.

`--tune` prints what the recipe ends with on a grid of rates and schedules (hours), and with
`--opponents` what those come to on theirs (half an hour). `--scale` measures the cost of an
evaluation against N, w, L and L~ and fits powers to it; `--large` solves a problem of many samples
and prints the peak memory.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import torch
from geodesic_opponents import TUNED, against
from geodesic_problems import DEPTH, PROBLEMS, Problem, adam, recipe, solve

import loadpath as lp
from loadpath.leaky_resnet import Adjoint
from loadpath.threads import torch_threads

QUICK = 50
"""`--quick` divides the epochs by this."""


def quick(problem: Problem) -> Problem:
    """The problem with a recipe too short to mean anything."""
    adam, sgd = (replace(s, steps=s.steps // QUICK) for s in (problem.adam, problem.sgd))
    return replace(problem, adam=adam, sgd=sgd)


def each_in_its_own_process(arguments: list[str]) -> None:
    """Run this file once a problem; the others run even where one fails, and the code says so."""
    failed = []
    for problem in PROBLEMS:
        command = [sys.executable, __file__, "--problem", problem.name, *arguments]
        if subprocess.run(command, check=False).returncode:
            failed.append(problem.name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def compare(problem: Problem) -> None:
    """Print one problem's race."""
    data = problem.data()
    objective, seconds = recipe(problem, data)
    print(f"\n{problem.name}: L~ = {problem.effective_depth:g}, N = {len(data.x_train)}")
    print(f"  recipe                      objective {objective:9.4f} after {seconds:6.1f} s")
    path = solve(problem, data, seconds)
    # Objectives on half the layers are of another problem.
    there = (path.history.objective <= objective) & (path.history.depth == DEPTH)
    reached = path.history.seconds.where(there, drop=True)
    if reached.size:
        at = float(reached[0])
        print(f"  solve reaches that                              in {at:6.1f} s")
        print(f"  recipe / solve                                     {seconds / at:6.1f}")
    else:
        print("  solve does not reach that")
    certificate = path.certificate
    print(
        f"  solve ends at               objective {path.objective:9.4f} after {path.seconds:6.1f} s"
    )
    print(f"  status: {path.status}; {certificate.verdict}")
    for width, worst in zip(certificate.widths, certificate.worst_by_width, strict=True):
        print(f"  worst layer's residual, kinks within {width:7.0e} of rms: {worst:8.4f}")
    gradient = certificate.gradient_residual.max()
    print(f"  worst layer's gradient residual:                  {gradient:8.4f}")


def tune(problem: Problem) -> None:
    """Print what the recipe ends with at other rates, schedules and weight-decay ramps."""
    data = problem.data()
    print(f"\n{problem.name}: objective at the end, by learning rate of Adam / max(1, L~)")
    for annealed in (False, True):
        for rate in (0.001, 0.002, 0.004, 0.008):
            stage = adam(rate * max(1.0, problem.effective_depth), annealed=annealed)
            objective, seconds = recipe(replace(problem, adam=stage), data)
            said = "annealed" if annealed else "as in the paper"
            print(f"  {rate:g} {said}: {objective:.4f} ({seconds:.0f} s)", flush=True)


def evaluation_seconds(n: int, width: int, depth: int, effective_depth: float) -> float:
    """Fastest of several evaluations of objective and gradient in float64."""
    model = lp.LeakyResNet(
        30,
        30,
        width=width,
        depth=depth,
        effective_depth=effective_depth,
        step="exponential",
        dtype=torch.float64,
    )
    x, y = torch.randn(n, 30), torch.randn(n, 30)
    adjoint = Adjoint(model, n)
    adjoint.load(x, y)
    times = []
    with torch_threads(1):
        for _ in range(7):
            started = time.perf_counter()
            adjoint.evaluate(0.1)
            times.append(time.perf_counter() - started)
    return min(times)


def scale() -> None:
    """Print seconds an evaluation against each size, and the power that fits them."""
    base = {"n": 1000, "width": 100, "depth": 20, "effective_depth": 7.0}
    grids = {
        "n": (500, 1000, 2000, 4000, 8000, 16000),
        "width": (50, 100, 200, 400),
        "depth": (10, 20, 40, 80),
        "effective_depth": (2.0, 7.0, 16.0, 32.0),
    }
    for name, values in grids.items():
        times = [evaluation_seconds(**{**base, name: value}) for value in values]
        power = np.polyfit(np.log(values), np.log(times), 1)[0]
        row = ", ".join(f"{v:g}: {1e3 * t:.1f}" for v, t in zip(values, times, strict=True))
        print(f"ms an evaluation by {name}: {row}; power {power:.2f}", flush=True)


def large(n: int, effective_depth: float, max_seconds: float) -> None:
    """Solve Figure 1's problem on `n` samples, and print its residual and peak memory."""
    problem = replace(PROBLEMS[0], effective_depth=effective_depth, n_train=n)
    path = solve(problem, problem.data(), max_seconds, progress=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"N = {n}, L~ = {effective_depth:g}: {path.status}, objective {path.objective:.4f} "
        f"after {path.seconds:.0f} s"
    )
    print(
        f"  {path.certificate.verdict}: worst residual {path.stationarity.max():.4f}; "
        f"peak memory {peak:.1f} GiB"
    )
    rows = path.history.isel(look=slice(None, None, 8))
    for values in zip(
        rows.iteration, rows.objective, rows.residual_worst, rows.seconds, strict=True
    ):
        print("  {:6.0f} {:10.4f} {:8.4f} {:8.0f} s".format(*(float(v) for v in values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problem", choices=[p.name for p in PROBLEMS], help="only this one")
    parser.add_argument("--opponents", action="store_true", help="newer methods against `solve`")
    parser.add_argument("--full", action="store_true", help="--opponents on the whole problems")
    parser.add_argument("--seeds", type=int, default=2, help="for --opponents")
    parser.add_argument("--tune", action="store_true", help="at other settings")
    parser.add_argument("--scale", action="store_true", help="cost against N, w, L and L~")
    parser.add_argument("--large", type=int, metavar="N", help="solve with this many samples")
    parser.add_argument("--effective-depth", type=float, default=7.0, help="for --large")
    parser.add_argument("--max-seconds", type=float, default=4000.0, help="for --large")
    parser.add_argument("--quick", action="store_true", help="see that it runs")
    options = parser.parse_args()
    if options.problem is None and not (options.scale or options.large):
        each_in_its_own_process(sys.argv[1:])
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads", flush=True)
    if options.scale:
        scale()
    elif options.large:
        large(options.large, options.effective_depth, options.max_seconds)
    else:
        problem = next(p for p in PROBLEMS if p.name == options.problem)
        problem = quick(problem) if options.quick else problem
        if options.opponents and problem.name not in TUNED:
            print(f"{problem.name} is not raced: nothing was tuned for it")
        elif options.opponents:
            races = [
                against(replace(problem, seed=seed), grid=options.tune, full=options.full)
                for seed in range(1 if options.tune else options.seeds)
            ]
            for other, ratios in zip(("recipe", "best opponent"), np.transpose(races), strict=True):
                print(
                    f"{other} / solve, median over seeds: {np.median(ratios):.1f} "
                    f"({min(ratios):.1f} to {max(ratios):.1f})"
                )
        else:
            (tune if options.tune else compare)(problem)


if __name__ == "__main__":
    main()
