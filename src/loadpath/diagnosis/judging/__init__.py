"""A verdict: which layers to try without, and how well a ranking by movement foretells harm."""

from loadpath.diagnosis.judging.ranking import verdict
from loadpath.diagnosis.judging.verdicts import Verdict

__all__ = ["Verdict", "verdict"]
