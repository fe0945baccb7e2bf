"""Which phases a geodesic is solved by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.geodesic.descent import Descent, Phase
from loadpath.leaky_resnet.geodesic.endpoints import EXACT, REACHED, end_error
from loadpath.leaky_resnet.training import Adam

WARM_START = Adam(400)
COARSE = tuple(
    Phase(width, iterations, history=30, single=True, settled=False, tolerances=0.0)
    for width, iterations in ((0.3, 150), (0.1, 100))
)
"""Towards the right valley, on half the layers: what they leave is far from stationary, so they
need no precision."""
BETWEEN = tuple(
    Phase(width, iterations=100, history=30, single=True, settled=False, tolerances=0.0)
    for width in (0.1, 0.03)
)
"""On all layers, which the coarser solution does not fit yet."""
FINE = (
    Phase(width=0.01, iterations=300, history=50, single=True),
    Phase(width=0.003, iterations=500, single=True),
    Phase(width=0.001, iterations=2000),
    Phase(width=0.001, iterations=2000),
)
"""The kinks rounded less and less, each phase from where the last one settled."""
SAMPLED = Phase(width=0.001, iterations=1500, history=300, single=True)
"""Where there are more samples, on some of them: what it learns of the curvature is dear to learn
on all. A memory this long costs less than evaluations do there."""
GROWN = replace(SAMPLED, iterations=2000, goes_on=True)
"""After samples were added."""
PINNED = tuple(
    (Phase(width=width, iterations=300, history=50), rounds)
    for width, rounds in ((0.1, 1), (0.03, 1), (0.01, 1), (0.003, 1), (0.001, 21))
)
"""Phases of a path with a fixed end, and how often each is repeated at most: after each the target
moves."""
NEWTON_PINNED = tuple(
    (Phase(width=width, iterations=40, newton=True, tolerances=tolerances), rounds)
    for width, rounds, tolerances in (
        (0.3, 1, 1.0),
        (0.1, 1, 1.0),
        (0.03, 12, 0.1),
        *((width, 4, 0.01) for width in (0.01, 0.003, 0.001, 3e-4, 1e-4, 3e-5)),
        (1e-5, 10, 0.01),
    )
)
"""The same by Newton's method: the end is reached at a wide rounding first, and then held."""
FEW_WEIGHTS = 2000
"""Up to which a Hessian is cheap: at 1320 an iteration takes a tenth of a second."""
STIFFEN, SOFTEST = 4.0, 1e-3
"""lambda is divided by this where a move of the target did not halve the error of the end, down to
this share of what it was."""
REFINING = (Phase(width=0.01, iterations=300), Phase(width=0.003, iterations=500))
"""On each finer mesh, from the coarser one's solution."""
LEAST_DEPTH, LONGEST = 8, 0.75
"""Nets with fewer layers are not halved, nor those whose rho L~ would be more under Euler."""
SUBSET = 5000
"""Samples, about, of all phases up to the second fine one, where there are more: the rest shift the
minimum by what samples differ, and are taken in from there."""
GROWTH = 4
"""Times as many samples in each step from there."""


def coarse_steps(steps: Tensor, *, effective_depth: float, step: str) -> Tensor | None:
    """Half as many steps to begin on; None where they are few, odd, or too long for the net."""
    if len(steps) < LEAST_DEPTH or len(steps) % 2:
        return None
    halved = meshes.merged(steps)
    fits = step != "euler" or float(halved.max()) * effective_depth <= LONGEST
    return halved if fits else None


def free_end(
    descent: Descent, steps: Tensor, *, warm: bool, fine: tuple[Phase, ...] = FINE
) -> Iterator[int]:
    """All phases of a path with a free end, whose mesh is to be `steps` unless it adapts."""
    stride = max(1, len(descent.x) // SUBSET)
    some = slice(None, None, stride)
    if warm:
        yield from descent.warm_start(WARM_START, some)
        for phase in COARSE:
            yield from _going(descent, phase, some)
        if descent.model.depth < len(steps) and descent.status == "running":
            now = descent.model.layer_steps
            finer = meshes.split(now) if descent.adaptive else steps
            descent.take(meshes.remesh(descent.model, finer))
        for phase in BETWEEN:
            yield from _going(descent, phase, some)
        if stride > 1 and descent.model.activation == "relu":
            for phase in (*fine[:2], SAMPLED):
                yield from _going(descent, phase, some)
            fine = fine[2:]
        while stride > 1 and descent.status == "running":
            descent.forget_best()  # it was lowest on fewer samples
            stride //= GROWTH
            yield from _going(descent, GROWN, slice(None, None, max(1, stride)))
    if descent.model.activation == "relu":
        for phase in fine:
            yield from _going(descent, phase)
        return
    phase = replace(fine[-1], width=0.0)
    for _ in range(6):  # fresh coordinates may see a way down
        yield from _going(descent, phase)
        if descent.residual <= descent.tolerance:
            return


def pinned_end(descent: Descent, y: Tensor, *, warm: bool) -> Iterator[int]:
    """All phases of a path with a fixed end, by the method of multipliers.

    What the end falls short by is added to the target of a quadratic end, after each phase. Far
    from convex problems need a stiff end for that to converge, so it is stiffened as it goes.
    """
    if warm:
        yield from descent.warm_start(WARM_START, slice(None))
        for phase in COARSE:
            yield from _going(descent, phase)
    softest = SOFTEST * descent.weight_decay
    least, kept = math.inf, descent.model.weights.detach().clone()
    before = missed = math.inf
    small = descent.model.activation == "relu" and descent.model.weights.numel() <= FEW_WEIGHTS
    for phase, rounds in NEWTON_PINNED if small else PINNED:
        if rounds > 1:  # what the rounding changes is no failure to come nearer
            before = math.inf
        for _ in range(rounds):
            descent.forget_best()  # the target was another
            yield from _going(descent, phase)
            if descent.status != "running":
                return
            with torch.no_grad():
                end = descent.model(descent.x)
            missed = end_error(end, y)
            if missed < least:
                least, kept = missed, descent.model.weights.detach().clone()
            if missed <= EXACT and descent.residual <= descent.tolerance:
                break
            offset = descent.y - y + (y - end)
            if missed > before / 2 and descent.weight_decay > softest:
                # The momenta (2 / lambda N) * offset stay what they are.
                descent.weight_decay /= STIFFEN
                offset = offset / STIFFEN
            before = missed
            descent.y = y + offset
    if missed > EXACT and least > REACHED:
        with torch.no_grad():
            descent.model.weights.copy_(kept)
    # With kinks rounded the path ends a hair elsewhere, and so stiff an end would feel it.
    rounded = descent.rounded_end()
    with torch.no_grad():
        descent.y = descent.model(descent.x) + descent.y - rounded


def _going(descent: Descent, phase: Phase, samples: slice = slice(None)) -> Iterator[int]:
    if descent.status == "running":
        yield from descent.run(phase, samples)


def finer(descent: Descent, y: Tensor, *, pinned: bool) -> Iterator[int]:
    """On a finer mesh, from the solution on a coarser one."""
    if pinned:
        return pinned_end(descent, y, warm=False)
    return free_end(descent, descent.model.layer_steps, warm=False, fine=REFINING)
