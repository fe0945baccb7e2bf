"""How learnable the teachers of Figure 2 are: what the best kernel ridge leaves unexplained."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from loadpath import results
from loadpath.papers.experiment import Experiment
from loadpath.papers.learnable import CONTROL, LEARNABLE, samples
from loadpath.sweep import Cell

PENALTIES = tuple(10.0**k for k in range(-7, 2))
"""As shares of the kernel's mean eigenvalue."""
WIDTHS = (0.5, 1.0, 2.0, 4.0)
"""Of Gaussian kernels, in units of the root mean squared norm of the inputs."""
LAYERS = (1, 2, 4)
"""Hidden layers of the infinitely wide relu nets whose kernels are tried."""
TESTED = 1000
"""Test samples that errors are taken on."""


def learnability(*, seed: int) -> xr.Dataset:
    """Measure what kernel ridge leaves unexplained of each teacher, kernel by kernel.

    The penalty is the one of least test error, so that what is left is less than any choice that
    does not know the test set would leave.

    Parameters
    ----------
    seed : int
        Seed of the data, as for `learnable`.

    Returns
    -------
    xr.Dataset
        `unexplained` over teacher and kernel, a share of the variance of the test outputs.
    """
    teachers = (*LEARNABLE, CONTROL)
    values = []
    for teacher in teachers:
        data = samples(teacher, seed)
        x, y = data.x_train.double(), data.y_train.double()
        x_test, y_test = data.x_test[:TESTED].double(), data.y_test[:TESTED].double()
        values.append([unexplained(k, x, y, x_test, y_test) for k in kernels(x).values()])
    ds = xr.Dataset(
        {"unexplained": (("teacher", "kernel"), np.array(values))},
        {"teacher": list(teachers), "kernel": list(kernels(x))},
    )
    ds["unexplained"].attrs.update(long_name="share of the variance left unexplained", units="1")
    return results.stamp(ds, seed=seed, penalties=PENALTIES)


def kernels(x: Tensor) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """Return the kernels that are tried, by name; their scales are those of the inputs x.

    Parameters
    ----------
    x : Tensor
        (sample, in) training inputs.

    Returns
    -------
    dict of str to callable
        Each takes two sets of inputs and returns their kernel matrix.
    """
    size = float(x.square().sum(1).mean().sqrt())

    def gaussian(width: float) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda a, b: torch.exp(-torch.cdist(a, b).square() / (2 * (width * size) ** 2))

    def relu(layers: int) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda a, b: relu_kernel(a / size, b / size, layers)

    return {
        "linear": lambda a, b: a @ b.T,
        **{f"Gaussian, {width:g}": gaussian(width) for width in WIDTHS},
        **{f"relu, {layers}": relu(layers) for layers in LAYERS},
    }


def relu_kernel(a: Tensor, b: Tensor, layers: int, bias: float = 0.1) -> Tensor:
    r"""Return the kernel of infinitely wide random relu nets whose weights are He's.

    Parameters
    ----------
    a, b : Tensor
        (sample, in) inputs.
    layers : int
        Hidden layers.
    bias : float
        Standard deviation of the biases.

    Returns
    -------
    Tensor
        (a's samples, b's samples).

    Notes
    -----
    From the covariance of two preactivations, of variances u and v and angle t, one layer makes
    $\sqrt{uv}\,(\sin t + (\pi - t) \cos t) / \pi$.

    References
    ----------
    Cho and Saul, Kernel methods for deep learning, NeurIPS 2009.
    """
    u, v, k = a.square().sum(1), b.square().sum(1), a @ b.T
    for _ in range(layers):
        u, v, k = u + bias**2, v + bias**2, k + bias**2
        scale = (u[:, None] * v[None, :]).sqrt()
        cosine = (k / scale).clamp(-1, 1)
        angle = torch.arccos(cosine)
        k = scale * (torch.sin(angle) + (math.pi - angle) * cosine) / math.pi
    return k


def unexplained(
    kernel: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor
) -> float:
    """Return the least share of the test outputs' variance that kernel ridge leaves.

    Parameters
    ----------
    kernel : callable
        Takes two sets of inputs, and returns their kernel matrix.
    x, y : Tensor
        (sample, in) and (sample, out): what is learned from.
    x_test, y_test : Tensor
        The same to test on.

    Returns
    -------
    float
        Over `PENALTIES`; 1 is the error of the mean.
    """
    mean = y.mean(0)
    eigenvalues, U = torch.linalg.eigh(kernel(x, x))
    ahead, targets = kernel(x_test, x) @ U, U.T @ (y - mean)
    scale = float(eigenvalues.mean())
    errors = [
        float(
            (ahead @ (targets / (eigenvalues + p * scale)[:, None]) + mean - y_test).square().sum()
        )
        for p in PENALTIES
    ]
    return min(errors) / float((y_test - y_test.mean(0)).square().sum())


def _cells(seeds: Iterable[int]) -> list[Cell]:
    """Return the cells for some seeds."""
    return [{"seed": seed} for seed in seeds]


LEARNABILITIES = {"learnability": Experiment("learnability", learnability, _cells)}
"""How learnable the teachers are, seed by seed."""
