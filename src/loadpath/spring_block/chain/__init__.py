"""The spring-block chain: its exact states, its simulation, its mean field and phase diagram."""

from loadpath.spring_block.chain.chain import Array, Chain, Dry, Smooth
from loadpath.spring_block.chain.diagram import (
    CLEAR,
    RATIO,
    chain_phase_diagram,
    turning_noise,
    unpinning_noise,
)
from loadpath.spring_block.chain.exact import mean_state, rest_state, stationary_covariance
from loadpath.spring_block.chain.mean_flow import mean_field, relax
from loadpath.spring_block.chain.schedules import (
    decaying,
    jerks,
    reheated,
    steady,
    switched_off,
)
from loadpath.spring_block.chain.simulation import simulate

__all__ = [
    "Array",
    "CLEAR",
    "Chain",
    "Dry",
    "RATIO",
    "Smooth",
    "chain_phase_diagram",
    "decaying",
    "jerks",
    "mean_field",
    "mean_state",
    "reheated",
    "relax",
    "rest_state",
    "simulate",
    "stationary_covariance",
    "steady",
    "switched_off",
    "turning_noise",
    "unpinning_noise",
]
