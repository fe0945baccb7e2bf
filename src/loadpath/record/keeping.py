"""What a pass must not change: parameters and buffers, to the last bit, and generators.

A model's `eval()` may merge weights, as LoRA layers do, and unmerge them in `train()` with other
roundings. Its forward may write buffers, put others in their place, or clip its weights.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

MOST_COPIED = 2**30
"""Bytes of parameters and buffers that are copied for a while. What is beyond that is watched."""
_WHOLE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Whole numbers of as many bytes."""


@dataclass
class _Held:
    """A parameter or buffer as it is before a pass."""

    name: str
    """Its name in the model."""
    tensor: Tensor
    """The object itself."""
    alias: Tensor
    """Its values, which go on lying where they lie whatever is assigned to the object."""
    version: int
    """How often it had been written."""
    copy: Tensor | None
    """Its values apart from it; None where they are only watched."""
    checksum: int | None
    """A sum of its bits, where it has no copy."""
    requires_grad: bool
    """Whether gradients are taken of it."""
    grad: Tensor | None
    """Its gradient."""


class KeptModel:
    """Gives a model its parameters and buffers back after each batch of a pass.

    On the first batch all of them are copied, up to `MOST_COPIED` bytes. That shows which ones the
    model writes, and only buffers and these are copied on later batches. Where something is changed
    of which there is no copy, a warning names it.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._written: set[str] | None = None
        """Names of what the model writes; None until it has run once."""
        self._told: set[str] = set()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Keep all that the model has within the block, and have its passes start alike."""
        places, held = _places(self.model), self._hold()
        start: tuple[_Places, list[_Held]] | None = None

        def begin(*_: Any) -> None:
            # Passes start from what there is when the first one does: `eval()` may have merged
            # weights since the block began. What the pass before wrote is not to be seen.
            nonlocal start
            if start is None:
                start = _places(self.model), self._hold(held)
            else:
                _put_back(start[0])
                self._restore(start[1])

        hook = nn.Module.register_forward_pre_hook(self.model, begin)
        try:
            yield
        finally:
            hook.remove()
            _put_back(places)
            self._restore(held)
            for each in held:
                if each.tensor.requires_grad != each.requires_grad:
                    each.tensor.requires_grad_(each.requires_grad)
                if each.tensor.is_leaf and each.tensor.grad is not each.grad:
                    each.tensor.grad = each.grad

    def _hold(self, earlier: Iterable[_Held] = ()) -> list[_Held]:
        """Return what there is, with as many copies as are wanted and have room.

        Copies of `earlier` serve again where nothing has changed since.
        """
        room = MOST_COPIED
        held = []
        copies = {each.name: each.copy for each in earlier}
        # Buffers first: they are what models write as they run.
        named = [*self.model.named_buffers(), *self.model.named_parameters()]
        buffers = len(named) - len(list(self.model.parameters()))
        for number, (name, tensor) in enumerate(named):
            if is_lazy(tensor):
                continue
            alias = tensor.detach()
            size = tensor.numel() * tensor.element_size()
            plain = _has_bits(alias)
            wanted = self._written is None or number < buffers or name in self._written
            copied = plain and wanted and size <= room
            room -= size if copied else 0
            summed = plain and not copied and self._written is None
            held.append(
                _Held(
                    name,
                    tensor,
                    alias,
                    _version(alias),
                    _copy(alias, copies.get(name)) if copied else None,
                    _checksum(alias) if summed else None,
                    tensor.requires_grad,
                    tensor.grad if tensor.is_leaf else None,
                )
            )
            if tensor.is_leaf and tensor.grad is not None:
                tensor.grad = None  # a backward pass inside the model would add to it in place
        return held

    def _restore(self, held: list[_Held]) -> None:
        """Give every tensor its values back, and let go of copies that are not needed."""
        found = set()
        changed = []
        for each in held:
            if _is_elsewhere(each.tensor, each.alias):
                each.tensor.data = each.alias
            if each.copy is not None:
                if not torch.equal(_bits(each.alias), _bits(each.copy)):
                    # Through `data`, so that graphs of the user's that hold it stay valid.
                    each.alias.data.copy_(each.copy)
                    found.add(each.name)
            elif _version(each.alias) != each.version or (
                each.checksum is not None and _checksum(each.alias) != each.checksum
            ):
                changed.append(each.name)
                each.version, each.checksum = _version(each.alias), None
        if self._written is None:
            buffers = {name for name, _ in self.model.named_buffers()}
            for each in held:
                if each.name not in found | buffers:
                    each.copy = None
                each.checksum = None
        self._written = (self._written or set()) | found
        new = [name for name in changed if name not in self._told]
        if new:
            self._told |= set(new)
            warnings.warn(
                f"The model writes {', '.join(new)} as it runs, of which there was no room for a "
                "copy: it is not left as it was. Pass a copy of the model (copy.deepcopy).",
                RuntimeWarning,
                stacklevel=2,
            )


