"""Log separation of many layers at once, with the same samples drawn anew in all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loadpath.checks import as_tensor, check_count, check_seed
from loadpath.measures.separation.class_moments import ClassMoments
from loadpath.measures.separation.inputs import as_labels, as_targets
from loadpath.measures.separation.scatter import SeparationKind, check_kind
from loadpath.measures.separation.target_moments import TargetMoments

Array = NDArray[np.float64]


def resample_classes(
    features: Sequence[Any], labels: Any, *, kind: SeparationKind, n_bootstrap: int, seed: int
) -> tuple[Array, Array | None]:
    """Measure the log separation of classes in every layer, and in resampled data.

    Parameters
    ----------
    features : sequence of (Tensor or array_like)
        (sample, width) features of every layer, the same samples in each.
    labels : Tensor or array_like
        (sample,) class numbers from 0.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        The convention of the separation.
    n_bootstrap : int
        How many times samples are drawn anew, with replacement within each class, so that class
        sizes stay.
    seed : int
        Seed of the drawing.

    Returns
    -------
    curve : Array
        (layer,) log separation.
    replicates : Array or None
        (replicate, layer) log separation of resampled data; None without replicates.

    Raises
    ------
    ValueError
        As `LoadCurve.from_features`.

    Notes
    -----
    Memory is that of one layer's features beside those given.
    """
    layers = _layers(features)
    numbers = as_labels(labels, len(layers[0])).cpu()
    groups = [torch.nonzero(numbers == k)[:, 0].numpy() for k in numbers.unique()]
    moments = ClassMoments.from_features
    return _measure(layers, numbers, moments, groups, kind, n_bootstrap, seed)


def resample_targets(
    features: Sequence[Any], y: Any, *, kind: SeparationKind, n_bootstrap: int, seed: int
) -> tuple[Array, Array | None]:
    """Measure the log separation of real targets in every layer, and in resampled data.

    Parameters
    ----------
    features : sequence of (Tensor or array_like)
        (sample, width) features of every layer, the same samples in each.
    y : Tensor or array_like
        (sample, output) real targets.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        The convention of the separation.
    n_bootstrap : int
        How many times samples are drawn anew, with replacement from all of them.
    seed : int
        Seed of the drawing.

    Returns
    -------
    curve : Array
        (layer,) log separation.
    replicates : Array or None
        (replicate, layer) log separation of resampled data; None without replicates.

    Raises
    ------
    ValueError
        As `LoadCurve.from_targets`.
    """
    layers = _layers(features)
    targets = as_targets(y, len(layers[0])).cpu()
    groups = [np.arange(len(targets))]
    moments = TargetMoments.from_features
    return _measure(layers, targets, moments, groups, kind, n_bootstrap, seed)


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
    """Measure all layers, then draw within each of the groups of samples and measure again."""
    check_kind(kind)
    check_count("n_bootstrap", n_bootstrap, 0)
    check_seed("seed", seed)
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
