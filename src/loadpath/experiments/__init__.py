"""The experiments behind the figures: grids of training runs, each cell on disk once it is done."""

from loadpath.experiments.experiment import Experiment
from loadpath.experiments.figures import FIGURES, Figure, draw
from loadpath.experiments.runs import EXPERIMENTS

__all__ = ["EXPERIMENTS", "FIGURES", "Experiment", "Figure", "draw"]
