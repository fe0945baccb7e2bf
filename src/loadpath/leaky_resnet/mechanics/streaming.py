"""The pass over the samples behind `loadpath.mechanics.profile`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from loadpath.checks import check_count
from loadpath.leaky_resnet.mechanics.rescaling import step_momenta_of_tensors
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import (
    AnyLoss,
    LossLike,
    as_problem,
    data_term_of_tensors,
    momenta,
    of_outputs,
)
from loadpath.record import Moments


@dataclass(frozen=True)
class Sums:
    """What one pass over the samples adds up; B_l are the momenta that `step_momenta` gives."""

    moments: list[Moments]
    """The second moments of [S, A] of every layer."""
    BtS: Tensor
    """B_l^T S_l for every layer, (layer, width, feature)."""
    BtA: Tensor
    """Tr[B_l^T A_l] for every layer, (layer,)."""
    BtS_across: Tensor
    """B_l^T S_{l-1} for every step, (step, width, feature)."""
    BtA_across: Tensor
    """Tr[B_l^T A_{l-1}] for every step, (step,)."""
    BtB: Tensor
    """||B_l||^2 for every layer, (layer,)."""
    negative: Tensor
    """||min(A_l, 0)||^2 for every layer, (layer,)."""
    data_term: Tensor
    """The data term, 0-d."""


def stream(
    model: LeakyResNet,
    x: Tensor,
    y: Tensor,
    *,
    weight_decay: float,
    loss: AnyLoss,
    batch_size: int,
) -> Sums:
    """Run `model` over x, y in batches, and add up what `profile` needs."""
    L, w, f = model.depth, model.width, model.width + model.bias
    new = model.weights.new_zeros
    moments = [
        Moments(w, velocity=False, activation=model.activation, bias=model.bias)
        for _ in range(L + 1)
    ]
    sums = Sums(
        moments=moments,
        BtS=new(L + 1, w, f),
        BtA=new(L + 1),
        BtS_across=new(L, w, f),
        BtA_across=new(L),
        BtB=new(L + 1),
        negative=new(L + 1),
        data_term=new(()),
    )
    for x_batch, y_batch in zip(x.split(batch_size), y.split(batch_size), strict=True):
        x_batch = x_batch.to(model.weights)
        y_batch = y_batch.to(
            model.weights.device, torch.float64 if of_outputs(loss) else torch.int64
        )
        path, derivatives = momenta(
            model, x_batch, y_batch, weight_decay=weight_decay, loss=loss, n_total=len(x)
        )
        B = step_momenta_of_tensors(model, derivatives)
        outputs = path[-1] @ model.output_map
        sums.data_term.add_(data_term_of_tensors(outputs, y_batch, loss, n_total=len(x)))
        for l in range(L + 1):
            sums.moments[l].update(path[l])
            S = model.features(path[l])
            sums.BtS[l] += B[l].T @ S
            sums.BtA[l] += (B[l] * path[l]).sum()
            if l < L:
                sums.BtS_across[l] += B[l + 1].T @ S
                sums.BtA_across[l] += (B[l + 1] * path[l]).sum()
            sums.BtB[l] += B[l].square().sum()
            sums.negative[l] += path[l].clamp_max(0).square().sum()
    return sums


def check_data(
    model: LeakyResNet, x: Any, y: Any, loss: LossLike | None, batch_size: int
) -> tuple[Tensor, Tensor, AnyLoss]:
    """Return inputs and targets as tensors, and the loss; refuse what `profile` cannot run.

    Parameters
    ----------
    model : LeakyResNet
        The net.
    x, y : object
        Inputs and targets, or x alone where it holds both.
    loss : {"mse", "cross-entropy"} or None
        The data term; None is the one that the targets ask for.
    batch_size : int
        Number of samples that are run at once.

    Returns
    -------
    x, y : Tensor
        Inputs and targets.
    loss : {"mse", "cross-entropy"}
        The data term.

    Raises
    ------
    ValueError
        If x and y are not finite, not of the model's sizes or not equally many, a class number is
        out of range, the weights are not finite, or `batch_size` or `loss` is not one to use.
    """
    check_count("batch_size", batch_size, 1)
    return as_problem(model, x, y, loss)
