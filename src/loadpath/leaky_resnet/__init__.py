"""Leaky ResNets [LR]: the net, its mechanics, its training, and the geodesics that it follows."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
