"""Descent on an objective whose relu kinks are rounded off, less and less.

Minimizers of a relu net sit on kinks: activations that are exactly 0 for some samples. Plain
descent cannot settle there, for its gradient jumps at every crossing. With the kinks rounded off
over a width (`smooth_relu`) the objective is once differentiable, L-BFGS
converges on it, and the rounded derivative is a choice from relu's subdifferential at every
activation within the width. Widths are relative to the root mean square of each layer, which
differs tenfold along a path with a bottleneck.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.leaky_resnet.adjoint import Adjoint, smooth_relu
from loadpath.leaky_resnet.geodesic.descent.newton import Newton, Weights, hessian
from loadpath.leaky_resnet.geodesic.descent.quasi_newton import Evaluate, QuasiNewton, Vector
from loadpath.leaky_resnet.layer_steps import Adaptive
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss
from loadpath.leaky_resnet.training import Adam, Coordinates, layer_residuals

LOOK, NEWTON_LOOK = 25, 5
"""Iterations between two looks at the clock, the residual and the record."""
SIZED = 4096
"""Samples on which the size of the representations is measured."""
EQUAL = 1e-5
"""Objectives this near to each other, relatively, count as equally low."""
BLIND = 1e-4
"""A direction of a layer's input is left out of the search's memory once the data's curvature in
it, at its largest, is below this share of the regularizer's."""


