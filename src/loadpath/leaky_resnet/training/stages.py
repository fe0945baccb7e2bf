"""Stages of training as small values: which optimizer, for how long, and on what schedule."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.nn import Parameter

from loadpath.checks import as_list, check_above_zero, check_count, check_number, shown
from loadpath.leaky_resnet.training.schedules import check_ramp, falling_cosine, ramped
from loadpath.leaky_resnet.training.torch_stage import TorchOptimizer


@dataclass(frozen=True)
class Adam:
    r"""Adam with a cosine rate, and a weight decay that rises to its value during the stage.

    For the part `ramp` of the stage, the weight decay grows geometrically from `ramp_start` times
    its final value. A net that starts under the whole of it can fall into the trivial minimum,
    where all weights are zero.

    Parameters
    ----------
    steps : int
        Number of iterations.
    learning_rate : float, optional
        The rate at the start, which falls to 0 as a cosine. If left out it is
        $0.002 \max(1, \tilde L)$, because the weights of a Leaky ResNet are of order $\tilde L$.
    betas : tuple of float
        Decay rates of the two moments, each in [0, 1).
    ramp : float
        Part of the stage in which the weight decay rises, in [0, 1]; 0 has all of it from the
        start.
    ramp_start : float
        Weight decay at the start as a share of the final one, in (0, 1].

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    steps: int = 600
    learning_rate: float | None = None
    betas: tuple[float, float] = (0.9, 0.99)
    ramp: float = 0.6
    ramp_start: float = 0.014

    def __post_init__(self) -> None:
        """Refuse values that are out of range."""
        check_count("steps", self.steps, 1)
        check_above_zero("learning_rate", self.learning_rate)
        betas = as_list("betas", self.betas, "numbers", fewest=2)
        if len(betas) != 2:
            raise ValueError(f"betas must be two numbers, got {shown(self.betas)}.")
        for beta in betas:
            check_number("betas", beta, least=0, below=1)
        object.__setattr__(self, "betas", (float(betas[0]), float(betas[1])))
        check_ramp(self.ramp, self.ramp_start)

    def optimizer(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        """Return a fresh torch optimizer, whose rate is to be set before every iteration.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter
            What is optimized.

        Returns
        -------
        torch.optim.Optimizer
            The optimizer.
        """
        return torch.optim.Adam(parameters, betas=self.betas, fused=True)

    def rate(self, done: float, effective_depth: float) -> float:
        """Return the learning rate.

        Parameters
        ----------
        done : float
            Part of the stage that is over, from 0 to 1.
        effective_depth : float
            The leakage of the net.

        Returns
        -------
        float
            The rate.
        """
        base = self.learning_rate or 0.002 * max(1.0, effective_depth)
        return base * falling_cosine(done)

    def weight_decay(self, done: float, final: float) -> float:
        """Return the weight decay.

        Parameters
        ----------
        done : float
            Part of the stage that is over, from 0 to 1.
        final : float
            The weight decay of the objective.

        Returns
        -------
        float
            What it is at this point of the ramp.
        """
        return ramped(final, done, ramp=self.ramp, ramp_start=self.ramp_start)


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum and a cosine rate; stochastic with mini-batches.

    Parameters
    ----------
    steps : int
        Number of iterations.
    learning_rate : float
        The rate at the start, which falls to 0 as a cosine. The default suits effective depths from
        0 to 10 after Adam; six times as much makes the objective rise at 10.
    momentum : float
        Share of the last step that is kept, in [0, 1).

    Raises
    ------
    ValueError
        If a value is out of range.
    """

    steps: int = 1000
    learning_rate: float = 0.05
    momentum: float = 0.9

    def __post_init__(self) -> None:
        """Refuse values that are out of range."""
        check_count("steps", self.steps, 1)
        check_number("learning_rate", self.learning_rate, above=0)
        check_number("momentum", self.momentum, least=0, below=1)

    def optimizer(self, parameters: Iterable[Parameter]) -> torch.optim.Optimizer:
        """Return a fresh torch optimizer, whose rate is to be set before every iteration.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter
            What is optimized.

        Returns
        -------
        torch.optim.Optimizer
            The optimizer.
        """
        return torch.optim.SGD(parameters, momentum=self.momentum)

    def rate(self, done: float, effective_depth: float) -> float:
        """Return the learning rate.

        Parameters
        ----------
        done : float
            Part of the stage that is over, from 0 to 1.
        effective_depth : float
            The leakage of the net.

        Returns
        -------
        float
            The rate.
        """
        return self.learning_rate * falling_cosine(done)

    def weight_decay(self, done: float, final: float) -> float:
        """Return the weight decay.

        Parameters
        ----------
        done : float
            Part of the stage that is over, from 0 to 1.
        final : float
            The weight decay of the objective.

        Returns
        -------
        float
            `final`, throughout.
        """
        return final


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS with a strong Wolfe line search, on the full batch, in curvature coordinates.

    Every `chunk` iterations it starts afresh, in the `Coordinates` of where the net then stands.

    Parameters
    ----------
    steps : int
        Number of iterations; each takes one to two evaluations of the objective.
    history : int
        Number of pairs of vectors that are kept.
    chunk : int
        Iterations in one set of coordinates. Between two chunks `fit` looks at the clock, records
        the residual, and writes its checkpoint.

    Raises
    ------
    ValueError
        If a count is too small.
    """

    steps: int = 1500
    history: int = 30
    chunk: int = 100

    def __post_init__(self) -> None:
        """Refuse values that are out of range."""
        check_count("steps", self.steps, 1)
        check_count("history", self.history, 1)
        check_count("chunk", self.chunk, 2)

    def optimizer(self, parameters: Iterable[Parameter], iterations: int) -> torch.optim.LBFGS:
        """Return a fresh torch optimizer that stops on nothing but the number of iterations.

        Parameters
        ----------
        parameters : iterable of torch.nn.Parameter
            What is optimized.
        iterations : int
            How many it takes in one call of its `step`.

        Returns
        -------
        torch.optim.LBFGS
            The optimizer.
        """
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
        """Return the learning rate.

        Parameters
        ----------
        done : float
            Part of the stage that is over, from 0 to 1.
        effective_depth : float
            The leakage of the net.

        Returns
        -------
        float
            1, the full step, which the line search scales.
        """
        return 1.0

    def weight_decay(self, done: float, final: float) -> float:
        """Return the weight decay.

        Parameters
        ----------
        done : float
            Part of the stage that is over, from 0 to 1.
        final : float
            The weight decay of the objective.

        Returns
        -------
        float
            `final`, throughout.
        """
        return final


Stage = Adam | SGD | LBFGS | TorchOptimizer
"""What `fit` takes as a stage."""


def name_of(stage: Stage) -> str:
    """Return what histories call a stage.

    Parameters
    ----------
    stage : Stage
        The stage.

    Returns
    -------
    str
        The name of its class, or of the optimizer that it steps by.
    """
    return stage.name if isinstance(stage, TorchOptimizer) else type(stage).__name__


def default_stages() -> tuple[Stage, ...]:
    """Return the stages that reach a stationary point: annealed Adam, then L-BFGS.

    Returns
    -------
    tuple of Stage
        Adam for 600 iterations and L-BFGS for 1,500; docs/training.md says what they rest on.
    """
    return (Adam(600), LBFGS(1500))


def paper_stages() -> tuple[Stage, ...]:
    """Return the stages of the paper: Adam for 5,000 epochs, then SGD for 1,000.

    Returns
    -------
    tuple of Stage
        Both at a rate that falls as a cosine.

    References
    ----------
    Jacot and Kaiser, arXiv:2405.17573, section on experiments.
    """
    return (Adam(5000, betas=(0.9, 0.999), ramp=0.0, ramp_start=1.0), SGD(1000))
