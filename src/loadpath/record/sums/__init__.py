"""Streamed sums over samples: they grow batch by batch, merge, and go through files.

`Streamed` is what they share, `Moments` the second moments of a layer, `Sketch` the projection that
narrows wide features.
"""

from loadpath.record.sums.merging import all_merge, load_sums, save_sums
from loadpath.record.sums.moments import Block, Moments, Rows
from loadpath.record.sums.sketch import WIDE, Sketch
from loadpath.record.sums.streamed import Streamed

__all__ = [
    "Block",
    "Moments",
    "Rows",
    "Sketch",
    "Streamed",
    "WIDE",
    "all_merge",
    "load_sums",
    "save_sums",
]
