r"""Neural collapse: what class means, features and the last layer tend to late in training.

Write K classes, features h with class means $m_k$, their mean over all samples m,
$\mu_k = m_k - m$, and the classifier $\arg\max_k (W h + b)_k$.

Source: Papyan, Han and Donoho, "Prevalence of neural collapse during the terminal phase of deep
learning training", PNAS 2020, arXiv:2008.08186, figures 2 to 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from loadpath.checks import as_rows
from loadpath.measures.separation.class_moments import ClassMoments
from loadpath.measures.separation.inputs import as_features, as_tensor
from loadpath.measures.separation.scatter import Scatter


@dataclass(frozen=True)
class Simplex:
    """NC2: how far the centred class means are from a simplex of equal sides; all 0 on one."""

    equinorm: float
    r"""Standard deviation over classes of $\|\mu_k\|$, divided by their mean."""
    equiangularity: float
    r"""Standard deviation over pairs of classes of $\cos(\mu_j, \mu_k)$."""
    angle: float
    r"""Mean over pairs of $|\cos(\mu_j, \mu_k) + \frac{1}{K-1}|$: 0 at the widest angle."""


@dataclass(frozen=True)
class NeuralCollapse:
    """The four measures of one layer; all dimensionless, and 0 when collapse is complete."""

    nc1: float
    """Variability within classes; see the function `nc1`."""
    nc2: Simplex
    """Distance of the class means from a simplex; see `nc2`."""
    nc3: float
    """Distance of the classifier from the class means; see `nc3`."""
    nc4: float
    """Share of samples where it differs from the nearest class mean; see `nc4`."""


def neural_collapse(
    H: Float[Tensor, "sample width"],
    labels: Int[Tensor, " sample"],
    *,
    weight: Float[Tensor, "class width"],
    bias: Float[Tensor, " class"] | None = None,
) -> NeuralCollapse:
    """All four measures of the features H that the classifier `weight`, `bias` reads.

    Cost O(N (w + K)^2); samples too many to hold go through `ClassMoments` and the four functions.

    Raises: ValueError for features, labels or a classifier that are not finite or do not fit, and
    a class of fewer than 2 samples.
    """
    moments = ClassMoments.from_features(H, labels)
    return NeuralCollapse(
        nc1(moments), nc2(moments), nc3(moments, weight), nc4(moments, H, weight, bias)
    )


def nc1(moments: ClassMoments, scatter: Scatter | None = None) -> float:
    r"""NC1, variability collapse: $\mathrm{Tr}(\Sigma_w \Sigma_b^+) / K$.

    The fuzziness over K. `scatter` is that of the moments, where it is at hand: it holds on to its
    decompositions. Infinite if the class means are all alike, 0 if every sample is at its
    class mean. Classes weigh in $\Sigma_b$ by their size; the source's are all of one size.

    Raises: ValueError if a class has fewer than 2 samples.
    """
    scatter = scatter or moments.scatter()
    return math.exp(scatter.log_separation("fuzziness")) / moments.n_classes


def nc2(moments: ClassMoments) -> Simplex:
    r"""NC2, convergence to a simplex: spread of the norms and angles of $\mu_k$.

    With two classes of one size all of it is 0 whatever the features.

    Raises: ValueError if a class has fewer than 2 samples, or a class mean is the mean of all, so
    that it has no angle.
    """
    mu, norms = _centred_means(moments)
    K = len(mu)
    if float(norms.min()) <= moments.scatter().floor:
        raise ValueError(
            f"moments must have class means apart from the mean of all, got class "
            f"{int(norms.argmin())} at it."
        )
    unit = mu / norms[:, None]
    cosines = (unit @ unit.T)[*torch.triu_indices(K, K, offset=1)]
    return Simplex(
        equinorm=float(norms.std(correction=0) / norms.mean()),
        equiangularity=float(cosines.std(correction=0)),
        angle=float((cosines + 1 / (K - 1)).abs().mean()),
    )


def nc3(moments: ClassMoments, weight: Float[Tensor, "class width"]) -> float:
    r"""NC3, self-duality: $\| W / \|W\|_F - M / \|M\|_F \|_F^2$, M the $\mu_k$ as rows.

    0 if the classifier is the class means but for scale; 2 if orthogonal to them; at most 4.

    Raises: ValueError if `weight` is not finite, (class, width) and nonzero, a class has fewer
    than 2 samples, or the class means are all alike.
    """
    mu, norms = _centred_means(moments)
    W = _weight(moments, weight).to(mu)
    if float(norms.max()) <= moments.scatter().floor:
        raise ValueError("moments must have class means that differ, got them all alike.")
    if float(W.norm()) == 0:
        raise ValueError("weight must not be all 0.")
    return float((W / W.norm() - mu / mu.norm()).square().sum())


def nc4(
    moments: ClassMoments,
    H: Float[Tensor, "sample width"],
    weight: Float[Tensor, "class width"],
    bias: Float[Tensor, " class"] | None = None,
) -> float:
    r"""NC4, nearest class center: share of the samples H, seen in training or not, for which
    $\arg\max_k (W h + b)_k \ne \arg\min_k \|h - m_k\|$.

    0 if the classifier decides as the class means of `moments` do. Ties go to the lower class.

    Raises: ValueError if H or the classifier are not finite or do not fit the moments, or a class
    has fewer than 2 samples.
    """
    means = moments.class_means()
    rows, _ = as_features("H", H, width=moments.width)
    rows = rows.to(means)
    logits = rows @ _weight(moments, weight).to(means).T
    if bias is not None:
        b = as_tensor("bias", bias)
        if tuple(b.shape) != (moments.n_classes,) or not bool(torch.isfinite(b).all()):
            raise ValueError(
                f"bias must be {moments.n_classes} finite numbers, got shape {tuple(b.shape)}."
            )
        logits = logits + b.to(means)
    # |h|^2 is left out of |h - m_k|^2; about the mean of all, so that little cancels.
    center = moments.mean()
    mu = means - center
    distances = mu.square().sum(1) - 2 * (rows - center) @ mu.T
    return float((logits.argmax(1) != distances.argmin(1)).double().mean())


def _centred_means(moments: ClassMoments) -> tuple[Tensor, Tensor]:
    mu = moments.class_means() - moments.mean()
    return mu, torch.linalg.vector_norm(mu, dim=1)


def _weight(moments: ClassMoments, weight: Any) -> Tensor:
    given = as_tensor("weight", weight)
    return as_rows("weight", given, shape=(moments.n_classes, moments.width))
