"""The net from which a descent begins."""

from __future__ import annotations

import torch

from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.geodesic.architecture import Architecture
from loadpath.leaky_resnet.geodesic.endpoints import End
from loadpath.leaky_resnet.model import LeakyResNet


def first_net(
    model: LeakyResNet, start: LeakyResNet | None, end: End, architecture: Architecture
) -> tuple[LeakyResNet, bool]:
    """Return the net to begin at, and whether its weights are random and want a warm start."""
    if start is not None:
        follow_another(model, start)
        return model, False
    if model.activation == "identity":
        stand_still(model)
        return model, False
    return end.coarsened(model, architecture), True


def follow_another(model: LeakyResNet, other: LeakyResNet) -> None:
    """Give a net the weights of another, as functions of p, scaled with L~."""
    if other.weights.shape[1:] != model.weights.shape[1:]:
        raise ValueError(
            f"start must have layers of shape {tuple(model.weights.shape[1:])}, got "
            f"{tuple(other.weights.shape[1:])}."
        )
    # On the other's own leakage, for the mesh need not suit it.
    old, new = (net.layer_steps.double().cpu() for net in (other, model))
    shares = meshes.overlaps(old, new)
    with torch.no_grad():
        weights = torch.tensordot(shares.to(model.weights), other.weights.to(model.weights), 1)
        model.weights.copy_(weights * (model.coupling / other.coupling))


def stand_still(model: LeakyResNet) -> None:
    """Give a linear net the weights that make up for the leakage, so that its path rests.

    From random weights a linear path of negative determinant would have to pass through a
    singular matrix.
    """
    with torch.no_grad():
        model.weights[:, :, : model.width] = model.effective_depth * torch.eye(model.width)
