"""Opponents for the geodesic solver: minimizers of the same objective, for `geodesic.py`.

SOAP (arXiv:2409.11321, from the package pytorch_optimizer), Adam with the solver's own gradient,
self-scaled Broyden (arXiv:2501.16371) and Gauss-Newton, of the whole net and layer by layer
(arXiv:2510.09378). All of them have the gradient of `Adjoint`, which `solve` has too, so that
methods are compared and not ways to differentiate. `tests/benchmarks/test_opponents.py` holds each
against a known answer.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import line_search
from torch import Tensor, nn

from loadpath import LeakyResNet
from loadpath.leaky_resnet import Adjoint, Loss

Vector = NDArray[np.float64]
Evaluate = Callable[[Vector], tuple[float, Vector]]


@dataclass
class Task:
    """A net to be trained in place, its objective, and a record of how it falls."""

    model: LeakyResNet
    x: Tensor
    y: Tensor
    weight_decay: float
    loss: Loss = "mse"
    seconds: list[float] = field(default_factory=list)
    """Processor's time since the start, at every note."""
    objectives: list[float] = field(default_factory=list)
    """Objective at every note."""

    def __post_init__(self) -> None:
        self.x = self.x.to(self.model.weights)
        self.y = self.y.to(self.model.weights) if self.loss == "mse" else self.y
        self.adjoint = Adjoint(self.model, len(self.x), loss=self.loss, threads=1)
        self.adjoint.load(self.x, self.y)
        self.began = time.process_time()

    def note(self, objective: float) -> None:
        """Record an objective that was reached now."""
        self.seconds.append(time.process_time() - self.began)
        self.objectives.append(objective)

    def evaluate(self, weight_decay: float | None = None) -> float:
        """Return the objective where the net stands, and leave its gradient in the weights."""
        decay = self.weight_decay if weight_decay is None else weight_decay
        data_term, regularizer = self.adjoint.evaluate(decay)
        return data_term + decay * regularizer

    def flat(self, v: Vector) -> tuple[float, Vector]:
        """Set the weights to `v`, and return objective and gradient."""
        weights = self.model.weights
        with torch.no_grad():
            weights.copy_(torch.from_numpy(v).view_as(weights))
        value = self.evaluate()
        assert weights.grad is not None
        return value, weights.grad.double().numpy().ravel().copy()

    def reached(self, objective: float) -> float:
        """Seconds after which the objective was that low; infinite if never."""
        for seconds, value in zip(self.seconds, self.objectives, strict=True):
            if value <= objective:
                return seconds
        return float("inf")

    def lowest(self, seconds: float) -> float:
        """Lowest objective seen within that time."""
        seen = zip(self.seconds, self.objectives, strict=True)
        return min((value for at, value in seen if at <= seconds), default=float("inf"))


Method = Callable[[Task], Iterator[float]]
"""Yields the objective after every iteration, for as long as it is asked."""


def race(task: Task, method: Method, *, seconds: float, target: float = -np.inf) -> None:
    """Iterate until time is up or the target is reached."""
    for objective in method(task):
        task.note(objective)
        if task.seconds[-1] > seconds or objective <= target or not np.isfinite(objective):
            return


def first_order(
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer], *, rate: float, steps: int
) -> Method:
    """Steps of an optimizer of torch, each layer a matrix, at a rate that falls as a cosine."""

    def iterate(task: Task) -> Iterator[float]:
        weights = task.model.weights
        yield task.evaluate()
        assert weights.grad is not None
        layers = [nn.Parameter(layer) for layer in weights.data]  # they share its memory
        for layer, gradient in zip(layers, weights.grad, strict=True):
            layer.grad = gradient
        optimizer = make(layers)
        for i in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 + np.cos(np.pi * i / steps)) / 2
            optimizer.step()
            yield task.evaluate()

    return iterate


def soap(rate: float, steps: int) -> Method:
    """SOAP as its package has it, without its own weight decay."""
    from pytorch_optimizer import SOAP  # only to be compared with

    return first_order(lambda p: SOAP(p, lr=rate, weight_decay=0.0), rate=rate, steps=steps)


def adam(rate: float, steps: int) -> Method:
    """Torch's fused Adam."""
    return first_order(lambda p: torch.optim.Adam(p, lr=rate, fused=True), rate=rate, steps=steps)


def warmed(method: Method, *, rate: float, steps: int) -> Method:
    """Another method after annealed Adam: the weight decay rises as in `lp.fit`."""

    def iterate(task: Task) -> Iterator[float]:
        optimizer = torch.optim.Adam([task.model.weights], lr=rate, betas=(0.9, 0.99), fused=True)
        for i in range(steps):
            done = i / steps
            for group in optimizer.param_groups:
                group["lr"] = rate * (1 + np.cos(np.pi * done)) / 2
            task.evaluate(task.weight_decay * 0.014 ** max(0.0, 1 - done / 0.6))
            optimizer.step()
        yield from method(task)

    return iterate


