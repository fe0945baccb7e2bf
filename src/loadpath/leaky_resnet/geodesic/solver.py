"""`solve`: representation geodesics, by descent on rounded kinks, with a certificate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm import tqdm

from loadpath.checks import as_rows, check_count
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.geodesic import phases as plan
from loadpath.leaky_resnet.geodesic.certificate import (
    ITERATIONS,
    NOT_CONVERGED,
    certify,
    momenta_on_kinks,
    with_refinement,
)
from loadpath.leaky_resnet.geodesic.descent import Descent
from loadpath.leaky_resnet.geodesic.endpoints import REACHED, check_reachable, end_error, stiffness
from loadpath.leaky_resnet.geodesic.history import history
from loadpath.leaky_resnet.geodesic.solution import Endpoint, Geodesic
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss, check_loss, data_term
from loadpath.leaky_resnet.training import default_weight_decay
from loadpath.threads import torch_threads

LEAST_ITERATIONS = 15
"""Of the certificate's search, which is shorter where there are many samples: what it finds is an
upper bound at any length."""
SHARE = 0.8
"""Of the tolerance, that the problem with rounded kinks is solved to."""


def solve(
    x: Float[Tensor, "sample in"],
    y: Tensor,
    *,
    effective_depth: float,
    weight_decay: float | None = None,
    width: int = 100,
    depth: int = 20,
    endpoint: Endpoint = "fit",
    activation: Literal["relu", "leaky_relu", "tanh", "softplus", "identity"] = "relu",
    bias: bool = True,
    layer_steps: Tensor | Literal["adaptive"] | None = None,
    step: Literal["euler", "exponential"] = "euler",
    loss: Loss = "mse",
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

    endpoint "fit": minimizes $C(A_L, y) + \lambda\,\frac{1}{2c}\sum_l \rho_l \|W_l\|_F^2$ over
    the weights of a LeakyResNet with fixed orthonormal maps, C the mean over the samples of the
    squared error (a sum over outputs) or of the cross-entropy.
    endpoint "fixed": minimizes the action alone among paths with A_0 = x and A_L = y, by the method
    of multipliers: the target of a quadratic end is moved until the path ends at y.

    Method: annealed Adam, then L-BFGS in curvature coordinates with relu's kinks rounded off over a
    share of each layer's size, 0.3 to 0.001, and the least-norm subgradient as the judge; linear
    paths need neither. Fixed ends of small relu nets are reached by Newton's method on the rounded
    kinks. docs/geodesics.md tells what else was tried. It finds a local minimum; seeds
    differ by about a per cent of the objective.

    Parameters
    ----------
    x: (sample, in) inputs; (sample, width) for a fixed end.
    y: (sample, out) outputs, or (sample,) class numbers for loss "cross-entropy"; (sample, width)
        for a fixed end.
    effective_depth: the leakage L~ >= 0.
    weight_decay: lambda; None takes 0.01 per output ("mse") or 0.01. With a fixed end the path does
        not depend on it.
    width, depth: w and L.
    activation, bias, step, scale: as of `LeakyResNet`; "identity" is the linear theory.
    layer_steps: (depth,) of sum 1; equidistant if None; "adaptive" moves them towards where the
        path is fast in the first phases.
    start: a net to start from instead of a random one, as for continuation in L~ or lambda: its
        weights are read as a function of p, and scaled with L~.
    tolerance: residual of the worst layer that counts as converged.
    kink_width: activations with |A_ij| <= kink_width * rms(A_l) count as on a kink.
    refinements: how often to double the layers and solve again, for the certificate's continuum
        value; each costs about as much as twice the one before.
    max_seconds: stop after this much time, with the best point so far. Refinements have as much
        again each, and are left out from the first that needs more; the certificate comes on top.
    seed: of weights, maps and probes.
    threads: CPU threads, on which the last bits depend; None is torch's own number.
    progress: a bar on stderr; None shows it on a terminal only.

    Cost: about 3,000 evaluations of 6 N w (w + 1) L operations. Memory: about 6 N w L numbers of 8
    bytes at the end, where A, B and what is between them are kept.

    Raises: ValueError that names the argument, for values out of range, data that are not finite or
    do not fit, ends that no path joins, and layer steps that the net cannot take.
    Source: Jacot and Kaiser, arXiv:2405.17573; the method is found here.
    """
    x, y = _checked(x, y, loss, endpoint, width)
    for name, value in dict(
        weight_decay=weight_decay,
        tolerance=tolerance,
        kink_width=kink_width,
        max_seconds=max_seconds,
    ).items():
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"{name} must be finite and above 0, got {value}.")
    check_count("refinements", refinements, 0)
    if threads is not None:
        check_count("threads", threads, 1)
    pinned = endpoint == "fixed"
    outputs = y.shape[1] if loss == "mse" else int(y.max()) + 1
    adaptive = isinstance(layer_steps, str)
    if isinstance(layer_steps, str) and layer_steps != "adaptive":
        raise ValueError(f"layer_steps must be steps or 'adaptive', got {layer_steps!r}.")

    def net(steps: Tensor | None) -> LeakyResNet:
        return LeakyResNet(
            x.shape[1],
            outputs,
            width=width,
            depth=depth if steps is None else len(steps),
            effective_depth=effective_depth,
            layer_steps=steps,
            step=step,
            activation=activation,
            bias=bias,
            scale=1.0 if pinned else scale,
            seed=seed,
            dtype=torch.float64,
            device=device,
        )

    model = net(None if isinstance(layer_steps, str) else layer_steps)
    steps = model.layer_steps.cpu()
    if pinned:
        check_reachable(x, y, width=width, activation=activation, bias=bias)
        for parameter in (model.input_map, model.output_map):
            parameter.copy_(torch.eye(width))
    warm = start is None and activation != "identity"
    if start is not None:
        _take_up(model, start)
    elif activation == "identity":
        # A path that stands still: the leakage, made up for. From random weights a linear path
        # of negative determinant would have to pass through a singular matrix.
        with torch.no_grad():
            model.weights[:, :, :width] = effective_depth * torch.eye(width)
    elif not pinned:
        half = plan.coarse_steps(steps, effective_depth=effective_depth, step=step)
        model = model if half is None else net(half)
    if weight_decay is None:
        weight_decay = (
            stiffness(y, width, effective_depth) if pinned else default_weight_decay(model, loss)
        )
    x, y = x.to(model.weights.device), y.to(model.weights.device)
    begin = partial(
        Descent,
        x=x,
        weight_decay=weight_decay,
        loss=loss,
        tolerance=SHARE * tolerance,
        max_seconds=max_seconds,
        threads=threads,
        seed=seed,
    )
    descent = begin(model, y=y, adaptive=adaptive)
    if pinned:
        _watch(descent, plan.pinned_end(descent, y, warm=warm), progress)
    else:
        _watch(descent, plan.free_end(descent, steps, warm=warm), progress)
    model, status, weight_decay = descent.model, descent.status, descent.weight_decay
    if status != "running":
        descent.restore_best()
    if model.depth < depth:  # out of time on half the layers
        model = meshes.remesh(model, steps)
    finer, values = begin(model, y=descent.y, weight_decay=weight_decay), []
    for _ in range(refinements if status == "running" else 0):
        finer = begin(
            meshes.remesh(finer.model, meshes.split(finer.model.layer_steps)),
            y=finer.y,
            weight_decay=finer.weight_decay,
        )
        _watch(finer, plan.finer(finer, y, pinned=pinned), progress)
        if finer.status != "running":
            break  # a mesh that was not solved would spoil the extrapolation
        values.append((finer.model.depth, _objective(finer, pinned)))
    certificate = certify(
        model,
        x,
        descent.y,
        weight_decay=weight_decay,
        loss=loss,
        kink_width=kink_width,
        tolerance=tolerance,
        iterations=max(LEAST_ITERATIONS, min(ITERATIONS, ITERATIONS * plan.SUBSET // len(x))),
        threads=threads,
    )
    A, B = momenta_on_kinks(
        model, x, descent.y, certificate.least_norm, weight_decay=weight_decay, loss=loss
    )
    with torch.no_grad():
        action = float(model.regularizer())
    missed = end_error(A[-1], y) if pinned else 0.0
    objective = action if pinned else certificate.objective
    if pinned and certificate.continuum_predicted is not None:
        change = (certificate.continuum_predicted - certificate.objective) / weight_decay
        certificate = replace(certificate, continuum_predicted=action + change)
    if values:
        certificate = with_refinement(certificate, [(depth, objective), *values])
    if status in ("running", "out of time") and certificate.verdict != NOT_CONVERGED:
        status = "converged"  # what a limit in time cut short may be good enough
    elif status == "running":
        status = "not converged"
    if pinned and missed > REACHED and status in ("converged", "not converged"):
        status = "end not reached"
    elif certificate.trivial and not pinned and status != "diverged":
        status = "trivial minimum"
    return Geodesic(
        model=model.requires_grad_(False),
        A=A,
        B=B,
        p=model.p,
        certificate=certificate,
        status=status,
        endpoint=endpoint,
        end_error=missed,
        objective=objective,
        weight_decay=weight_decay,
        loss=loss,
        x=x,
        target=descent.y,
        history=history(descent, model, status),
        seconds=descent.seconds,
    )


def _watch(descent: Descent, iterations: Iterator[int], progress: bool | None) -> None:
    """Run it under a progress bar, with torch's own threads kept out of the adjoint's way."""
    with (
        torch_threads(1),
        tqdm(unit="it", disable=None if progress is None else not progress) as bar,
    ):
        for done in iterations:
            bar.update(done)
            row = descent.rows[-1]
            bar.set_postfix_str(
                f"{row['stage']}: objective {row['objective']:.6g}, worst residual "
                f"{row['residual_worst']:.2g} at kinks rounded by {row['width']:g}",
                refresh=False,
            )


def _objective(descent: Descent, pinned: bool) -> float:
    """What is minimized: with the data term, or the action alone."""
    with torch.no_grad():
        action = float(descent.model.regularizer())
        C = float(data_term(descent.model(descent.x), descent.y, descent.loss))
    return action if pinned else C + descent.weight_decay * action


def _checked(
    x: Tensor, y: Tensor, loss: Loss, endpoint: Endpoint, width: int
) -> tuple[Tensor, Tensor]:
    """x and y as float64 (class numbers as they are), or one sentence about what is wrong."""
    check_loss(loss)
    check_count("width", width, 1)
    if endpoint not in ("fit", "fixed"):
        raise ValueError(f"endpoint must be 'fit' or 'fixed', got {endpoint!r}.")
    if endpoint == "fixed" and loss != "mse":
        raise ValueError(f"loss must be 'mse' where endpoint='fixed', got {loss!r}.")
    x = as_rows("x", x)
    if loss == "mse":
        y = as_rows("y", y)
    elif y.ndim != 1 or y.is_floating_point() or y.numel() == 0 or int(y.min()) < 0:
        raise ValueError(
            "y must be (sample,) class numbers of at least 0 for loss 'cross-entropy', got "
            f"{tuple(y.shape)} of {y.dtype}."
        )
    if len(x) != len(y):
        raise ValueError(f"x and y must have as many samples, got {len(x)} and {len(y)}.")
    return x, y


def _take_up(model: LeakyResNet, start: LeakyResNet) -> None:
    """Give the model the weights of another, as functions of p, scaled with L~."""
    if start.weights.shape[1:] != model.weights.shape[1:]:
        raise ValueError(
            f"start must have layers of shape {tuple(model.weights.shape[1:])}, got "
            f"{tuple(start.weights.shape[1:])}."
        )
    # On the other's own leakage, for the mesh need not suit it.
    old, new = (net.layer_steps.double().cpu() for net in (start, model))
    shares = meshes.overlaps(old, new)
    with torch.no_grad():
        weights = torch.tensordot(shares.to(model.weights), start.weights.to(model.weights), 1)
        model.weights.copy_(weights * (model.coupling / start.coupling))
