"""Descent on an objective whose kinks are rounded off."""

from loadpath.leaky_resnet.geodesic.descent.descent import Descent
from loadpath.leaky_resnet.geodesic.descent.phase import Phase

__all__ = ["Descent", "Phase"]
