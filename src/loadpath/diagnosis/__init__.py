"""Diagnosis of any model, layer by layer: one pass, one Dataset, a verdict with proof."""

from loadpath.diagnosis.profile import MEASURES, Measure, diagnose

__all__ = ["MEASURES", "Measure", "diagnose"]
