"""Elementwise nonlinearities, and the features S = [phi(A), 1] that they make of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An elementwise nonlinearity, with its derivative as a function of its own output.

    `backward(grad, S)` multiplies `grad` in place by the derivative where the output was S, so that
    the adjoint recursion keeps one tensor a layer. `gain` is E[phi(z)^2] for z ~ N(0, 1).
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], object]
    gain: float


ACTIVATIONS = {
    "relu": Activation(
        torch.relu, lambda g, S: aten.threshold_backward.grad_input(g, S, 0, grad_input=g), 0.5
    ),
    "leaky_relu": Activation(
        lambda z: nn.functional.leaky_relu(z, 0.1),
        lambda g, S: aten.leaky_relu_backward.grad_input(g, S, 0.1, True, grad_input=g),
        0.505,
    ),
    "tanh": Activation(
        torch.tanh, lambda g, S: aten.tanh_backward.grad_input(g, S, grad_input=g), 0.3943
    ),
    "softplus": Activation(nn.functional.softplus, lambda g, S: g.mul_(-torch.expm1(-S)), 0.9211),
    "identity": Activation(lambda z: z, lambda g, S: g, 1.0),
}
"""The nonlinearities by their names; the slope of leaky_relu below 0 is 0.1."""


def features(
    A: Float[Tensor, "sample width"], *, activation: str = "relu", bias: bool = True
) -> Float[Tensor, "sample feature"]:
    """Return S = [phi(A), 1], without the column of ones if `bias` is False.

    Parameters
    ----------
    A : Tensor
        (sample, width) representation.
    activation : str
        A name in `ACTIVATIONS`.
    bias : bool
        Whether the column of ones is there.

    Returns
    -------
    Tensor
        (sample, width + 1), or (sample, width) without the column.

    Raises
    ------
    ValueError
        If `activation` is not known.
    """
    if activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        raise ValueError(f"activation must be one of {known}, got {activation!r}.")
    S = ACTIVATIONS[activation].forward(A)
    return torch.cat([S, S.new_ones(len(S), 1)], dim=1) if bias else S
