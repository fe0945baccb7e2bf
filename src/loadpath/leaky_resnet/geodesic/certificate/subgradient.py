r"""The least-norm subgradient of a LeakyResNet's objective, where activations sit on kinks.

Minimizers of a relu net like to sit where activations are exactly 0 for some samples. There the
gradient jumps, and its norm says nothing: a stationary point has 0 in its subdifferential.
`least_norm` looks for the smallest element; `by_width` tells activations on kinks from a failure
to converge.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_list, check_count, check_number
from loadpath.leaky_resnet.geodesic.certificate.kinks import BLOCK, KinkField
from loadpath.leaky_resnet.geodesic.certificate.slopes import LeastNorm, norms, report, search
from loadpath.leaky_resnet.mechanics import check_data
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import LossLike
from loadpath.threads import blas_libraries, torch_threads

WIDTHS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Kink widths of `by_width`, in units of a layer's root mean square."""
ITERATIONS = 150
"""The most iterations of L-BFGS-B, unless another number is asked for; more win little."""


def least_norm(
    model: LeakyResNet,
    x: Float[Tensor, "sample in"],
    y: Tensor,
    *,
    weight_decay: float,
    loss: LossLike | None = None,
    kink_width: float = 1e-3,
    iterations: int = ITERATIONS,
    threads: int | None = None,
) -> LeastNorm:
    r"""Return the smallest subgradient of the objective by the weights that a search finds.

    Each layer counts relative to its ||W||. Where $|A_{l,ij}| \leq$ `kink_width` rms(A_l) the
    activation's derivative $s_{l,ij}$ may be anything between its values on the two sides, 0 and 1
    for relu. Activations without a kink return the plain gradient. Learned input and output maps
    are held fixed.

    Parameters
    ----------
    model : LeakyResNet
        The net; it is left alone.
    x : Tensor
        (sample, in) inputs.
    y : Tensor
        (sample, out) outputs for "mse", (sample,) class numbers for "cross-entropy".
    weight_decay : float
        lambda, in the units of the data term.
    loss : {"mse", "cross-entropy"} or callable, optional
        The data term; that which the targets ask for if left out.
    kink_width : float
        What counts as on a kink, in units of a layer's root mean square.
    iterations : int
        The most iterations of L-BFGS-B.
    threads : int, optional
        CPU threads; None is torch's own number. They do not change a digit.

    Returns
    -------
    LeastNorm
        The subgradient, and the plain gradient beside it.

    Raises
    ------
    ValueError
        If `weight_decay` or `kink_width` is not above 0, `iterations` is not a whole number of at
        least 0 or `threads` one of at least 1, or x and y do not fit the model.

    Notes
    -----
    Momenta follow from $B_{l-1} = d_l B_l + g_l\, s_{l-1} \circ (B_l V_l)$, V_l being W_l without
    its bias column, and the s returned minimize

    $$\sum_l \|W_l - c\,(g_l/\rho_l)\,B_l(s)^\top S_{l-1}\|_F^2 / \|W_l\|_F^2.$$

    What is inside the norm is $c / (\lambda \rho_l)$ times an element of the set-valued gradient
    that backpropagation has at kinks. That set (a conservative field) holds Clarke's
    subdifferential, so a minimizer has 0 in it [1]_. With `kink_width` above 0 it is, to that
    width, the union over the points nearby [2]_, which is what a solver can be asked for. The
    problem is a least squares in a box for the s of any one layer, not convex in all, so the
    result is an upper bound of the least norm; it never exceeds the gradient's own.

    The search runs in float64 on the CPU: L-BFGS-B from the smoothed derivative (A + t) / 2t, t
    the width, or from the plain one where that is better. An iteration costs 8 N w (w + 1) L
    operations, memory holds N (w + 1) L numbers, and threads share blocks of samples.

    References
    ----------
    .. [1] Bolte and Pauwels, arXiv:1909.10300 (conservative fields).
    .. [2] Goldstein, Math. Programming 13 (1977) (least norm near a point).

    Examples
    --------
    >>> import torch, loadpath as lp
    >>> data = lp.data.teacher((4, 2, 4), n_train=20, n_test=10, seed=0)
    >>> net = lp.LeakyResNet(4, 4, width=4, depth=4, effective_depth=1.0, dtype=torch.float64)
    >>> found = lp.geodesic.least_norm(net, data.x_train, data.y_train, weight_decay=0.1)
    >>> found.residual.shape
    torch.Size([4])
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
    loss: LossLike | None = None,
    widths: Sequence[float] = WIDTHS,
    iterations: int = ITERATIONS,
    threads: int | None = None,
) -> tuple[LeastNorm, ...]:
    """Return the smallest subgradients for several kink widths, from narrow to wide.

    A minimizer on kinks has a residual that falls to about 0 at a small width and then stays; a
    point that has not converged keeps a large one however generous the width. Every width starts
    from what the one before found, so that the sum of squares never rises with the width.

    Parameters
    ----------
    model : LeakyResNet
        The net; it is left alone.
    x : Tensor
        (sample, in) inputs.
    y : Tensor
        (sample, out) outputs for "mse", (sample,) class numbers for "cross-entropy".
    weight_decay : float
        lambda, in the units of the data term.
    loss : {"mse", "cross-entropy"} or callable, optional
        The data term; that which the targets ask for if left out.
    widths : sequence of float
        Rising kink widths, in units of a layer's root mean square.
    iterations : int
        The most iterations of L-BFGS-B at each width.
    threads : int, optional
        CPU threads; None is torch's own number. They do not change a digit.

    Returns
    -------
    tuple of LeastNorm
        One for each width.

    Raises
    ------
    ValueError
        If `widths` is empty or not rising, and as for `least_norm`.
    """
    check_number("weight_decay", weight_decay, above=0)
    widths = as_list("widths", widths, "kink widths")
    for width in widths:
        check_number(
            "kink_width, or one of widths," if len(widths) == 1 else "widths", width, above=0
        )
    if len(widths) == 0 or list(widths) != sorted(set(widths)):
        raise ValueError(f"widths must be rising, and at least one, got {tuple(widths)}.")
    check_count("iterations", iterations, 0)
    threads = torch.get_num_threads() if threads is None else threads
    check_count("threads", threads, 1)
    x, y, loss = check_data(model, x, y, loss, BLOCK)
    x, y = x.detach(), y.detach()
    # Threads of torch's and of the BLAS would be in the way of ours.
    with torch_threads(1), blas_libraries().limit(limits=1):
        field = KinkField(
            model,
            x,
            y,
            weight_decay=weight_decay,
            loss=loss,
            widest=widths[-1],
            threads=min(threads, -(-len(x) // BLOCK)),
        )
        gradient = norms(field, field.products(field.plain))
        slopes, found = field.plain, []
        for width in widths:
            slopes, done = search(field, width, slopes, iterations)
            found.append(report(field, width, slopes, gradient, done))
    return tuple(found)