@dataclass(frozen=True)
class Phase:
    """L-BFGS in one set of curvature coordinates and at one rounding of the kinks.

    Its coordinates are not renewed on the way: the curvature of thousands of rounded kinks is only
    learned in a long run with a long history (docs/geodesics.md has what renewing costs). On more
    samples than before, a phase may go on with what the last one learned.
    """

    width: float
    """Kinks are rounded over |A_ij| < width * rms(A_l); only relu's are."""
    iterations: int
    """The most it takes."""
    history: int = 100
    """Pairs of vectors kept."""
    single: bool = False
    """In float32."""
    settled: bool = True
    """The path is near its final shape: the mesh rests, and the search remembers nothing of
    directions that no sample sees."""
    goes_on: bool = False
    """With the coordinates and the memory of the phase before, of the same precision."""
    tolerances: float = 1.0
    """Stop once the worst layer's residual is below this many tolerances."""
    newton: bool = False
    """By Newton's method in the weights themselves, for small nets."""


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
        """Stand at `model`, in float64, which is changed in place; x and y are on its device.

        `adaptive`: the mesh moves in the warm start and between phases in float32, then rests.
        """
        self.model, self.x, self.y = model, x, y
        self.weight_decay, self.loss, self.tolerance = weight_decay, loss, tolerance
        self.adaptive, self.seed = adaptive, seed
        # Asked here, for `solve` keeps torch itself to one while it descends.
        self.threads = threads or torch.get_num_threads()
        self.limit = max_seconds or math.inf
        self.status = "running"
        self.iteration, self.seconds = 0, 0.0
        self.residual = math.inf
        """Worst layer's, of the rounded problem, at the last look."""
        self.smoothing = [0.0] * model.depth
        """Half-widths of the rounded kinks of the present phase, absolute."""
        self.rows: list[dict[str, Any]] = []
        self.learned: tuple[Coordinates, QuasiNewton] | None = None
        """What the last phase can hand on."""
        self.forget_best()

    def take(self, model: LeakyResNet) -> None:
        """Go on with another net, as one on a finer mesh."""
        self.model = model
        self.forget_best()

    def forget_best(self) -> None:
        """Start anew to look for the best point, because the objective means another thing now."""
        self.least, self.stillest = math.inf, math.inf
        self.best = self.model.weights.detach().clone()

    def restore_best(self) -> None:
        """Go back to the best point seen.

        Of those within `EQUAL` of the lowest objective, the one of the smallest residual in the
        last phase that had one.
        """
        with torch.no_grad():
            self.model.weights.copy_(self.best)

    def warm_start(self, stage: Adam, samples: slice) -> Iterator[int]:
        """Annealed Adam in float32 on some of the samples; yields iterations done."""
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
                    mesh.step(self._some(samples, model))
            self._look(model, adjoint, "Adam", count, started)
            yield count
            started = time.monotonic()
            if self.status != "running":
                return

    def run(self, phase: Phase, samples: slice) -> Iterator[int]:
        """One phase on some of the samples; yields iterations done.

        Ends early where the residual is small enough or nothing lower is found at this precision,
        with `status` still "running", and where time is up.
        """
        started = time.monotonic()
        earlier, self.learned = self.learned if phase.goes_on else None, None
        model = earlier[0].model if earlier else self._working_copy(single=phase.single)
        adjoint = self._adjoint(model, samples)
        if self.adaptive and not phase.settled:
            Adaptive(model, every=1).step(self._some(samples, model))
            self.model.set_layer_steps(model.layer_steps)
        width = phase.width if model.activation == "relu" else 0.0
        adjoint.smoothing = self.smoothing = self._smoothing(model, width)
        self.stillest = math.inf  # residuals at another rounding do not compare
        coordinates: Coordinates | Weights
        search: QuasiNewton | Newton
        if phase.newton:
            coordinates = Weights(model)
            search = self._newton(adjoint, coordinates, samples)
        elif earlier:
            coordinates, search = earlier
            search.go_on(self._evaluation(adjoint, coordinates))
        else:
            coordinates = Coordinates(
                model,
                self.x[samples].to(model.weights),
                weight_decay=self.weight_decay,
                loss=self.loss,
                generator=torch.Generator().manual_seed(self.seed + self.iteration),
            )
            search = QuasiNewton(
                self._evaluation(adjoint, coordinates),
                coordinates.V.detach().numpy(force=True).ravel(),
                history=phase.history,
                active=coordinates.seen(BLIND) if phase.settled else None,
            )
            self.learned = coordinates, search
        for count in _parts(phase.iterations, NEWTON_LOOK if phase.newton else LOOK):
            # Not beyond a step that finds nothing lower: the next would search the same line.
            moved = all(search.iterate() for _ in range(count))
            _write(coordinates, search.at)
            self._look(model, adjoint, "L-BFGS", count, started, width)
            yield count
            started = time.monotonic()
            small = self.residual <= phase.tolerances * self.tolerance
            if self.status != "running" or small or not moved:
                return

    def _newton(self, adjoint: Adjoint, weights: Weights, samples: slice) -> Newton:
        """Newton's method, whose steps are held short by the regularizer's own curvature."""
        model, x, y = weights.model, self.x[samples], self.y[samples]

        def curvature(v: Vector) -> Vector:
            _write(weights, v)
            return hessian(model, x, y, weight_decay=self.weight_decay, smoothing=adjoint.smoothing)

        start = weights.V.detach().numpy().ravel()
        pull = self.weight_decay / model.coupling * model.layer_steps.numpy()
        metric = pull.repeat(start.size // model.depth)
        return Newton(self._evaluation(adjoint, weights), curvature, start, metric=metric)

    def _evaluation(self, adjoint: Adjoint, coordinates: Coordinates | Weights) -> Evaluate:
        """Objective and gradient as functions of the coordinates, flat and in NumPy."""

        def evaluate(v: Vector) -> tuple[float, Vector]:
            _write(coordinates, v)
            value, regularizer = adjoint.evaluate(self.weight_decay)
            coordinates.read_gradient()
            assert coordinates.V.grad is not None
            gradient: Vector = coordinates.V.grad.numpy(force=True).ravel()
            return value + self.weight_decay * regularizer, gradient

        return evaluate

    @torch.no_grad()
    def rounded_end(self) -> Tensor:
        """Outputs of the net with its kinks rounded as in the last phase."""
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
        """A net in the precision wanted.

        A copy, for a net that went through float32 has lost digits of its maps and steps.
        """
        if not single:
            return self.model
        model = copy.deepcopy(self.model).float()
        model.layer_steps = self.model.layer_steps.clone()
        return model

    def _adjoint(self, model: LeakyResNet, samples: slice) -> Adjoint:
        """The model's adjoint with the samples loaded."""
        x, y = self.x[samples], self.y[samples]
        adjoint = Adjoint(model, len(x), loss=self.loss, threads=self.threads)
        adjoint.load(x, y)
        return adjoint

    def _some(self, samples: slice, model: LeakyResNet) -> Tensor:
        x = self.x[samples]
        return x[:: math.ceil(len(x) / SIZED)].to(model.weights)

    @torch.no_grad()
    def _smoothing(self, model: LeakyResNet, width: float) -> list[float]:
        """Half-widths of the rounded kinks of A_0 .. A_{L-1}; A_0 is data and crosses nothing."""
        path = model.path(self._some(slice(None), model))
        sizes = [float(A.square().mean().sqrt()) for A in path[:-1]]
        return [0.0 if l == 0 else width * size for l, size in enumerate(sizes)]

    def _look(
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
            self.status = "diverged"
        self.seconds += time.monotonic() - started
        if self.status == "running" and self.seconds > self.limit:
            self.status = "out of time"
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


@torch.no_grad()
def _write(coordinates: Coordinates | Weights, v: Vector) -> None:
    """Set coordinates, and with them the weights of their net."""
    coordinates.V.copy_(torch.from_numpy(v).view_as(coordinates.V))
    coordinates.write_weights()


def _parts(total: int, look: int) -> Iterator[int]:
    """`look` iterations at a time, and what is left of `total`."""
    for done in range(0, total, look):
        yield min(look, total - done)
