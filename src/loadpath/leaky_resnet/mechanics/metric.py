r"""The metric of the stabilized inverse kernel [LR], in which paths and energies are measured.

$\langle M_1, M_2\rangle_{K+\gamma} = \mathrm{Tr}[M_1^\top (K+\gamma I)^{-1}M_2]$ with
$K = S S^\top$ and $S = [\phi(A), 1]$. K itself, of N x N numbers, is never formed.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import (
    LARGEST,
    as_small_rows,
    check_flag,
    check_number,
)
from loadpath.record import ActivationLike, features
from loadpath.threads import torch_threads

Scalar = Float[Tensor, ""]
PerStep = Float[Tensor, " step"]


def inner_product(
    S: Float[Tensor, "sample feature"],
    M1: Float[Tensor, "sample width"],
    M2: Float[Tensor, "sample width"],
    *,
    gamma: float,
) -> Scalar:
    r"""Return an inner product weighted by the stabilized inverse kernel of S.

    Parameters
    ----------
    S : Tensor
        (sample, feature): the activations, with their column of ones if the net has biases.
    M1, M2 : Tensor
        (sample, width): the factors.
    gamma : float
        The stabilizer, above 0, in the units of $K = S S^\top$.

    Returns
    -------
    Tensor
        $\langle M_1, M_2\rangle_{K+\gamma} = \mathrm{Tr}[M_1^\top (K+\gamma I)^{-1}M_2]$; 0-d,
        float64.

    Raises
    ------
    ValueError
        If `gamma` is not finite and above 0, or too small for rounding of this kernel, or the
        matrices are not finite, 2-D and matching.

    Notes
    -----
    It is computed as $\mathrm{Tr}[R_1^\top R_2]
    + \mathrm{Tr}[(M_1 - S R_1)^\top (M_2 - S R_2)] / \gamma$, where
    $R_i = (S^\top S + \gamma I)^{-1} S^\top M_i$ regresses M on S. With $M_1 = M_2$ this is the
    least value of that regression, so an error in R enters only squared, and nothing cancels where
    `gamma` is small. The cost is O(N w^2 + w^3).

    Only inner products between rows enter. So S, M1 and M2 may be the few rows of
    `loadpath.record.Moments.rows` instead of the samples.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> S = torch.tensor([[1.0], [0.0]])
    >>> M = torch.tensor([[2.0], [3.0]])
    >>> float(lp.mechanics.inner_product(S, M, M, gamma=1.0))  # 2^2 / (1 + 1) + 3^2 / (0 + 1)
    11.0
    """
    check_number("gamma", gamma, above=0)
    S, M1 = as_small_rows("S", S), as_small_rows("M1", M1)
    M2 = as_small_rows("M2", M2, shape=(len(M1), M1.shape[1]))
    if len(S) != len(M1):
        raise ValueError(f"S must have as many rows as M1 ({len(M1)}), got {len(S)}.")
    R, rest = regress_on_features(S, torch.stack([M1, M2]), gamma)
    return (R[0] * R[1]).sum() + (rest[0] * rest[1]).sum() / gamma


def regress_on_features(S: Tensor, M: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Regress matrices on the features S, with the penalty gamma ||R||^2 on the coefficients.

    Returns the coefficients R (matrix, feature, width) and what is left, M - S R
    (matrix, sample, width).
    """
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


def kernel_gamma(
    A: Float[Tensor, "sample width"],
    gamma0: float,
    *,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> float:
    r"""Return a stabilizer in proportion to the kernel of a representation.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    gamma0 : float
        The share of the kernel, above 0; dimensionless.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    float
        $\gamma = \gamma_0 \|S\|_{op}^2$, in the units of K.

    Raises
    ------
    ValueError
        If `gamma0` is not finite and above 0, or `A` is not finite and 2-D.

    Notes
    -----
    It is never below 1e-100: a layer without any activation then has an enormous cost of identity,
    not none. The cost is O(N w^2).
    """
    S, _ = with_features(A, activation=activation, bias=bias)
    return gamma_of_rows(S, gamma0)


def gamma_of_rows(S: Float[Tensor, "row feature"], gamma0: float) -> float:
    """Return the `kernel_gamma` of rows of S that need not be samples.

    Parameters
    ----------
    S : Tensor
        (row, feature), such as `loadpath.record.Moments.rows` gives.
    gamma0 : float
        The share of the kernel, above 0.

    Returns
    -------
    float
        The stabilizer, in the units of K.

    Raises
    ------
    ValueError
        If `gamma0` is not finite and above 0.
    """
    check_number("gamma0", gamma0, above=0)
    S = S.detach()
    G = S.T @ S
    with torch_threads(1):
        top = float(torch.linalg.eigvalsh(G)[-1])
    gamma = max(float(gamma0) * top, 1e-100)
    if gamma > LARGEST:
        raise ValueError(
            f"gamma0 times the squared norm of activations must be at most {LARGEST:g}, got "
            f"{gamma:.3g}: x, or the weights of model, are too large."
        )
    least = 100 * torch.finfo(G.dtype).eps * float(G.trace())
    if top > 0 and gamma < least:
        raise ValueError(
            f"gamma0 must be at least {least / top:.3g} for these activations, got {gamma0:.3g}."
        )
    return gamma


def coupling(effective_depth: float) -> float:
    """Return the c of the prefactor 1/(2c) of every squared weight.

    Parameters
    ----------
    effective_depth : float
        The leakage L~, at least 0.

    Returns
    -------
    float
        L~, or 1 where L~ = 0.

    Raises
    ------
    ValueError
        If `effective_depth` is negative or not finite.
    """
    check_number("effective_depth", effective_depth, least=0)
    if effective_depth:  # one divides by it
        check_number("effective_depth", effective_depth, above=0)
    return float(effective_depth) or 1.0


def safe_ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return a ratio that is 0 where nothing is divided by nothing.

    Parameters
    ----------
    numerator, denominator : Tensor
        Of shapes that fit each other.

    Returns
    -------
    Tensor
        The ratio, elementwise.
    """
    return torch.where(numerator == 0, 0.0, numerator / denominator)


def with_features(
    A: Tensor, *, activation: ActivationLike, bias: bool, **others: Tensor
) -> list[Tensor]:
    """Return [S, A, *others] in float64, once A and the others are finite and of one shape."""
    check_flag("bias", bias)
    A = as_small_rows("A", A)
    others = {name: as_small_rows(name, M, shape=tuple(A.shape)) for name, M in others.items()}
    return [features(A, activation=activation, bias=bias), A, *others.values()]
