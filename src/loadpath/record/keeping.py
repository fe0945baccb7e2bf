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
from operator import is_
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
        self._tree, self._walks = _Tree(model), 0
        self._written: set[str] | None = None
        """Names of what the model writes; None until it has run once."""
        self._told: set[str] = set()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Keep all that the model has within the block, and have its passes start alike."""
        places = self._tree.places()
        if self._tree.walks != self._walks:  # nothing is known of what new modules write
            self._walks, self._written = self._tree.walks, None
        held = self._hold()
        start: tuple[_Places, list[_Held]] | None = None

        def begin(*_: Any) -> None:
            # Passes start from what there is when the first one does: `eval()` may have merged
            # weights since the block began. What the pass before wrote is not to be seen.
            nonlocal start
            if start is None:
                same = self._written is not None and _are_in_place(places) and _are_as(held)
                start = (places, held) if same else (self._tree.places(), self._hold(held))
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
        named, buffers = self._tree.tensors()
        for number, (name, tensor) in enumerate(named):
            if is_lazy(tensor):
                continue
            alias = tensor.detach()
            wanted = self._written is None or number < buffers or name in self._written
            copied = summed = False
            if wanted and _has_bits(alias):
                size = tensor.numel() * tensor.element_size()
                copied = size <= room
                room -= size if copied else 0
                summed = not copied and self._written is None
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
            named, count = self._tree.tensors()
            buffers = {name for name, _ in named[:count]}
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


class _Tree:
    """The modules of a model by name, walked through anew only where one has taken another's place.

    To walk through a model of 20 layers takes as long as a small batch of it.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._modules: list[tuple[str, nn.Module]] = []
        self._inside: _Places = []
        self.walks = 0
        """How often the model was walked through."""

    def _look(self) -> None:
        if not self._modules or not _are_in_place(self._inside):
            self._modules = [
                (f"{name}." if name else "", module) for name, module in self._model.named_modules()
            ]
            self.walks += 1
            self._inside = [(m._modules, dict(m._modules)) for _, m in self._modules]

    def places(self) -> _Places:
        """Return where modules have parameters, buffers and modules, and which these are."""
        self._look()
        return [
            (place, dict(place))
            for _, module in self._modules
            if not isinstance(module, torch.jit.ScriptModule)
            for place in (module._parameters, module._buffers, module._modules)
        ]

    def tensors(self) -> tuple[list[tuple[str, Tensor]], int]:
        """Return all buffers and then all parameters by name, each once; and how many are buffers.

        They are those of the modules that were there at the last call of `places`. Those of
        scripted modules are reached by their methods alone.
        """
        found: dict[int, tuple[str, Tensor]] = {}
        count = 0
        for kind in ("buffers", "parameters"):
            for prefix, module in self._modules:
                if isinstance(module, torch.jit.ScriptModule):
                    own = getattr(module, f"named_{kind}")(recurse=False)
                else:
                    own = getattr(module, f"_{kind}").items()
                for name, tensor in own:
                    if tensor is not None:
                        found.setdefault(id(tensor), (prefix + name, tensor))
            count = len(found) if kind == "buffers" else count
        return list(found.values()), count


def _are_in_place(places: _Places) -> bool:
    """Return whether all objects are where they were."""
    for place, before in places:
        if (place or before) and (
            place.keys() != before.keys() or not all(map(is_, place.values(), before.values()))
        ):
            return False
    return True


def _are_as(held: list[_Held]) -> bool:
    """Return whether tensors are as they were, as far as is told by versions and copies."""
    return all(
        _version(each.alias) == each.version
        and not _is_elsewhere(each.tensor, each.alias)
        and (each.copy is None or torch.equal(_bits(each.alias), _bits(each.copy)))
        for each in held
    )


def _put_back(places: _Places) -> None:
    """Put the same objects back where others have taken their place."""
    if _are_in_place(places):
        return
    for place, before in places:
        if not _are_in_place([(place, before)]):
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
    return (
        t.data_ptr() != alias.data_ptr()
        or t.shape != alias.shape
        or t.stride() != alias.stride()
        or t.dtype != alias.dtype
    )
