"""Meshes on each step of which a solution moves, or errs, equally much."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_layer_steps, as_tensor, check_count
from loadpath.leaky_resnet.layer_steps.rules import (
    NewSteps,
    Steps,
    cap,
    check_guard,
    check_longest,
    equidistant,
    guarded_speed,
)


@torch.no_grad()
def equal_arclength(
    steps: Steps, path: list[Tensor], depth: int, *, guard: float = 0.1, longest: float = 1.0
) -> NewSteps:
    r"""Return steps in each of which the path of a net moves equally far.

    They are what the rule of `adapted` would come to rest at, for any depth.

    Parameters
    ----------
    steps : Tensor
        (layers,): the steps that the path was run on.
    path : list of Tensor
        A_0, ..., A_L, each (sample, width).
    depth : int
        Number of new steps.
    guard : float
        Least speed, as a share of the mean one, in (0, 1].
    longest : float
        The longest that a step may be; 0.9 / effective_depth keeps the Euler condition.

    Returns
    -------
    Tensor
        (depth,), float64, of sum 1; equal steps if the path does not move or is not finite.

    Raises
    ------
    ValueError
        If `depth` is not a whole number of at least 1, `guard` is outside (0, 1], `longest` is too
        short for `depth` steps, or `path` has not one step between every two A.

    Notes
    -----
    The speed along p is taken to be $c_l$ throughout step l (see `adapted`). The new nodes are
    where its integral reaches k / depth of the whole. The cost is O(N w L).

    Examples
    --------
    A path that moves about three times as far in its first half as in its second, relative to
    its size:

    >>> import torch
    >>> import loadpath as lp
    >>> steps = lp.layer_steps.equidistant(2)
    >>> path = [torch.tensor([[1.0, y]]) for y in (0.0, 0.3, 0.4)]
    >>> new = lp.layer_steps.equal_arclength(steps, path, 4)
    >>> [round(float(rho), 3) for rho in new]
    [0.165, 0.165, 0.165, 0.504]
    """
    check_count("depth", depth, 1)
    check_guard(guard)
    check_longest(longest, depth)
    steps = as_layer_steps("steps", steps)
    speed = guarded_speed(steps, path, guard)
    if speed is None:
        return equidistant(depth)
    return _equidistributed(steps, speed, depth, longest)


@torch.no_grad()
def equal_cost(
    steps: Steps,
    costs: Float[Tensor, " depth"],
    depth: int,
    *,
    guard: float = 0.1,
    longest: float = 1.0,
) -> NewSteps:
    r"""Return steps each of which costs a solution equally much, whichever way it errs.

    Parameters
    ----------
    steps : Tensor
        (layers,): the steps of the solution.
    costs : Tensor
        (layers,): what each of them adds to the objective, as `Certificate.step_costs` has it;
        positive or negative.
    depth : int
        Number of new steps.
    guard : float
        Least density of new layers, as a share of the mean one, in (0, 1]. The density is known to
        first order only, and a step that seems to cost nothing would take the whole path.
    longest : float
        The longest that a step may be; 0.9 / effective_depth keeps the Euler condition.

    Returns
    -------
    Tensor
        (depth,), float64, of sum 1; equal steps if nothing costs anything.

    Raises
    ------
    ValueError
        If `steps` and `costs` are not finite numbers, as many of one as of the other, `depth` is
        not a whole number of at least 1, `guard` is outside (0, 1], or `longest` is too short for
        `depth` steps.

    Notes
    -----
    A step of length $\rho$ costs $\rho^2 e(p)$, so that $e = |costs| / \rho^2$ is the density of
    the error. The sum of $\rho_l^2 e$ over `depth` steps is least where all are equal: the new
    nodes divide $\int \sqrt{e}\, dp$ into `depth` equal parts.

    References
    ----------
    Karlsson, Larsson, Sandberg, Szepessy and Tempone, arXiv:1407.8330, for symplectic Euler steps
    in optimal control. docs/geodesics.md derives the costs and shows what this mesh wins, and
    where it wins nothing.

    Examples
    --------
    The second of two equal steps costs nine times as much as the first, so that layers are three
    times as dense there:

    >>> import torch
    >>> import loadpath as lp
    >>> costs = torch.tensor([0.1, -0.9], dtype=torch.float64)
    >>> new = lp.layer_steps.equal_cost(lp.layer_steps.equidistant(2), costs, 4)
    >>> [round(float(rho), 3) for rho in new]
    [0.5, 0.167, 0.167, 0.167]
    """
    steps = as_layer_steps("steps", steps)
    costs = as_tensor("costs", costs).double().cpu()
    if costs.shape != steps.shape or not bool(costs.isfinite().all()):
        raise ValueError(
            f"costs must be {len(steps)} finite numbers, one for each step, got {costs.tolist()}."
        )
    check_count("depth", depth, 1)
    check_guard(guard)
    check_longest(longest, depth)
    density = costs.abs().sqrt() / steps
    mean = float((steps * density).sum())
    if not mean > 0:
        return equidistant(depth)
    return _equidistributed(steps, (density / mean).clamp_min(guard), depth, longest)


def _equidistributed(steps: Steps, density: Steps, depth: int, longest: float) -> NewSteps:
    """Return steps that share out equally the integral of a density constant over old steps."""
    zero = steps.new_zeros(1)
    p, total = torch.cat([zero, steps.cumsum(0)]), torch.cat([zero, (steps * density).cumsum(0)])
    wanted = torch.arange(depth + 1, dtype=torch.float64) / depth * total[-1]
    l = torch.searchsorted(total, wanted[1:-1]).clamp(1, len(steps)) - 1
    inside = p[l] + (wanted[1:-1] - total[l]) / density[l]
    new = torch.cat([zero, inside, p[-1:]]).diff()
    return cap(new / new.sum(), longest)
