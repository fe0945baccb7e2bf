"""Representation geodesics: solved, certified, and checked by independent means."""

from loadpath.geodesic import linear
from loadpath.geodesic.certificate import Certificate, certify
from loadpath.geodesic.flow import Flow, flow
from loadpath.geodesic.solution import Geodesic
from loadpath.geodesic.solver import solve
from loadpath.geodesic.subgradient import LeastNorm, by_width, least_norm

__all__ = [
    "Certificate",
    "Flow",
    "Geodesic",
    "LeastNorm",
    "by_width",
    "certify",
    "flow",
    "least_norm",
    "linear",
    "solve",
]
