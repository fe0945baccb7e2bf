r"""Energies of one layer: squared lengths in the metric of the stabilized inverse kernel [LR].

See `loadpath.mechanics.inner_product` for the metric.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from loadpath.leaky_resnet.mechanics.metric import (
    Scalar,
    coupling,
    inner_product,
    with_features,
)
from loadpath.record import ActivationLike


def cost_of_identity(
    A: Float[Tensor, "sample width"],
    *,
    gamma: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Return the cost of identity, the stabilized dimension of one representation.

    It is what the weights pay to hold the representation against the leakage.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    gamma : float
        The stabilizer, above 0, in the units of K.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Tensor
        $\mathrm{Tr}[A^\top (K + \gamma I)^{-1} A]$ with $K = S S^\top$ and $S = [\phi(A), 1]$;
        0-d, float64, dimensionless.

    Raises
    ------
    ValueError
        If `gamma` is not finite and above 0, or `A` is not finite and 2-D.

    Notes
    -----
    For a nonnegative A of rank k without bias it is at most k. The cost is O(N w^2 + w^3) for N
    samples: K is never formed.

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, section 1.3 and Theorem 4.

    Examples
    --------
    Without bias, three equal directions that nothing stabilizes have a dimension of 3:

    >>> import torch
    >>> import loadpath as lp
    >>> A = torch.eye(8)[:, :3]
    >>> round(float(lp.mechanics.cost_of_identity(A, gamma=1e-6, bias=False)), 4)
    3.0
    >>> round(float(lp.mechanics.cost_of_identity(A, gamma=1.0, bias=False)), 4)
    1.5
    """
    S, A = with_features(A, activation=activation, bias=bias)
    return inner_product(S, A, A, gamma=gamma)


def kinetic_energy(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    gamma: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Return the kinetic energy of a path at A with velocity dA.

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
        $\frac{1}{2c} \|dA\|^2_{K+\gamma}$ with K that of A, and c the effective depth (1 for a
        plain ResNet, where the prefactor has no limit); 0-d, float64, dimensionless.

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
    Jacot and Kaiser, arXiv:2405.17573, section 1.3.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> A, dA = torch.eye(8)[:, :3], 2 * torch.eye(8)[:, :3]
    >>> options = dict(effective_depth=4.0, gamma=1.0, bias=False)
    >>> float(lp.mechanics.kinetic_energy(A, dA, **options))  # 3 x 2^2 / (1 + 1) / (2 x 4)
    0.75
    """
    c = coupling(effective_depth)
    S, A, dA = with_features(A, dA=dA, activation=activation, bias=bias)
    return inner_product(S, dA, dA, gamma=gamma) / (2 * c)


def cross_term(
    A: Float[Tensor, "sample width"],
    dA: Float[Tensor, "sample width"],
    *,
    gamma: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Return the cross term of kinetic energy and cost of identity.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    dA : Tensor
        (sample, width): the velocity dA/dp.
    gamma : float
        The stabilizer, above 0, in the units of K.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Tensor
        $\langle dA, A\rangle_{K+\gamma}$; 0-d, float64, dimensionless.

    Raises
    ------
    ValueError
        If `gamma` is not finite and above 0, or A and dA are not finite and of one shape.

    Notes
    -----
    The least weights that move A by dA cost
    $\frac{1}{2\tilde L}\|dA + \tilde L A\|^2_{K+\gamma}$, which is the kinetic energy, plus the
    cross term, plus $\frac{\tilde L}{2}$ times the cost of identity. The time it takes is
    O(N w^2 + w^3).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, section 1.3.
    """
    S, A, dA = with_features(A, dA=dA, activation=activation, bias=bias)
    return inner_product(S, dA, A, gamma=gamma)
