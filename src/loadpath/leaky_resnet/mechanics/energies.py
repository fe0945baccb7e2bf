r"""Energies of one layer: norms weighted by the stabilized inverse kernel [LR].

All are pieces of $\langle M_1, M_2\rangle_{K+\gamma} = \mathrm{Tr}[M_1^\top (K+\gamma I)^{-1}M_2]$
with $K = S S^\top$ and $S = [\phi(A), 1]$, and K is never formed: see `inner_product`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_rows, check_above_zero, check_number
from loadpath.record import Moments, features
from loadpath.threads import torch_threads

Scalar = Float[Tensor, ""]
PerStep = Float[Tensor, " step"]


@dataclass(frozen=True)
class Energies:
    """Energies of one step of the path, 0-d float64 tensors; dimensionless but for `gamma`."""

    cost_of_identity: Tensor
    """||A||^2_{K+gamma}: stabilized dimension of the representation."""
    kinetic_energy: Tensor
    """(1 / 2 L~) ||dA||^2_{K+gamma}."""
    cross_term: Tensor
    """<dA, A>_{K+gamma}."""
    stable_hamiltonian: Tensor
    """kinetic_energy - (L~ / 2) cost_of_identity."""
    gamma: float
    """The stabilizer used, in the units of K."""


def inner_product(
    S: Float[Tensor, "sample feature"],
    M1: Float[Tensor, "sample width"],
    M2: Float[Tensor, "sample width"],
    *,
    gamma: float,
) -> Scalar:
    r"""Inner product weighted by the stabilized inverse kernel of S.

    $\langle M_1, M_2\rangle_{K+\gamma} = \mathrm{Tr}[R_1^\top R_2]
    + \mathrm{Tr}[(M_1 - S R_1)^\top (M_2 - S R_2)] / \gamma$, where
    $R_i = (S^\top S + \gamma I)^{-1} S^\top M_i$. With $M_1 = M_2$ this is the least value of a
    ridge regression of M on S, so an error in R enters only squared: small `gamma` cancels nothing.

    Only inner products between rows enter, so S, M1, M2 may be the few rows of `Moments.rows`.
    Cost O(N w^2 + w^3).

    Raises: ValueError if `gamma` is not positive, or the matrices are not finite, 2-D and matching.
    """
    check_above_zero("gamma", gamma)
    S, M1 = as_rows("S", S), as_rows("M1", M1)
    M2 = as_rows("M2", M2, shape=(len(M1), M1.shape[1]))
    if len(S) != len(M1):
        raise ValueError(f"S must have as many rows as M1 ({len(M1)}), got {len(S)}.")
    pair = torch.stack([M1, M2])
    R, rest = _ridge(S, pair, gamma)
    return (R[0] * R[1]).sum() + (rest[0] * rest[1]).sum() / gamma


def cost_of_identity(
    A: Float[Tensor, "sample width"], *, gamma: float, activation: str = "relu", bias: bool = True
) -> Scalar:
    r"""Cost of identity, the stabilized dimension of one representation.

    $\mathrm{Tr}[A^\top (K + \gamma I)^{-1} A]$ with $K = S S^\top$, $S = [\mathrm{relu}(A), 1]$.
    Dimensionless; `gamma` has the units of K. Costs O(N w^2 + w^3) for N samples: K is never
    formed. For a nonnegative A of rank k without bias it is at most k.

    Raises: ValueError if `gamma` is not positive or `A` is not finite and 2-D.
    Source: Jacot and Kaiser, arXiv:2405.17573, section 1.3 and Theorem 4.
    """
    A = as_rows("A", A)
    return inner_product(features(A, activation=activation, bias=bias), A, A, gamma=gamma)


def kinetic_energy(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gamma: float,
    activation: str = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Kinetic energy of a path at A with velocity dA = dA/dp.

    $\frac{1}{2c} \|dA\|^2_{K+\gamma}$, K that of A, c = `effective_depth` (1 for a plain ResNet,
    `effective_depth` 0, where the prefactor has no limit). Dimensionless. Cost O(N w^2 + w^3).

    Raises: ValueError if `gamma` is not positive, `effective_depth` is negative, or A and dA are
    not finite and of one shape.
    Source: Jacot and Kaiser, arXiv:2405.17573, section 1.3.
    """
    c = coupling(effective_depth)
    S, A, dA = samples(A, dA=dA, activation=activation, bias=bias)
    return inner_product(S, dA, dA, gamma=gamma) / (2 * c)