@contextmanager
def keeping_generators(model: nn.Module, loader: Any) -> Iterator[None]:
    """Give the generators of random numbers back their states that a model and a loader hold.

    Parameters
    ----------
    model : nn.Module
        The model; generators are attributes of its modules.
    loader : object
        The loader; generators are attributes of it, its data set and its samplers.

    Yields
    ------
    None
    """
    sampler = getattr(loader, "batch_sampler", None)
    owners = [loader, sampler, getattr(loader, "sampler", None), getattr(sampler, "sampler", None)]
    dataset = getattr(loader, "dataset", None)
    while dataset is not None and all(
        dataset is not owner for owner in owners
    ):  # a subset holds another data set
        owners.append(dataset)
        dataset = getattr(dataset, "dataset", None)
    owners += model.modules()
    undo = list(_states(each for owner in owners for each in _attributes(owner)))
    try:
        yield
    finally:
        for restore in undo:
            restore()


def _attributes(owner: Any) -> list[Any]:
    return list(getattr(owner, "__dict__", {}).values())


def _states(values: Iterable[Any]) -> Iterator[Callable[[], object]]:
    """Yield for each generator among values a function that gives it its present state back."""
    for value in values:
        if isinstance(value, torch.Generator):
            yield partial(value.set_state, value.get_state())
        elif isinstance(value, np.random.Generator):
            yield partial(setattr, value.bit_generator, "state", value.bit_generator.state)
        elif isinstance(value, np.random.RandomState):
            yield partial(value.set_state, value.get_state())
        elif isinstance(value, random.Random) and type(value) is not random.SystemRandom:
            yield partial(value.setstate, value.getstate())


_Places = list[tuple[dict[str, Any], dict[str, Any]]]
"""Dicts in which modules have what they are made of, each with what it held."""


def _places(model: nn.Module) -> _Places:
    """Return where all modules have their parameters, buffers and modules, and which these are."""
    return [
        (place, dict(place))
        for module in model.modules()
        if not isinstance(module, torch.jit.ScriptModule)
        for place in (module._parameters, module._buffers, module._modules)
    ]


def _put_back(places: _Places) -> None:
    """Put the same objects back where others have taken their place."""
    for place, before in places:
        same = len(place) == len(before) and all(
            place.get(name) is value for name, value in before.items()
        )
        if not same:
            place.clear()
            place.update(before)


def _has_bits(t: Tensor) -> bool:
    """Return whether the values of a tensor lie in memory as its type says."""
    plain = t.layout == torch.strided and not t.is_nested and not t.is_quantized
    return plain and type(t) is Tensor and t.device.type != "meta"


def _bits(t: Tensor) -> Tensor:
    """Return the values as whole numbers of the same bits: -0 is not 0, and NaN is itself."""
    t = torch.view_as_real(t.resolve_conj()) if t.is_complex() else t
    return t.view(_WHOLE[t.element_size()]) if t.is_floating_point() else t


def _copy(t: Tensor, earlier: Tensor | None) -> Tensor:
    """Return a copy of a tensor: an earlier one, if it has the same bits."""
    if earlier is not None and earlier.shape == t.shape and earlier.dtype == t.dtype:
        if torch.equal(_bits(t), _bits(earlier)):
            return earlier
    return t.clone()


def _checksum(t: Tensor) -> int:
    """Return a sum of the bits, which a change of some of them would hardly leave as it is."""
    return int(_bits(t).sum(dtype=torch.int64))


def _version(t: Tensor) -> int:
    """Return how often a tensor was written, as far as it is known."""
    return 0 if t.is_inference() else t._version


def _is_elsewhere(t: Tensor, alias: Tensor) -> bool:
    """Return whether other values were assigned to a tensor."""
    if type(alias) is not Tensor or alias.is_nested or alias.layout != torch.strided:
        return False
    where = [(each.data_ptr(), each.shape, each.stride(), each.dtype) for each in (t, alias)]
    return where[0] != where[1]
