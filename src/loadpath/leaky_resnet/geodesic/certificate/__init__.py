"""The certificate: how near a net is to a geodesic, and how that is known."""

from loadpath.leaky_resnet.geodesic.certificate.certificate import STABLE, Certificate, certify
from loadpath.leaky_resnet.geodesic.certificate.measured import NOT_CONVERGED
from loadpath.leaky_resnet.geodesic.certificate.momenta import momenta_on_kinks
from loadpath.leaky_resnet.geodesic.certificate.refinement import with_refinement
from loadpath.leaky_resnet.geodesic.certificate.slopes import LeastNorm
from loadpath.leaky_resnet.geodesic.certificate.subgradient import ITERATIONS, by_width, least_norm

__all__ = [
    "STABLE",
    "Certificate",
    "ITERATIONS",
    "LeastNorm",
    "NOT_CONVERGED",
    "by_width",
    "certify",
    "least_norm",
    "momenta_on_kinks",
    "with_refinement",
]
