"""The spring-block theory [SB]: layers as blocks on springs, with friction and noise."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
