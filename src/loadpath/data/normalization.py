"""Inputs and outputs demeaned and scaled, by statistics of the training samples alone."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.data.samples import Data


def normalized(data: Data, *, common_scale: bool = False) -> Data:
    """Demean and scale inputs and regression outputs by their training statistics.

    Parameters
    ----------
    data : Data
        The samples.
    common_scale : bool, optional
        Whether all inputs share one scale, such that the mean of ||x||^2 over the training samples
        is the number of features; else each has its own. Pixels at an image's border are constant
        or nearly so, where a scale of their own would blow up a handful of stray values.

    Returns
    -------
    Data
        A copy. Where inputs share one scale it has their `raw_deviation`.

    Raises
    ------
    ValueError
        If the variance overflows.
    """
    mean, scale = mean_and_scale(data.x_train, common=common_scale)
    raw = float(data.x_train.std() / scale) if common_scale else None
    data = replace(
        data,
        x_train=(data.x_train - mean) / scale,
        x_test=(data.x_test - mean) / scale,
        raw_deviation=raw,
    )
    if data.task == "classification":
        return data
    mean, scale = mean_and_scale(data.y_train)
    return replace(data, y_train=(data.y_train - mean) / scale, y_test=(data.y_test - mean) / scale)


def mean_and_scale(
    t: Float[Tensor, "sample feature"], *, common: bool = False
) -> tuple[Float[Tensor, " feature"], Float[Tensor, "*feature"]]:
    """Return the mean of every coordinate, and its standard deviation or one that all share.

    Parameters
    ----------
    t : Tensor
        (sample, feature).
    common : bool, optional
        Whether to return one root mean square deviation of all coordinates.

    Returns
    -------
    mean : Tensor
        (feature,).
    scale : Tensor
        (feature,), or a scalar. It is 1 for a coordinate that is constant, so that dividing leaves
        0.

    Raises
    ------
    ValueError
        If the variance overflows.
    """
    constant = t.amax(0) == t.amin(0)  # rounding in the mean would leave a deviation of 1e-17
    variance = torch.where(constant, 0.0, t.var(0, correction=0))
    if common:
        variance = variance.mean()
    if not variance.isfinite().all():
        raise ValueError(
            f"the data cannot be normalized: entries as large as {float(t.abs().max()):.3g} make "
            "the variance overflow."
        )
    return t.mean(0), torch.where(variance == 0, 1.0, variance.sqrt())
