"""Data term of a LeakyResNet, and the momenta that are its derivatives along the path."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_above_zero
from loadpath.leaky_resnet.model import LeakyResNet

Loss = Literal["mse", "cross-entropy"]
"""Names of the data terms."""
LOSSES: tuple[Loss, ...] = ("mse", "cross-entropy")
"""The names as values."""


def check_loss(loss: str) -> None:
    """Refuse what is not the name of a loss.

    Parameters
    ----------
    loss : str
        What was given.

    Raises
    ------
    ValueError
        If `loss` is not one of `LOSSES`.
    """
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}.")


def data_term(
    outputs: Float[Tensor, "sample out"], y: Tensor, loss: Loss, *, n_total: int | None = None
) -> Float[Tensor, ""]:
    r"""Return the data term C of the objective.

    $C = \frac1N \sum_i \|y_i - f_i\|^2$ for "mse", a sum over outputs, and the mean cross-entropy
    for "cross-entropy".

    Parameters
    ----------
    outputs : Tensor
        (sample, out): what the net puts out.
    y : Tensor
        (sample, out) for "mse", (sample,) class numbers for "cross-entropy".
    loss : {"mse", "cross-entropy"}
        Which data term.
    n_total : int, optional
        The N to divide by, where the samples are a part of more; their number if left out.

    Returns
    -------
    Tensor
        0-d; in squared units of y for "mse", in nats for "cross-entropy".

    Raises
    ------
    ValueError
        If `loss` is unknown.
    """
    check_loss(loss)
    if loss == "mse":
        total = (outputs - y).square().sum()
    else:
        total = torch.nn.functional.cross_entropy(outputs, y, reduction="sum")
    return total / (n_total or len(outputs))


def momenta(
    model: LeakyResNet,
    x: Float[Tensor, "sample in"],
    y: Tensor,
    *,
    weight_decay: float,
    loss: Loss = "mse",
    n_total: int | None = None,
) -> tuple[list[Float[Tensor, "sample width"]], list[Float[Tensor, "sample width"]]]:
    r"""Return the path and its momenta, read off autograd.

    Parameters
    ----------
    model : LeakyResNet
        The net; it is left as it is.
    x : Tensor
        (sample, in): inputs, of the net's dtype and on its device.
    y : Tensor
        (sample, out) for "mse", (sample,) class numbers for "cross-entropy".
    weight_decay : float
        The $\lambda$ of the objective, above 0.
    loss : {"mse", "cross-entropy"}
        Which data term.
    n_total : int, optional
        The number of samples in all, where x is one batch of them. Momenta of different samples do
        not mix, so those of the batches can be stacked.

    Returns
    -------
    path : list of Tensor
        $A_0, \dots, A_L$, each (sample, width).
    momenta : list of Tensor
        $B_0, \dots, B_L$, each (sample, width), in the inverse units of A.

    Raises
    ------
    ValueError
        If `weight_decay` is not finite and above 0, or `loss` is unknown.

    Notes
    -----
    $B_l = -\frac1\lambda\, \partial C / \partial A_l$, where C is the data term alone. The cost is
    that of one forward and one backward pass.

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation.
    """
    check_above_zero("weight_decay", weight_decay)
    with torch.enable_grad():
        path = model.path_from((x @ model.input_map).detach().requires_grad_())
        C = data_term(path[-1] @ model.output_map, y, loss, n_total=n_total)
        gradients = torch.autograd.grad(C, path)
    return [A.detach() for A in path], [-g / weight_decay for g in gradients]
