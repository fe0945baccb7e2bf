"""All energies of one step of the path at once, from samples or from streamed moments [LR]."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_number, check_type
from loadpath.leaky_resnet.mechanics.metric import (
    Scalar,
    coupling,
    regress_on_features,
    with_features,
)
from loadpath.record import ActivationLike, Moments
from loadpath.results import Shown


@dataclass(frozen=True, repr=False)
class Energies(Shown):
    """Energies of one step of the path, 0-d float64 tensors; dimensionless but for `gamma`."""

    cost_of_identity: Tensor
    """||A||^2 in the metric: the stabilized dimension of the representation."""
    kinetic_energy: Tensor
    """(1 / 2 L~) ||dA||^2 in the metric."""
    cross_term: Tensor
    """The inner product of dA and A in the metric."""
    stable_hamiltonian: Tensor
    """kinetic_energy - (L~ / 2) cost_of_identity."""
    gamma: float
    """The stabilizer that was used, in the units of K."""


def stable_hamiltonian(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gamma: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Return the Hamiltonian with the stabilized inverse kernel.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    dA : Tensor
        (sample, width): the velocity dA/dp.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    gamma : float
        The stabilizer, above 0, in the units of K.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Tensor
        Kinetic energy less $\tilde L / 2$ times the cost of identity; 0-d, float64, dimensionless.

    Raises
    ------
    ValueError
        If `gamma` is not finite and above 0, `effective_depth` is negative, or A and dA are not
        finite and of one shape.

    Notes
    -----
    The cost is O(N w^2 + w^3).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Theorem 4.
    """
    parts = energies(
        A, dA, effective_depth=effective_depth, gamma=gamma, activation=activation, bias=bias
    )
    return parts.stable_hamiltonian


def energies(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gamma: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Energies:
    r"""Return all energies of one step, in the time that one of them takes.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    dA : Tensor
        (sample, width): the velocity dA/dp.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    gamma : float
        The stabilizer, above 0, in the units of K.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Energies
        Each under the name of its own function.

    Raises
    ------
    ValueError
        If `gamma` is not finite and above 0, `effective_depth` is negative, or A and dA are not
        finite and of one shape.
    """
    S, A, dA = with_features(A, dA=dA, activation=activation, bias=bias)
    return energies_of_rows(S, A, dA, effective_depth=effective_depth, gamma=gamma)


def energies_from_moments(moments: Moments, *, effective_depth: float, gamma: float) -> Energies:
    r"""Return all energies of one step from streamed moments.

    Parameters
    ----------
    moments : loadpath.record.Moments
        Second moments of [S, A, dA] over samples that were streamed.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    gamma : float
        The stabilizer, above 0, in the units of K.

    Returns
    -------
    Energies
        What `energies` gives for the samples themselves, to rounding, at any `gamma`.

    Raises
    ------
    ValueError
        If the moments hold no samples or no dA, `gamma` is not finite and above 0, or
        `effective_depth` is negative.

    Notes
    -----
    The cost is O(w^3), whatever the number of samples.
    """
    check_type("moments", moments, Moments, "Moments of loadpath.record")
    S, A, dA = moments.rows()
    if dA is None:
        raise ValueError("moments must hold dA, but have velocity=False.")
    return energies_of_rows(S, A, dA, effective_depth=effective_depth, gamma=gamma)


def energies_of_rows(
    S: Float[Tensor, "row feature"],
    A: Float[Tensor, "row width"],
    dA: Float[Tensor, "row width"],
    *,
    effective_depth: float,
    gamma: float,
) -> Energies:
    r"""Return all energies from rows of S, A and dA that need not be samples.

    Parameters
    ----------
    S, A, dA : Tensor
        (row, feature), (row, width) and (row, width), float64, such as
        `loadpath.record.Moments.rows` gives.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    gamma : float
        The stabilizer, above 0, in the units of K.

    Returns
    -------
    Energies
        Each under the name of its own function.

    Raises
    ------
    ValueError
        If `gamma` is not finite and above 0, or `effective_depth` is negative.
    """
    c = coupling(effective_depth)
    check_number("gamma", gamma, above=0)
    R, rest = regress_on_features(S, torch.stack([A, dA]), gamma)
    # The Gram matrix of (A, dA) in the metric.
    gram = torch.einsum("ifw,jfw->ij", R, R) + torch.einsum("inw,jnw->ij", rest, rest) / gamma
    kinetic = gram[1, 1] / (2 * c)
    return Energies(
        cost_of_identity=gram[0, 0],
        kinetic_energy=kinetic,
        cross_term=gram[0, 1],
        stable_hamiltonian=kinetic - effective_depth / 2 * gram[0, 0],
        gamma=float(gamma),
    )
