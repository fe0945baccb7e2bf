"""`solve`: representation geodesics, by descent on rounded kinks, with a certificate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor

from loadpath.checks import as_small_rows
from loadpath.leaky_resnet.geodesic.architecture import Activation, Architecture, StepKind
from loadpath.leaky_resnet.geodesic.conclusion import conclude
from loadpath.leaky_resnet.geodesic.descent import Descent
from loadpath.leaky_resnet.geodesic.endpoints import End, as_end, samples_for
from loadpath.leaky_resnet.geodesic.limits import Limits
from loadpath.leaky_resnet.geodesic.solution import Endpoint, Geodesic
from loadpath.leaky_resnet.geodesic.start import first_net
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss, data_term_of_tensors
from loadpath.results import Status, progress_bar
from loadpath.threads import torch_threads


def solve(
    x: Any,
    y: Any = None,
    *,
    effective_depth: float,
    weight_decay: float | None = None,
    width: int = 100,
    depth: int = 20,
    endpoint: Endpoint | End = "fit",
    activation: Activation = "relu",
    bias: bool = True,
    layer_steps: Tensor | Literal["adaptive"] | None = None,
    step: StepKind = "euler",
    largest_leak: float = 1.0,
    loss: Loss | None = None,
    scale: float = 0.3,
    start: LeakyResNet | None = None,
    tolerance: float = 0.01,
    kink_width: float = 1e-3,
    refinements: int = 0,
    max_seconds: float | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    threads: int | None = None,
    progress: bool | None = None,
) -> Geodesic:
    r"""Solve for a representation geodesic, in float64, and certify how near to one it came.

    A path with a free end minimizes
    $C(A_L, y) + \lambda\,\frac{1}{2c}\sum_l \rho_l \|W_l\|_F^2$ over the weights of a LeakyResNet
    with fixed orthonormal maps. C is the mean over the samples of the squared error (a sum over
    outputs) or of the cross-entropy. A path with a fixed end minimizes the action alone among
    those with A_0 = x and A_L = y.

    Parameters
    ----------
    x : array_like or DataFrame, or both halves in one
        (sample, in) inputs; (sample, width) for a fixed end. With y left out, inputs and targets in
        one: a pair (x, y), a Bunch, a Data, of which the training samples are taken, or what else
        `loadpath.data.as_pair` takes.
    y : array_like, Series or str, optional
        (sample, out) outputs, (sample,) class numbers, or the column of x that is the target;
        (sample, width) for a fixed end. Nothing is scaled.
    effective_depth : float
        The leakage L~ >= 0, dimensionless.
    weight_decay : float, optional
        lambda, in the units of the data term. None takes 0.01 for each output of "mse", and 0.01
        for "cross-entropy". With a fixed end the path does not depend on it.
    width, depth : int
        Neurons w of a layer, and layers L.
    endpoint : {"fit", "fixed"}, FreeEnd or FixedEnd
        "fit" leaves the end free, with `weight_decay`, `loss` and `scale` as they are here;
        "fixed" ends the path at y. A value carries these three itself.
    activation : {"relu", "leaky_relu", "tanh", "softplus", "identity"} or callable
        The nonlinearity; "identity" is the linear theory. Of a function of your own it is not known
        where it has kinks: it is treated as smooth, as `LeakyResNet` says.
    bias : bool
        Whether the layers have a bias.
    layer_steps : Tensor or "adaptive", optional
        (layer,) of sum 1, which set the depth; equidistant if None. "adaptive" moves them towards
        where the path is fast in the first phases.
    step : {"euler", "exponential"}
        How a layer treats the leakage.
    largest_leak : float
        What every $\rho_l \tilde L$ must stay below under the Euler step, from 1 to 2: see
        `LeakyResNet`.
    loss : {"mse", "cross-entropy"}, optional
        The data term of a free end; if left out, "cross-entropy" for class numbers and "mse" for
        outputs.
    scale : float
        Size of the representations of a free end, as for `LeakyResNet`.
    start : LeakyResNet, optional
        A net to start from instead of a random one, as for continuation in L~ or lambda. Its
        weights are read as a function of p, and scaled with L~.
    tolerance : float
        Residual of the worst layer that counts as converged.
    kink_width : float
        Activations with |A_ij| <= kink_width * rms(A_l) count as on a kink.
    refinements : int
        How often to double the layers and solve again, for the certificate's continuum value.
        Each costs about as much as twice the one before.
    max_seconds : float, optional
        Stop after this much time, with the best point so far. Refinements have as much again
        each, and are left out from the first that needs more; the certificate comes on top.
    seed : int
        Seed of the weights, the maps and the probes.
    device : torch.device or str, optional
        Where to compute; None is torch's default.
    threads : int, optional
        CPU threads, on which the last bits depend; None is torch's own number.
    progress : bool, optional
        Whether a bar shows; if left out it does on a terminal and in a notebook.

    Returns
    -------
    Geodesic
        The path, its weights and momenta, its certificate, and how the solution ended.

    Raises
    ------
    ValueError
        If a number is out of range, data are not finite or do not fit, no path joins the ends,
        the net cannot take the layer steps, or an endpoint that is a value stands beside options
        that it carries itself.

    Notes
    -----
    The method is annealed Adam, then L-BFGS in curvature coordinates with relu's kinks rounded
    off over a share of each layer's size, from 0.3 to 0.001, and the least-norm subgradient as the
    judge. Linear paths need neither rounding nor Adam. A fixed end is reached by the method of
    multipliers: the target of a quadratic end is moved until the path ends at y, for small relu
    nets by Newton's method on the rounded kinks. docs/geodesics.md tells what else was tried. A
    local minimum is found; seeds differ by about a per cent of the objective.

    The cost is about 3,000 evaluations of 6 N w (w + 1) L operations. At the end, where A, B and
    what is between them are kept, memory holds about 6 N w L numbers of 8 bytes.

    References
    ----------
    .. [1] Jacot and Kaiser, arXiv:2405.17573. The method is found here.

    Examples
    --------
    The action of a linear path between given ends tends to that of the closed form as the layers
    become many; here they are 20:

    >>> import torch, loadpath as lp
    >>> x = torch.eye(2, dtype=torch.float64)
    >>> y = torch.diag(torch.tensor([2.0, 0.5], dtype=torch.float64))
    >>> found = lp.geodesic.solve(
    ...     x, y, effective_depth=1.0, width=2, depth=20, endpoint="fixed",
    ...     activation="identity", bias=False, tolerance=1e-6, progress=False,
    ... )
    >>> str(found.status)
    'converged'
    >>> exact = lp.geodesic.linear.between(x, y, effective_depth=1.0)
    >>> round(found.action, 2), round(exact.action, 2)
    (1.5, 1.48)
    """
    x, y, loss = samples_for(endpoint, x, y, loss)
    end = as_end(endpoint, weight_decay=weight_decay, loss=loss, scale=scale)
    architecture = Architecture(
        effective_depth=effective_depth,
        width=width,
        depth=depth,
        activation=activation,
        bias=bias,
        layer_steps=layer_steps,
        step=step,
        largest_leak=largest_leak,
        seed=seed,
        device=device,
    )
    limits = Limits(
        tolerance=tolerance,
        kink_width=kink_width,
        refinements=refinements,
        max_seconds=max_seconds,
        threads=threads,
        progress=progress,
    )
    x, y = _checked(x, y, end)
    model = end.build(architecture, x, y)
    steps = model.layer_steps.cpu()
    model, warm = first_net(model, start, end, architecture)
    x, y = x.to(model.weights.device), y.to(model.weights.device)
    descent = Descent(
        model,
        x,
        y,
        weight_decay=end.weight_decay_for(model, y),
        loss=end.loss,
        tolerance=limits.residual,
        max_seconds=max_seconds,
        adaptive=architecture.adaptive,
        threads=threads,
        seed=seed,
    )
    _watch(descent, end.descend(descent, steps, warm=warm), progress)
    if descent.status != Status.RUNNING:
        descent.restore_best()
    if descent.model.depth < len(steps):  # out of time on half the layers
        descent.change_mesh(steps)
    refined = list(_refined(descent, end, y, limits))
    return conclude(descent, end, y, limits, refined)


def _checked(x: Tensor, y: Tensor, end: End) -> tuple[Tensor, Tensor]:
    """Return x and y in float64 (class numbers as they are), once they are known to fit."""
    x, y = as_small_rows("x", x), end.targets(y)
    if len(x) != len(y):
        raise ValueError(f"x and y must have as many samples, got {len(x)} and {len(y)}.")
    return x, y


def _watch(descent: Descent, iterations: Iterator[int], progress: bool | None) -> None:
    """Run a descent under a bar, with torch's own threads kept out of the adjoint's way."""
    with (
        torch_threads(1),
        progress_bar(progress, unit="it") as bar,
    ):
        for done in iterations:
            bar.update(done)
            row = descent.rows[-1]
            bar.set_postfix_str(
                f"{row['stage']}: objective {row['objective']:.6g}, worst residual "
                f"{row['residual_worst']:.2g} at kinks rounded by {row['width']:g}",
                refresh=False,
            )


def _refined(descent: Descent, end: End, y: Tensor, limits: Limits) -> Iterator[tuple[int, float]]:
    """Solve on finer and finer meshes; yield the depth and the objective of each."""
    for _ in range(limits.refinements):
        if descent.status != Status.RUNNING:
            return  # a mesh that was not solved would spoil the extrapolation
        descent = descent.on_finer_mesh()
        _watch(descent, end.refine(descent, y), limits.progress)
        if descent.status == Status.RUNNING:
            with torch.no_grad():
                action = float(descent.model.regularizer())
                C = float(data_term_of_tensors(descent.model(descent.x), descent.y, descent.loss))
            yield descent.model.depth, end.objective(C, action, descent.weight_decay)
