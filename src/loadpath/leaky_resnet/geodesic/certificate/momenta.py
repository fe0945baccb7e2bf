"""Momenta of a path whose activations sit on kinks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.leaky_resnet import objective
from loadpath.leaky_resnet.geodesic.certificate.slopes import LeastNorm
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.record import as_activation

Nodes = Float[Tensor, "node sample width"]


def momenta_on_kinks(
    model: LeakyResNet,
    x: Float[Tensor, "sample in"],
    y: Tensor,
    found: LeastNorm,
    *,
    weight_decay: float,
    loss: objective.AnyLoss = "mse",
) -> tuple[Nodes, Nodes]:
    r"""Return the path and the momenta of the least-norm subgradient, (layer + 1, sample, width).

    $B_{l-1} = d_l B_l + g_l\, s_{l-1} \circ (B_l V_l)$ with the derivatives s that `least_norm`
    chose for activations on a kink, and the usual ones elsewhere. It costs 4 N w^2 L operations.
    """
    A = x.new_empty(model.depth + 1, len(x), model.width)
    B = torch.empty_like(A)
    activation = as_activation(model.activation)
    decay, gain = (c.tolist() for c in model.coefficients())
    with torch.no_grad():
        A[0] = x @ model.input_map
        for l, W in enumerate(model.weights):
            A[l + 1] = decay[l] * A[l] + gain[l] * (model.features(A[l]) @ W.T)
    end = A[-1].clone().requires_grad_()
    C = objective.data_term_of_tensors(end @ model.output_map, y, loss)
    B[-1] = torch.autograd.grad(C, end)[0] / -weight_decay
    with torch.no_grad():
        for l in range(model.depth - 1, -1, -1):
            pull = B[l + 1] @ model.weights[l, :, : model.width]
            slope = torch.ones_like(pull)
            activation.pull_back(slope, A[l], activation.forward(A[l]))
            slope.view(-1)[found.indices[l].to(slope.device)] = found.slopes[l].to(slope)
            torch.addcmul(decay[l] * B[l + 1], slope, pull, value=gain[l], out=B[l])
    return A, B
