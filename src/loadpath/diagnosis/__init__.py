"""Diagnosis of any PyTorch model: which layers do the work, which could go, and how that changes.

`diagnose` measures every layer in one pass, `skip_layers` really skips each, `verdict` holds the
one against the other, and `Monitor` does the cheaper half of it while a model trains.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
