"""Two ways to train a classifier: PyTorch's own parts, or the compiled engine for an MLP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import nn

from loadpath.checks import shown
from loadpath.spring_block.networks.classifiers import MLP, Classifier
from loadpath.spring_block.networks.draws import Draws
from loadpath.spring_block.networks.recipe import Recipe
from loadpath.spring_block.networks.shapes import MLPShape, Shape
from loadpath.threads import blas_libraries, torch_threads

try:
    from loadpath.spring_block.networks import compiled
except ImportError:  # numba is an extra
    compiled = None  # type: ignore[assignment]

Engine = Literal["compiled", "plain"]
"""What trains: the compiled engine, or PyTorch's own parts."""
ENGINES: tuple[Engine, ...] = ("compiled", "plain")
"""The engines as values."""


@runtime_checkable
class Stepper(Protocol):
    """Something that trains one net, an epoch at a time."""

    def epoch(self) -> float:
        """Train on one more epoch and return its loss, the mean over its samples."""

    def finish(self) -> None:
        """Bring the net that was passed up to date, running statistics included."""


class Plain:
    """Stepper made of PyTorch's own parts: autograd, nn.Dropout, torch.optim.Adam.

    Parameters
    ----------
    network : torch.nn.Module
        The net, which is trained in place.
    draws : Draws
        What every epoch trains on.
    recipe : Recipe
        How it is trained; only the learning rate and the weight decay are read here.
    """

    def __init__(self, network: nn.Module, draws: Draws, recipe: Recipe) -> None:
        """Start Adam afresh."""
        self._network, self._draws, self._recipe, self._epochs = network, draws, recipe, 0
        self._optimizer = torch.optim.Adam(
            network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay
        )
        # nn.Dropout draws from torch's global stream: this one takes its place during an epoch.
        self._masks = torch.Generator().manual_seed(draws.dropout_seed % 2**32).get_state()

    def epoch(self) -> float:
        """Train on one more epoch.

        Returns
        -------
        float
            Loss of the epoch, as a mean over its samples; nats.
        """
        x, labels = self._draws.epoch()
        bounds, total = self._draws.bounds, 0.0
        self._network.train()
        for group in self._optimizer.param_groups:
            group["lr"] = self._recipe.rate_at(self._epochs)
        self._epochs += 1
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._masks)
            for a, b in zip(bounds, bounds[1:], strict=False):
                loss = nn.functional.cross_entropy(self._network(x[a:b]), labels[a:b])
                self._optimizer.zero_grad()
                loss.backward()
                self._optimizer.step()
                total += loss.item() * (b - a)
            self._masks = torch.get_rng_state()
        return total / len(x)

    def finish(self) -> None:
        """Change nothing: the net that was passed is the one that is trained."""


def choose_engine(shape: Shape, engine: Engine | None) -> Engine:
    """Return the engine that trains a net of this shape here.

    Parameters
    ----------
    shape : MLPShape or CNNShape
        The net's sizes and settings.
    engine : {"compiled", "plain"}, optional
        What was asked for; the compiled one if left out, where it can.

    Returns
    -------
    str
        "compiled" or "plain".

    Raises
    ------
    ValueError
        If the engine is unknown, or cannot train this net here.
    """
    if engine is not None and (not isinstance(engine, str) or engine not in ENGINES):
        raise ValueError(f"engine must be 'compiled', 'plain' or None, got {shown(engine)}.")
    if engine == "compiled" and compiled is None:
        raise ValueError("engine must not be 'compiled' without numba: pip install loadpath[fast].")
    if engine == "compiled" and not isinstance(shape, MLPShape):
        name = shape.settings()["network"]
        raise ValueError(f"engine must be 'plain' for a net that is not an MLP, got a {name}.")
    if engine == "plain" or compiled is None or not isinstance(shape, MLPShape):
        return "plain"
    if shape.batch_norm and not shape.input_batch_norm:  # the kernel has it everywhere or nowhere
        if engine == "compiled":
            raise ValueError(
                "engine must be 'plain' for a net with BatchNorm but none on its inputs, got "
                "'compiled'."
            )
        return "plain"
    return "compiled"


def make_stepper(network: Classifier, draws: Draws, recipe: Recipe, engine: Engine) -> Stepper:
    """Return the stepper of an engine that `choose_engine` has allowed."""
    if engine == "compiled" and isinstance(network, MLP):
        return compiled.Compiled(network, draws, recipe)
    return Plain(network, draws, recipe)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch and BLAS on one thread within the block."""
    with torch_threads(1), blas_libraries().limit(limits=1):
        yield
