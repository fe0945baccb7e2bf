"""How a model is called with what a batch holds, and what the masks among its arguments say."""

from loadpath.record.calls.batch import Batch, CallError
from loadpath.record.calls.calling import SPLIT, arguments, named_arguments
from loadpath.record.calls.padding import (
    SOURCE_MASKS,
    TARGET_MASKS,
    masks_in,
    own_mask,
    source_mask,
)

__all__ = [
    "Batch",
    "CallError",
    "SOURCE_MASKS",
    "SPLIT",
    "TARGET_MASKS",
    "arguments",
    "masks_in",
    "named_arguments",
    "own_mask",
    "source_mask",
]
