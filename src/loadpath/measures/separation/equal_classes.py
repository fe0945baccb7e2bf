r"""Scatter in which every class counts alike, however many samples it has."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch

from loadpath.measures.separation.class_moments import ClassMoments
from loadpath.measures.separation.inputs import as_labels, as_small_features
from loadpath.measures.separation.scatter import Scatter
from loadpath.threads import torch_threads

ClassWeights = Literal["samples", "equal"]
"""What a class counts in the scatter: as many times as it has samples, or once."""
CLASS_WEIGHTS: tuple[ClassWeights, ...] = get_args(ClassWeights)
"""The words as values."""


@torch_threads(1)
def equal_class_scatter(H: Any, labels: Any) -> Scatter:
    r"""Return the scatter between classes and within them, each class counted once.

    Parameters
    ----------
    H : Tensor or array_like
        (sample, width) features.
    labels : Tensor or array_like
        (sample,) class numbers from 0.

    Returns
    -------
    Scatter
        Factors of the two covariances, in the units of the features.

    Raises
    ------
    ValueError
        As `ClassMoments.from_features`, or if a class has fewer than 2 samples.

    Notes
    -----
    With class means $m_k$ of $n_k$ samples each, and $\bar m$ their mean over the K classes:
    $\Sigma_b = \frac1K \sum_k (m_k - \bar m)(m_k - \bar m)^\top$ and
    $\Sigma_w = \frac1K \sum_k \frac{1}{n_k} \sum_{i \in k} (h_i - m_k)(h_i - m_k)^\top$. For
    classes of one size it is `ClassMoments.scatter`. Costs O(N w^2) for N samples of width w.

    References
    ----------
    .. [1] He and Su, "A law of data separation in deep learning", PNAS 2023.
    """
    moments = ClassMoments.from_features(H, labels)
    rows, _ = as_small_features("H", H)
    numbers = as_labels(labels, len(rows)).to(rows.device)
    means, K, n = moments.class_means(), moments.n_classes, len(rows)
    sizes = moments.counts.to(rows)[numbers, None]
    within = torch.linalg.qr((rows - means[numbers]) / (K * sizes).sqrt(), mode="r").R
    return Scatter(
        between=(means - means.mean(0)) / K**0.5,
        within=within,
        between_limit=min(K - 1, rows.shape[1]),
        within_limit=min(n - K, rows.shape[1]),
        rounding=moments.scatter().rounding,
    )
