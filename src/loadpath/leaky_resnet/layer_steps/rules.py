"""Rules for layer steps, given by a formula or by the path of a net."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_count

Steps = Float[Tensor, " depth"]


def equidistant(depth: int) -> Steps:
    """Steps of equal length, rho_l = 1 / depth; float64, shape (depth,), sum 1.

    Raises: ValueError if `depth` is not a whole number of at least 1.
    """
    check_count("depth", depth, 1)
    return torch.full((depth,), 1.0 / depth, dtype=torch.float64)


def irregular(depth: int, a: float) -> Steps:
    r"""Steps that are small near input and output and large in the middle of the path.

    $\rho_l \propto 1 + a\,(1/4 - |l/L - 1/2|)$ for l = 1..L, normalized to sum 1.
    `a` in [0, 1) sets how uneven they are; 0 is equidistant. float64, shape (depth,).

    Raises: ValueError if `a` is outside [0, 1) or `depth` is not a whole number of at least 1.
    Source: Jacot and Kaiser, arXiv:2405.17573, section on discretization.
    """
    if not 0 <= a < 1:
        raise ValueError(f"a must lie in [0, 1), got {a}.")
    steps = equidistant(depth)
    position = steps.cumsum(0)
    steps = steps * (1 + a * (0.25 - (position - 0.5).abs()))
    return steps / steps.sum()


def check(
    layer_steps: Tensor,
    *,
    depth: int,
    effective_depth: float,
    step: str,
    name: str = "layer_steps",
) -> Steps:
    """Return `layer_steps` as float64, or say in one sentence why a net cannot take them.

    `name` is what the sentence calls them.

    Raises: ValueError if they are not `depth` finite positive numbers of sum 1 (to 1e-6, what
    float32 steps can promise), or if rho_l L~ >= 1 under the Euler step, where a layer would
    overshoot its own leakage.
    """
    steps = torch.as_tensor(layer_steps, dtype=torch.float64).detach().cpu()
    if steps.shape != (depth,):
        raise ValueError(f"{name} must have shape ({depth},), got {tuple(steps.shape)}.")
    if not bool(torch.isfinite(steps).all()) or float(steps.min()) <= 0:
        raise ValueError(f"{name} must be finite and positive, got {steps.tolist()}.")
    total = float(steps.sum())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"{name} must sum to 1, got a sum of {total:.9g}.")
    longest = float(steps.max())
    if step == "euler" and longest * effective_depth >= 1:
        raise ValueError(
            f"{name} with a longest step of {longest:.4g} break the Euler condition "
            f"rho * effective_depth < 1 at effective_depth={effective_depth:g}; "
            "use more layers or step='exponential'."
        )
    return steps


@torch.no_grad()
def adapted(steps: Steps, path: list[Tensor], *, guard: float, longest: float) -> Steps:
    r"""Return the steps of the adaptive rule: layers go where the path moves fast.

    $c_l = \|A_l - A_{l-1}\|_F / (\rho_l \|A_l\|_F)$, then $\rho_l = c_l^{-1} / \sum_i c_i^{-1}$.
    Speeds below `guard` times the mean one count as that much, so that a layer which does
    nothing does not take the whole path; no step exceeds `longest`. A path that does not move at
    all, or is not finite, says nothing about where to go: `steps` are returned as they are.

    `path`: [A_0, ..., A_L], each (sample, width). Cost O(N w L).
    Source: Jacot and Kaiser, arXiv:2405.17573, section on discretization; guard and cap are ours.
    """
    speed = guarded_speed(steps, path, guard)
    if speed is None:
        return steps
    slowness = 1 / speed
    return _cap(slowness / slowness.sum(), longest)


@torch.no_grad()
def equal_arclength(
    steps: Steps, path: list[Tensor], depth: int, *, guard: float = 0.1, longest: float = 1.0
) -> Steps:
    r"""Return `depth` steps, in each of which the path of a net on `steps` moves equally far.

    The speed along p is read as $c_l$ throughout step l, with the guard of `adapted`, and the new
    nodes are where its integral reaches k / depth of the whole: what the rule of `adapted` would
    come to rest at, for any depth. No step exceeds `longest`; 0.9 / effective_depth keeps the
    Euler condition. A path that does not move, or is not finite, gives equidistant steps.

    `path`: [A_0, ..., A_L], each (sample, width). float64, (depth,), sum 1. Cost O(N w L).

    Raises: ValueError if `depth` is not a whole number of at least 1, `guard` is outside (0, 1],
    `longest` is too short for `depth` steps, or `path` has not one step between every two A.
    """
    check_count("depth", depth, 1)
    if not 0 < guard <= 1:
        raise ValueError(f"guard must lie in (0, 1], got {guard}.")
    if not longest * depth >= 1:
        raise ValueError(f"longest must be at least 1 / depth = {1 / depth:.4g}, got {longest}.")
    steps = torch.as_tensor(steps).detach().double().cpu()
    speed = guarded_speed(steps, path, guard)
    if speed is None:
        return equidistant(depth)
    zero = steps.new_zeros(1)
    p, arclength = torch.cat([zero, steps.cumsum(0)]), torch.cat([zero, (steps * speed).cumsum(0)])
    wanted = torch.arange(depth + 1, dtype=torch.float64) / depth * arclength[-1]
    l = torch.searchsorted(arclength, wanted[1:-1]).clamp(1, len(steps)) - 1
    inside = p[l] + (wanted[1:-1] - arclength[l]) / speed[l]
    new = torch.cat([zero, inside, p[-1:]]).diff()
    return _cap(new / new.sum(), longest)


def guarded_speed(steps: Steps, path: list[Tensor], guard: float) -> Steps | None:
    r"""Relative speeds $c_l$ over their mean, at least `guard`; None if the path says nothing."""
    if len(path) != len(steps) + 1:
        raise ValueError(
            f"path must have one step between every two A: got {len(path)} A and "
            f"{len(steps)} steps."
        )
    norms = torch.stack([A.norm() for A in path[1:]]).double().cpu()
    moves = torch.stack([(b - a).norm() for a, b in zip(path, path[1:], strict=False)])
    speed = moves.double().cpu() / (steps * norms).clamp_min(torch.finfo(torch.float64).tiny)
    # The mean, not the median: the median is 0 where most of the layers do nothing.
    mean = float(speed.mean())
    return (speed / mean).clamp_min(guard) if 0 < mean < math.inf else None


def _cap(steps: Steps, longest: float) -> Steps:
    """Clip steps at `longest` and hand what is cut off to the others in proportion."""
    # Each round cuts one more step at least; those cut earlier, now at `longest`, stay cut.
    while bool((steps > longest).any()):
        cut = steps >= longest
        rest = (1 - longest * int(cut.sum())) / steps[~cut].sum()
        steps = torch.where(cut, longest, steps * rest)
    return steps
