"""The experiments behind the figures: grids of training runs, each cell on disk once it is done."""

from loadpath.papers.experiment import Experiment
from loadpath.papers.figures import FIGURES, Figure, draw
from loadpath.papers.runs import EXPERIMENTS

__all__ = ["EXPERIMENTS", "Experiment", "FIGURES", "Figure", "draw"]
