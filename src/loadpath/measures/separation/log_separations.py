"""Log separation of one layer's features, in one call: of classes, and of real targets."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from loadpath.measures.separation.moments import (
    ClassMoments,
    TargetMoments,
    as_features,
    as_labels,
    as_tensor,
    check_labels,
)
from loadpath.measures.separation.scatter import SeparationKind, check_kind


def log_separation(
    H: Float[Tensor, "sample width"],
    labels: Int[Tensor, " sample"],
    kind: SeparationKind = "fuzziness",
) -> float:
    r"""Log separation of classes in one layer's features, by one of three conventions.

    "fuzziness": $\log \mathrm{Tr}(\Sigma_w \Sigma_b^+)$ [HS; SB's code];
    "trace_ratio": $\log (\mathrm{Tr} \Sigma_w / \mathrm{Tr} \Sigma_b)$ [SB's code];
    "inverse": $\log \mathrm{Tr}(\Sigma_b \Sigma_w^+)$ [SB's code].

    The first two fall as classes separate; "inverse" rises. Natural logarithm, dimensionless. The
    pseudo-inverse of $\Sigma_b$ takes exactly its leading K - 1 directions for K classes (fewer
    only if the class means span fewer), and that of $\Sigma_w$ at most N - K; see `Scatter`.
    If every sample is at its class mean: -inf, and inf for "inverse"; if the class means are all
    alike, the reverse; `ClassMoments.scatter().status` has the words.

    H and `labels` may be tensors or arrays, labels whole numbers from 0 to K - 1 and all of these;
    float64 within. Cost O(N (w + K)^2).

    Raises: ValueError if H is not finite and (sample, width), labels are not whole numbers from 0,
    a class has fewer than 2 samples, or for another `kind`.
    Source: He and Su, PNAS 2023; Shi, Pan and Dokmanic, arXiv:2407.19353.
    """
    check_kind(kind)
    return class_moments(H, labels).log_separation(kind)


def class_moments(H: Any, labels: Any) -> ClassMoments:
    """Moments of all samples at once, with as many classes as the labels have.

    Raises: ValueError as `ClassMoments`.
    """
    rows, _ = as_features("H", H)
    numbers = as_labels(labels, len(rows))
    # A stray large number must not ask for a column for each class below it.
    check_labels(numbers, len(numbers))
    if int(numbers.max()) < 1:
        raise ValueError("labels must have at least 2 classes, got class 0 alone.")
    moments = ClassMoments(rows.shape[1], int(numbers.max()) + 1)
    moments.update(H, numbers)
    return moments


def target_separation(
    H: Float[Tensor, "sample width"],
    y: Float[Tensor, "sample output"],
    kind: SeparationKind = "fuzziness",
) -> float:
    r"""Log separation of real targets in one layer's features; that of classes for one-hot y.

    Each feature is fitted by y and a constant, $h \approx a + B y$, by least squares: $\Sigma_b$ is
    the covariance of the fit, $\Sigma_w$ that of what is left, and they add up to that of h. With
    y the classes as zeros and ones the fit is the class mean, so that this is `log_separation`.
    Rank of $\Sigma_b$: that of the centred y, or fewer. Any invertible linear map of y changes
    nothing. It sees only what is linear in y.

    Raises: ValueError if H and y are not finite with one row for each sample, y is constant, there
    are too few samples for its rank, or for another `kind`.
    Source: this project, after He and Su, PNAS 2023.
    """
    check_kind(kind)
    return target_moments(H, y).log_separation(kind)


def target_moments(H: Any, y: Any) -> TargetMoments:
    """Moments of all samples at once.

    Raises: ValueError as `TargetMoments`.
    """
    rows, _ = as_features("H", H)
    targets = as_targets(y, len(rows))
    moments = TargetMoments(rows.shape[1], targets.shape[1])
    moments.update(H, targets)
    return moments


def as_targets(y: Any, n: int) -> Tensor:
    """Targets as finite float64 (n, output).

    Raises: ValueError otherwise.
    """
    given = as_tensor("y", y)
    if given.ndim != 2 or len(given) != n:
        raise ValueError(
            f"y must be ({n}, output) as H has {n} samples, got shape {tuple(given.shape)}."
        )
    return as_features("y", given)[0]
