"""A trial pass of one batch: every call of every module, what went in and what came out."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from loadpath.record.selection import Site, inside_scripted, sites_of
from loadpath.record.structures import OutputPath, is_real, leaves, values_of


class Seen:
    """A tensor at the start or end of a call: where it lay and what it was; it is not kept."""

    def __init__(
        self,
        path: OutputPath,
        leaf: Tensor | PackedSequence,
        identities: Identities,
        *,
        sketched: bool = False,
    ) -> None:
        tensor = values_of(leaf)
        self.path, self.real = path, is_real(tensor)
        self.ragged = isinstance(leaf, PackedSequence) or tensor.is_nested
        """Whether its sequences have lengths of their own."""
        self.shape = (tensor.size(0),) if tensor.is_nested else tuple(tensor.shape)
        self.sketch = _sketch(tensor) if sketched and self.real else 0.0
        """One number that changes when the tensor does; 0 where it is not asked for."""
        self._identity, self._memory = identities.of_tensor(tensor), identities.of_memory(tensor)

    def is_same(self, other: Seen) -> bool:
        """Return whether two are one tensor, with nothing written to it between."""
        return self._identity == other._identity

    def shares_memory(self, other: Seen) -> bool:
        """Return whether two lie in one memory, as a tensor and a part of it do."""
        return self._memory == other._memory


class Identities:
    """Numbers for the tensors of a pass, which are not kept alive.

    A tensor has one number until somebody writes to it, and so has its memory while a tensor in it
    lives.
    """

    def __init__(self) -> None:
        self._last = 0
        self._tensors: dict[int, tuple[weakref.ref[Tensor], int, int]] = {}
        self._memories: dict[int, tuple[list[weakref.ref[Tensor]], int]] = {}

    def of_tensor(self, tensor: Tensor) -> int:
        """Return the number of a tensor as it is now."""
        version = 0 if tensor.is_inference() else tensor._version  # which those do not count
        known = self._tensors.get(id(tensor))
        if known is not None and known[0]() is tensor and known[1] == version:
            return known[2]
        self._last += 1
        self._tensors[id(tensor)] = weakref.ref(tensor), version, self._last
        return self._last

    def of_memory(self, tensor: Tensor) -> int:
        """Return the number of the memory that a tensor lies in."""
        self._last += 1
        if tensor.layout != torch.strided or tensor.is_nested:
            return self._last
        place = tensor.untyped_storage().data_ptr()
        living, number = self._memories.get(place, ([], self._last))
        living = [other for other in living if other() is not None]
        if not living:
            number = self._last
        self._memories[place] = [*living, weakref.ref(tensor)], number
        return number


def _sketch(tensor: Tensor) -> float:
    if tensor.is_nested or tensor.layout != torch.strided:
        return 0.0
    flat = tensor.detach().double().nan_to_num().flatten()
    return float(flat @ torch.arange(len(flat), dtype=flat.dtype, device=flat.device).cos())


@dataclass
class Call:
    """One call of a module in the pass that is watched."""

    site: Site
    times: int
    """Which of the module's calls it is, from 1."""
    given: list[Seen]
    """All tensors among its arguments; paths begin with 0 and an index, or with 1 and a name."""
    caller: Call | None
    started: int
    """Its place among all starts and ends of calls."""
    out: list[Seen] = field(default_factory=list)
    """All tensors that it put out."""
    length: int = 0
    """How many parts that has, if it is a tuple or list."""
    ended: int = 0
    """The place of its end among all starts and ends."""
    serial: bool = True
    """Whether, so far, each call inside ran on what the one before it gave, and nothing else."""
    last: list[Seen] = field(default_factory=list)
    """What the last call inside gave."""
    inside: int = 0
    """How many calls were made directly inside."""
    callers: list[Call] = field(default_factory=list)
    """The calls that it is inside of, outermost first."""

    @property
    def main(self) -> Seen | None:
        """The first tensor of real numbers that it was given, or None."""
        return next((seen for seen in self.given if seen.real), None)


def watch_calls(
    model: nn.Module,
    run: Callable[[], Any],
    *,
    sketched: bool = False,
    returned: list[Seen] | None = None,
) -> list[Call]:
    """Return all calls of one pass in the order in which they ended.

    Parameters
    ----------
    model : nn.Module
        The model, inside its wrappers.
    run : callable
        The pass.
    sketched : bool, optional
        Whether outputs have their `Seen.sketch`.
    returned : list of Seen, optional
        What the tensors that the pass returns are added to.

    Returns
    -------
    list of Call
        The calls of all modules but the model itself and those inside scripted ones.
    """
    ended: list[Call] = []
    stack: list[Call] = []
    counts: Counter[int] = Counter()
    identities = Identities()
    clock = 0

    def enter(site: Site, args: Any, kwargs: Any) -> None:
        nonlocal clock
        clock += 1
        counts[id(site.module)] += 1
        given = [Seen(path, leaf, identities) for path, leaf in leaves((args, kwargs))]
        caller = stack[-1] if stack else None
        call = Call(site, counts[id(site.module)], given, caller, clock, callers=list(stack))
        if caller is not None:
            first = [] if call.main is None else [call.main]
            caller.serial &= _handed_on(caller.last if caller.inside else caller.given, first)
            caller.inside += 1
        stack.append(call)

    def leave(output: Any) -> None:
        nonlocal clock
        clock += 1
        call = stack.pop()
        found = leaves(output)
        call.out = [Seen(path, leaf, identities, sketched=sketched) for path, leaf in found]
        call.length = len(output) if isinstance(output, list | tuple) else 0
        call.ended = clock
        call.serial &= _handed_on(call.last, call.out)
        if call.caller is not None:
            call.caller.last = call.out
        ended.append(call)

    unseen = inside_scripted(model)
    with ExitStack() as hooks:
        for site in {id(s.module): s for s in sites_of(model).values() if s.node is None}.values():
            module = site.module
            if module in unseen or module is model:
                continue

            def before(_: nn.Module, args: Any, kwargs: Any, site: Site = site) -> None:
                enter(site, args, kwargs)

            def after(_: nn.Module, args: Any, output: Any) -> None:
                leave(output)

            # Scripted modules refuse hooks by a method of their own, and run those of nn.Module.
            start = nn.Module.register_forward_pre_hook(module, before, with_kwargs=True)
            hooks.callback(start.remove)
            hooks.callback(nn.Module.register_forward_hook(module, after).remove)
        output = run()
        if returned is not None:
            returned += [Seen(path, leaf, identities) for path, leaf in leaves(output)]
    return ended


def _handed_on(before: list[Seen], after: list[Seen]) -> bool:
    """Return whether something that was there before is there after, untouched."""
    return any(a.is_same(b) for a in before for b in after if a.real)
