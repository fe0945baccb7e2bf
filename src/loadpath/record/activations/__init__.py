"""Elementwise nonlinearities: those that have names, and functions of the user's own."""

from loadpath.record.activations.named import ACTIVATIONS as ACTIVATIONS
from loadpath.record.activations.named import Activation as Activation
from loadpath.record.activations.named import ActivationLike as ActivationLike
from loadpath.record.activations.named import as_activation as as_activation
from loadpath.record.activations.named import features as features
from loadpath.record.activations.own import digest_of as digest_of
from loadpath.record.activations.own import slope_of as slope_of

__all__: list[str] = []
