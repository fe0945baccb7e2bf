"""The same problem on finer meshes, and the continuum they tend to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from loadpath.leaky_resnet.geodesic.certificate.certificate import Certificate


def extrapolated(values: Sequence[float]) -> tuple[float, float | None]:
    """Return the continuum value of objectives on meshes of L, 2L, 4L... layers, and their order.

    Two values show no order (None) and are extrapolated at the Euler step's, 1: J = 2 J_2L - J_L.
    Three or more give the order p = log2 of the ratio of the last two changes. The extrapolation
    uses it if it lies between 0.5 and 2.5, and order 1 otherwise, for then the meshes are not in
    their asymptotic range.
    """
    last = values[-1] - values[-2]
    order = None
    if len(values) > 2:
        ratio = (values[-2] - values[-3]) / last if last else math.inf
        order = math.log2(ratio) if ratio > 0 else math.nan
    used = order if order is not None and 0.5 <= order <= 2.5 else 1.0
    return values[-1] + last / (2**used - 1), order


def with_refinement(certificate: Certificate, values: Sequence[tuple[int, float]]) -> Certificate:
    """Return the certificate with (depth, objective) of its own mesh and finer ones."""
    limit, order = extrapolated([value for _, value in values])
    return replace(
        certificate,
        refinement=tuple(values),
        continuum_objective=limit,
        refinement_order=order,
    )
