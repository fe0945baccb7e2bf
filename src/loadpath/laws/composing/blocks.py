"""The residual blocks of a net as maps of one representation, taken from a pass of a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.leaky_resnet import LeakyResNet
from loadpath.record import Batch, Site, is_real, leaves, replacing_method

Map = Callable[[Tensor], Tensor]
"""A block: from the representation before it to that behind it."""
FEWEST = 4
"""Blocks below which there is nothing to merge twice."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a net on one batch: A_l = maps[l - 1](A_{l-1})."""

    start: Tensor
    """The representation before the first block."""
    maps: tuple[Map, ...]
    """The blocks in their order."""

    def path(self) -> list[Tensor]:
        """Return the representations before the first block and behind each."""
        found = [self.start]
        for each in self.maps:
            found.append(each(found[-1]))
        return found

    def end(self, maps: Sequence[Map]) -> Tensor:
        """Return the representation behind the last of other maps, from the same start.

        Parameters
        ----------
        maps : sequence of callable
            What is put in the place of the blocks.

        Returns
        -------
        Tensor
            Of the shape of `start`.
        """
        A = self.start
        for each in maps:
            A = each(A)
        return A


@dataclass
class _Call:
    """One call of a block in a pass: with what, and what came of it."""

    name: str
    forward: Callable[..., Any]
    before: Tensor
    after: Tensor
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    key: str | None

    def map(self, A: Tensor) -> Tensor:
        """Return what the block makes of a representation, with all else as it was given."""
        args, kwargs = (A, *self.args[1:]), self.kwargs
        if self.key is not None:
            args, kwargs = self.args, {**self.kwargs, self.key: A}
        return _first_tensor(self.forward(*args, **kwargs))


def blocks_of_batch(model: nn.Module, sites: Sequence[Site], batch: Batch) -> Blocks:
    """Run a batch, and return the chosen blocks as maps of one representation.

    Parameters
    ----------
    model : nn.Module
        A `LeakyResNet`, whose steps are its blocks, or any net of residual blocks.
    sites : sequence of Site
        The blocks.
    batch : Batch
        What the model is run on.

    Returns
    -------
    Blocks
        At least 4.

    Raises
    ------
    ValueError
        If a block runs more than once or changes the shape, if something stands between two
        blocks, or if there are fewer than 4.
    """
    if isinstance(model, LeakyResNet):
        return _blocks_of_leaky_resnet(model, batch)
    calls: list[_Call] = []
    with ExitStack() as stack:
        for site in sites:
            watch = partial(_watched, calls, site.name, site.module.forward)
            stack.enter_context(replacing_method(site.module, "forward", watch))
        batch.run(model)
    _check_calls(calls)
    return Blocks(calls[0].before, tuple(call.map for call in calls))


def _watched(
    calls: list[_Call], name: str, forward: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Run a block, and keep with what it was called."""
    output = forward(*args, **kwargs)
    key = None if args and _is_tensor(args[0]) else next(filter(_is_of(kwargs), kwargs), None)
    before = args[0] if args and _is_tensor(args[0]) else kwargs[key] if key else None
    if before is None:
        raise ValueError(f"layers has {name!r}, which is given no tensor of real numbers.")
    kept = before.detach().clone()  # a later block may write over it
    calls.append(_Call(name, forward, kept, _first_tensor(output).detach(), args, kwargs, key))
    return output


def _is_of(kwargs: dict[str, Any]) -> Callable[[str], bool]:
    return lambda key: _is_tensor(kwargs[key])


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) and is_real(value)


def _first_tensor(output: Any) -> Tensor:
    """Return the first tensor of real numbers in what a block put out."""
    for _, leaf in leaves(output):
        if isinstance(leaf, Tensor) and is_real(leaf):
            return leaf
    raise ValueError("layers must be blocks that put out a tensor of real numbers.")


def _check_calls(calls: Sequence[_Call]) -> None:
    """Refuse what is no sequence of residual blocks."""
    names = [call.name for call in calls]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"layers must be blocks that run once, and {twice!r} runs more often.")
    if len(calls) < FEWEST:
        raise ValueError(
            f"layers must be at least {FEWEST} residual blocks, got {len(calls)}: "
            f"{', '.join(names)}."
        )
    for call in calls:
        if call.before.shape != call.after.shape:
            raise ValueError(
                f"layers must be blocks that keep the shape, and {call.name!r} makes "
                f"{tuple(call.after.shape)} of {tuple(call.before.shape)}."
            )
    for first, second in zip(calls, calls[1:], strict=False):
        if not torch.equal(first.after, second.before):
            raise ValueError(
                f"layers must be blocks that follow each other, and something stands between "
                f"{first.name!r} and {second.name!r}."
            )


def _blocks_of_leaky_resnet(model: LeakyResNet, batch: Batch) -> Blocks:
    """Return the steps of a LeakyResNet as maps."""
    if model.depth < FEWEST:
        raise ValueError(f"model must have at least {FEWEST} steps, got {model.depth}.")
    x = batch.input
    if not isinstance(x, Tensor):
        raise ValueError("loader must yield tensors of real numbers for a LeakyResNet.")
    weights = model.weights
    decay, gain = (each.to(weights) for each in model.coefficients())

    def step(l: int, A: Tensor) -> Tensor:
        return decay[l] * A + gain[l] * model.features(A) @ weights[l].T

    return Blocks(model.path(x)[0], tuple(partial(step, l) for l in range(model.depth)))
