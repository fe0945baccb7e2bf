r"""Momenta, conservation laws and speeds along a path, and Theorem 4 [LR].

Lists over steps pair, at step l = 1..L, the representation A_{l-1} it starts from, the forward
difference dA_l = (A_l - A_{l-1}) / rho_l, and the momentum B_l: the pairing in which a stationary
point of the discrete Euler objective satisfies the continuous relations exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_rows, check_above_zero
from loadpath.leaky_resnet.mechanics.energies import (
    PerStep,
    Scalar,
    coupling,
    inner_product,
    safe_ratio,
    samples,
)


def hamiltonian(
    A: Float[Tensor, "sample width"],
    B: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    activation: str = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Hamiltonian of a representation A with momenta B, without any inverse.

    $H = \frac{c}{2}\|B^\top S\|_F^2 - \tilde L\,\mathrm{Tr}[B^\top A]$,
    c = L~ (1 where L~ = 0). Constant in p on a geodesic, where $-(2/\tilde L) H$ tends to the
    bottleneck rank as L~ grows. Cost O(N w^2).

    Raises: ValueError if `effective_depth` is negative, or A and B are not finite and of one shape.
    Source: Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation.
    """
    S, A, B = samples(A, B=B, activation=activation, bias=bias)
    return hamiltonian_of_products(B.T @ S, (B * A).sum(), effective_depth)


def hamiltonian_of_products(BtS: Tensor, BtA: Tensor, effective_depth: float) -> Scalar:
    """`hamiltonian` from B^T S (width, feature) and Tr[B^T A], which add up over batches."""
    return coupling(effective_depth) / 2 * BtS.square().sum() - effective_depth * BtA


def symmetric_hamiltonian(
    path: Sequence[Float[Tensor, "sample width"]],
    momenta: Sequence[Float[Tensor, "sample width"]],
    *,
    effective_depth: float,
    activation: str = "relu",
    bias: bool = True,
) -> PerStep:
    r"""Hamiltonian of every step, $(H(A_{l-1}, B_l) + H(A_l, B_l)) / 2$, as (step,).

    A stationary point of the discrete Euler objective is a symplectic Euler step, whose own
    conserved energy this is up to second order in the layer steps; H(A_{l-1}, B_l), for which
    dA = L~ (K B - A) holds exactly, and H(A_l, B_l) drift to first order. Cost O(N w^2 L).

    Raises: ValueError if `path` and `momenta` differ in length, and as `hamiltonian`.
    """
    if len(path) != len(momenta) or len(path) < 2:
        sizes = f"{len(path)} and {len(momenta)}"
        raise ValueError(f"path and momenta must be of one length of at least 2, got {sizes}.")
    pairs = zip(path, path[1:], momenta[1:], strict=False)
    options: dict[str, Any] = dict(
        effective_depth=effective_depth, activation=activation, bias=bias
    )
    H = [
        hamiltonian(start, B, **options) + hamiltonian(end, B, **options) for start, end, B in pairs
    ]
    return torch.stack(H) / 2


def hamiltonian_spread(H: Float[Tensor, " layer"]) -> Scalar:
    """How far H is from constant over the layers: (max - min) / max |H|, and 0 where H is 0."""
    return safe_ratio(H.max() - H.min(), H.abs().max())


def momentum_norm(B: Float[Tensor, "sample width"]) -> Scalar:
    """||B||_F, in the inverse units of A."""
    return as_rows("B", B).norm()


def momentum_activation_norm(
    A: Float[Tensor, "sample width"],
    B: Float[Tensor, "sample width"],
    *,
    activation: str = "relu",
    bias: bool = True,
) -> Scalar:
    """||B^T S||_F, which is ||W||_F / L~ on a geodesic; dimensionless. Cost O(N w^2)."""
    S, A, B = samples(A, B=B, activation=activation, bias=bias)
    return (B.T @ S).norm()


