"""Phase diagrams of networks: load curves over noise and nonlinearity [SB], cell by cell."""

from loadpath.phase_diagram.cells import SLOPES, axes, collect, measure, run
from loadpath.phase_diagram.chains import beside_chain
from loadpath.phase_diagram.setting import Setting
from loadpath.phase_diagram.statistics import Correlation, correlation

__all__ = [
    "SLOPES",
    "Correlation",
    "Setting",
    "axes",
    "beside_chain",
    "collect",
    "correlation",
    "measure",
    "run",
]
