"""Training: `fit`, the stages that it runs, and the record that it keeps."""

from loadpath.training.fitting import Run, fit
from loadpath.training.stages import LBFGS, SGD, Adam, Stage, default_stages, paper_stages

__all__ = ["LBFGS", "SGD", "Adam", "Run", "Stage", "default_stages", "fit", "paper_stages"]