def cross_term(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    *,
    gamma: float,
    activation: str = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Cross term $\langle dA, A\rangle_{K+\gamma}$ of kinetic energy and cost of identity.

    The least weights that move A by dA cost
    $\frac{1}{2\tilde L}\|dA + \tilde L A\|^2_{K+\gamma}$ = kinetic energy + cross term +
    $\frac{\tilde L}{2}$ cost of identity. Dimensionless. Cost O(N w^2 + w^3).

    Raises: ValueError if `gamma` is not positive or A and dA are not finite and of one shape.
    Source: Jacot and Kaiser, arXiv:2405.17573, section 1.3.
    """
    S, A, dA = samples(A, dA=dA, activation=activation, bias=bias)
    return inner_product(S, dA, A, gamma=gamma)


def stable_hamiltonian(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gamma: float,
    activation: str = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Hamiltonian with the stabilized inverse kernel, kinetic energy - (L~/2) cost of identity.

    Dimensionless. Cost O(N w^2 + w^3).

    Raises: ValueError as `kinetic_energy`.
    Source: Jacot and Kaiser, arXiv:2405.17573, Theorem 4.
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
    activation: str = "relu",
    bias: bool = True,
) -> Energies:
    """All energies of one step for the price of one; see the functions of the same names.

    Raises: ValueError as `kinetic_energy`.
    """
    S, A, dA = samples(A, dA=dA, activation=activation, bias=bias)
    return energies_of_rows(S, A, dA, effective_depth=effective_depth, gamma=gamma)


def energies_from_moments(moments: Moments, *, effective_depth: float, gamma: float) -> Energies:
    """All energies of one step from streamed moments of [S, A, dA]; cost O(w^3).

    Agrees with `energies` of the samples themselves to rounding, at any `gamma`.

    Raises: ValueError as `kinetic_energy`, and if the moments hold no samples or no dA.
    """
    S, A, dA = moments.rows()
    if dA is None:
        raise ValueError("moments must hold dA, but have velocity=False.")
    return energies_of_rows(S, A, dA, effective_depth=effective_depth, gamma=gamma)


def energies_of_rows(
    S: Tensor, A: Tensor, dA: Tensor, *, effective_depth: float, gamma: float
) -> Energies:
    """Energies from rows of S, A and dA that need not be samples (`Moments.rows`)."""
    c = coupling(effective_depth)
    check_above_zero("gamma", gamma)
    R, rest = _ridge(S, torch.stack([A, dA]), gamma)
    # Gram matrix of (A, dA) in the weighted inner product
    gram = torch.einsum("ifw,jfw->ij", R, R) + torch.einsum("inw,jnw->ij", rest, rest) / gamma
    kinetic = gram[1, 1] / (2 * c)
    return Energies(
        cost_of_identity=gram[0, 0],
        kinetic_energy=kinetic,
        cross_term=gram[0, 1],
        stable_hamiltonian=kinetic - effective_depth / 2 * gram[0, 0],
        gamma=float(gamma),
    )


def kernel_gamma(
    A: Float[Tensor, "sample width"],
    gamma0: float,
    *,
    activation: str = "relu",
    bias: bool = True,
) -> float:
    r"""Stabilizer in proportion to the kernel, $\gamma = \gamma_0 \|S\|_{op}^2$.

    Units of K; cost O(N w^2). Never below 1e-100: a layer without any activation then has an
    enormous cost of identity rather than none.

    Raises: ValueError if `gamma0` is not positive or `A` is not finite and 2-D.
    """
    return gamma_of_rows(features(as_rows("A", A), activation=activation, bias=bias), gamma0)


def gamma_of_rows(S: Tensor, gamma0: float) -> float:
    """`kernel_gamma` from rows of S that need not be samples (`Moments.rows`)."""
    check_above_zero("gamma0", gamma0)
    S = S.detach()
    G = S.T @ S
    with torch_threads(1):
        top = float(torch.linalg.eigvalsh(G)[-1])
    return max(float(gamma0) * top, 1e-100)


def coupling(effective_depth: float) -> float:
    """The c of 1/(2c) before every squared weight: L~, and 1 where L~ = 0.

    Raises: ValueError if `effective_depth` is negative or not finite.
    """
    check_number("effective_depth", effective_depth, least=0)
    return float(effective_depth) or 1.0


def safe_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """numerator / denominator, where nothing divided by nothing is 0."""
    return torch.where(numerator == 0, 0.0, numerator / denominator)


def samples(A: Tensor, *, activation: str, bias: bool, **others: Tensor) -> list[Tensor]:
    """[S, A, *others] in float64, checked to be finite and, but for S, of one shape."""
    A = as_rows("A", A)
    others = {name: as_rows(name, M, shape=tuple(A.shape)) for name, M in others.items()}
    return [features(A, activation=activation, bias=bias), A, *others.values()]


def _ridge(S: Tensor, M: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Coefficients R (matrix, feature, width) and residuals M - S R (matrix, sample, width)."""
    G = S.T @ S
    # Below this the rounding of G decides, and Cholesky may meet a negative pivot.
    least = 100 * torch.finfo(G.dtype).eps * float(G.detach().trace())
    if gamma < least:
        raise ValueError(f"gamma must be at least {least:.3g} for this kernel, got {gamma:.3g}.")
    G.diagonal().add_(gamma)
    C = S.T @ M
    with torch_threads(1):
        R = torch.cholesky_solve(C, torch.linalg.cholesky(G))
    return R, M - S @ R
