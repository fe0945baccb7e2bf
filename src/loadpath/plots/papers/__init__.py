"""The figures of the papers, redrawn from our runs."""

from loadpath.plots.papers.audit import figure_1a_certified, figure_audit
from loadpath.plots.papers.figures import (
    figure_1a,
    figure_1b,
    figure_1c,
    figure_2a,
    figure_2b,
    figure_2c,
    figure_3,
    figure_digits,
    figure_scale,
)
from loadpath.plots.papers.surgery import figure_growth, figure_surgery

__all__ = [
    "figure_1a",
    "figure_1a_certified",
    "figure_1b",
    "figure_1c",
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
