"""Fits of the chain to measured load curves."""

from loadpath.spring_block.fitting.estimates import OPEN
from loadpath.spring_block.fitting.fitting import FORCE_NOISE, FRICTION, fit
from loadpath.spring_block.fitting.least_squares import CHUNK, NUDGE
from loadpath.spring_block.fitting.result import Fit

__all__ = ["CHUNK", "FORCE_NOISE", "FRICTION", "Fit", "NUDGE", "OPEN", "fit"]