def stationarity(
    W: Float[Tensor, "width feature"],
    A: Float[Tensor, "sample width"],
    B: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gain_ratio: float = 1.0,
    activation: str = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Stationarity residual of one layer, $\|W - c\,(g/\rho)\,B^\top S\|_F / \|W\|_F$.

    W = W_l acts on A = A_{l-1} and produces A_l, whose momenta are B = B_l; c = L~ (1 where
    L~ = 0). `gain_ratio` g/rho is 1 for Euler, (1 - e^{-rho L~}) / (rho L~) for the exponential
    step. It is the gradient of the objective by W_l, relative to that of the regularizer.
    Zero weights without momenta count as stationary. Cost O(N w^2).

    Raises: ValueError if shapes do not match or entries are not finite.
    Source: Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation.
    """
    S, A, B = samples(A, B=B, activation=activation, bias=bias)
    W = as_rows("W", W, shape=(B.shape[1], S.shape[1]))
    return stationarity_of_product(W, B.T @ S, coupling(effective_depth) * gain_ratio)


def stationarity_of_product(W: Tensor, BtS: Tensor, factor: float) -> Scalar:
    """`stationarity` from B^T S (width, feature), a sum over batches; factor = c g / rho."""
    return safe_ratio((W - factor * BtS).norm(), W.norm())


def balancedness(
    weights: Float[Tensor, "step width feature"],
    layer_steps: Float[Tensor, " step"],
    *,
    effective_depth: float,
    bias: bool = True,
) -> PerStep:
    r"""Relative error of the balance of weights and biases, per step.

    At a stationary point of the continuous problem, with an activation that is homogeneous (relu,
    leaky relu, identity), $\|W_p\|^2 = \|W_0\|^2 + 2 \tilde L \int_0^p \|b_q\|^2 dq$, where b is
    the bias column of W. For $\mathrm{Tr}[B^\top A]$ grows by $\|b\|^2 / \tilde L$ per unit of p,
    exactly even in the discrete net, and
    $\|W\|^2 = 2\tilde L(H + \tilde L\,\mathrm{Tr}[B^\top A])$. As H is conserved to first order in
    the layer steps, so is this balance.

    Returns $(\|W_l\|^2 - P_l) / P_l$, (step,), where the prediction P_l starts at $\|W_1\|^2$ and
    integrates over the distance between the middles of the steps. 0 at step 1; 0 for zero weights.

    Raises: ValueError if `weights` is not finite and (step, width, feature) for `layer_steps`.
    Source: Jacot and Kaiser, arXiv:2405.17573, balancedness; the factor 2 is derived here.
    """
    coupling(effective_depth)
    if weights.ndim != 3 or layer_steps.shape != weights.shape[:1]:
        raise ValueError(
            "weights must be (step, width, feature) for as many layer_steps, got "
            f"{tuple(weights.shape)} and {tuple(layer_steps.shape)}."
        )
    W = as_rows("weights", weights.flatten(1)).reshape(weights.shape)
    rho = layer_steps.to(W)
    squares = W.square().sum((1, 2))
    growth = rho * W[:, :, -1].square().sum(1) if bias else torch.zeros_like(rho)
    between = (growth[1:] + growth[:-1]) / 2
    predicted = squares[0] + 2 * effective_depth * torch.cat([rho.new_zeros(1), between.cumsum(0)])
    return safe_ratio(squares - predicted, predicted)


def on_shell_identity(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    B: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gamma: float,
    activation: str = "relu",
    bias: bool = True,
) -> tuple[Scalar, Scalar]:
    r"""Both sides of the identity that holds wherever dA = L~ (K B - A), so on a geodesic.

    $-\frac{2}{\tilde L} H = \|A\|^2_{K+\gamma} - \|\tilde L^{-1} dA + \gamma B\|^2_{K+\gamma}
    + \gamma \|B\|_F^2$. Cost O(N w^2 + w^3).

    Raises: ValueError if `effective_depth` or `gamma` is not positive or the matrices do not match.
    Source: Jacot and Kaiser, arXiv:2405.17573, proof of Theorem 4.
    """
    check_above_zero("effective_depth", effective_depth)
    S, A, dA, B = samples(A, dA=dA, B=B, activation=activation, bias=bias)
    H = hamiltonian_of_products(B.T @ S, (B * A).sum(), effective_depth)
    V = dA / effective_depth + gamma * B
    right = inner_product(S, A, A, gamma=gamma) - inner_product(S, V, V, gamma=gamma)
    return -2 / effective_depth * H, right + gamma * B.square().sum()


@dataclass(frozen=True)
class TheoremBounds:
    r"""Both sides of Theorem 4; all float64, and true of any path with dA = L~ (K B - A).

    gamma c is the largest $\gamma_l \|B_l\|_F^2$.
    """

    lower: Tensor
    r"""$-(l/\tilde L + \sqrt{\gamma c})^2$ with path length l, 0-d."""
    middle: Tensor
    r"""$-(2/\tilde L) H_l - \min_p \mathrm{COI}_\gamma$, (step,): all equal where H is."""
    upper: Tensor
    r"""$\gamma c$, 0-d."""
    vacuous: bool
    """True if `lower` is no more than -min COI: then even a dimension -(2/L~) H of 0 is allowed."""
    speed_lower: Tensor
    r"""$-\tilde L\sqrt{\gamma c}$, 0-d."""
    speed_middle: Tensor
    r"""$\|dA\|_{K+\gamma} - \tilde L\sqrt{\max(0, \mathrm{COI}_\gamma + (2/\tilde L)H)}$,
    (step,)."""
    speed_upper: Tensor
    r"""$2\tilde L\sqrt{\gamma c}$, 0-d."""
    speed_vacuous: Tensor
    """(step,) bool: True where the speed is only bounded from below by a negative number."""


def theorem_bounds(
    A: Sequence[Float[Tensor, "sample width"]],
    dA: Sequence[Float[Tensor, "sample width"]],
    B: Sequence[Float[Tensor, "sample width"]],
    layer_steps: Float[Tensor, " step"],
    *,
    effective_depth: float,
    gamma: float | Sequence[float],
    activation: str = "relu",
    bias: bool = True,
) -> TheoremBounds:
    r"""Theorem 4 on a path: how far $-(2/\tilde L)H$ may be from the least cost of identity.

    Lists over the steps: A_{l-1}, dA_l and B_l. On a discrete stationary path `upper` holds for
    the entry of `middle` at the least cost of identity and `lower` for that of the slowest step;
    for all entries where H is conserved.

    `gamma` may differ from step to step. The identity behind the theorem (`on_shell_identity`)
    knows one step and its gamma alone, so both bounds hold as for one gamma, with each norm at
    its own gamma_l, and gamma c the largest $\gamma_l\|B_l\|_F^2$. Cost O(N w^2 L).

    Raises: ValueError if the lists differ in length, or `effective_depth` or `gamma` is not
    positive.
    Source: Jacot and Kaiser, arXiv:2405.17573, Theorem 4; gamma by step is derived here.
    """
    check_above_zero("effective_depth", effective_depth)
    if not len(A) == len(dA) == len(B) == len(layer_steps) > 0:
        sizes = (len(A), len(dA), len(B), len(layer_steps))
        raise ValueError(f"A, dA, B and layer_steps must be of one length, got {sizes}.")
    gammas = list(gamma) if isinstance(gamma, Sequence) else [gamma] * len(A)
    if len(gammas) != len(A):
        raise ValueError(f"gamma must be one number or {len(A)}, one a step, got {len(gammas)}.")
    cost, speed, H, gamma_c = [], [], [], 0.0
    for A_l, dA_l, B_l, gamma_l in zip(A, dA, B, gammas, strict=True):
        S, A_l, dA_l, B_l = samples(A_l, dA=dA_l, B=B_l, activation=activation, bias=bias)
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
