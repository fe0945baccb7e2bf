"""Recording of any nn.Module, layer by layer in one pass; streamed, mergeable second moments.

`stream` runs the model and puts everything back. `Reduction` says how maps and sequences become
rows. `second_moments(record.stream(...))` makes `Moments` of every layer. Sums merge with `merge`,
across processes with `all_merge`, and through files with `save_sums` and `load_sums`. `Sketch`
narrows wide features; `Moments(width, sketch=record.WIDE)` does so by itself.
"""

from loadpath.record.activations import ACTIVATIONS
from loadpath.record.activations import Activation as Activation
from loadpath.record.activations import ActivationLike as ActivationLike
from loadpath.record.activations import as_activation as as_activation
from loadpath.record.activations import digest_of as digest_of
from loadpath.record.activations import features as features
from loadpath.record.activations import slope_of as slope_of
from loadpath.record.batches import Loader, Split
from loadpath.record.batches import batches_of as batches_of
from loadpath.record.batches import prepare as prepare
from loadpath.record.batches import with_bar as with_bar
from loadpath.record.blocks import find_blocks
from loadpath.record.calls import Batch as Batch
from loadpath.record.hooks import OwnRandomness as OwnRandomness
from loadpath.record.hooks import evaluation_mode as evaluation_mode
from loadpath.record.hooks import replacing_method as replacing_method
from loadpath.record.hooks import unfused_evaluation as unfused_evaluation
from loadpath.record.hooks import watching as watching
from loadpath.record.keeping import keeping_generators as keeping_generators
from loadpath.record.layout import Layout as Layout
from loadpath.record.layout import Output, TokenMask
from loadpath.record.paths import PathNet
from loadpath.record.paths import is_path_net as is_path_net
from loadpath.record.recorded import Description, Recorded
from loadpath.record.recording import INPUT
from loadpath.record.recording import Recording as Recording
from loadpath.record.recording import blocks_of as blocks_of
from loadpath.record.reduction import Maps, Reduced, Reduction, Tokens
from loadpath.record.selection import Layers
from loadpath.record.selection import Site as Site
from loadpath.record.selection import kind_of as kind_of
from loadpath.record.selection import select as select
from loadpath.record.selection import sites_of as sites_of
from loadpath.record.selection import unwrapped as unwrapped
from loadpath.record.streaming import second_moments, stream
from loadpath.record.streaming import stream_beside as stream_beside
from loadpath.record.structures import FIRST_CHOICES as FIRST_CHOICES
from loadpath.record.structures import OutputPath as OutputPath
from loadpath.record.structures import at as at
from loadpath.record.structures import is_real as is_real
from loadpath.record.structures import leaves as leaves
from loadpath.record.structures import mapped as mapped
from loadpath.record.structures import tensor_of as tensor_of
from loadpath.record.structures import values_of as values_of
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
from loadpath.record.visiting import device_of as device_of
from loadpath.record.visiting import visit as visit

__all__ = [
    "ACTIVATIONS",
    "Block",
    "Description",
    "INPUT",
    "Layers",
    "Loader",
    "Maps",
    "Moments",
    "Output",
    "PathNet",
    "Recorded",
    "Reduced",
    "Reduction",
    "Rows",
    "Sketch",
    "Split",
    "Streamed",
    "TokenMask",
    "Tokens",
    "WIDE",
    "all_merge",
    "find_blocks",
    "load_sums",
    "save_sums",
    "second_moments",
    "stream",
]
