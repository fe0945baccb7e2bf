"""The two ends that a path may have: free, at a price, or fixed."""

from loadpath.leaky_resnet.geodesic.endpoints.fixed import FixedEnd
from loadpath.leaky_resnet.geodesic.endpoints.free import FreeEnd
from loadpath.leaky_resnet.geodesic.endpoints.naming import End, as_end, samples_for

__all__ = ["End", "FixedEnd", "FreeEnd", "as_end", "samples_for"]
