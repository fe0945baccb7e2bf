r"""The Hamiltonian of a path, and its momenta [LR].

Lists over steps pair, at step l = 1..L, the representation A_{l-1} that the step starts from, the
velocity there, dA_l = (A_l - A_{l-1}) / g_l with the step's gain g, and the momentum B_l, which
`step_momenta` gives. With this pairing a stationary point of the discrete objective satisfies the
continuous relations exactly. For Euler steps the gain is rho_l and B_l is backpropagation's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_path_of_rows, as_small_rows, as_vector
from loadpath.leaky_resnet.mechanics.metric import (
    PerStep,
    Scalar,
    coupling,
    safe_ratio,
    with_features,
)
from loadpath.record import ActivationLike


def hamiltonian(
    A: Float[Tensor, "sample width"],
    B: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Return the Hamiltonian of a representation with momenta, which takes no inverse.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    B : Tensor
        (sample, width): its momenta, in the inverse units of A; those of a net are `step_momenta`.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Tensor
        $H = \frac{c}{2}\|B^\top S\|_F^2 - \tilde L\,\mathrm{Tr}[B^\top A]$ with c the effective
        depth (1 where that is 0); 0-d, float64, dimensionless.

    Raises
    ------
    ValueError
        If `effective_depth` is negative, or A and B are not finite and of one shape.

    Notes
    -----
    H is constant in p on a geodesic, where $-(2/\tilde L) H$ tends to the bottleneck rank as
    $\tilde L$ grows. The cost is O(N w^2).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> A, B = torch.eye(2), torch.eye(2) / 2
    >>> float(lp.mechanics.hamiltonian(A, B, effective_depth=4.0, bias=False))  # 4/2 x 1/2 - 4 x 1
    -3.0
    """
    S, A, B = with_features(A, B=B, activation=activation, bias=bias)
    return hamiltonian_of_products(B.T @ S, (B * A).sum(), effective_depth)


def hamiltonian_of_products(BtS: Tensor, BtA: Tensor, effective_depth: float) -> Scalar:
    r"""Return the Hamiltonian from products that add up over batches.

    Parameters
    ----------
    BtS : Tensor
        $B^\top S$, (width, feature).
    BtA : Tensor
        $\mathrm{Tr}[B^\top A]$, 0-d.
    effective_depth : float
        The leakage $\tilde L$, at least 0.

    Returns
    -------
    Tensor
        The `hamiltonian`, 0-d.
    """
    return coupling(effective_depth) / 2 * BtS.square().sum() - effective_depth * BtA


def symmetric_hamiltonian(
    path: Sequence[Float[Tensor, "sample width"]],
    momenta: Sequence[Float[Tensor, "sample width"]],
    *,
    effective_depth: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> PerStep:
    r"""Return the Hamiltonian of every step, as the mean over its two ends.

    Parameters
    ----------
    path : sequence of Tensor
        $A_0, \dots, A_L$, each (sample, width).
    momenta : sequence of Tensor
        $B_0, \dots, B_L$, each (sample, width); those of a net are `step_momenta`.
    effective_depth : float
        The leakage $\tilde L$, at least 0.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Tensor
        (step,): $(H(A_{l-1}, B_l) + H(A_l, B_l)) / 2$; float64, dimensionless.

    Raises
    ------
    ValueError
        If `path` and `momenta` differ in length or hold fewer than two, `effective_depth` is
        negative, or a matrix is not finite.

    Notes
    -----
    A stationary point of the discrete objective is a path of symplectic Euler steps. Where they are
    equal, their own conserved energy is this mean, up to second order in them. $H(A_{l-1}, B_l)$,
    for which $dA = \tilde L (K B - A)$ holds exactly, and $H(A_l, B_l)$ drift to first order. The
    cost is O(N w^2 L).
    """
    path, momenta = as_path_of_rows("path", path), as_path_of_rows("momenta", momenta)
    if len(path) != len(momenta) or len(path) < 2:
        sizes = f"{len(path)} and {len(momenta)}"
        raise ValueError(f"path and momenta must be of one length of at least 2, got {sizes}.")
    if path[0].shape != momenta[0].shape:
        shapes = f"{tuple(path[0].shape)} and {tuple(momenta[0].shape)}"
        raise ValueError(f"path and momenta must hold matrices of one shape, got {shapes}.")
    pairs = zip(path, path[1:], momenta[1:], strict=False)
    options: dict[str, Any] = dict(
        effective_depth=effective_depth, activation=activation, bias=bias
    )
    H = [
        hamiltonian(start, B, **options) + hamiltonian(end, B, **options) for start, end, B in pairs
    ]
    return torch.stack(H) / 2


def hamiltonian_spread(H: Float[Tensor, " layer"]) -> Scalar:
    """Return how far a Hamiltonian is from constant over the layers.

    Parameters
    ----------
    H : Tensor
        (layer,): its values.

    Returns
    -------
    Tensor
        (max H - min H) / max |H|, and 0 where H is 0 everywhere; 0-d.
    """
    # Hamiltonians of a net are made of its data: the sentence names what a caller can change.
    H = as_vector("H (by model, x, y, weight_decay and scale)", H)
    return safe_ratio(H.max() - H.min(), H.abs().max())


def momentum_norm(B: Float[Tensor, "sample width"]) -> Scalar:
    """Return the Frobenius norm of the momenta.

    Parameters
    ----------
    B : Tensor
        (sample, width): the momenta.

    Returns
    -------
    Tensor
        ||B||, in the inverse units of A; 0-d, float64.

    Raises
    ------
    ValueError
        If B is not finite and 2-D.
    """
    return as_small_rows("B", B).norm()


def momentum_activation_norm(
    A: Float[Tensor, "sample width"],
    B: Float[Tensor, "sample width"],
    *,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Return the Frobenius norm of the products of momenta and activations.

    Parameters
    ----------
    A : Tensor
        (sample, width): the representation.
    B : Tensor
        (sample, width): its momenta; those of a net are `step_momenta`.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Tensor
        $\|B^\top S\|_F$, which is $\|W\|_F / \tilde L$ on a geodesic; 0-d, float64, dimensionless.

    Raises
    ------
    ValueError
        If A and B are not finite and of one shape.

    Notes
    -----
    The cost is O(N w^2).
    """
    S, A, B = with_features(A, B=B, activation=activation, bias=bias)
    return (B.T @ S).norm()
