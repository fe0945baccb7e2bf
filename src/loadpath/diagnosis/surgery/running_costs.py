"""What a model takes to run: milliseconds and memory, on a batch of any number of samples."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from loadpath.diagnosis.surgery.search import own_memory
from loadpath.record import Batch, evaluation_mode, leaves, mapped, values_of

TURNS = 7
"""How often each model is timed, in turns."""
SECONDS = 1.0
"""Seconds after which no further turn begins; three are made in any case."""


@dataclass(frozen=True)
class RunningCosts:
    """What one model takes to run on one batch."""

    n_samples: int
    """Samples in the batch."""
    milliseconds: float
    """Time of a forward pass, the median over turns."""
    fastest: float
    """The fastest of them."""
    slowest: float
    """The slowest."""
    peak_bytes: float
    """The most memory that tensors of the pass took at once, beside the model."""
    parameters: int
    """Parameters of the model."""
    model_bytes: int
    """Bytes of its parameters and buffers."""


def running_costs(models: Sequence[nn.Module], batch: Batch, n_samples: int) -> list[RunningCosts]:
    """Measure models on one batch, in turns, so that what else the machine does hits all alike.

    Parameters
    ----------
    models : sequence of nn.Module
        The models.
    batch : Batch
        A batch, whose samples are repeated or left out.
    n_samples : int
        How many samples the models run on.

    Returns
    -------
    list of RunningCosts
        One for each model.
    """
    sized = with_samples(batch, n_samples)
    seconds: list[list[float]] = [[] for _ in models]
    for model in models:  # the first pass is slower
        _timed(model, sized)
    began = time.perf_counter()
    for turn in range(TURNS):
        if turn >= 3 and time.perf_counter() - began > SECONDS:
            break
        for model, found in zip(models, seconds, strict=True):
            found.append(_timed(model, sized))
    return [
        RunningCosts(
            n_samples,
            1e3 * statistics.median(found),
            1e3 * min(found),
            1e3 * max(found),
            peak_bytes(model, sized),
            sum(p.numel() for p in model.parameters()),
            sum(t.numel() * t.element_size() for t in [*model.parameters(), *model.buffers()]),
        )
        for model, found in zip(models, seconds, strict=True)
    ]


def with_samples(batch: Batch, count: int) -> Batch:
    """Return a batch with another number of samples: the first ones, over and over if need be."""
    which = torch.arange(count) % batch.count

    def resize(tensor: Tensor) -> Tensor:
        axis = batch.axis if tensor.ndim > batch.axis else 0
        if tensor.is_nested or tensor.ndim == 0 or tensor.shape[axis] != batch.count:
            return tensor
        return tensor.index_select(axis, which.to(tensor.device))

    args, kwargs, masks = mapped((batch.args, batch.kwargs, batch.masks), resize)
    labels = None if batch.labels is None else batch.labels[which]
    return dataclasses.replace(
        batch, args=args, kwargs=kwargs, masks=masks, labels=labels, count=count
    )


def _timed(model: nn.Module, batch: Batch) -> float:
    """Return the seconds of one forward pass."""
    own = own_memory(batch)
    with evaluation_mode(model):
        _wait(own)
        start = time.perf_counter()
        own.run(model)
        _wait(own)
        return time.perf_counter() - start


def peak_bytes(model: nn.Module, batch: Batch) -> float:
    """Return the most memory that tensors of a forward pass took at once."""
    own = own_memory(batch)
    with evaluation_mode(model), _LiveMemory() as memory:
        own.run(model)
    return float(memory.most)


class _LiveMemory(TorchDispatchMode):
    """Adds up, after every operation, the memory of all tensors that were made and still live."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[StorageWeakRef, int] = {}
        self.most = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation, and count what it put out."""
        out = func(*args, **(kwargs or {}))
        given = {storage_of(leaf) for _, leaf in leaves((list(args), kwargs or {}))}
        for _, leaf in leaves(out):
            storage = storage_of(leaf)
            if storage is not None and storage not in given:
                self.live[storage] = values_of(leaf).untyped_storage().nbytes()
        self.live = {ref: size for ref, size in self.live.items() if not ref.expired()}
        self.most = max(self.most, sum(self.live.values()))
        return out


def storage_of(leaf: Any) -> StorageWeakRef | None:
    """Return a reference to the memory of a tensor that does not keep it; None if it has none."""
    tensor = values_of(leaf)
    if tensor.is_nested or tensor.layout != torch.strided:
        return None
    return StorageWeakRef(tensor.untyped_storage())


def _device(batch: Batch) -> torch.device:
    found = [values_of(leaf).device for _, leaf in leaves((batch.args, batch.kwargs))]
    return found[0] if found else torch.device("cpu")


def _wait(batch: Batch) -> None:
    device = _device(batch)
    if device.type not in ("cpu", "meta"):
        torch.get_device_module(device).synchronize(device)
