"""The spring-block chain: layers are blocks on springs, nonlinearity friction, noise shaking."""

from loadpath.spring_block.chain import Chain, Dry, Smooth
from loadpath.spring_block.diagram import phase_diagram, unpinning_noise
from loadpath.spring_block.exact import mean_state, rest_state, stationary_covariance
from loadpath.spring_block.fitting import Fit, fit
from loadpath.spring_block.mean_field import mean_field
from loadpath.spring_block.schedules import decaying, jerks, reheated, steady, switched_off
from loadpath.spring_block.simulation import simulate

__all__ = [
    "Chain",
    "Dry",
    "Fit",
    "Smooth",
    "decaying",
    "fit",
    "jerks",
    "mean_field",
    "mean_state",
    "phase_diagram",
    "reheated",
    "rest_state",
    "simulate",
    "stationary_covariance",
    "steady",
    "switched_off",
    "unpinning_noise",
]
