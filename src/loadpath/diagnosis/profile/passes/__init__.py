"""Passes over the same batches beside the recorded one: what layers take to run."""

from loadpath.diagnosis.profile.passes.beside import Beside

__all__ = ["Beside"]
