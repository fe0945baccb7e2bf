"""`diagnose`: one pass over any model, and every measure of every layer."""

from loadpath.diagnosis.profile.profile import MEASURES, Measure, check_options, diagnose
from loadpath.diagnosis.profile.summary import summary

__all__ = ["MEASURES", "Measure", "check_options", "diagnose", "summary"]
