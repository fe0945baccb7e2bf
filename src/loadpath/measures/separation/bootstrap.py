"""Log separation of many layers at once, with the same samples drawn anew in all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loadpath.checks import check_count
from loadpath.measures.separation.log_separations import as_targets, class_moments, target_moments
from loadpath.measures.separation.moments import ClassMoments, TargetMoments, as_labels, as_tensor
from loadpath.measures.separation.scatter import SeparationKind, check_kind

Array = NDArray[np.float64]


def of_classes(
    features: Sequence[Any], labels: Any, *, kind: SeparationKind, n_bootstrap: int, seed: int
) -> tuple[Array, Array | None]:
    """Log separation (layer,) of classes, and of resampled data (replicate, layer).

    Samples are drawn with replacement within each class, so that class sizes stay. None without
    replicates. Memory is that of one layer's features beside those given.

    Raises: ValueError as `LoadCurve.of`.
    """
    layers = _layers(features)
    numbers = as_labels(labels, len(layers[0])).cpu()
    groups = [torch.nonzero(numbers == k)[:, 0].numpy() for k in numbers.unique()]
    return _measure(layers, numbers, class_moments, groups, kind, n_bootstrap, seed)


def of_targets(
    features: Sequence[Any], y: Any, *, kind: SeparationKind, n_bootstrap: int, seed: int
) -> tuple[Array, Array | None]:
    """Log separation (layer,) of real targets, and of resampled data (replicate, layer).

    Raises: ValueError as `LoadCurve.of_targets`.
    """
    layers = _layers(features)
    targets = as_targets(y, len(layers[0])).cpu()
    groups = [np.arange(len(targets))]
    return _measure(layers, targets, target_moments, groups, kind, n_bootstrap, seed)


def _layers(features: Sequence[Any]) -> list[Tensor]:
    layers = [as_tensor(f"features[{l}]", H) for l, H in enumerate(features)]
    if len(layers) < 2:
        raise ValueError(f"features must have at least 2 layers, got {len(layers)}.")
    for l, H in enumerate(layers):
        if H.ndim != 2 or len(H) != len(layers[0]) or H.numel() == 0:
            raise ValueError(
                f"features[{l}] must be a non-empty (sample, width) matrix with as many samples as "
                f"features[0], got {tuple(H.shape)} and {tuple(layers[0].shape)}."
            )
        if not bool(torch.isfinite(H).all()):
            raise ValueError(f"features[{l}] must be finite, got entries that are NaN or infinite.")
    return layers


def _measure(
    layers: list[Tensor],
    answers: Tensor,
    moments_of: Callable[[Tensor, Tensor], ClassMoments | TargetMoments],
    groups: list[NDArray[np.int64]],
    kind: SeparationKind,
    n_bootstrap: int,
    seed: int,
) -> tuple[Array, Array | None]:
    check_kind(kind)
    check_count("n_bootstrap", n_bootstrap, 0)
    check_count("seed", seed, 0)
    curve = np.empty(len(layers))
    for l, H in enumerate(layers):
        scatter = moments_of(H, answers).scatter()
        curve[l] = scatter.log_separation(kind)
        if not math.isfinite(curve[l]):
            raise ValueError(
                f"features[{l}] must have a finite log separation, got {curve[l]}, as it is "
                f"{scatter.status}."
            )
    if n_bootstrap == 0:
        return curve, None
    replicates = np.empty((n_bootstrap, len(layers)))
    for r in range(n_bootstrap):
        # A stream for each replicate: the first ones do not depend on how many there are.
        draw = np.random.default_rng([seed, r])
        drawn = np.concatenate([draw.choice(group, len(group)) for group in groups])
        rows = torch.from_numpy(drawn)
        for l, H in enumerate(layers):
            replicates[r, l] = moments_of(H[rows.to(H.device)], answers[rows]).log_separation(kind)
    return curve, replicates
