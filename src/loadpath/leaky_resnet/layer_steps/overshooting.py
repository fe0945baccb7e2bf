"""How far Euler steps shoot past where the leakage draws a representation."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_layer_steps, as_path_of_rows, check_number
from loadpath.leaky_resnet.layer_steps.rules import Steps, norms_and_moves


@torch.no_grad()
def overshoots(
    steps: Steps, path: list[Tensor], *, effective_depth: float
) -> Float[Tensor, " depth"]:
    r"""Return how far each Euler step shoots past where the leakage draws the representation.

    Parameters
    ----------
    steps : Tensor
        (depth,): layer steps $\rho_l$.
    path : list of Tensor
        A_0, ..., A_L, each (sample, width), of a net with Euler steps.
    effective_depth : float
        Its leakage $\tilde L$, at least 0.

    Returns
    -------
    Tensor
        (depth,), float64: $(\rho_l \tilde L - 1)\, c_l / \tilde L$, c_l the speed of `adapted`,
        as a share of the size of A_l; 0 where $\rho_l \tilde L \leq 1$, and where A_l is 0.

    Raises
    ------
    ValueError
        If `steps` or `effective_depth` is out of range, or `path` has not one step between every
        two A.

    Notes
    -----
    With the target $T = S_{l-1} W_l^\top / \tilde L$ an Euler step is
    $A_l - T = (1 - \rho_l \tilde L)(A_{l-1} - T)$: beyond $\rho_l \tilde L = 1$ the distance from
    the target changes its sign, and beyond 2 it grows. It is
    $\lVert A_{l-1} - T \rVert = \lVert A_l - A_{l-1} \rVert / (\rho_l \tilde L)$, which is small in
    a bottleneck, where $S W^\top \approx \tilde L A$. The cost is O(N w L).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, section on discretization, where $\rho_l \tilde L < 1$ is
    said to be dispensable inside the bottleneck. The measure is ours.

    Examples
    --------
    A step of 1.5 / L~ that moves A by a tenth passes its target by a third of that:

    >>> import torch
    >>> import loadpath as lp
    >>> path = [torch.tensor([[a]]) for a in (0.9, 1.0, 1.0)]
    >>> steps = torch.tensor([0.75, 0.25], dtype=torch.float64)
    >>> found = lp.layer_steps.overshoots(steps, path, effective_depth=2.0)
    >>> [round(float(each), 3) for each in found]
    [0.033, 0.0]
    """
    steps = as_layer_steps("steps", steps)
    check_number("effective_depth", effective_depth, least=0)
    path = as_path_of_rows("path", path)
    norms, moves = norms_and_moves(steps, path)
    leak = (steps * effective_depth).clamp_min(1.0)  # 1 where nothing is passed
    return torch.where(norms > 0, (1 - 1 / leak) * moves / norms, 0.0)


def longest_steps(
    steps: Steps, path: list[Tensor], *, effective_depth: float, overshoot: float
) -> Steps:
    """Return the longest step of each layer that would overshoot by at most a share of |A_l|."""
    norms, moves = norms_and_moves(steps, path)
    # (rho L~ - 1) c / L~ <= overshoot with c = |dA| / (rho_l |A|), the present speed.
    room = overshoot * steps * norms / moves.clamp_min(torch.finfo(torch.float64).tiny)
    return (1 / effective_depth + room).nan_to_num(nan=1 / effective_depth)
