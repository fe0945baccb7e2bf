"""A pass over a loader, batch by batch, that leaves the model and random numbers as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, TypeVar

import torch
from torch import nn

from loadpath.checks import check_count
from loadpath.record.batches import Loader, Split, batches_of, prepare
from loadpath.record.calls import Batch
from loadpath.record.hooks import OwnRandomness, unfused_evaluation
from loadpath.record.keeping import KeptModel, keeping_generators
from loadpath.record.layout import input_axis

T = TypeVar("T")


def visit(
    model: nn.Module,
    loader: Loader,
    run: Callable[[Batch, int], T],
    *,
    device: torch.device,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
    grad: bool = False,
    tokens_first: bool = False,
) -> Iterator[T]:
    """Run a function on every batch of a loader, and yield what it makes of each.

    `run` finds the model (`unwrapped`) without gradients and as `unfused_evaluation` has it, and
    each of its passes starts from the parameters and buffers that the model has. Whatever happens,
    these, modes, gradients and random states are put back before anything is yielded or raised, and
    the generators of model and loader at the end. The loader and `run` draw from random numbers of
    their own, as a plain loop would.

    Parameters
    ----------
    model : nn.Module
        The model.
    loader : iterable or Data
        What yields batches.
    run : callable
        A function of a `Batch` and the number of its first sample in all of the pass.
    device, max_batches, split, pass_labels, grad
        As for `stream`.
    tokens_first : bool, optional
        Whether the user says that sequences are (token, sample, width).

    Yields
    ------
    T
        What `run` returned.

    Raises
    ------
    ValueError
        For bad arguments, before anything runs; for batches as `prepare`; for a loader that yields
        nothing.
    """
    if max_batches is not None:
        check_count("max_batches", max_batches, 1)
    batches = batches_of(loader, model)

    def prepared(raw: Any, number: int, axis: int) -> Batch:
        return prepare(
            raw,
            number,
            device=device,
            split=split,
            pass_labels=pass_labels,
            model=model,
            axis=axis,
        )

    return _visit(model, batches, prepared, run, device, max_batches, grad, tokens_first)


def device_of(model: nn.Module) -> torch.device:
    """Return where the model's first parameter or buffer is; the CPU if it has none."""
    own = chain(model.parameters(), model.buffers())
    return next((t.device for t in own), torch.device("cpu"))


def _visit(
    model: nn.Module,
    batches: Iterable[Any],
    prepared: Callable[[Any, int, int], Batch],
    run: Callable[[Batch, int], T],
    device: torch.device,
    max_batches: int | None,
    grad: bool,
    tokens_first: bool,
) -> Iterator[T]:
    """Go through the batches: the part of `visit` that runs when the first is asked for."""
    own, kept = OwnRandomness(device), KeptModel(model)
    with keeping_generators(model, batches):
        with own():
            left = islice(iter(batches), max_batches)  # a DataLoader draws its shuffle here
        end = object()
        number = first = axis = 0
        while True:
            with own():
                raw = next(left, end)
                if raw is end:
                    break
                batch = prepared(raw, number, axis)
                with kept(), unfused_evaluation(model, grad=grad):
                    if number == 0 and batch.axis == 0:
                        with OwnRandomness(device)():
                            axis = input_axis(
                                model, batch, lambda b: b.call(model), tokens_first=tokens_first
                            )
                        batch = prepared(raw, number, axis) if axis else batch
                    made = run(batch, first)
            yield made
            number, first = number + 1, first + batch.count
    if number == 0:
        raise ValueError("loader must yield at least one batch, and it yields nothing.")
