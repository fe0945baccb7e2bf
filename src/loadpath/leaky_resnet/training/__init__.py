"""Training: `fit`, the stages that it runs, and the record that it keeps."""

from loadpath.leaky_resnet.training.curvature import Coordinates
from loadpath.leaky_resnet.training.fitting import Run, default_weight_decay, fit
from loadpath.leaky_resnet.training.history import error, is_trivial, layer_residuals, trivial_loss
from loadpath.leaky_resnet.training.stages import (
    LBFGS,
    SGD,
    Adam,
    Stage,
    default_stages,
    paper_stages,
)

__all__ = [
    "Adam",
    "Coordinates",
    "LBFGS",
    "Run",
    "SGD",
    "Stage",
    "default_stages",
    "default_weight_decay",
    "error",
    "fit",
    "is_trivial",
    "layer_residuals",
    "paper_stages",
    "trivial_loss",
]
