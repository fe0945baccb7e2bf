"""The figures of the papers, redrawn from our runs."""

from loadpath.plots.papers.audit import figure_1a_certified, figure_audit
from loadpath.plots.papers.figure_1 import figure_1a, figure_1b, figure_1c
from loadpath.plots.papers.figure_2 import figure_2a, figure_2b, figure_2c
from loadpath.plots.papers.figures_of_data import figure_3, figure_digits, figure_scale
from loadpath.plots.papers.learnable import figure_2_learnable
from loadpath.plots.papers.surgery import figure_growth, figure_surgery

__all__ = [
    "figure_1a",
    "figure_1a_certified",
    "figure_1b",
    "figure_1c",
    "figure_2_learnable",
    "figure_2a",
    "figure_2b",
    "figure_2c",
    "figure_3",
    "figure_audit",
    "figure_digits",
    "figure_growth",
    "figure_scale",
    "figure_surgery",
]
