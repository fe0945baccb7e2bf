"""Recording of any nn.Module, layer by layer in one pass; streamed, mergeable second moments.

>>> for recorded in record.stream(model, loader):          # layers found by themselves
...     for layer, rows in recorded.features.items():      # (row, width), in order of running
...         use(rows, recorded.labels_of(layer), recorded.sample[layer])
>>> recorded.description.layers[layer]                     # what "the output of the layer" means

`stream` runs the model and puts everything back; `Reduction` says how maps and sequences become
rows; `second_moments(record.stream(...))` makes `Moments` of every layer. `Streamed` sums merge:
with `merge`, across processes with `all_merge`, and through files with `save_sums` and `load_sums`.
`Sketch` narrows wide features; `Moments(width, sketch=record.WIDE)` does so by itself.
"""

from loadpath.record.batches import Batch, batches_of, prepare
from loadpath.record.blocks import find_blocks
from loadpath.record.hooks import OwnRandomness, evaluating, evaluation_mode, instead, watching
from loadpath.record.merging import all_merge, load_sums, save_sums
from loadpath.record.moments import Block, Moments, Rows, as_rows, features
from loadpath.record.reduction import Reduced, Reduction, mapped, tensor_of
from loadpath.record.selection import Site, select, sites_of, unwrapped
from loadpath.record.sketch import WIDE, Sketch
from loadpath.record.streamed import Streamed
from loadpath.record.streaming import Description, Recorded, second_moments, stream
from loadpath.record.threads import cores, side_by_side, torch_threads
from loadpath.record.visiting import device_of, visit

__all__ = [
    "WIDE",
    "Batch",
    "Block",
    "Description",
    "Moments",
    "OwnRandomness",
    "Recorded",
    "Reduced",
    "Reduction",
    "Rows",
    "Site",
    "Sketch",
    "Streamed",
    "all_merge",
    "as_rows",
    "batches_of",
    "cores",
    "device_of",
    "evaluating",
    "evaluation_mode",
    "features",
    "find_blocks",
    "instead",
    "load_sums",
    "mapped",
    "prepare",
    "save_sums",
    "second_moments",
    "select",
    "side_by_side",
    "sites_of",
    "stream",
    "tensor_of",
    "torch_threads",
    "unwrapped",
    "visit",
    "watching",
]
