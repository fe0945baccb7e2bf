"""Nets trained as one torch.func ensemble, beside the compiled engine and the plain one.

Run `python benchmarks/ensembles.py`: about five minutes on one core. The nets are those of the
spring-block paper's phase diagrams: an MLP with BatchNorm and Dropout, trained by Adam on 2,560
samples of 100 features. An ensemble holds the weights of several nets as one tensor each
(`stack_module_state`) and takes the step of all of them at once (`functional_call` under `vmap`,
BatchNorm in training mode). Everything is on one thread, and the three ways take turns: a round
times each of them once. What is printed are the fastest rounds, as processor time of one net and
epoch, which other processes disturb less than the clock on the wall.
"""

from __future__ import annotations

import argparse
import copy
import platform
import sys
import time
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from loadpath.data import Data, from_arrays
from loadpath.spring_block.networks import MLP, Recipe
from loadpath.spring_block.networks.compiled import Compiled
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.engines import Plain, one_thread

N_TRAIN, FEATURES, CLASSES, SLOPE = 2560, 100, 10, 0.2
WAYS = ("plain", "ensemble", "compiled")
Array = np.ndarray


class Ensemble:
    """Nets of one shape that take every step together, each on its own draws."""

    def __init__(self, networks: list[MLP], draws: list[Draws], recipe: Recipe) -> None:
        """Stack the weights, and start Adam afresh: it acts on each weight by itself."""
        self._draws = draws
        self._skeleton = copy.deepcopy(networks[0]).to("meta").train()
        self._weights, self._buffers = stack_module_state(networks)
        self._optimizer = torch.optim.Adam(list(self._weights.values()), lr=recipe.rate)
        self._step = vmap(grad_and_value(self._loss), randomness="different")

    def _loss(
        self, weights: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor, labels: Tensor
    ) -> Tensor:
        """Return the loss of one net; BatchNorm writes its running statistics into `buffers`."""
        logits = functional_call(self._skeleton, (weights, buffers), (x,))
        return nn.functional.cross_entropy(logits, labels)

    def epoch(self) -> list[float]:
        """Train all nets on one more epoch, and return their losses."""
        bounds = self._draws[0].bounds
        epochs = [draws.epoch() for draws in self._draws]
        x = torch.stack([epoch.x for epoch in epochs])  # (net, sample, feature)
        labels = torch.stack([epoch.labels for epoch in epochs])
        total = torch.zeros(len(epochs))
        for a, b in zip(bounds, bounds[1:], strict=False):
            gradients, losses = self._step(self._weights, self._buffers, x[:, a:b], labels[:, a:b])
            for name, weight in self._weights.items():
                weight.grad = gradients[name]
            self._optimizer.step()
            total += losses.detach() * (b - a)
        return (total / x.shape[1]).tolist()


def build(data: Data, recipe: Recipe, nets: int) -> tuple[list[MLP], list[Draws]]:
    """Make nets of as many seeds, and what each trains on."""
    x = data.x_train.float()
    networks = [
        MLP(FEATURES, CLASSES, slope=SLOPE, dropout=recipe.dropout, seed=seed)
        for seed in range(nets)
    ]
    draws = [
        Draws(x, data.y_train, n_classes=CLASSES, recipe=recipe, seed=seed) for seed in range(nets)
    ]
    return networks, draws


def race(data: Data, recipe: Recipe, nets: int, rounds: int) -> dict[str, float]:
    """Return the milliseconds of one net and epoch by each way, the fastest of several rounds."""
    steppers = {}
    for way, make in (("plain", Plain), ("compiled", Compiled)):
        steppers[way] = [make(*one, recipe) for one in zip(*build(data, recipe, nets), strict=True)]
    steppers["ensemble"] = [Ensemble(*build(data, recipe, nets), recipe)]
    fastest = dict.fromkeys(WAYS, np.inf)
    for turn in range(rounds + 1):  # the first one warms up
        for way in WAYS:
            started = time.process_time()
            for stepper in steppers[way]:
                stepper.epoch()
            seconds = time.process_time() - started
            if turn > 0:
                fastest[way] = min(fastest[way], seconds)
    return {way: 1e3 * seconds / nets for way, seconds in fastest.items()}


def largest_difference(data: Data, nets: int, epochs: int) -> float:
    """Return the largest relative difference of a loss, ensemble against plain, without Dropout."""
    recipe = Recipe()
    ensemble = Ensemble(*build(data, recipe, nets), recipe)
    plain = [Plain(*one, recipe) for one in zip(*build(data, recipe, nets), strict=True)]
    pairs = [(ensemble.epoch(), [one.epoch() for one in plain]) for _ in range(epochs)]
    mine, its = np.array(pairs).swapaxes(0, 1)
    return float(np.abs(mine / its - 1).max())


def samples() -> Data:
    """Return Gaussian classes of the sizes that the paper's images have."""
    draw = np.random.default_rng(0)
    labels = np.arange(N_TRAIN + 100) % CLASSES
    x = 0.3 * draw.normal(size=(CLASSES, FEATURES))[labels]
    x += draw.normal(size=x.shape)
    return from_arrays(x[:N_TRAIN], labels[:N_TRAIN], x[N_TRAIN:], labels[N_TRAIN:])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=6, help="of each way, after a first one")
    options = parser.parse_args()
    data = samples()
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "numba"))
    print(f"Python {platform.python_version()}, {packages}, {platform.machine()}, one thread")
    with one_thread():
        gap = largest_difference(data, nets=3, epochs=5)
        print(f"losses of 5 epochs, ensemble against plain: at most {gap:.1e} apart")
        print("batch  dropout  nets  ms of a net and epoch: plain  ensemble  compiled  ratios")
        for size, dropout in ((N_TRAIN, 0.0), (N_TRAIN, 0.1), (40, 0.0), (10, 0.0)):
            for nets in (4, 12):
                recipe = Recipe(batch_size=size, dropout=dropout)
                rounds = options.rounds if size > 100 else max(1, options.rounds // 3)
                ms = race(data, recipe, nets, rounds)
                print(
                    f"{size:5d}  {dropout:7.1f}  {nets:4d}  {ms['plain']:28.1f}  "
                    f"{ms['ensemble']:8.1f}  {ms['compiled']:8.1f}  "
                    f"plain / ensemble {ms['plain'] / ms['ensemble']:.2f}, "
                    f"ensemble / compiled {ms['ensemble'] / ms['compiled']:.1f}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
