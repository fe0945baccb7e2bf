"""Descent on an objective whose kinks are rounded off."""

from loadpath.leaky_resnet.geodesic.descent.descent import Descent, Phase

__all__ = ["Descent", "Phase"]
