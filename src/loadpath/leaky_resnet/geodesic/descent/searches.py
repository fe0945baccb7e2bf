"""The searches that a phase may run, each on the coordinates that suit it."""

from __future__ import annotations

import torch
from torch import Tensor

from loadpath.leaky_resnet.adjoint import Adjoint
from loadpath.leaky_resnet.geodesic.descent.newton import Newton, Weights, hessian
from loadpath.leaky_resnet.geodesic.descent.phase import Phase
from loadpath.leaky_resnet.geodesic.descent.quasi_newton import Evaluate, QuasiNewton, Vector
from loadpath.leaky_resnet.training import Coordinates

BLIND = 1e-4
"""A direction of a layer's input is left out of the search's memory once the data's curvature in
it, at its largest, is below this share of the regularizer's."""


@torch.no_grad()
def set_coordinates(coordinates: Coordinates | Weights, v: Vector) -> None:
    """Set the coordinates to `v`, and with them the weights of their net."""
    coordinates.V.copy_(torch.from_numpy(v).view_as(coordinates.V))
    coordinates.write_weights()


def objective_of(
    coordinates: Coordinates | Weights, adjoint: Adjoint, weight_decay: float
) -> Evaluate:
    """Return the objective and its gradient as functions of the coordinates, flat, in NumPy."""

    def evaluate(v: Vector) -> tuple[float, Vector]:
        set_coordinates(coordinates, v)
        value, regularizer = adjoint.evaluate(weight_decay)
        coordinates.read_gradient()
        assert coordinates.V.grad is not None
        gradient: Vector = coordinates.V.grad.numpy(force=True).ravel()
        return value + weight_decay * regularizer, gradient

    return evaluate


def quasi_newton(
    coordinates: Coordinates, adjoint: Adjoint, phase: Phase, *, weight_decay: float
) -> QuasiNewton:
    """Return L-BFGS in curvature coordinates, with the memory that the phase asks for."""
    return QuasiNewton(
        objective_of(coordinates, adjoint, weight_decay),
        coordinates.V.detach().numpy(force=True).ravel(),
        history=phase.history,
        active=coordinates.seen(BLIND) if phase.settled else None,
    )


def newton(
    weights: Weights, adjoint: Adjoint, x: Tensor, y: Tensor, *, weight_decay: float
) -> Newton:
    """Return Newton's method, whose steps the regularizer's own curvature holds short."""
    model = weights.model

    def curvature(v: Vector) -> Vector:
        set_coordinates(weights, v)
        return hessian(model, x, y, weight_decay=weight_decay, smoothing=adjoint.smoothing)

    start = weights.V.detach().numpy().ravel()
    pull = weight_decay / model.coupling * model.layer_steps.numpy()
    metric = pull.repeat(start.size // model.depth)
    return Newton(objective_of(weights, adjoint, weight_decay), curvature, start, metric=metric)
