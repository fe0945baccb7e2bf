"""What a model loses without each of its layers, every one really skipped on its own."""

from loadpath.diagnosis.skipping.bypass import Call as Call
from loadpath.diagnosis.skipping.bypass import bypassing as bypassing
from loadpath.diagnosis.skipping.bypass import module_kind, reason_to_keep, watching_calls
from loadpath.diagnosis.skipping.losses import Losses as Losses
from loadpath.diagnosis.skipping.paired import MATCHED as MATCHED
from loadpath.diagnosis.skipping.paired import SHARE as SHARE
from loadpath.diagnosis.skipping.paired import OutputSums as OutputSums
from loadpath.diagnosis.skipping.paired import RatioSums, output_change
from loadpath.diagnosis.skipping.reading import Reading as Reading
from loadpath.diagnosis.skipping.scoring import LossFunction as LossFunction
from loadpath.diagnosis.skipping.scoring import Scoring as Scoring
from loadpath.diagnosis.skipping.scoring import choose_scoring as choose_scoring
from loadpath.diagnosis.skipping.skipped import output_rows as output_rows
from loadpath.diagnosis.skipping.skipped import squares_of_rows as squares_of_rows
from loadpath.diagnosis.skipping.skipped import widened as widened
from loadpath.diagnosis.skipping.skipping import skip_layers

__all__ = [
    "RatioSums",
    "module_kind",
    "output_change",
    "reason_to_keep",
    "skip_layers",
    "watching_calls",
]
