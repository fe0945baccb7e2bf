"""Problems for the geodesic solver and its opponents, and the paper's recipe for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from train_step import EagerNet

import loadpath as lp
from loadpath.data import Data
from loadpath.leaky_resnet import Loss, data_term
from loadpath.leaky_resnet.training import SGD, Adam

DEPTH = 20
EPOCHS = (5000, 1000)


@dataclass(frozen=True)
class Problem:
    """What to learn, and how the recipe does it best."""

    name: str
    effective_depth: float
    weight_decay: float
    loss: Loss
    adam: Adam
    sgd: SGD = SGD(EPOCHS[1], learning_rate=0.01)
    width: int = 100
    n_train: int | None = None
    """Samples; None is 1000, and all that digits have."""
    seed: int = 0
    """Seed of data and weights."""

    def data(self) -> Data:
        """Its samples."""
        if self.name == "digits":
            return lp.data.digits(targets="labels", n_train=self.n_train or 1437, seed=self.seed)
        n = self.n_train or 1000
        if self.name == "Figure 1":
            return lp.data.teacher((30, 3, 30), n_train=n, seed=self.seed)
        return lp.data.teacher((30, 6, 3, 30), kind="leaky-resnet", n_train=n, seed=self.seed)

    def net(self) -> lp.LeakyResNet:
        """Where the recipe and the opponents start."""
        data = self.data()
        return lp.LeakyResNet(
            data.in_features,
            data.out_features,
            width=self.width,
            depth=DEPTH,
            effective_depth=self.effective_depth,
            seed=self.seed,
        )


def adam(rate: float, *, annealed: bool) -> Adam:
    """5,000 epochs at a cosine rate: as the paper has it, or annealed as `lp.fit` does it."""
    if annealed:
        return Adam(EPOCHS[0], learning_rate=rate)
    return Adam(EPOCHS[0], rate, betas=(0.9, 0.999), ramp=0.0, ramp_start=1.0)


PROBLEMS = (
    Problem("Figure 1", 7.0, 0.3, "mse", adam(0.014, annealed=False)),
    Problem("Figure 2", 3.0, 0.3, "mse", adam(0.024, annealed=False)),
    Problem("digits", 5.0, 0.01, "cross-entropy", adam(0.01, annealed=False)),
)


def recipe(
    problem: Problem, data: Data, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, float]:
    """Objective that the recipe ends with, and its seconds; nothing but training is timed."""
    model = EagerNet(problem.net())
    x = data.x_train.float()
    y = data.y_train.float() if problem.loss == "mse" else data.y_train
    optimizers = (
        torch.optim.Adam(model.parameters(), betas=problem.adam.betas),
        torch.optim.SGD(model.parameters(), lr=1.0, momentum=problem.sgd.momentum),
    )
    started = clock()
    for stage, optimizer in zip((problem.adam, problem.sgd), optimizers, strict=True):
        for i in range(stage.steps):
            done = i / stage.steps
            for group in optimizer.param_groups:
                group["lr"] = stage.rate(done, problem.effective_depth)
            decay = stage.weight_decay(done, problem.weight_decay)
            optimizer.zero_grad()
            objective = data_term(model(x), y, problem.loss) + decay * model.regularizer()
            objective.backward()
            optimizer.step()
    seconds = clock() - started
    with torch.no_grad():
        C = data_term(model(x), y, problem.loss)
        return float(C + problem.weight_decay * model.regularizer()), seconds


def solve(
    problem: Problem,
    data: Data,
    max_seconds: float,
    *,
    progress: bool = False,
    threads: int | None = None,
) -> lp.geodesic.Geodesic:
    """`solve` in the same time, on as many threads."""
    return lp.geodesic.solve(
        data.x_train,
        data.y_train,
        effective_depth=problem.effective_depth,
        weight_decay=problem.weight_decay,
        loss=problem.loss,
        width=problem.width,
        depth=DEPTH,
        seed=problem.seed,
        max_seconds=max_seconds,
        progress=progress,
        threads=threads,
    )
