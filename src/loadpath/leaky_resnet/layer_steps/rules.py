"""Rules for layer steps: given by a formula, or read off the path of a net."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_layer_steps, as_list, as_tensor, check_count, check_number

Steps = Float[Tensor, " depth"]
"""Layer steps: (depth,) positive numbers of sum 1."""
NewSteps = Float[Tensor, " new_depth"]
"""The same, of another depth than the steps that they are made from."""


def equidistant(depth: int) -> Steps:
    """Return steps of equal length.

    Parameters
    ----------
    depth : int
        Number of layers.

    Returns
    -------
    Tensor
        (depth,): 1 / depth everywhere; float64.

    Raises
    ------
    ValueError
        If `depth` is not a whole number of at least 1.

    Examples
    --------
    >>> import loadpath as lp
    >>> lp.layer_steps.equidistant(4)
    tensor([0.2500, 0.2500, 0.2500, 0.2500], dtype=torch.float64)
    """
    check_count("depth", depth, 1)
    return torch.full((depth,), 1.0 / depth, dtype=torch.float64)


def irregular(depth: int, a: float) -> Steps:
    r"""Return steps that are small near input and output, and large in the middle of the path.

    Parameters
    ----------
    depth : int
        Number of layers.
    a : float
        How uneven the steps are, from 0 (equal) to below 1.

    Returns
    -------
    Tensor
        (depth,): $\rho_l \propto 1 + a\,(1/4 - |l/L - 1/2|)$ for l = 1..L, of sum 1; float64.

    Raises
    ------
    ValueError
        If `a` is outside [0, 1), or `depth` is not a whole number of at least 1.

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, section on discretization.

    Examples
    --------
    >>> import loadpath as lp
    >>> lp.layer_steps.irregular(4, a=0.8)
    tensor([0.2500, 0.3000, 0.2500, 0.2000], dtype=torch.float64)
    """
    check_number("a", a, least=0, below=1)
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
    largest_leak: float = 1.0,
    name: str = "layer_steps",
) -> Steps:
    r"""Return layer steps in float64, once it is known that a net can take them.

    Parameters
    ----------
    layer_steps : Tensor
        What was given.
    depth : int
        Number of the net's layers.
    effective_depth : float
        Its leakage $\tilde L$.
    step : str
        Its kind of step: "euler" or another.
    largest_leak : float
        What $\rho_l \tilde L$ must stay below for an Euler step, from 1 to 2.
    name : str
        What the message calls the steps.

    Returns
    -------
    Tensor
        (depth,), float64, on the CPU.

    Raises
    ------
    ValueError
        If the steps are not `depth` finite positive numbers of sum 1 (to 1e-6, which is what
        float32 steps can promise), or if $\rho_l \tilde L$ is not below `largest_leak` for an
        Euler step: from 1 on it overshoots the layer's own leakage.
    """
    steps = as_layer_steps(name, layer_steps, depth=depth)
    longest = float(steps.max())
    if step == "euler" and longest * effective_depth >= largest_leak:
        raise ValueError(
            f"{name} with a longest step of {longest:.4g} break the Euler condition "
            f"rho * effective_depth < {largest_leak:g} at effective_depth={effective_depth:g}; "
            "use more layers or step='exponential'."
        )
    return steps


@torch.no_grad()
def adapted(steps: Steps, path: list[Tensor], *, guard: float, longest: float) -> Steps:
    r"""Return the steps of the adaptive rule: layers go where the path moves fast.

    Parameters
    ----------
    steps : Tensor
        (depth,): the present steps.
    path : list of Tensor
        A_0, ..., A_L, each (sample, width).
    guard : float
        Least speed, as a share of the mean one. Without it, a layer that does nothing would take
        the whole path.
    longest : float
        The longest that a step may be.

    Returns
    -------
    Tensor
        (depth,), float64, of sum 1; `steps` as they are if the path does not move at all or is not
        finite, for it then says nothing about where to go.

    Raises
    ------
    ValueError
        If `path` has not one step between every two A.

    Notes
    -----
    With the speed $c_l = \|A_l - A_{l-1}\|_F / (\rho_l \|A_l\|_F)$ the rule is
    $\rho_l = c_l^{-1} / \sum_i c_i^{-1}$. The cost is O(N w L).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, section on discretization. The guard and the longest step
    are ours.
    """
    steps = as_layer_steps("steps", steps)
    check_guard(guard)
    check_longest(longest, len(steps))
    return adapted_within(steps, path, guard=guard, longest=torch.full_like(steps, longest))


def adapted_within(steps: Steps, path: list[Tensor], *, guard: float, longest: Steps) -> Steps:
    """Return the steps of the adaptive rule, with a longest one for each layer."""
    speed = guarded_speed(steps, path, guard)
    if speed is None:
        return steps
    slowness = 1 / speed
    return cap(slowness / slowness.sum(), longest)


def guarded_speed(steps: Steps, path: list[Tensor], guard: float) -> Steps | None:
    r"""Return the speeds $c_l$ over their mean, at least `guard`; None if the path says nothing."""
    norms, moves = norms_and_moves(steps, path)
    speed = moves / (steps * norms).clamp_min(torch.finfo(torch.float64).tiny)
    # Not over the median, which is 0 where most of the layers do nothing.
    mean = float(speed.mean())
    return (speed / mean).clamp_min(guard) if 0 < mean < math.inf else None


def norms_and_moves(steps: Steps, path: list[Tensor]) -> tuple[Steps, Steps]:
    """Return |A_l| and |A_l - A_{l-1}| of every layer, of a path that fits the steps."""
    path = as_list("path", path, "matrices", fewest=1)
    path = [as_tensor(f"path[{l}]", A) for l, A in enumerate(path)]
    for l, A in enumerate(path):
        if A.ndim != 2 or A.numel() == 0 or A.shape != path[0].shape:
            raise ValueError(
                f"path must hold (sample, width) matrices of one shape, and path[{l}] is of shape "
                f"{tuple(A.shape)}."
            )
    if len(path) != len(steps) + 1:
        raise ValueError(
            f"path must have one step between every two A: got {len(path)} A and "
            f"{len(steps)} steps."
        )
    norms = torch.stack([A.double().norm() for A in path[1:]]).cpu()
    moves = torch.stack(
        [(b.double() - a.double()).norm() for a, b in zip(path, path[1:], strict=False)]
    )
    return norms, moves.cpu()


def check_guard(guard: float) -> None:
    """Refuse a least speed that is no share of the mean one."""
    check_number("guard", guard, above=0, most=1)


def check_longest(longest: float, depth: int) -> None:
    """Refuse a longest step that `depth` steps cannot keep to."""
    check_number("longest", longest, above=0)
    if longest * depth < 1 - 1e-9:  # 1 / depth itself may be rounded down
        raise ValueError(f"longest must be at least 1 / depth = {1 / depth:.4g}, got {longest}.")


def cap(steps: Steps, longest: float | Steps) -> Steps:
    """Clip steps at `longest` and hand what is cut off to the others in proportion."""
    longest = torch.as_tensor(longest, dtype=steps.dtype).expand_as(steps)
    # Each round cuts one more step at least; those cut earlier, now at `longest`, stay cut.
    while bool((steps > longest).any()):
        cut = steps >= longest
        rest = (1 - longest[cut].sum()) / steps[~cut].sum()
        steps = torch.where(cut, longest, steps * rest)
    return steps
