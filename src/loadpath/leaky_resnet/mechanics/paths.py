"""The path as a curve: its length, its slow and fast stretches, its picture in a plane [LR]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import (
    as_layer_steps,
    as_path_of_rows,
    as_tensor,
    check_count,
    shown,
)
from loadpath.leaky_resnet.mechanics.metric import (
    PerStep,
    Scalar,
    gamma_of_rows,
    inner_product,
    safe_ratio,
    with_features,
)
from loadpath.record import ActivationLike
from loadpath.threads import torch_threads


def path_length(
    path: Sequence[Float[Tensor, "sample width"]],
    layer_steps: Float[Tensor, " step"],
    *,
    gamma0: float,
    activation: ActivationLike = "relu",
    bias: bool = True,
) -> Scalar:
    r"""Return the length of a path in the metric of the stabilized inverse kernel.

    Parameters
    ----------
    path : sequence of Tensor
        $A_0, \dots, A_L$, each (sample, width).
    layer_steps : Tensor
        (step,): the layer steps; only their number matters.
    gamma0 : float
        The stabilizer of every layer as a share of its kernel, above 0.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The net's activation.
    bias : bool
        Whether S has a column of ones.

    Returns
    -------
    Tensor
        $\int_0^1 \|dA/dp\|_{K+\gamma}\,dp$; 0-d, float64, dimensionless.

    Raises
    ------
    ValueError
        If there is not one step between every two A, an A is not finite, or `gamma0` is not
        finite and above 0.

    Notes
    -----
    It is the sum over steps of $\|A_l - A_{l-1}\|$ in the metric at $A_{l-1}$, with
    $\gamma_{l-1} = \gamma_0 \|S_{l-1}\|_{op}^2$. The cost is O(N w^2 L).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, Theorem 4.
    """
    path, _ = _checked(path, layer_steps)
    total = torch.zeros((), dtype=torch.float64)
    for start, end in zip(path, path[1:], strict=False):
        S, start, move = with_features(start, move=end - start, activation=activation, bias=bias)
        gamma = gamma_of_rows(S, gamma0)
        total = total + inner_product(S, move, move, gamma=gamma).sqrt()
    return total


def relative_speed(
    path: Sequence[Float[Tensor, "sample width"]], layer_steps: Float[Tensor, " step"]
) -> PerStep:
    r"""Return the relative speed of every step.

    Parameters
    ----------
    path : sequence of Tensor
        $A_0, \dots, A_L$, each (sample, width).
    layer_steps : Tensor
        (step,): the layer steps.

    Returns
    -------
    Tensor
        (step,): $c_l = \|A_l - A_{l-1}\|_F / (\rho_l \|A_l\|_F)$, in inverse units of p; float64.
        A step that stays at zero has speed 0.

    Raises
    ------
    ValueError
        If there is not one step between every two A.

    Notes
    -----
    The cost is O(N w L).

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, section on discretization.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> path = [torch.tensor([[4.0]]), torch.tensor([[2.0]]), torch.tensor([[2.0]])]
    >>> lp.mechanics.relative_speed(path, lp.layer_steps.equidistant(2))
    tensor([2., 0.], dtype=torch.float64)
    """
    path, layer_steps = _checked(path, layer_steps)
    moves = torch.stack([(b - a).norm() for a, b in zip(path, path[1:], strict=False)])
    norms = torch.stack([A.norm() for A in path[1:]])
    return safe_ratio(moves, layer_steps.to(norms) * norms)


def slow_steps(speed: PerStep, layer_steps: Float[Tensor, " step"]) -> Tensor:
    """Tell which steps belong to a slow stretch of the path.

    Parameters
    ----------
    speed : Tensor
        (step,): relative speeds, none negative.
    layer_steps : Tensor
        (step,): the layer steps.

    Returns
    -------
    Tensor
        (step,), bool.

    Raises
    ------
    ValueError
        If the two differ in shape, or a speed is negative or NaN.

    Notes
    -----
    The rule takes the logarithm of the speed, and its median over each step and its two
    neighbours, so that no stretch is one step long by accident. Slow is what lies below the mean
    over p, that is, below the geometric mean of the speed. A path whose fastest step is at most
    twice as fast as its slowest has no stretches.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> speed = torch.tensor([9.0, 8.0, 1.0, 1.0, 1.0, 9.0])
    >>> lp.mechanics.slow_steps(speed, lp.layer_steps.equidistant(6)).tolist()
    [False, False, True, True, True, False]
    """
    speed, layer_steps = as_tensor("speed", speed), as_layer_steps("layer_steps", layer_steps)
    if speed.ndim != 1 or speed.shape != layer_steps.shape:
        shapes = f"{tuple(speed.shape)} and {tuple(layer_steps.shape)}"
        raise ValueError(f"speed and layer_steps must be of one length, got {shapes}.")
    if not bool((speed >= 0).all()):
        raise ValueError(f"speed must not be negative or NaN, got {shown(speed.tolist())}.")
    if float(speed.max()) <= 2 * float(speed.min()):
        return torch.zeros_like(speed, dtype=torch.bool)
    speed = speed.double()
    # A step at rest has speed 0 and one that ends at zero has speed inf: keep logarithms finite.
    finite = speed[speed.isfinite()]
    top = max(float(finite.max()) if len(finite) else 1.0, 1e-100)
    log = speed.clamp(1e-6 * top, top).log()
    padded = torch.cat([log[:1], log, log[-1:]])
    smooth = padded.unfold(0, 3, 1).median(dim=1).values
    rho = layer_steps.to(smooth)
    return smooth < (rho * smooth).sum() / rho.sum()


class Projection(NamedTuple):
    """A path seen in the plane that holds most of its variance."""

    coordinates: Tensor
    """(layer, sample, 2), units of A."""
    explained: float
    """Share of the variance over layers and samples that the plane holds, in [0, 1]."""


@torch_threads(1)
def path_projection(
    path: Sequence[Float[Tensor, "sample width"]], n_samples: int = 64
) -> Projection:
    """Project the paths of some samples on the two principal components of them all.

    Parameters
    ----------
    path : sequence of Tensor
        A_0, ..., A_L, each (sample, width).
    n_samples : int
        The most samples that are taken, evenly spaced.

    Returns
    -------
    Projection
        One plane for all layers, from the principal components of the chosen samples at all
        layers, each signed so that its largest loading is positive.

    Raises
    ------
    ValueError
        If `n_samples` is below 1, or the path is empty or not finite.

    Notes
    -----
    The cost is O(n L w^2) for n samples.
    """
    check_count("n_samples", n_samples, 1)
    path = as_path_of_rows("path", path)
    chosen = evenly_spaced(len(path[0]), n_samples)
    points = torch.stack([A[chosen] for A in path])
    flat = points.flatten(0, 1)
    flat = flat - flat.mean(0)
    _, s, Vt = torch.linalg.svd(flat, full_matrices=False)
    plane = torch.zeros(flat.shape[1], 2, dtype=torch.float64, device=flat.device)
    plane[:, : len(Vt[:2])] = Vt[:2].T
    largest = plane.gather(0, plane.abs().argmax(0, keepdim=True))
    plane = plane * torch.where(largest < 0, -1.0, 1.0)
    explained = float(safe_ratio(s[:2].square().sum(), s.square().sum()))
    return Projection((flat @ plane).reshape(*points.shape[:2], 2), explained)


def evenly_spaced(n: int, n_chosen: int) -> Tensor:
    """Return up to `n_chosen` of the indices 0..n-1, evenly spaced."""
    return torch.linspace(0, n - 1, min(n, n_chosen), dtype=torch.float64).round().long()


def _checked(path: Sequence[Tensor], layer_steps: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return path and steps in float64, once there is one step between every two matrices."""
    steps = as_layer_steps("layer_steps", layer_steps)
    matrices = as_path_of_rows("path", path)
    if len(matrices) != len(steps) + 1:
        raise ValueError(
            f"path must have one representation more than layer_steps ({len(steps)}), "
            f"got {len(matrices)}."
        )
    return matrices, steps
