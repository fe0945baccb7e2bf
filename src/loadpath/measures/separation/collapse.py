r"""Neural collapse: what class means, features and the last layer tend to late in training.

There are K classes with features h, class means $m_k$, and their mean m over all samples. Centred
class means are $\mu_k = m_k - m$, and the classifier names $\arg\max_k (W h + b)_k$. The four
measures are those of Papyan, Han and Donoho, "Prevalence of neural collapse during the terminal
phase of deep learning training", PNAS 2020, arXiv:2008.08186, figures 2 to 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from loadpath.checks import as_rows, as_tensor, check_type
from loadpath.measures.separation.class_moments import ClassMoments
from loadpath.measures.separation.inputs import (
    Biases,
    Features,
    Labels,
    Weights,
    as_features,
)
from loadpath.measures.separation.scatter import Scatter


@dataclass(frozen=True)
class Simplex:
    """How far the centred class means are from a simplex of equal sides (NC2); all 0 on one."""

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
    """Scatter within classes for the distance between them; see the function `nc1`."""
    nc2: Simplex
    """Distance of the class means from a simplex; see `nc2`."""
    nc3: float
    """Distance of the classifier from the class means; see `nc3`."""
    nc4: float
    """Share of samples where the classifier differs from the nearest class mean; see `nc4`."""


def neural_collapse(
    H: Features,
    labels: Labels,
    *,
    weight: Weights,
    bias: Biases | None = None,
) -> NeuralCollapse:
    """Return all four measures of the last features and the classifier that reads them.

    Parameters
    ----------
    H : Tensor or array_like
        (sample, width) features that the classifier reads.
    labels : Tensor or array_like
        (sample,) class numbers from 0.
    weight : Tensor or array_like
        (class, width) weights of the classifier.
    bias : Tensor or array_like, optional
        (class,) biases of the classifier; 0 if left out.

    Returns
    -------
    NeuralCollapse
        `nc1` to `nc4`, dimensionless, all 0 when collapse is complete.

    Raises
    ------
    ValueError
        If features, labels or classifier are not finite or do not fit each other, and if a class
        has fewer than 2 samples.

    Notes
    -----
    The cost is O(N (w + K)^2). Samples too many to hold go through `ClassMoments` and the four
    functions.

    References
    ----------
    .. [1] Papyan, Han and Donoho, PNAS 2020, arXiv:2008.08186.

    Examples
    --------
    Three classes that have collapsed, to the corners of a simplex:

    >>> H, labels = torch.eye(3).repeat(2, 1), torch.arange(3).repeat(2)
    >>> found = neural_collapse(H, labels, weight=torch.eye(3) - 1 / 3)
    >>> found.nc1, round(found.nc2.angle, 6), round(found.nc3, 6), found.nc4
    (0.0, 0.0, 0.0, 0.0)
    """
    moments = ClassMoments.from_features(H, labels)
    return NeuralCollapse(
        nc1(moments), nc2(moments), nc3(moments, weight), nc4(moments, H, weight, bias)
    )


def nc1(moments: ClassMoments, scatter: Scatter | None = None) -> float:
    r"""Return NC1, variability collapse: $\mathrm{Tr}(\Sigma_w \Sigma_b^+) / K$.

    Parameters
    ----------
    moments : ClassMoments
        Moments of the features.
    scatter : Scatter, optional
        Their scatter, where it is at hand: it holds on to its decompositions.

    Returns
    -------
    float
        The fuzziness over K, dimensionless. It is infinite if the class means are all alike, and 0
        if every sample is at its class mean.

    Raises
    ------
    ValueError
        If a class has fewer than 2 samples.

    Notes
    -----
    Classes weigh in $\Sigma_b$ by their size; in the paper all are of one size.
    """
    check_moments(moments)
    scatter = scatter or moments.scatter()
    return math.exp(scatter.log_separation("fuzziness")) / moments.n_classes


def nc2(moments: ClassMoments) -> Simplex:
    r"""Return NC2, convergence to a simplex: the spread of the norms and angles of $\mu_k$.

    Parameters
    ----------
    moments : ClassMoments
        Moments of the features.

    Returns
    -------
    Simplex
        Three numbers, dimensionless, all 0 on a simplex. With two classes of one size all are 0
        whatever the features.

    Raises
    ------
    ValueError
        If a class has fewer than 2 samples, or a class mean is the mean of all, so that it has no
        angle.
    """
    mu, norms = _centred_means(moments)
    K = len(mu)
    if not bool(moments.scatter().rounding.apart(mu).all()):
        raise ValueError(
            f"moments of H must have class means apart from the mean of all, got class "
            f"{int(norms.argmin())} at it."
        )
    unit = mu / norms[:, None]
    cosines = (unit @ unit.T)[*torch.triu_indices(K, K, offset=1)]
    return Simplex(
        equinorm=float(norms.std(correction=0) / norms.mean()),
        equiangularity=float(cosines.std(correction=0)),
        angle=float((cosines + 1 / (K - 1)).abs().mean()),
    )


def nc3(moments: ClassMoments, weight: Weights) -> float:
    r"""Return NC3, self-duality: $\| W / \|W\|_F - M / \|M\|_F \|_F^2$, M the $\mu_k$ as rows.

    Parameters
    ----------
    moments : ClassMoments
        Moments of the features.
    weight : Tensor or array_like
        (class, width) weights of the classifier.

    Returns
    -------
    float
        0 if the classifier is the class means but for scale, 2 if it is orthogonal to them, and 4
        at most; dimensionless.

    Raises
    ------
    ValueError
        If `weight` is not finite, (class, width) and nonzero, a class has fewer than 2 samples, or
        the class means are all alike.
    """
    mu, norms = _centred_means(moments)
    W = _weight(moments, weight).to(mu)
    if not bool(moments.scatter().rounding.apart(mu).any()):
        raise ValueError("moments must have class means that differ, got them all alike.")
    if float(W.norm()) == 0:
        raise ValueError("weight must not be all 0.")
    return float((W / W.norm() - mu / mu.norm()).square().sum())


def nc4(
    moments: ClassMoments,
    H: Features,
    weight: Weights,
    bias: Biases | None = None,
) -> float:
    r"""Return NC4: how often the classifier names another class than that of the nearest mean.

    Parameters
    ----------
    moments : ClassMoments
        Moments of the features that the class means are taken from.
    H : Tensor or array_like
        (sample, width) features to compare on, seen in training or not.
    weight : Tensor or array_like
        (class, width) weights of the classifier.
    bias : Tensor or array_like, optional
        (class,) biases of the classifier; 0 if left out.

    Returns
    -------
    float
        Share of the samples for which
        $\arg\max_k (W h + b)_k \ne \arg\min_k \|h - m_k\|$. Ties go to the lower class.

    Raises
    ------
    ValueError
        If `H` or the classifier are not finite or do not fit the moments, or a class has fewer than
        2 samples.
    """
    check_moments(moments)
    means = moments.class_means()
    rows, _ = as_features("H", H, width=moments.width)
    rows = rows.to(means)
    logits = rows @ _weight(moments, weight).to(means).T
    if bias is not None:
        b = as_tensor("bias", bias).detach()
        if tuple(b.shape) != (moments.n_classes,) or not bool(torch.isfinite(b).all()):
            raise ValueError(
                f"bias must be {moments.n_classes} finite numbers, got shape {tuple(b.shape)}."
            )
        logits = logits + b.to(means)
    # |h|^2 is left out of |h - m_k|^2, as it is the same for all classes. Distances are taken
    # about the mean of all, so that little cancels.
    center = moments.mean()
    mu = means - center
    distances = mu.square().sum(1) - 2 * (rows - center) @ mu.T
    return float((logits.argmax(1) != distances.argmin(1)).double().mean())


def check_moments(moments: ClassMoments) -> None:
    """Refuse what are no sums of classes."""
    check_type("moments", moments, ClassMoments, "ClassMoments")


def _centred_means(moments: ClassMoments) -> tuple[Tensor, Tensor]:
    check_moments(moments)
    mu = moments.class_means() - moments.mean()
    return mu, torch.linalg.vector_norm(mu, dim=1)


def _weight(moments: ClassMoments, weight: Any) -> Tensor:
    given = as_tensor("weight", weight).detach()
    return as_rows("weight", given, shape=(moments.n_classes, moments.width))
