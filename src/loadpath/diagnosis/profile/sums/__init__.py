"""What a pass adds up of every layer, and the samples of it that are kept."""

from loadpath.diagnosis.profile.sums.layer_sums import (
    LayerSums,
    PassSums,
    Plan,
    common_rows,
)
from loadpath.diagnosis.profile.sums.samples import Waiting, copies_among, dead_shares

__all__ = [
    "LayerSums",
    "PassSums",
    "Plan",
    "Waiting",
    "common_rows",
    "copies_among",
    "dead_shares",
]
