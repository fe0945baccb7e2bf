"""How residual blocks go together: as steps of a path, as a random walk, or as an ensemble."""

from loadpath.laws.composing.power import DepthPower, depth_power
from loadpath.laws.composing.verdict import Composition, composition

__all__ = ["Composition", "DepthPower", "composition", "depth_power"]
