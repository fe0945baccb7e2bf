"""Features, labels, targets and curves as they are given, made what the measures can use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, Real
from numpy.typing import NDArray
from torch import Tensor

from loadpath.checks import as_numbers, as_rows, as_tensor, check_size

Features = Real[Tensor, "sample width"] | Real[np.ndarray, "sample width"] | Sequence[Any]
"""Features of one layer: a tensor, an array, or rows that NumPy makes one of."""
Labels = Integer[Tensor, " sample"] | Integer[np.ndarray, " sample"] | Sequence[int]
"""Class numbers, one for each sample."""
Targets = Real[Tensor, "sample output"] | Real[np.ndarray, "sample output"] | Sequence[Any]
"""Real targets: what a net is to put out for each sample."""
Weights = Real[Tensor, "class width"] | Real[np.ndarray, "class width"] | Sequence[Any]
"""Weights of a linear classifier."""
Biases = Real[Tensor, " class"] | Real[np.ndarray, " class"] | Sequence[float]
"""Biases of a linear classifier."""


def as_features(
    name: str, H: Any, *, width: int | None = None
) -> tuple[Float[Tensor, "sample width"], float]:
    """Return features in float64, and the epsilon of the type that they came in.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    H : Tensor or array_like
        (sample, width) features.
    width : int, optional
        The width that they must have; any if left out.

    Returns
    -------
    rows : Tensor
        (sample, width), finite, float64.
    epsilon : float
        Relative rounding of the type of `H`; 0 for whole numbers.

    Raises
    ------
    ValueError
        If `H` is not a finite matrix with at least one row, or is of another width.
    """
    given = as_tensor(name, H).detach()
    epsilon = torch.finfo(given.dtype).eps if given.is_floating_point() else 0.0
    shape = None if width is None else (len(given) if given.ndim else 0, width)
    return as_rows(name, given, shape=shape), epsilon


def as_small_features(name: str, H: Any) -> tuple[Float[Tensor, "sample width"], float]:
    """Return what `as_features` does, once no entry is above 1e70 in size.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    H : Tensor or array_like
        (sample, width) features.

    Returns
    -------
    rows : Tensor
        (sample, width), finite, float64.
    epsilon : float
        Relative rounding of the type of `H`; 0 for whole numbers.

    Raises
    ------
    ValueError
        If `H` is not such a matrix.
    """
    rows, epsilon = as_features(name, H)
    check_size(name, rows)
    return rows, epsilon


def as_labels(labels: Any, n: int) -> Int[Tensor, " sample"]:
    """Return class numbers as int64.

    Parameters
    ----------
    labels : Tensor or array_like
        (sample,) whole numbers. Their range is not looked at; see `check_labels`.
    n : int
        How many there must be: the number of samples.

    Returns
    -------
    Tensor
        (sample,), int64.

    Raises
    ------
    ValueError
        If `labels` are not `n` whole numbers.
    """
    given = as_tensor("labels", labels).detach()
    if given.is_floating_point():
        raise ValueError(f"labels must be class numbers as integers, got {given.dtype}.")
    if tuple(given.shape) != (n,):
        raise ValueError(
            f"labels must have shape ({n},) as H has {n} samples, got {tuple(given.shape)}."
        )
    return given.to(torch.int64)


def check_labels(labels: Int[Tensor, " sample"], n_classes: int) -> None:
    """Refuse labels out of range.

    Parameters
    ----------
    labels : Tensor
        (sample,) whole numbers, at least one.
    n_classes : int
        They must be from 0 to one less than this.

    Raises
    ------
    ValueError
        If a label is out of range.
    """
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n_classes:
        raise ValueError(
            f"labels must be class numbers 0 to {n_classes - 1}, got {low if low < 0 else high}."
        )


def as_targets(y: Any, n: int) -> Float[Tensor, "sample output"]:
    """Return real targets in float64.

    Parameters
    ----------
    y : Tensor or array_like
        (sample, output) real targets.
    n : int
        How many samples there must be.

    Returns
    -------
    Tensor
        (sample, output), finite, float64.

    Raises
    ------
    ValueError
        If `y` is not a finite matrix with one row for each sample.
    """
    given = as_tensor("y", y).detach()
    if given.ndim != 2 or len(given) != n:
        raise ValueError(
            f"y must be ({n}, output) as H has {n} samples, got shape {tuple(given.shape)}."
        )
    return as_features("y", given)[0]


def as_curve(name: str, values: Any, *, fewest: int) -> NDArray[np.float64]:
    """Return a copy of one number for each layer, as float64.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    values : array_like
        (layer,) finite numbers.
    fewest : int
        How many there must be at least.

    Returns
    -------
    array
        (layer,), float64.

    Raises
    ------
    ValueError
        If `values` are not a list of at least so many finite numbers.
    """
    array = as_numbers(name, values)
    if array.ndim != 1 or len(array) < fewest:
        raise ValueError(
            f"{name} must be a list of at least {fewest} number(s), got shape {array.shape}."
        )
    return array


def as_replicates(values: Any, layers: int) -> NDArray[np.float64]:
    """Return a copy of the curves of resampled data, as float64.

    Parameters
    ----------
    values : array_like
        (replicate, layer) finite numbers.
    layers : int
        How many layers there must be.

    Returns
    -------
    array
        (replicate, layer), float64.

    Raises
    ------
    ValueError
        If `values` are not finite, or of another shape.
    """
    array = as_numbers("replicates", values)
    if array.ndim != 2 or array.shape[1] != layers or not np.isfinite(array).all():
        raise ValueError(
            f"replicates must be (replicate, {layers}) and finite, got shape {array.shape} and "
            f"{int((~np.isfinite(array)).sum())} infinite or NaN."
        )
    return array
