"""Noise that is set while a model trains, so that its load curve becomes straight."""

from loadpath.diagnosis.steering.knobs import Knob
from loadpath.diagnosis.steering.steer import Steer

__all__ = ["Knob", "Steer"]
