"""How the layers of a model put out their samples, found out by running its first batch.

`Layout` knows, for every call of every layer, which tensor is its output, which axis of that has
the samples, and which mask says what is padding. `watch_calls` sees all calls of one pass.
"""

from loadpath.record.layout.axes import axis_of_shape, input_axis
from loadpath.record.layout.layout import Layout, Place
from loadpath.record.layout.masking import Mask, TokenMask
from loadpath.record.layout.outputs import Output, choose_given
from loadpath.record.layout.trial import Call, Seen, watch_calls

__all__ = [
    "Call",
    "Layout",
    "Mask",
    "Output",
    "Place",
    "Seen",
    "TokenMask",
    "axis_of_shape",
    "choose_given",
    "input_axis",
    "watch_calls",
]
