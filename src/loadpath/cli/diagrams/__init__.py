"""What commands say of chains and networks: motion, diagrams, and one beside the other."""

from loadpath.cli.diagrams.beside_chain import fit_chains
from loadpath.cli.diagrams.chain_summary import (
    concavity_with_error,
    diagram_summary,
    name_shape,
    summary,
)
from loadpath.cli.diagrams.networks import draw_diagrams

__all__ = [
    "concavity_with_error",
    "diagram_summary",
    "draw_diagrams",
    "fit_chains",
    "name_shape",
    "summary",
]
