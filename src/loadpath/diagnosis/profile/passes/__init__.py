"""Passes over the same batches beside the recorded one: costs of layers, and next tokens."""

from loadpath.diagnosis.profile.passes.beside import Beside
from loadpath.diagnosis.profile.passes.heads import Head

__all__ = ["Beside", "Head"]
