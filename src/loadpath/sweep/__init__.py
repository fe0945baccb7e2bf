"""A grid of parameters by seeds, resumable, in this process, on several or on a cluster."""

from loadpath.sweep.cells import Cell, product
from loadpath.sweep.collecting import collect, load
from loadpath.sweep.running import Failure, Outcome, run

__all__ = ["Cell", "Failure", "Outcome", "collect", "load", "product", "run"]
