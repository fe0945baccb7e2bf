"""Numbers of a layer from its rows or sums, by name: values and intervals use the same code."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from loadpath.diagnosis.profile.mesh import Step
from loadpath.leaky_resnet.mechanics import (
    coupling,
    energies_of_rows,
    gamma_of_rows,
    inner_product,
    stable_rank_of_spectrum,
)
from loadpath.measures.separation import KINDS, ClassMoments, Scatter, TargetMoments, nc1, nc2
from loadpath.record import ActivationLike, features
from loadpath.threads import torch_threads

Numbers = dict[str, float]
"""Numbers of one layer, by name; NaN where there is none."""

ENERGIES = ("cost_of_identity", "stable_rank_nuclear", "stable_rank_operator", "kinetic_energy")
COLLAPSE = ("nc1", "nc2_equinorm", "nc2_equiangularity", "nc2_angle")


@torch_threads(1)
def energies(S: Tensor, A: Tensor, dA: Tensor | None, step: Step | None, gamma0: float) -> Numbers:
    """Measure the energies of one layer, and the kinetic energy of the step from it.

    Parameters
    ----------
    S, A : Tensor
        Rows (row, width + 1) and (row, width): samples, or what stands for them as the rows of
        `Moments.rows` do.
    dA : Tensor or None
        Difference to the next layer, (row, width); None where there is no step.
    step : Step or None
        The step that leads there.
    gamma0 : float
        The stabilizer is gamma = gamma0 ||S||_op^2.

    Returns
    -------
    dict of str to float
        `ENERGIES` and "gamma"; the kinetic energy is NaN without a step.
    """
    gamma = gamma_of_rows(S, gamma0)
    numbers = {"gamma": gamma, "kinetic_energy": math.nan, **_stable_ranks(torch.linalg.svdvals(A))}
    if dA is None or step is None:
        numbers["cost_of_identity"] = float(inner_product(S, A, A, gamma=gamma))
        return numbers
    found = energies_of_rows(S, A, dA / step.rho, effective_depth=step.effective_depth, gamma=gamma)
    numbers["cost_of_identity"] = float(found.cost_of_identity)
    numbers["kinetic_energy"] = float(found.kinetic_energy)
    return numbers


def products(
    A: Tensor, after: Tensor | None = None, *, activation: ActivationLike, bias: bool
) -> tuple[Tensor, ...]:
    """Return the sums over samples that `energies_of_products` needs.

    Parameters
    ----------
    A : Tensor
        The layer, (sample, width).
    after : Tensor, optional
        The layer that a step leads to, of the same shape.
    activation : str
        Name of phi in S = [phi(A), 1].
    bias : bool
        Whether S has its column of ones.

    Returns
    -------
    tuple of Tensor
        S^T S, S^T [A, dA], A^T A, and the squares of A and dA, summed.
    """
    A = A.double()
    moved = [A] if after is None else [A, after.double() - A]
    S = features(A, activation=activation, bias=bias)
    squares = torch.stack([M.square().sum() for M in moved])
    return S.T @ S, S.T @ torch.cat(moved, dim=1), A.T @ A, squares


@torch_threads(1)
def energies_of_products(
    G: Tensor, C: Tensor, AA: Tensor, squares: Tensor, step: Step | None, gamma0: float
) -> Numbers:
    r"""Measure `energies` from `products`; a share of 1e-16 / gamma0 of them is rounding.

    That is good enough for intervals, and what makes leaving groups out cheap.

    Notes
    -----
    $\mathrm{Tr}\, M^\top (K + \gamma)^{-1} M = (\|M\|^2 - \mathrm{Tr}\, C^\top (G + \gamma)^{-1} C)
    / \gamma$ with $G = S^\top S$ and $C = S^\top M$, for M = A and M = dA.
    """
    gamma = max(gamma0 * float(torch.linalg.eigvalsh(G)[-1]), 1e-100)
    L = torch.linalg.cholesky(G + gamma * torch.eye(len(G), dtype=G.dtype))
    explained = torch.linalg.solve_triangular(L, C, upper=False).square()
    weighted = [
        float(square - part.sum()) / gamma
        for square, part in zip(squares, explained.split(len(AA), dim=1), strict=True)
    ]
    s = torch.linalg.eigvalsh(AA).flip(0).clamp_min(0).sqrt()
    kinetic = math.nan
    if step is not None:
        kinetic = weighted[1] / step.rho**2 / (2 * coupling(step.effective_depth))
    return {"cost_of_identity": weighted[0], "kinetic_energy": kinetic, **_stable_ranks(s)}


def separations(moments: ClassMoments | TargetMoments) -> tuple[Numbers, Scatter | None]:
    """Measure log separation by three conventions, and neural collapse 1 and 2 of classes.

    Returns
    -------
    numbers : dict of str to float
        All of these by name; NaN throughout where there are too few samples.
    scatter : Scatter or None
        The scatter that they come from; None where there are too few samples.
    """
    numbers = no_separations()
    try:
        scatter = moments.scatter()
    except ValueError:  # such as a class of fewer than 2 samples
        return numbers, None
    for kind in KINDS:
        numbers[log_separation_name(kind)] = scatter.log_separation(kind)
    if isinstance(moments, ClassMoments):
        numbers["nc1"] = nc1(moments, scatter)
        try:
            simplex = nc2(moments)
        except ValueError:  # a class mean at the mean of all has no angle
            return numbers, scatter
        numbers["nc2_equinorm"] = simplex.equinorm
        numbers["nc2_equiangularity"] = simplex.equiangularity
        numbers["nc2_angle"] = simplex.angle
    return numbers, scatter


def no_separations() -> Numbers:
    """Return the numbers of `separations` where there are none: NaN throughout."""
    return dict.fromkeys((*map(log_separation_name, KINDS), *COLLAPSE), math.nan)


def separations_of_samples(H: Tensor, labels: Tensor) -> Numbers:
    """Measure `separations` of samples at hand; labels that are whole numbers are classes."""
    if labels.is_floating_point():
        moments: ClassMoments | TargetMoments = TargetMoments(H.shape[1], labels.shape[1])
    else:
        classes, labels = labels.unique(return_inverse=True)
        moments = ClassMoments(H.shape[1], max(2, len(classes)))
    moments.update(H, labels)
    return separations(moments)[0]


def log_separation_name(kind: str) -> str:
    """Return what the log separation of a convention is called among a layer's numbers."""
    return f"log_separation_{kind}"


def _stable_ranks(s: Tensor) -> Numbers:
    """Return the stable ranks of singular values in falling order."""
    return {
        "stable_rank_nuclear": float(stable_rank_of_spectrum(s, "nuclear")),
        "stable_rank_operator": float(stable_rank_of_spectrum(s, "operator")),
    }
