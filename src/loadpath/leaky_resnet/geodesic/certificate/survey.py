"""The one forward pass over the samples that a certificate needs: bottleneck and data term."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from loadpath.leaky_resnet import objective
from loadpath.leaky_resnet.geodesic.certificate.kinks import BLOCK
from loadpath.leaky_resnet.mechanics import STRETCH, safe_ratio, slow_steps
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.training import trivial_loss


@dataclass(frozen=True)
class Survey:
    """What one forward pass over the samples says; `Measured` documents the fields."""

    waist: Tensor
    negative_share: Tensor
    most_negative: Tensor
    data_term: float
    trivial_loss: float
    overshoot: Tensor


def survey(model: LeakyResNet, x: Tensor, y: Tensor, loss: objective.AnyLoss) -> Survey:
    """Run a float64 net over x and y, which have been checked, at a cost of O(N w^2 L)."""
    n, w = model.depth + 1, model.width
    new = model.weights.new_zeros
    products, sums, negative, low, high = new(n, w, w), new(n, w), new(n), new(n), new(n)
    moves = new(model.depth)
    data_term = 0.0
    y = y.double() if objective.of_outputs(loss) else y.long()
    for x_batch, y_batch in zip(x.split(BLOCK), y.split(BLOCK), strict=True):
        path = model.path(x_batch)
        outputs = path[-1] @ model.output_map
        data_term += float(objective.data_term_of_tensors(outputs, y_batch, loss, n_total=len(x)))
        for l, A in enumerate(path):
            products[l] += A.T @ A
            sums[l] += A.sum(0)
            negative[l] += A.clamp_max(0).square().sum()
            low[l], high[l] = min(low[l], A.min()), max(high[l], A.abs().max())
            if l:
                moves[l - 1] += (A - path[l - 1]).square().sum()
    squares = products.diagonal(dim1=1, dim2=2).sum(1)
    if model.bias:  # which carries the mean for nothing
        products -= sums[:, :, None] * sums[:, None, :] / len(x)
    # (sum s^2)^2 / sum s^4 of the singular values, without finding them.
    trace = products.diagonal(dim1=1, dim2=2).sum(1)
    dimension = safe_ratio(trace.square(), products.square().sum((1, 2)))
    narrow = dimension <= STRETCH * dimension[1:-1].min() if n > 2 else new(n) > 0
    speed = safe_ratio(moves.sqrt(), model.layer_steps * squares[1:].sqrt())
    # As `layer_steps.overshoots`, from sums: an Euler step beyond rho L~ = 1 passes its target.
    leak = (model.layer_steps * model.effective_depth).clamp_min(1.0)
    past = (1 - 1 / leak) * safe_ratio(moves.sqrt(), squares[1:].sqrt())
    # Fast steps and the ends of the path reach two layers into their neighbourhood.
    fast = torch.cat(
        [torch.ones(2), 1 - slow_steps(speed, model.layer_steps).float(), torch.ones(2)]
    )
    return Survey(
        waist=narrow & (fast.unfold(0, 4, 1).sum(1) == 0),
        negative_share=safe_ratio(negative.sqrt(), squares.sqrt()),
        most_negative=safe_ratio(low, high),
        data_term=data_term,
        trivial_loss=trivial_loss(model, x.double(), y, loss),
        overshoot=past if model.step == "euler" else torch.zeros_like(past),
    )
