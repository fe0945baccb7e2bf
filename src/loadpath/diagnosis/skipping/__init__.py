"""What a model loses without each of its layers, and how well a ranking foretells it."""

from loadpath.diagnosis.skipping.skipping import skip_layers
from loadpath.diagnosis.skipping.verdict import Verdict, verdict
from loadpath.diagnosis.skipping.verdict_words import listed

__all__ = ["Verdict", "listed", "skip_layers", "verdict"]
