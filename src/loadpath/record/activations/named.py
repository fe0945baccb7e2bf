"""Elementwise nonlinearities, and the features S = [phi(A), 1] that they make of a layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from loadpath.checks import shown
from loadpath.record.activations.own import check_elementwise, gain_of, name_of, slope_of

aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """An elementwise nonlinearity, with its derivative as a function of its own output.

    `backward(grad, S)` multiplies `grad` in place by the derivative where the output was S, so that
    the adjoint recursion keeps one tensor a layer; None for a function of the user's own, whose
    derivative only its input tells. `gain` is E[phi(z)^2] for z ~ N(0, 1).
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], object] | None
    gain: float
    name: str = ""
    """What results call a function of the user's own."""

    def __call__(self, A: Tensor) -> Tensor:
        """Return phi(A)."""
        return self.forward(A)

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    def pull_back(self, grad: Tensor, A: Tensor, S: Tensor) -> None:
        """Multiply `grad` in place by the derivative at A, where the output was S.

        Parameters
        ----------
        grad, A, S : Tensor
            Of one shape.
        """
        if self.backward is None:
            grad.mul_(slope_of(self.forward, A))
        else:
            self.backward(grad, S)


ActivationLike = str | Callable[[Tensor], Tensor]
"""What functions take as an activation: a name in `ACTIVATIONS`, or an elementwise function."""


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


def as_activation(activation: ActivationLike) -> Activation:
    """Return an activation by its name, or made of an elementwise function.

    Parameters
    ----------
    activation : str or callable
        What was given.

    Returns
    -------
    Activation
        The function, its derivative and its gain.

    Raises
    ------
    ValueError
        If there is no such name, or the function is not elementwise.
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str) or not callable(activation) or isinstance(activation, type):
        if not isinstance(activation, str) or activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be one of {', '.join(ACTIVATIONS)}, or an elementwise function "
                f"of a tensor, got {shown(activation)}."
            )
        return ACTIVATIONS[activation]
    check_elementwise(activation)
    return Activation(activation, None, gain_of(activation), name_of(activation))


def features(
    A: Float[Tensor, "sample width"], *, activation: ActivationLike = "relu", bias: bool = True
) -> Float[Tensor, "sample feature"]:
    """Return S = [phi(A), 1], without the column of ones if `bias` is False.

    Parameters
    ----------
    A : Tensor
        (sample, width) representation.
    activation : str or callable
        A name in `ACTIVATIONS`, or an elementwise function.
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
    S = as_activation(activation).forward(A)
    return torch.cat([S, S.new_ones(len(S), 1)], dim=1) if bias else S
