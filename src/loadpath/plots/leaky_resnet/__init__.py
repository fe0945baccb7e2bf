"""Leaky ResNets: the path of a net, its training, and how near to a geodesic it is."""

from loadpath.plots.leaky_resnet.certificate import (
    descent,
    hamiltonians,
    residuals,
)
from loadpath.plots.leaky_resnet.path import (
    energies,
    mesh,
    momenta,
    ranks,
    speed,
    stationarity,
)
from loadpath.plots.leaky_resnet.representations import (
    check_paths as check_paths,
)
from loadpath.plots.leaky_resnet.representations import (
    path_2d,
    representation_spectrum,
    sample_paths,
    weight_spectrum,
)
from loadpath.plots.leaky_resnet.training import (
    convergence,
    learning_curves,
    mesh_history,
)

__all__ = [
    "convergence",
    "descent",
    "energies",
    "hamiltonians",
    "learning_curves",
    "mesh",
    "mesh_history",
    "momenta",
    "path_2d",
    "ranks",
    "representation_spectrum",
    "residuals",
    "sample_paths",
    "speed",
    "stationarity",
    "weight_spectrum",
]
