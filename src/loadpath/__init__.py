"""Loadpath: the mechanics of feature learning, layer by layer along the path of representations.

`loadpath.plots`, `loadpath.report` and `loadpath.experiments` are imported by name where they are
wanted: they bring matplotlib along.
"""

from importlib.metadata import version

from loadpath import (
    adjoint,
    classifiers,
    data,
    diagnosis,
    geodesic,
    geometry,
    layer_steps,
    mechanics,
    phase_diagram,
    record,
    results,
    separation,
    spring_block,
    sweep,
    training,
)
from loadpath.diagnosis import diagnose
from loadpath.models import LeakyResNet
from loadpath.results import load
from loadpath.training import fit

__version__ = version("loadpath")

__all__ = [
    "LeakyResNet",
    "__version__",
    "adjoint",
    "classifiers",
    "data",
    "diagnose",
    "diagnosis",
    "fit",
    "geodesic",
    "geometry",
    "layer_steps",
    "load",
    "mechanics",
    "phase_diagram",
    "record",
    "results",
    "separation",
    "spring_block",
    "sweep",
    "training",
]
