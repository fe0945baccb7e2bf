"""What a model loses without each of its layers, and how well a ranking foretells it."""

from loadpath.diagnosis.skipping.ranking import verdict
from loadpath.diagnosis.skipping.skipping import skip_layers
from loadpath.diagnosis.skipping.verdict_sentences import left_out_sentences, listed
from loadpath.diagnosis.skipping.verdicts import Verdict

__all__ = ["Verdict", "left_out_sentences", "listed", "skip_layers", "verdict"]
