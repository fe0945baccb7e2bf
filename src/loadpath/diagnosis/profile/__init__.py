"""`diagnose`: one pass over any model, and every measure of every layer."""

from loadpath.diagnosis.labels import LabelReader as LabelReader
from loadpath.diagnosis.profile.diagnosed import Diagnosis
from loadpath.diagnosis.profile.options import MEASURES, Measure, check_options
from loadpath.diagnosis.profile.profile import diagnose
from loadpath.diagnosis.profile.sentences import summary

__all__ = ["Diagnosis", "MEASURES", "Measure", "check_options", "diagnose", "summary"]
