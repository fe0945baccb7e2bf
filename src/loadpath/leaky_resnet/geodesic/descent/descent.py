"""Descend on an objective whose relu kinks are rounded off, less and less.

Minimizers of a relu net sit on kinks: activations that are exactly 0 for some samples. Plain
descent cannot settle there, for its gradient jumps at every crossing. With the kinks rounded off
over a width (`smooth_relu`) the objective is once differentiable, and L-BFGS converges on it. The
rounded derivative is then a choice from relu's subdifferential at every activation within the
width. Widths are relative to the root mean square of each layer, which differs tenfold along a
path with a bottleneck.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.leaky_resnet.adjoint import Adjoint, smooth_relu
from loadpath.leaky_resnet.geodesic.descent import searches
from loadpath.leaky_resnet.geodesic.descent.newton import Newton, Weights
from loadpath.leaky_resnet.geodesic.descent.phase import Phase
from loadpath.leaky_resnet.geodesic.descent.quasi_newton import QuasiNewton
from loadpath.leaky_resnet.layer_steps import Adaptive, remesh, split
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss
from loadpath.leaky_resnet.training import Adam, Coordinates, layer_residuals
from loadpath.results import Status

LOOK, NEWTON_LOOK = 25, 5
"""Iterations of L-BFGS, and of Newton's method, between two looks at the clock and the residual,
each of which adds a row to the record."""
SIZED = 4096
"""Samples on which the size of the representations is measured."""
EQUAL = 1e-5
"""Objectives this near to each other, relatively, count as equally low."""


class Descent:
    """The state of a descent, the phases that change it, and a record of what each look saw."""

    def __init__(
        self,
        model: LeakyResNet,
        x: Float[Tensor, "sample in"],
        y: Tensor,
        *,
        weight_decay: float,
        loss: Loss,
        tolerance: float,
        max_seconds: float | None = None,
        adaptive: bool = False,
        threads: int | None = None,
        seed: int = 0,
    ) -> None:
        """Begin at `model`, in float64, which is changed in place; x and y are on its device.

        Where it is `adaptive`, the mesh moves in the warm start and between phases in float32,
        and then rests.
        """
        self.model, self.x, self.y = model, x, y
        self.weight_decay, self.loss, self.tolerance = weight_decay, loss, tolerance
        self.adaptive, self.seed = adaptive, seed
        # Asked here, for `solve` keeps torch itself to one while it descends.
        self.threads = threads or torch.get_num_threads()
        self.limit = max_seconds or math.inf
        self.status = Status.RUNNING
        self.iteration, self.seconds = 0, 0.0
        self.residual = math.inf
        """The worst layer's residual of the rounded problem, at the last look."""
        self.smoothing = [0.0] * model.depth
        """Half-widths of the rounded kinks of the present phase, absolute."""
        self.rows: list[dict[str, Any]] = []
        self.learned: tuple[Coordinates, QuasiNewton] | None = None
        """What the last phase can hand on."""
        self.forget_best()

    def on_finer_mesh(self) -> Descent:
        """Return a new descent on the same problem, from this one's path on twice the layers."""
        return Descent(
            remesh(self.model, split(self.model.layer_steps)),
            self.x,
            self.y,
            weight_decay=self.weight_decay,
            loss=self.loss,
            tolerance=self.tolerance,
            max_seconds=self.limit,
            threads=self.threads,
            seed=self.seed,
        )

    def change_mesh(self, steps: Tensor) -> None:
        """Go on with the same path on other layer steps."""
        self.model = remesh(self.model, steps)
        self.forget_best()

    def forget_best(self) -> None:
        """Forget the best point so far, because the objective means another thing from now on."""
        self.least, self.stillest = math.inf, math.inf
        self.best = self.model.weights.detach().clone()

    def restore_best(self) -> None:
        """Go back to the best point seen.

        Among the points within `EQUAL` of the lowest objective, it is the one of the smallest
        residual in the last phase that had one.
        """
        with torch.no_grad():
            self.model.weights.copy_(self.best)

    def warm_start(self, stage: Adam, samples: slice) -> Iterator[int]:
        """Run annealed Adam in float32 on some of the samples; yield the iterations done."""
        started = time.monotonic()
        model = self._working_copy(single=True)
        adjoint = self._adjoint(model, samples)
        mesh = Adaptive(model) if self.adaptive else None
        optimizer = stage.optimizer(model.parameters())
        first = self.iteration
        for count in _parts(stage.steps, LOOK):
            for i in range(self.iteration - first, self.iteration - first + count):
                done = i / stage.steps
                for group in optimizer.param_groups:
                    group["lr"] = stage.rate(done, model.effective_depth)
                adjoint.evaluate(stage.weight_decay(done, self.weight_decay))
                optimizer.step()
                if mesh is not None:
                    mesh.step(self._a_few(samples, model))
            self._record(model, adjoint, "Adam", count, started)
            yield count
            started = time.monotonic()
            if self.status != Status.RUNNING:
                return

    def run(self, phase: Phase, samples: slice = slice(None)) -> Iterator[int]:
        """Run one phase on some of the samples; yield the iterations done.

        It ends early where the residual is small enough or nothing lower is found at this
        precision, with `status` still running, and where time is up. A descent that has ended
        runs no further phase.
        """
        if self.status != Status.RUNNING:
            return
        started = time.monotonic()
        earlier, self.learned = self.learned if phase.goes_on else None, None
        model = earlier[0].model if earlier else self._working_copy(single=phase.single)
        adjoint = self._adjoint(model, samples)
        if self.adaptive and not phase.settled:
            Adaptive(model, every=1).step(self._a_few(samples, model))
            self.model.set_layer_steps(model.layer_steps)
        width = phase.width if model.activation == "relu" else 0.0
        adjoint.smoothing = self.smoothing = self._smoothing(model, width)
        self.stillest = math.inf  # residuals at another rounding do not compare
        coordinates: Coordinates | Weights
        search: QuasiNewton | Newton
        decay = self.weight_decay
        if phase.newton:
            coordinates = Weights(model)
            x, y = self.x[samples], self.y[samples]
            search = searches.newton(coordinates, adjoint, x, y, weight_decay=decay)
        elif earlier:
            coordinates, search = earlier
            search.change_function(searches.objective_of(coordinates, adjoint, decay))
        else:
            coordinates = Coordinates(
                model,
                self.x[samples].to(model.weights),
                weight_decay=decay,
                loss=self.loss,
                generator=torch.Generator().manual_seed(self.seed + self.iteration),
            )
            learned = searches.quasi_newton(coordinates, adjoint, phase, weight_decay=decay)
            self.learned, search = (coordinates, learned), learned
        for count in _parts(phase.iterations, NEWTON_LOOK if phase.newton else LOOK):
            # Not beyond a step that finds nothing lower: the next would search the same line.
            moved = all(search.iterate() for _ in range(count))
            searches.set_coordinates(coordinates, search.at)
            self._record(model, adjoint, "L-BFGS", count, started, width)
            yield count
            started = time.monotonic()
            small = self.residual <= phase.tolerances * self.tolerance
            if self.status != Status.RUNNING or small or not moved:
                return

    @torch.no_grad()
    def rounded_end(self) -> Tensor:
        """Return the net's outputs with its kinks rounded as in the last phase."""
        model = self.model
        A = self.x @ model.input_map
        decay, gain = (c.tolist() for c in model.coefficients())
        for l, (W, tau) in enumerate(zip(model.weights, self.smoothing, strict=True)):
            S = model.features(A)
            if tau:
                smooth_relu(A, tau, out=S[:, : model.width], slope=torch.empty_like(A))
            A = decay[l] * A + gain[l] * (S @ W.T)
        return A @ model.output_map

    def _working_copy(self, *, single: bool) -> LeakyResNet:
        """Return a net in the precision wanted.

        In float32 it is a copy, for a net that went through float32 has lost digits of its maps
        and steps.
        """
        if not single:
            return self.model
        model = copy.deepcopy(self.model).float()
        model.layer_steps = self.model.layer_steps.clone()
        return model

    def _adjoint(self, model: LeakyResNet, samples: slice) -> Adjoint:
        """Return the model's adjoint with the samples loaded."""
        x, y = self.x[samples], self.y[samples]
        adjoint = Adjoint(model, len(x), loss=self.loss, threads=self.threads)
        adjoint.load(x, y)
        return adjoint

    def _a_few(self, samples: slice, model: LeakyResNet) -> Tensor:
        """Return at most `SIZED` of the samples, in the model's precision."""
        x = self.x[samples]
        return x[:: math.ceil(len(x) / SIZED)].to(model.weights)

    @torch.no_grad()
    def _smoothing(self, model: LeakyResNet, width: float) -> list[float]:
        """Return half-widths of the rounded kinks of A_0 .. A_{L-1}; that of A_0, data, is 0."""
        path = model.path(self._a_few(slice(None), model))
        sizes = [float(A.square().mean().sqrt()) for A in path[:-1]]
        return [0.0 if l == 0 else width * size for l, size in enumerate(sizes)]

    def _record(
        self,
        model: LeakyResNet,
        adjoint: Adjoint,
        stage: str,
        count: int,
        started: float,
        width: float = 0.0,
    ) -> None:
        """Record where the descent stands, and keep it if it is the best point so far."""
        data_term, regularizer = adjoint.evaluate(self.weight_decay)
        rounded = data_term + self.weight_decay * regularizer
        residuals = layer_residuals(model, self.weight_decay)
        if width:
            smoothing, adjoint.smoothing = adjoint.smoothing, [0.0] * model.depth
            data_term, regularizer = adjoint.evaluate(self.weight_decay)
            adjoint.smoothing = smoothing
        objective = data_term + self.weight_decay * regularizer
        self.residual = float(residuals.max())
        self.iteration += count
        if math.isfinite(objective):
            with torch.no_grad():
                self.model.weights.copy_(model.weights)
            lower = objective < self.least * (1 - EQUAL)
            if lower or (objective <= self.least * (1 + EQUAL) and self.residual < self.stillest):
                self.best, self.stillest = self.model.weights.detach().clone(), self.residual
            self.least = min(self.least, objective)
        else:
            self.status = Status.DIVERGED
        self.seconds += time.monotonic() - started
        if self.status == Status.RUNNING and self.seconds > self.limit:
            self.status = Status.OUT_OF_TIME
        self.rows.append(
            {
                "iteration": self.iteration,
                "stage": stage,
                "objective": objective,
                "rounded_objective": rounded,
                "data_term": data_term,
                "residual": float(residuals.median()),
                "residual_worst": self.residual,
                "width": width,
                "samples": adjoint.n,
                "depth": model.depth,
                "seconds": self.seconds,
            }
        )


def _parts(total: int, look: int) -> Iterator[int]:
    """Yield `look` iterations at a time, and then what is left of `total`."""
    for done in range(0, total, look):
        yield min(look, total - done)
