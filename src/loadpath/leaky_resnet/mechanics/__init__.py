"""Energies, Hamiltonian and bottleneck of a path of representations [LR].

Tensors are (sample, width) or streamed moments; results are 0-d float64 tensors unless said
otherwise. `profile` measures all of it on a LeakyResNet. [LR] is Jacot and Kaiser,
"Hamiltonian Mechanics of Feature Learning", arXiv:2405.17573.
"""

from loadpath.leaky_resnet.mechanics.bottleneck import STRETCH as STRETCH
from loadpath.leaky_resnet.mechanics.bottleneck import (
    Bottleneck,
    bottleneck_from_spectra,
    bottleneck_rank,
)
from loadpath.leaky_resnet.mechanics.hamiltonians import (
    hamiltonian,
    hamiltonian_spread,
    momentum_activation_norm,
    momentum_norm,
    symmetric_hamiltonian,
)
from loadpath.leaky_resnet.mechanics.hamiltonians import (
    hamiltonian_of_products as hamiltonian_of_products,
)
from loadpath.leaky_resnet.mechanics.layer_energies import (
    cost_of_identity,
    cross_term,
    kinetic_energy,
)
from loadpath.leaky_resnet.mechanics.metric import coupling as coupling
from loadpath.leaky_resnet.mechanics.metric import gamma_of_rows as gamma_of_rows
from loadpath.leaky_resnet.mechanics.metric import inner_product, kernel_gamma
from loadpath.leaky_resnet.mechanics.metric import safe_ratio as safe_ratio
from loadpath.leaky_resnet.mechanics.paths import (
    Projection,
    path_length,
    path_projection,
    relative_speed,
    slow_steps,
)
from loadpath.leaky_resnet.mechanics.profiling import HOMOGENEOUS as HOMOGENEOUS
from loadpath.leaky_resnet.mechanics.profiling import profile
from loadpath.leaky_resnet.mechanics.rescaling import step_momenta
from loadpath.leaky_resnet.mechanics.rescaling import (
    step_momenta_of_tensors as step_momenta_of_tensors,
)
from loadpath.leaky_resnet.mechanics.stationary_point import balancedness, stationarity
from loadpath.leaky_resnet.mechanics.step_energies import (
    Energies,
    energies,
    energies_from_moments,
    stable_hamiltonian,
)
from loadpath.leaky_resnet.mechanics.step_energies import energies_of_rows as energies_of_rows
from loadpath.leaky_resnet.mechanics.streaming import check_data as check_data
from loadpath.leaky_resnet.mechanics.theorem import (
    TheoremBounds,
    on_shell_identity,
    theorem_bounds,
)
from loadpath.measures import spectrum, stable_rank, stable_rank_of_spectrum

__all__ = [
    "Bottleneck",
    "Energies",
    "Projection",
    "TheoremBounds",
    "balancedness",
    "bottleneck_from_spectra",
    "bottleneck_rank",
    "cost_of_identity",
    "cross_term",
    "energies",
    "energies_from_moments",
    "hamiltonian",
    "hamiltonian_spread",
    "inner_product",
    "kernel_gamma",
    "kinetic_energy",
    "momentum_activation_norm",
    "momentum_norm",
    "on_shell_identity",
    "path_length",
    "path_projection",
    "profile",
    "relative_speed",
    "slow_steps",
    "spectrum",
    "stable_hamiltonian",
    "stable_rank",
    "stable_rank_of_spectrum",
    "stationarity",
    "step_momenta",
    "symmetric_hamiltonian",
    "theorem_bounds",
]
