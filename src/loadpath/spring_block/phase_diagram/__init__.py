"""Phase diagrams of networks: load curves over noise and nonlinearity [SB], cell by cell."""

from loadpath.spring_block.phase_diagram.beside_chain import as_if_chains, beside_chain
from loadpath.spring_block.phase_diagram.cells import SLOPES, axes, collect, measure, run
from loadpath.spring_block.phase_diagram.setting import NOISES, Panel, Setting
from loadpath.spring_block.phase_diagram.straightness import Correlation, correlation

__all__ = [
    "Correlation",
    "NOISES",
    "Panel",
    "SLOPES",
    "Setting",
    "as_if_chains",
    "axes",
    "beside_chain",
    "collect",
    "correlation",
    "measure",
    "run",
]
