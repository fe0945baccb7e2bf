"""Energies, Hamiltonian, ranks and bottleneck of a path of representations [LR].

Tensors are (sample, width) or streamed moments; results are 0-d float64 tensors unless said
otherwise. `profile` measures all of it on a LeakyResNet. [LR] is Jacot and Kaiser,
"Hamiltonian Mechanics of Feature Learning", arXiv:2405.17573.
"""

from loadpath.leaky_resnet.mechanics.bottleneck import (
    STRETCH,
    Bottleneck,
    bottleneck_from_spectra,
    bottleneck_rank,
    spectrum,
    stable_rank,
    stable_rank_of_spectrum,
)
from loadpath.leaky_resnet.mechanics.dynamics import (
    TheoremBounds,
    balancedness,
    hamiltonian,
    hamiltonian_of_products,
    hamiltonian_spread,
    momentum_activation_norm,
    momentum_norm,
    on_shell_identity,
    stationarity,
    symmetric_hamiltonian,
    theorem_bounds,
)
from loadpath.leaky_resnet.mechanics.energies import (
    Energies,
    cost_of_identity,
    coupling,
    cross_term,
    energies,
    energies_from_moments,
    energies_of_rows,
    gamma_of_rows,
    inner_product,
    kernel_gamma,
    kinetic_energy,
    safe_ratio,
    stable_hamiltonian,
)
from loadpath.leaky_resnet.mechanics.paths import (
    Projection,
    path_length,
    path_projection,
    relative_speed,
    slow_steps,
)
from loadpath.leaky_resnet.mechanics.profiling import HOMOGENEOUS, profile
from loadpath.leaky_resnet.mechanics.streaming import check_data

__all__ = [
    "Bottleneck",
    "Energies",
    "HOMOGENEOUS",
    "Projection",
    "STRETCH",
    "TheoremBounds",
    "balancedness",
    "bottleneck_from_spectra",
    "bottleneck_rank",
    "check_data",
    "cost_of_identity",
    "coupling",
    "cross_term",
    "energies",
    "energies_from_moments",
    "energies_of_rows",
    "gamma_of_rows",
    "hamiltonian",
    "hamiltonian_of_products",
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
    "safe_ratio",
    "slow_steps",
    "spectrum",
    "stable_hamiltonian",
    "stable_rank",
    "stable_rank_of_spectrum",
    "stationarity",
    "symmetric_hamiltonian",
    "theorem_bounds",
]
