"""Ridge regression from streamed second moments, with the penalty that does best elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from loadpath.record import Moments

PENALTIES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e2)
"""Penalties that are tried, as shares of the mean square of a feature."""
MIDDLE = 1e-3
"""The penalty where no other samples choose one."""


class Regression(NamedTuple):
    r"""A regression, $r \approx z V^\top + c$."""

    weight: Tensor
    """V, (out, in)."""
    bias: Tensor | None
    """c, (out,); None if it has none."""
    explained: float
    """The share of the mean square of r that it makes on other samples; NaN without any."""
    penalty: float
    """The penalty, as a share of the mean square of a feature."""


def ridge(
    moments: Moments, inputs: int, penalty: float, *, bias: bool, judge: Moments | None = None
) -> Regression:
    r"""Return $\arg\min_{V, c} \sum \|r - z V^\top - c\|^2 + \alpha \|V\|^2$.

    Parameters
    ----------
    moments : Moments
        Of the rows [z, r], (sample, in + out).
    inputs : int
        Features of z.
    penalty : float
        $\alpha$ as a share of the mean square of a feature of z, centred if there is a bias.
    bias : bool
        Whether there is a c.
    judge : Moments, optional
        Of other rows, which say what is explained.
    """
    rows = moments.centred_rows() if bias else moments.rows().A
    z, r = rows[:, :inputs], rows[:, inputs:]
    gram = z.T @ z
    alpha = penalty * (float(gram.diagonal().mean()) or 1.0)
    eye = torch.eye(inputs, dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram + alpha * eye, z.T @ r).T
    offset = None
    if bias:
        mean = moments.mean()
        offset = mean[inputs:] - weight @ mean[:inputs]
    explained = float("nan")
    if judge is not None:
        seen = judge.rows()  # they have the inner products of all samples
        missed = seen.A[:, inputs:] - seen.A[:, :inputs] @ weight.T
        if offset is not None:
            missed = missed - seen.S[:, -1:] * offset
        whole = float(seen.A[:, inputs:].square().sum())
        explained = 1 - float(missed.square().sum()) / whole if whole else 1.0
    return Regression(weight, offset, explained, penalty)


def best_ridge(fit: Moments, judge: Moments | None, inputs: int, *, bias: bool) -> Regression:
    """Return the regression whose penalty does best on other samples.

    Parameters
    ----------
    fit, judge : Moments
        Of the rows [z, r] to fit to, and of others if there are any.
    inputs : int
        Features of z.
    bias : bool
        Whether it has a bias.
    """
    if judge is None:
        return ridge(fit, inputs, MIDDLE, bias=bias)
    found = [ridge(fit, inputs, penalty, bias=bias, judge=judge) for penalty in PENALTIES]
    return max(found, key=lambda each: each.explained)
