"""Energies, Hamiltonian, ranks and bottleneck of a path of representations [LR].

Tensors are (sample, width) or streamed moments; results are 0-d float64 tensors unless said
otherwise. `profile` measures all of it on a LeakyResNet. [LR] is Jacot and Kaiser,
"Hamiltonian Mechanics of Feature Learning", arXiv:2405.17573.
"""

from loadpath.mechanics.dynamics import (
    TheoremBounds,
    balancedness,
    hamiltonian,
    hamiltonian_spread,
    momentum_activation_norm,
    momentum_norm,
    on_shell_identity,
    stationarity,
    symmetric_hamiltonian,
    theorem_bounds,
)
from loadpath.mechanics.energies import (
    Energies,
    cost_of_identity,
    cross_term,
    energies,
    energies_from_moments,
    inner_product,
    kernel_gamma,
    kinetic_energy,
    stable_hamiltonian,
)
from loadpath.mechanics.paths import (
    Projection,
    path_length,
    path_projection,
    relative_speed,
    slow_steps,
)
from loadpath.mechanics.profiling import profile
from loadpath.mechanics.ranks import (
    Bottleneck,
    bottleneck_from_spectra,
    bottleneck_rank,
    spectrum,
    stable_rank,
)

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
    "stationarity",
    "symmetric_hamiltonian",
    "theorem_bounds",
]
