"""Passes beside the recorded one: costs of layers, next tokens, and predicted harm."""

from loadpath.diagnosis.profile.passes.beside import Beside
from loadpath.diagnosis.profile.passes.heads import Head
from loadpath.diagnosis.profile.passes.predicted import (
    FirstBatches,
    Rank,
    check_rank,
    with_prediction,
)

__all__ = ["Beside", "FirstBatches", "Head", "Rank", "check_rank", "with_prediction"]
