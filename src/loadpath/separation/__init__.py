"""Data separation: what each layer does to the spread of classes, and how the layers share it."""

from loadpath.separation.collapse import (
    NeuralCollapse,
    Simplex,
    nc1,
    nc2,
    nc3,
    nc4,
    neural_collapse,
)
from loadpath.separation.load_curve import LoadCurve
from loadpath.separation.moments import ClassMoments, TargetMoments
from loadpath.separation.probe import probe
from loadpath.separation.scatter import Scatter
from loadpath.separation.separations import log_separation, target_separation

__all__ = [
    "ClassMoments",
    "LoadCurve",
    "NeuralCollapse",
    "Scatter",
    "Simplex",
    "TargetMoments",
    "log_separation",
    "nc1",
    "nc2",
    "nc3",
    "nc4",
    "neural_collapse",
    "probe",
    "target_separation",
]