class SelfScaledBroyden:
    r"""Minimize a function by self-scaled updates of Broyden's class, with a Wolfe line search.

    With $b = s^\top H^{-1} s / y^\top s$, $h = y^\top H y / y^\top s$ and $a = bh - 1$, an update
    is

    $$H \leftarrow \frac1\tau \Bigl( H - \frac{H y y^\top H}{y^\top H y} + \phi\, y^\top H y\; v
    v^\top \Bigr) + \frac{s s^\top}{y^\top s}, \quad
    v = \frac{s}{y^\top s} - \frac{Hy}{y^\top H y},$$

    with $\phi = (1 - \theta) / (1 + a\theta)$ and the $\theta$ and $\tau$ of SSBroyden2, or $\phi =
    1$ and $\tau = \min(1, 1/b)$ of SSBFGS (arXiv:2501.16371, its code and Al-Baali's choices).

    H is held as $h_0 I + Z M Z^\top$: two vectors and a block of 2 x 2 an update. That is the full
    memory, exactly, for `memory` updates; then H is begun anew.
    """

    def __init__(
        self, evaluate: Evaluate, start: Vector, *, memory: int, broyden: bool = True
    ) -> None:
        """Begin at `start`, with steps along the gradient."""
        self.evaluate, self.memory, self.broyden = evaluate, memory, broyden
        self.at = start.copy()
        self.value, self.gradient = evaluate(self.at)
        self.Z = np.empty((2 * memory, start.size))
        """Pairs of s and Hy, one after another."""
        self.forget()

    def forget(self) -> None:
        """Begin with H = I again."""
        self.updates, self.scale = 0, 1.0
        self.M = np.zeros((self.memory, 2, 2))

    def times(self, v: Vector) -> Vector:
        """Return H v."""
        used = self.Z[: 2 * self.updates]
        inner = np.einsum("kij,kj->ki", self.M[: self.updates], (used @ v).reshape(-1, 2))
        product: Vector = self.scale * v + inner.ravel() @ used
        return product

    def iterate(self) -> bool:
        """Take one step; False if nothing lower was found."""
        direction = -self.times(self.gradient)
        slope = float(direction @ self.gradient)
        if not slope < 0:
            return False
        if not self.updates:  # a first step of length 1 at most
            direction, slope = (q / max(1.0, np.linalg.norm(direction)) for q in (direction, slope))
        seen = {0.0: (self.value, self.gradient)}

        def probe(t: float) -> tuple[float, Vector]:
            if t not in seen:
                seen[t] = self.evaluate(self.at + t * direction)
            return seen[t]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a search that fails is dealt with below
            t = line_search(
                lambda t: probe(float(t[0]))[0],
                lambda t: np.array([float(probe(float(t[0]))[1] @ direction)]),
                np.zeros(1),
                np.ones(1),
                np.array([slope]),
                self.value,
                maxiter=20,
            )[0]
        if t is None:
            t = min(seen, key=lambda step: seen[step][0])
        value, gradient = probe(float(t))
        if not value < self.value:
            return False
        s, y = float(t) * direction, gradient - self.gradient
        # H^-1 s is known: the step went along -H g.
        length = float(t) if self.updates else float(t) * slope / -(self.gradient @ self.gradient)
        self._update(s, y, -length * float(s @ self.gradient))
        self.at, self.value, self.gradient = self.at + s, value, gradient
        return True

    def _update(self, s: Vector, y: Vector, sBs: float) -> None:
        """Take in a step, the change of the gradient, and s H^-1 s."""
        ys = float(y @ s)
        if not ys > 1e-12 * float(np.linalg.norm(y) * np.linalg.norm(s)):
            return
        if self.updates == self.memory:
            self.forget()
            self.scale = ys / float(y @ y)
            sBs = float(s @ s) / self.scale
        Hy = self.times(y)
        yHy = float(y @ Hy)
        b, h = sBs / ys, yHy / ys
        first = self.updates == 0
        tau, phi = _choices(b, h, len(s), first) if self.broyden else (min(1.0, 1 / b), 1.0)
        if first and not self.broyden:
            tau = h
        # phi yHy v v^T - Hy Hy^T / yHy, in terms of s and Hy
        block = phi * yHy * np.outer([1 / ys, -1 / yHy], [1 / ys, -1 / yHy])
        block[1, 1] -= 1 / yHy
        self.scale /= tau
        self.M[: self.updates] /= tau
        block /= tau
        block[0, 0] += 1 / ys
        self.M[self.updates] = block
        self.Z[2 * self.updates], self.Z[2 * self.updates + 1] = s, Hy
        self.updates += 1


def _choices(b: float, h: float, size: int, first: bool) -> tuple[float, float]:
    """Return tau and phi of SSBroyden2; the first update scales the identity."""
    a = max(b * h - 1, 1e-14)  # Cauchy and Schwarz: at least 0
    low = min(1.0, h * (1 - np.sqrt(a / (1 + a))))
    theta = max((low - 1) / a, min(1 / low, (1 - b) / b))
    if first:
        tau = h / (1 + a * theta)
    else:
        sigma = 1 + a * theta
        spread = abs(sigma) ** (1 / (1 - size))
        kept = min(1.0, 1 / b)
        tau = min(kept * spread, sigma) if theta <= 0 else kept * min(spread, 1 / theta)
    return float(tau), float((1 - theta) / (1 + a * theta))


def self_scaled(memory: int, *, broyden: bool = True) -> Method:
    """SSBroyden2, or SSBFGS."""

    def iterate(task: Task) -> Iterator[float]:
        start = task.model.weights.detach().double().numpy().ravel()
        search = SelfScaledBroyden(task.flat, start, memory=memory, broyden=broyden)
        yield search.value
        while True:
            if not search.iterate():
                if not search.updates:
                    return
                search.forget()
            yield search.value

    return iterate
