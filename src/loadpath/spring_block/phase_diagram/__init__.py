"""Phase diagrams of networks: load curves over noise and nonlinearity [SB], cell by cell."""

from loadpath.spring_block.phase_diagram.cell_curves import check_curves as check_curves
from loadpath.spring_block.phase_diagram.cell_curves import mean_curves
from loadpath.spring_block.phase_diagram.cells import axes, collect, measure, run
from loadpath.spring_block.phase_diagram.chain_comparison import beside_chain, draw_from_chain
from loadpath.spring_block.phase_diagram.levels import NOISES, Panel
from loadpath.spring_block.phase_diagram.setting import FORMERLY as FORMERLY
from loadpath.spring_block.phase_diagram.setting import Setting
from loadpath.spring_block.phase_diagram.straightness import Correlation, correlation

__all__ = [
    "Correlation",
    "NOISES",
    "Panel",
    "Setting",
    "axes",
    "beside_chain",
    "collect",
    "correlation",
    "draw_from_chain",
    "mean_curves",
    "measure",
    "run",
]
