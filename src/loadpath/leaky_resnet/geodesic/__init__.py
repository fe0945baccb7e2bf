"""Representation geodesics: solved, certified, and checked by independent means."""

from loadpath.leaky_resnet.geodesic import linear
from loadpath.leaky_resnet.geodesic.certificate import (
    STABLE,
    Certificate,
    LeastNorm,
    by_width,
    certify,
    least_norm,
)
from loadpath.leaky_resnet.geodesic.descent import Descent as Descent
from loadpath.leaky_resnet.geodesic.descent import Phase as Phase
from loadpath.leaky_resnet.geodesic.endpoints import FixedEnd, FreeEnd
from loadpath.leaky_resnet.geodesic.hamiltonian_flow import Flow, flow
from loadpath.leaky_resnet.geodesic.solution import Geodesic
from loadpath.leaky_resnet.geodesic.solver import solve

__all__ = [
    "Certificate",
    "FixedEnd",
    "Flow",
    "FreeEnd",
    "Geodesic",
    "LeastNorm",
    "STABLE",
    "by_width",
    "certify",
    "flow",
    "least_norm",
    "linear",
    "solve",
]
