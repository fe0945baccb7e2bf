"""Recording of any nn.Module, layer by layer in one pass; streamed, mergeable second moments.

`stream` runs the model and puts everything back. `Reduction` says how maps and sequences become
rows. `second_moments(record.stream(...))` makes `Moments` of every layer. Sums merge with `merge`,
across processes with `all_merge`, and through files with `save_sums` and `load_sums`. `Sketch`
narrows wide features; `Moments(width, sketch=record.WIDE)` does so by itself.
"""

from loadpath.record.activations import ACTIVATIONS, features
from loadpath.record.batches import Loader, Split, batches_of, prepare
from loadpath.record.blocks import find_blocks
from loadpath.record.calls import Batch
from loadpath.record.hooks import (
    OwnRandomness,
    evaluating,
    evaluation_mode,
    replacing_method,
    watching,
)
from loadpath.record.layout import Layout, Output, Seen, TokenMask, choose_given, watch_calls
from loadpath.record.paths import PathNet, is_path_net
from loadpath.record.recorded import Description, Recorded
from loadpath.record.recording import INPUT, blocks_of
from loadpath.record.reduction import Maps, Reduced, Reduction, Tokens
from loadpath.record.selection import Layers, Site, select, sites_of, unwrapped
from loadpath.record.streaming import second_moments, stream
from loadpath.record.structures import mapped, tensor_of
from loadpath.record.sums import (
    WIDE,
    Block,
    Moments,
    Rows,
    Sketch,
    Streamed,
    all_merge,
    load_sums,
    save_sums,
)
from loadpath.record.visiting import device_of, visit

__all__ = [
    "ACTIVATIONS",
    "Batch",
    "Block",
    "Description",
    "INPUT",
    "Layers",
    "Layout",
    "Loader",
    "Maps",
    "Moments",
    "Output",
    "OwnRandomness",
    "PathNet",
    "Recorded",
    "Reduced",
    "Reduction",
    "Rows",
    "Seen",
    "Site",
    "Sketch",
    "Split",
    "Streamed",
    "TokenMask",
    "Tokens",
    "WIDE",
    "all_merge",
    "batches_of",
    "blocks_of",
    "choose_given",
    "device_of",
    "evaluating",
    "evaluation_mode",
    "features",
    "find_blocks",
    "is_path_net",
    "load_sums",
    "mapped",
    "prepare",
    "replacing_method",
    "save_sums",
    "second_moments",
    "select",
    "sites_of",
    "stream",
    "tensor_of",
    "unwrapped",
    "visit",
    "watch_calls",
    "watching",
]
