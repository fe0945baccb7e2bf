"""A grid of parameters by seeds, resumable, in this process, on several or on a cluster."""

from loadpath.sweep.cells import Cell, cell_name, product
from loadpath.sweep.collecting import collect
from loadpath.sweep.folder import cell_path
from loadpath.sweep.running import Failure, Outcome, run

__all__ = ["Cell", "Failure", "Outcome", "cell_name", "cell_path", "collect", "product", "run"]
