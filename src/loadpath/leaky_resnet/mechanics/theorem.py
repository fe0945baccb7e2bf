r"""Theorem 4 of [LR]: the Hamiltonian of a path against its least cost of identity."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_layer_steps, as_list, as_path_of_rows, check_number
from loadpath.leaky_resnet.mechanics.hamiltonians import hamiltonian_of_products
from loadpath.leaky_resnet.mechanics.metric import Scalar, inner_product, with_features
from loadpath.record import ActivationLike
from loadpath.results import Shown


def on_shell_identity(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    B: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gamma: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> tuple[Scalar, Scalar]:
    r"""Return both sides of the identity behind Theorem 4, which are equal on a geodesic.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    dA : Tensor
        (sample, width): the velocity dA/dp; at the start of a net's step, $S W^\top - \tilde L A$.
    B : Tensor
        (sample, width): the momenta; those of a net are `step_momenta`.
    effective_depth : float
        The leakage $\tilde L$, above 0.
    gamma : float
        The stabilizer, above 0, in the units of K.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    left, right : Tensor
        0-d, float64, dimensionless.

    Raises
    ------
    ValueError
        If `effective_depth` or `gamma` is not finite and above 0, or the matrices do not match.

    Notes
    -----
    $-\frac{2}{\tilde L} H = \|A\|^2_{K+\gamma} - \|\tilde L^{-1} dA + \gamma B\|^2_{K+\gamma}
    + \gamma \|B\|_F^2$ holds wherever $dA = \tilde L (K B - A)$. The cost is O(N w^2 + w^3).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, proof of Theorem 4.
    """
    check_number("effective_depth", effective_depth, above=0)
    check_number("gamma", gamma, above=0)
    S, A, dA, B = with_features(A, dA=dA, B=B, activation=activation, bias=bias)
    H = hamiltonian_of_products(B.T @ S, (B * A).sum(), effective_depth)
    V = dA / effective_depth + gamma * B
    right = inner_product(S, A, A, gamma=gamma) - inner_product(S, V, V, gamma=gamma)
    return -2 / effective_depth * H, right + gamma * B.square().sum()


@dataclass(frozen=True, repr=False)
class TheoremBounds(Shown):
    r"""Both sides of Theorem 4, which hold for any path with dA = L~ (K B - A); all float64.

    Here $\gamma c$ is the largest $\gamma_l \|B_l\|_F^2$.
    """

    lower: Tensor
    r"""$-(l/\tilde L + \sqrt{\gamma c})^2$ with path length l, 0-d."""
    middle: Tensor
    r"""$-(2/\tilde L) H_l - \min_p \mathrm{COI}_\gamma$, (step,): all equal if H is conserved."""
    upper: Tensor
    r"""$\gamma c$, 0-d."""
    vacuous: bool
    """Whether `lower` is no more than -min COI, which allows even a dimension -(2/L~) H of 0."""
    speed_lower: Tensor
    r"""$-\tilde L\sqrt{\gamma c}$, 0-d."""
    speed_middle: Tensor
    r"""$\|dA\|_{K+\gamma} - \tilde L\sqrt{\max(0, \mathrm{COI}_\gamma + (2/\tilde L)H)}$,
    (step,)."""
    speed_upper: Tensor
    r"""$2\tilde L\sqrt{\gamma c}$, 0-d."""
    speed_vacuous: Tensor
    """Where the speed is bounded from below by a negative number only, (step,) bool."""


def theorem_bounds(
    A: Sequence[Float[Tensor, "sample width"]],
    dA: Sequence[Float[Tensor, "sample width"]],
    B: Sequence[Float[Tensor, "sample width"]],
    layer_steps: Float[Tensor, " step"],
    *,
    effective_depth: float,
    gamma: float | Sequence[float],
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> TheoremBounds:
    r"""Return Theorem 4 on a path: how far $-(2/\tilde L)H$ may be from the least cost of identity.

    Parameters
    ----------
    A, dA, B : sequence of Tensor
        For every step l, $A_{l-1}$, the velocity $dA_l$ there and $B_l$, each (sample, width); of a
        net, $S_{l-1} W_l^\top - \tilde L A_{l-1}$ and `step_momenta`.
    layer_steps : Tensor
        (step,): the layer steps.
    effective_depth : float
        The leakage $\tilde L$, above 0.
    gamma : float or sequence of float
        The stabilizer, above 0, in the units of K; one for all steps, or one for each.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    TheoremBounds
        Both sides of the theorem, for the Hamiltonian and for the speed.

    Raises
    ------
    ValueError
        If the lists differ in length, or `effective_depth` or `gamma` is not finite and above 0.

    Notes
    -----
    On a discrete stationary path `upper` holds for the entry of `middle` at the least cost of
    identity, and `lower` for that of the slowest step; both hold for all entries where H is
    conserved.

    `gamma` may differ from step to step. The identity behind the theorem (`on_shell_identity`)
    knows one step and its gamma alone, so both bounds hold as for one gamma, with each norm at
    its own $\gamma_l$. The cost is O(N w^2 L).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Theorem 4. That gamma may differ by step is derived here.
    """
    check_number("effective_depth", effective_depth, above=0)
    layer_steps = as_layer_steps("layer_steps", layer_steps)
    A, dA = as_path_of_rows("A", A, fewest=0), as_path_of_rows("dA", dA, fewest=0)
    B = as_path_of_rows("B", B, fewest=0)
    if not len(A) == len(dA) == len(B) == len(layer_steps) > 0:
        sizes = (len(A), len(dA), len(B), len(layer_steps))
        raise ValueError(f"A, dA, B and layer_steps must be of one length, got {sizes}.")
    if not isinstance(gamma, Sequence) and getattr(gamma, "ndim", 0) == 0:
        gamma = [gamma] * len(A)
    gammas = as_list("gamma", gamma, "numbers")
    for each in gammas:
        check_number("gamma", each, above=0)
    if len(gammas) != len(A):
        raise ValueError(f"gamma must be one number or {len(A)}, one a step, got {len(gammas)}.")
    cost, speed, H, gamma_c = [], [], [], 0.0
    for A_l, dA_l, B_l, gamma_l in zip(A, dA, B, gammas, strict=True):
        S, A_l, dA_l, B_l = with_features(A_l, dA=dA_l, B=B_l, activation=activation, bias=bias)
        cost.append(inner_product(S, A_l, A_l, gamma=gamma_l))
        speed.append(inner_product(S, dA_l, dA_l, gamma=gamma_l).sqrt())
        H.append(hamiltonian_of_products(B_l.T @ S, (B_l * A_l).sum(), effective_depth))
        gamma_c = max(gamma_c, gamma_l * float(B_l.square().sum()))
    COI, v, dimension = torch.stack(cost), torch.stack(speed), -2 / effective_depth * torch.stack(H)
    slack = torch.tensor(math.sqrt(gamma_c), dtype=torch.float64)
    length = (layer_steps.to(v) * v).sum()
    lower = -(length / effective_depth + slack).square()
    expected = effective_depth * (COI - dimension).clamp_min(0).sqrt()
    return TheoremBounds(
        lower=lower,
        middle=dimension - COI.min(),
        upper=slack.square(),
        vacuous=bool(lower <= -COI.min()),
        speed_lower=-effective_depth * slack,
        speed_middle=v - expected,
        speed_upper=2 * effective_depth * slack,
        speed_vacuous=expected <= effective_depth * slack,
    )
