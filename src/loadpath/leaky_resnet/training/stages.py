"""Stages of training as small values: which optimizer, for how long, on what schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.nn import Parameter

from loadpath.checks import check_above_zero, check_count


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {value}.")


@dataclass(frozen=True)
class Adam:
    r"""Adam with a cosine rate, and a weight decay that rises to its value during the stage.

    For the fraction `ramp` of the stage the weight decay grows geometrically from `ramp_start`
    times its final value: a net that starts under the whole of it can fall into the trivial
    minimum, where all weights are zero.

    Parameters
    ----------
    steps: iterations.
    learning_rate: at the start, falling to 0 as a cosine; None is 0.002 max(1, L~), since the
        weights of a Leaky ResNet are of order L~.
    betas: decay rates of the two moments.
    ramp, ramp_start: as above; ramp 0 has the full weight decay from the start.
    """

    steps: int = 600
    learning_rate: float | None = None
    betas: tuple[float, float] = (0.9, 0.99)
    ramp: float = 0.6
    ramp_start: float = 0.014

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("steps", self.steps, 1)
        check_above_zero("learning_rate", self.learning_rate)
        for beta in self.betas:
            _check_fraction("betas", beta)
        if not 0 <= self.ramp <= 1:
            raise ValueError(f"ramp must lie in [0, 1], got {self.ramp}.")
        if not 0 < self.ramp_start <= 1:
            raise ValueError(f"ramp_start must lie in (0, 1], got {self.ramp_start}.")

    def optimizer(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        """A fresh torch optimizer; its rate is set before every iteration."""
        return torch.optim.Adam(parameters, betas=self.betas, fused=True)

    def rate(self, done: float, effective_depth: float) -> float:
        """Learning rate when the fraction `done` of the stage is over."""
        base = self.learning_rate or 0.002 * max(1.0, effective_depth)
        return base * 0.5 * (1 + math.cos(math.pi * done))

    def weight_decay(self, done: float, final: float) -> float:
        """Weight decay when the fraction `done` of the stage is over."""
        if done >= self.ramp:
            return final
        return final * self.ramp_start ** (1 - done / self.ramp)


@dataclass(frozen=True)
class SGD:
    """Gradient descent (stochastic with mini-batches) with momentum and a cosine rate.

    The rate suits L~ from 0 to 10 after Adam; six times that makes the objective rise at L~ = 10.
    """

    steps: int = 1000
    learning_rate: float = 0.05
    momentum: float = 0.9

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("steps", self.steps, 1)
        check_above_zero("learning_rate", self.learning_rate)
        _check_fraction("momentum", self.momentum)

    def optimizer(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        """A fresh torch optimizer; its rate is set before every iteration."""
        return torch.optim.SGD(parameters, momentum=self.momentum)

    def rate(self, done: float, effective_depth: float) -> float:
        """Learning rate when the fraction `done` of the stage is over."""
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * done))

    def weight_decay(self, done: float, final: float) -> float:
        """Weight decay: its final value throughout."""
        return final


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS with a strong Wolfe line search, on the full batch, in curvature coordinates.

    Every `chunk` iterations it starts afresh in the `Coordinates` of
    where it stands.

    Parameters
    ----------
    steps: iterations; each takes one to two evaluations of the objective.
    history: pairs of vectors kept.
    chunk: iterations in one set of coordinates, and between two looks at the clock, the residual
        and the checkpoint.
    """

    steps: int = 1500
    history: int = 30
    chunk: int = 100

    def __post_init__(self) -> None:
        """Check the values."""
        check_count("steps", self.steps, 1)
        check_count("history", self.history, 1)
        check_count("chunk", self.chunk, 2)

    def optimizer(self, parameters: Iterable[Parameter], iterations: int) -> torch.optim.LBFGS:
        """A fresh torch optimizer that stops on nothing but the number of iterations."""
        return torch.optim.LBFGS(
            parameters,
            max_iter=iterations,
            max_eval=100 * iterations,
            history_size=self.history,
            line_search_fn="strong_wolfe",
            tolerance_grad=0.0,
            tolerance_change=0.0,
        )

    def rate(self, done: float, effective_depth: float) -> float:
        """Learning rate: 1, the full step that the line search scales."""
        return 1.0

    def weight_decay(self, done: float, final: float) -> float:
        """Weight decay: its final value throughout."""
        return final


Stage = Adam | SGD | LBFGS


def default_stages() -> tuple[Stage, ...]:
    """Annealed Adam, then L-BFGS: what reaches a stationary point; see docs/training.md."""
    return (Adam(600), LBFGS(1500))


def paper_stages() -> tuple[Stage, ...]:
    """Adam for 5000 epochs, then SGD for 1000 at a smaller rate, as in arXiv:2405.17573."""
    return (Adam(5000, betas=(0.9, 0.999), ramp=0.0, ramp_start=1.0), SGD(1000))
