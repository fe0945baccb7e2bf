r"""The least-norm subgradient of a LeakyResNet's objective, where activations sit on kinks.

Minimizers of a relu net like to sit where activations are exactly 0 for some samples. There the
gradient jumps, and its norm says nothing: a stationary point has 0 in its subdifferential.
`least_norm` looks for the smallest element; `by_width` tells activations on kinks from a failure
to converge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from threadpoolctl import ThreadpoolController
from torch import Tensor

from loadpath.checks import check_above_zero, check_count
from loadpath.leaky_resnet.geodesic.certificate.kinks import BLOCK, Array, KinkField
from loadpath.leaky_resnet.mechanics import check_data
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss
from loadpath.threads import torch_threads

WIDTHS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Kink widths of `by_width`, in units of a layer's root mean square."""
ITERATIONS, MEMORY = 150, 20
"""Of L-BFGS-B; more win little."""


@dataclass(frozen=True)
class LeastNorm:
    r"""The smallest subgradient that was found, and the plain gradient beside it.

    B_l(s) are the momenta that belong to it. Where `residual` is 0 they, and not those of
    backpropagation, are the multipliers of the theory: $W_l = c\,(g_l/\rho_l)\,B_l^\top S_{l-1}$.
    """

    residual: Tensor
    r"""$\|W_l - c\,(g_l/\rho_l)\,B_l(s)^\top S_{l-1}\| / \|W_l\|$, (step,): an upper bound of the
    least, for the problem is not convex."""
    gradient_residual: Tensor
    """The same for backpropagation's momenta, (step,): relu' is 1 above 0 and 0 elsewhere."""
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
    """Per layer 0..L-1, the activations on a kink: flat indices into (sample, width), int64."""
    slopes: tuple[Tensor, ...]
    """Per layer 0..L-1, the derivative chosen for each of these."""


def least_norm(
    model: LeakyResNet,
    x: Float[Tensor, "sample in"],
    y: Tensor,
    *,
    weight_decay: float,
    loss: Loss = "mse",
    kink_width: float = 1e-3,
    iterations: int = ITERATIONS,
    threads: int | None = None,
) -> LeastNorm:
    r"""Smallest subgradient of the objective by the weights, each layer relative to its ||W||.

    Where $|A_{l,ij}| \leq$ `kink_width` rms(A_l) the activation's derivative $s_{l,ij}$ may be
    anything between its values on the two sides (0 and 1 for relu). Momenta follow from
    $B_{l-1} = d_l B_l + g_l\, s_{l-1} \circ (B_l V_l)$, V_l being W_l without its bias column, and
    the s returned minimize

    $$\sum_l \|W_l - c\,(g_l/\rho_l)\,B_l(s)^\top S_{l-1}\|_F^2 / \|W_l\|_F^2.$$

    What is inside the norm is $c / (\lambda \rho_l)$ times an element of the set-valued gradient
    that backpropagation has at kinks. That set (a conservative field) holds Clarke's
    subdifferential, so a minimizer has 0 in it; with `kink_width` above 0 it is, to that width,
    the union over the points nearby (Goldstein's), which is what a solver can be asked for.
    The problem is a least squares in a box for the s of any one layer, not convex in all, so the
    result is an upper bound of the least norm; it never exceeds the gradient's own. Activations
    without a kink return the plain gradient. Learned input and output maps are held fixed.

    Runs in float64 on the CPU: L-BFGS-B from the smoothed derivative (A + t) / 2t, t the width,
    or from the plain one where that is better. Cost 8 N w (w + 1) L operations an iteration,
    memory N (w + 1) L numbers; blocks of samples are shared by `threads` threads, as many as torch
    has if None, which does not change a digit.

    Raises: ValueError if `weight_decay` or `kink_width` is not positive, `iterations` is not a
    whole number >= 0 or `threads` one >= 1, or x and y do not fit the model.
    Source: Bolte and Pauwels, arXiv:1909.10300 (conservative fields); Goldstein, Math. Programming
    13 (1977) (least norm near a point).
    """
    return by_width(
        model,
        x,
        y,
        weight_decay=weight_decay,
        loss=loss,
        widths=(kink_width,),
        iterations=iterations,
        threads=threads,
    )[0]


def by_width(
    model: LeakyResNet,
    x: Float[Tensor, "sample in"],
    y: Tensor,
    *,
    weight_decay: float,
    loss: Loss = "mse",
    widths: Sequence[float] = WIDTHS,
    iterations: int = ITERATIONS,
    threads: int | None = None,
) -> tuple[LeastNorm, ...]:
    """`least_norm` for several kink widths, from narrow to wide.

    A minimizer on kinks has a residual that falls to about 0 at a small width and then stays; a
    point that has not converged keeps a large one however generous the width. Every width starts
    from what the one before found, so that the sum of squares never rises with the width.

    Raises: ValueError if `widths` is empty or not rising, and as `least_norm`.
    """
    check_above_zero("weight_decay", weight_decay)
    for width in widths:
        check_above_zero("kink_width", width)
    if len(widths) == 0 or list(widths) != sorted(set(widths)):
        raise ValueError(f"widths must be rising, and at least one, got {tuple(widths)}.")
    check_count("iterations", iterations, 0)
    threads = torch.get_num_threads() if threads is None else threads
    check_count("threads", threads, 1)
    check_data(model, x, y, loss, BLOCK)
    # Threads of torch's and of the BLAS would be in the way of ours.
    with torch_threads(1), ThreadpoolController().limit(limits=1, user_api="blas"):
        field = KinkField(
            model,
            x,
            y,
            weight_decay=weight_decay,
            loss=loss,
            widest=widths[-1],
            threads=min(threads, -(-len(x) // BLOCK)),
        )
        gradient = _norms(field, field.products(field.plain))
        slopes, found = field.plain, []
        for width in widths:
            slopes, done = _solve(field, width, slopes, iterations)
            found.append(_result(field, width, slopes, gradient, done))
    return tuple(found)


def _norms(field: KinkField, BtS: Array) -> Tensor:
    return torch.from_numpy(np.sqrt(np.square(field.misfit(BtS)).sum((1, 2))))


def _solve(field: KinkField, width: float, start: Array, iterations: int) -> tuple[Array, int]:
    """Best slopes found where |A| <= width rms(A_l), and the number of iterations."""
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


def _result(
    field: KinkField, width: float, slopes: Array, gradient: Tensor, iterations: int
) -> LeastNorm:
    """What is reported of `slopes`, found at this width: one more pass, forward and backward."""
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
        residual=_norms(field, sums["BtS"].numpy()),
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
