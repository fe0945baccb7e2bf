"""The last step of `solve`: certify where a descent ended, and name how it ended."""

from __future__ import annotations

import torch
from torch import Tensor

from loadpath.leaky_resnet.geodesic.certificate import (
    ITERATIONS,
    NOT_CONVERGED,
    Certificate,
    certify,
    momenta_on_kinks,
    with_refinement,
)
from loadpath.leaky_resnet.geodesic.descent import Descent
from loadpath.leaky_resnet.geodesic.endpoints import End
from loadpath.leaky_resnet.geodesic.history import history
from loadpath.leaky_resnet.geodesic.limits import Limits
from loadpath.leaky_resnet.geodesic.phases import SUBSET
from loadpath.leaky_resnet.geodesic.solution import Geodesic
from loadpath.results import Status

LEAST_ITERATIONS = 15
"""Fewest iterations of the certificate's search. It is shorter where there are many samples, for
what it finds is an upper bound at any length."""


def conclude(
    descent: Descent, end: End, y: Tensor, limits: Limits, refined: list[tuple[int, float]]
) -> Geodesic:
    """Certify where a descent ended, name how it ended, and put all of it into one value."""
    model, x, target = descent.model, descent.x, descent.y
    weight_decay, loss = descent.weight_decay, descent.loss
    certificate = certify(
        model,
        x,
        target,
        weight_decay=weight_decay,
        loss=loss,
        kink_width=limits.kink_width,
        tolerance=limits.tolerance,
        iterations=max(LEAST_ITERATIONS, min(ITERATIONS, ITERATIONS * SUBSET // len(x))),
        threads=limits.threads,
    )
    A, B = momenta_on_kinks(
        model, x, target, certificate.least_norm, weight_decay=weight_decay, loss=loss
    )
    with torch.no_grad():
        action = float(model.regularizer())
    objective = end.objective(certificate.data_term, action, weight_decay)
    error = end.error(A[-1], y)
    certificate = end.corrected(certificate, action, weight_decay)
    if refined:
        certificate = with_refinement(certificate, [(model.depth, objective), *refined])
    status = end.outcome(_judged(descent.status, certificate), certificate, error)
    return Geodesic(
        model=model.requires_grad_(False),
        A=A,
        B=B,
        p=model.p,
        certificate=certificate,
        status=status,
        endpoint=end.name,
        end_error=error,
        objective=objective,
        weight_decay=weight_decay,
        loss=loss,
        x=x,
        target=target,
        history=history(descent, status),
        seconds=descent.seconds,
    )


def _judged(status: Status, certificate: Certificate) -> Status:
    """Return how a descent ended, in the light of the certificate.

    What a limit in time cut short may be good enough.
    """
    if status not in (Status.RUNNING, Status.OUT_OF_TIME):
        return status
    if certificate.verdict != NOT_CONVERGED:
        return Status.CONVERGED
    return Status.NOT_CONVERGED if status == Status.RUNNING else status
