"""What commands say about chains: of their motion, of their diagram, and beside networks."""

from loadpath.cli.chains.beside_chain import fit_chains
from loadpath.cli.chains.chain_summary import (
    concavity_with_error,
    diagram_summary,
    name_shape,
    summary,
)

__all__ = ["concavity_with_error", "diagram_summary", "fit_chains", "name_shape", "summary"]
