"""Loadpath: the mechanics of feature learning, layer by layer along the path of representations.

Every public name is loaded when it is first used, so that `import loadpath` takes no longer than
Python's own start; the names stand in the stub file beside this one.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
