"""The derivatives that activations take on their kinks: a search for the best, and its report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from loadpath.leaky_resnet.geodesic.certificate.kinks import Array, KinkField
from loadpath.results import Shown

MEMORY = 20
"""Pairs of vectors that L-BFGS-B keeps; more win little."""


@dataclass(frozen=True, repr=False)
class LeastNorm(Shown):
    r"""The smallest subgradient that was found, and the plain gradient beside it.

    B_l(s) are the momenta that belong to it. Where `residual` is 0 they, and not those of
    backpropagation, are the multipliers of the theory: $W_l = c\,(g_l/\rho_l)\,B_l^\top S_{l-1}$.
    """

    residual: Tensor
    r"""$\|W_l - c\,(g_l/\rho_l)\,B_l(s)^\top S_{l-1}\| / \|W_l\|$, (step,): an upper bound of the
    least, for the problem is not convex."""
    gradient_residual: Tensor
    """Residual with backpropagation's momenta, (step,), for which relu' is 1 above 0, else 0."""
    on_kink: Tensor
    """How many activations of layers 0..L-1 are within the width, (step,) int64. Those of layer 0
    count for nothing: no weight stands before them."""
    between: Tensor
    """How many of these got a derivative strictly between the two sides', (step,) int64: they are
    what holds a minimizer on its kinks."""
    kink_width: float
    """Activations with |A_ij| <= kink_width * rms(A_l) count as on the kink."""
    iterations: int
    """Iterations of L-BFGS-B; 0 if there was nothing to choose."""
    BtS: Tensor
    """B_l(s)^T S_{l-1}, (step, width, feature)."""
    BtS_end: Tensor
    """B_l(s)^T S_l, (step, width, feature)."""
    BtA: Tensor
    """Tr[B_l(s)^T A_{l-1}], (step,)."""
    BtA_end: Tensor
    """Tr[B_l(s)^T A_l], (step,)."""
    indices: tuple[Tensor, ...]
    """Flat indices into (sample, width) of the activations on a kink, int64, for layers 0..L-1."""
    slopes: tuple[Tensor, ...]
    """The derivative chosen for each of these, for layers 0..L-1."""


def norms(field: KinkField, BtS: Array) -> Tensor:
    """Return the residuals, (step,)."""
    return torch.from_numpy(np.sqrt(np.square(field.misfit(BtS)).sum((1, 2))))


def search(field: KinkField, width: float, start: Array, iterations: int) -> tuple[Array, int]:
    """Return the best slopes found where |A| <= width rms(A_l), and the number of iterations."""
    free = (np.abs(field.ratios) <= width) & (field.layers > 0)
    best = field.evaluate(start)[0]
    if iterations == 0 or best == 0 or not free.any():
        return start, 0
    # Diagonal preconditioner: how far a unit of s moves the misfit of the layer before it.
    layer = field.layers[free] - 1
    scale = np.abs(field.pulls[free]) * field.lengths[free]
    scale *= field.factor[layer] / field.norms[layer]
    if not scale.max() > 0:
        return start, 0
    scale = np.maximum(scale, 1e-3 * scale.max())
    smooth = start.copy()
    share = (field.ratios[free] / width + 1) / 2
    smooth[free] = field.low + (field.high - field.low) * share
    value = field.evaluate(smooth)[0]
    slopes = smooth if value < best else start
    trial = slopes.copy()

    def objective(u: Array) -> tuple[float, Array]:
        trial[free] = u / scale
        value, gradient = field.evaluate(trial)
        return value, gradient[free] / scale

    outcome = minimize(
        objective,
        slopes[free] * scale,
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([field.low * scale, field.high * scale], axis=1),
        options={"maxiter": iterations, "maxcor": MEMORY, "ftol": 1e-9, "gtol": 1e-14},
    )
    if outcome.fun < min(value, best):
        slopes = slopes.copy()
        slopes[free] = np.clip(outcome.x / scale, field.low, field.high)
    return slopes, int(outcome.nit)


def report(
    field: KinkField, width: float, slopes: Array, gradient: Tensor, iterations: int
) -> LeastNorm:
    """Report what belongs to `slopes`, found at this width, in one more pass there and back."""
    near = np.abs(field.ratios) <= width
    between = near & (slopes > field.low) & (slopes < field.high)
    sums = {name: torch.zeros_like(field.model.weights) for name in ("BtS", "BtS_end")}
    sums |= {name: torch.zeros(field.L, dtype=torch.float64) for name in ("BtA", "BtA_end")}
    indices: list[list[Tensor]] = [[] for _ in range(field.L)]
    chosen: list[list[Tensor]] = [[] for _ in range(field.L)]
    offset = 0
    for block in field.blocks:
        path = field.model.path(block.x)
        for l, momentum in field.backward(block, slopes):
            B = torch.from_numpy(momentum)
            sums["BtS"][l - 1] += B.T @ torch.from_numpy(block.S[l - 1])
            sums["BtS_end"][l - 1] += B.T @ field.model.features(path[l])
            sums["BtA"][l - 1] += (B * path[l - 1]).sum()
            sums["BtA_end"][l - 1] += (B * path[l]).sum()
        for l, (kinks, where) in enumerate(zip(block.kinks, block.where, strict=True)):
            mask = near[where]
            indices[l].append(torch.from_numpy(kinks[mask] + offset))
            chosen[l].append(torch.from_numpy(slopes[where][mask]))
        offset += block.end.size
    return LeastNorm(
        residual=norms(field, sums["BtS"].numpy()),
        gradient_residual=gradient,
        on_kink=torch.from_numpy(np.bincount(field.layers[near], minlength=field.L)),
        between=torch.from_numpy(np.bincount(field.layers[between], minlength=field.L)),
        kink_width=width,
        iterations=iterations,
        BtS=sums["BtS"],
        BtS_end=sums["BtS_end"],
        BtA=sums["BtA"],
        BtA_end=sums["BtA_end"],
        indices=tuple(map(torch.cat, indices)),
        slopes=tuple(map(torch.cat, chosen)),
    )
