"""Training: `fit`, the stages that it runs, and the record that it keeps."""

from loadpath.leaky_resnet.training.baseline import errors_in_words as errors_in_words
from loadpath.leaky_resnet.training.curvature import Coordinates as Coordinates
from loadpath.leaky_resnet.training.fitting import default_weight_decay, fit
from loadpath.leaky_resnet.training.history import error as error
from loadpath.leaky_resnet.training.history import is_trivial as is_trivial
from loadpath.leaky_resnet.training.history import layer_residuals as layer_residuals
from loadpath.leaky_resnet.training.history import trivial_loss as trivial_loss
from loadpath.leaky_resnet.training.run import Run
from loadpath.leaky_resnet.training.stages import (
    LBFGS,
    SGD,
    Adam,
    Stage,
    default_stages,
    paper_stages,
)
from loadpath.leaky_resnet.training.torch_stage import TorchOptimizer

__all__ = [
    "Adam",
    "LBFGS",
    "Run",
    "SGD",
    "Stage",
    "TorchOptimizer",
    "default_stages",
    "default_weight_decay",
    "fit",
    "paper_stages",
]
