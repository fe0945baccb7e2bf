"""How a language model reads a representation: its own final norm and head, or those given."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.record import Batch, OwnRandomness, Site, is_real, leaves, mapped, values_of

Head = Callable[[Tensor], Tensor]
"""A function from representations (sample, token, width) to logits (sample, token, vocabulary)."""

LAST_CALLS = 64
"""How many calls before that of the head are looked through for the final norm."""
ALIKE = 1e-3
"""Largest difference, relative to the largest number, at which two tensors count as the same."""


class NoHeadError(ValueError):
    """There is nothing to read the next token through; the message says why."""


@dataclass(frozen=True)
class Reader:
    """What leads from the output of a layer to logits."""

    modules: tuple[nn.Module, ...] = ()
    """What the model does before its head: its final norm, and a projection where it has one."""
    head: Head | None = None
    """The head itself."""
    width: int | None = None
    """Width of what is read; None where a function was given, which knows."""

    def __call__(self, representation: Tensor) -> Tensor:
        """Return the logits of representations (sample, token, width)."""
        assert self.head is not None
        for module in self.modules:
            representation = module(representation)
        return self.head(representation)


def tokens_of(batch: Batch) -> Tensor | None:
    """Return the tokens that a model is given, (sample, token); None if there are none.

    Parameters
    ----------
    batch : Batch
        The batch.

    Returns
    -------
    Tensor or None
        `input_ids`, or else the only whole numbers (sample, token) among the arguments.
    """
    one = batch.args[0] if len(batch.args) == 1 and isinstance(batch.args[0], Mapping) else {}
    for named in (batch.kwargs, one):
        found = named.get("input_ids")
        if isinstance(found, Tensor):
            return found if found.ndim == 2 and not found.is_floating_point() else None
    masks = {id(mask) for mask in batch.given_masks()}
    whole = [
        values_of(leaf)
        for _, leaf in leaves((batch.args, batch.kwargs))
        if values_of(leaf).dtype in (torch.int64, torch.int32) and id(values_of(leaf)) not in masks
    ]
    shaped = [ids for ids in whole if ids.ndim == 2 and len(ids) == batch.count]
    return shaped[0] if len(shaped) == 1 else None


def check_causal(
    model: nn.Module, batch: Batch, ids: Tensor, last: Site, device: torch.device
) -> None:
    """Refuse a model in which a token changes what comes before it.

    Parameters
    ----------
    model : nn.Module
        The model.
    batch : Batch
        A batch of at least two tokens a sample.
    ids : Tensor
        Its tokens, which are a tensor of the batch.
    last : Site
        The layer whose output is looked at.
    device : torch.device
        Where the model runs.

    Raises
    ------
    NoHeadError
        If the output at the tokens before the last depends on the last one.
    """
    low, high = int(ids.min()), int(ids.max())
    if low == high:
        return  # there is no other token to try
    changed = ids.clone()
    changed[:, -1] = torch.where(ids[:, -1] == high, low, high).to(ids.dtype)
    args, kwargs = mapped((batch.args, batch.kwargs), lambda t: changed if t is ids else t)
    start = OwnRandomness(device)
    outputs = []
    for each in (batch, replace(batch, args=args, kwargs=kwargs)):
        seen: list[Any] = []
        hook = last.module.register_forward_hook(lambda _, args, output: seen.append(output))  # noqa: B023
        try:
            with copy.copy(start)():
                each.call(model)
        finally:
            hook.remove()
        found = sequence_in(seen[0], ids) if seen else None
        if found is None:
            return
        outputs.append(found[:, :-1].double())
    if not _same(*outputs):
        raise NoHeadError(
            "it is no model of the next token: what it makes of a token depends on those that come "
            "after it"
        )


def sequence_in(output: Any, ids: Tensor) -> Tensor | None:
    """Return the first tensor (sample, token, width) for these tokens; None if there is none."""
    for _, leaf in leaves(output):
        tensor = values_of(leaf)
        if is_real(tensor) and tensor.ndim == 3 and tensor.shape[:2] == ids.shape:
            return tensor
    return None


def own_reader(model: nn.Module, sites: Sequence[Site], batch: Batch, ids: Tensor) -> Reader:
    """Return the final norm and head of a model of Hugging Face's kind, found as it runs.

    Parameters
    ----------
    model : nn.Module
        A model that has `get_output_embeddings`.
    sites : sequence of Site
        The layers, in which no final norm is looked for.
    batch : Batch
        The batch that it runs on.
    ids : Tensor
        The tokens of the batch.

    Returns
    -------
    Reader
        Its head, after the modules whose outputs lead to what the head is given.

    Raises
    ------
    NoHeadError
        If it has no head, the head does not run on these tokens, or the model changes what its
        head puts out.
    """
    head = _head_of(model)
    inside = {module for site in sites for module in site.module.modules()}
    calls: deque[tuple[nn.Module, Tensor, Tensor]] = deque(maxlen=LAST_CALLS)
    given: list[Tensor] = []
    made: list[Tensor] = []

    def note(module: nn.Module, args: Any, output: Any) -> None:
        first = args[0] if args else None
        if isinstance(first, Tensor) and isinstance(output, Tensor) and output.ndim > 1:
            calls.append((module, first, output))

    def note_head(_: nn.Module, args: Any, output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            given.append(args[0])
            made.append(output)

    with ExitStack() as hooks:
        for module in model.modules():
            if module is not head and not module._modules:
                hooks.callback(nn.Module.register_forward_hook(module, note).remove)
        hooks.callback(nn.Module.register_forward_hook(head, note_head).remove)
        output = batch.call(model)
    if len(given) != 1 or made[0].shape[:2] != ids.shape:
        raise NoHeadError("its head does not run once on all tokens of a batch")
    logits = output.get("logits") if isinstance(output, Mapping) else None
    if isinstance(logits, Tensor) and logits.shape == made[0].shape and not _same(logits, made[0]):
        raise NoHeadError("the logits that it returns are not what its head puts out: pass head")
    modules: list[nn.Module] = []
    wanted = given[0]
    for module, before, after in reversed(calls):
        if not _shares(after, wanted) or _shares(before, after) or before.ndim != 3:
            continue
        if module in inside:
            break
        modules.insert(0, module)
        wanted = before
    return Reader(tuple(modules), head, wanted.shape[-1])


def _head_of(model: nn.Module) -> nn.Module:
    """Return the head of a model of Hugging Face's kind."""
    find = getattr(model, "get_output_embeddings", None)
    try:
        head = find() if callable(find) else None
    except (NotImplementedError, AttributeError):  # of models that have none
        head = None
    if not isinstance(head, nn.Module):
        raise NoHeadError(
            "it has no head to read its layers through: pass head, a function from what a layer "
            "puts out, (sample, token, width), to logits"
        )
    return head


def _shares(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same numbers in the same memory."""
    same = one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
    return same and one.numel() == other.numel()


def _same(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same, but for rounding."""
    if one.numel() == 0:
        return True
    apart = float((one.double() - other.double()).abs().max())
    return apart <= ALIKE * max(float(one.double().abs().max()), 1e-30)
