"""Which axis of an output has the samples: the one that grows and shrinks with the batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from loadpath.record.calls import Batch
from loadpath.record.layout.trial import Call, watch_calls
from loadpath.record.structures import is_real, leaves, mapped, values_of


def first_axis(module: nn.Module) -> int | None:
    """Return which axis of sequences a module itself says that the samples have; None for no word.

    Recurrent nets, attention and transformers of torch.nn say so, each in a place of its own.
    """
    said = getattr(module, "batch_first", None)
    if said is None and isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        said = module.self_attn.batch_first
    return None if not isinstance(said, bool) else 0 if said else 1


def resized(batch: Batch, square: bool = True) -> Batch:
    """Return the batch in memory of its own with one sample less; one more, if it has but one.

    Parameters
    ----------
    batch : Batch
        The batch.
    square : bool, optional
        Whether square matrices of real numbers or booleans are resized too. They may be masks
        (token, token).
    """
    masks = {id(mask) for mask in batch.given_masks()}

    def resize(tensor: Tensor) -> Tensor:
        if tensor.layout != torch.strided or tensor.is_nested:
            return tensor.clone()
        first = (0,) if id(tensor) in masks else (batch.axis, 0)  # masks are (sample, token)
        axes = [a for a in first if a < tensor.ndim and tensor.shape[a] == batch.count]
        matrix = tensor.ndim == 2 and tensor.shape[0] == tensor.shape[1]
        whole = tensor.dtype in (torch.int32, torch.int64)
        if not axes or (matrix and not whole and not square):
            return tensor.clone()
        if batch.count == 1:
            return torch.cat([tensor, tensor], axes[0])
        return tensor.narrow(axes[0], 0, batch.count - 1).clone()

    return dataclasses.replace(
        batch,
        args=mapped(batch.args, resize),
        kwargs=mapped(batch.kwargs, resize),
        count=2 if batch.count == 1 else batch.count - 1,
    )


def moving_axes(shape: tuple[int, ...], other: tuple[int, ...], count: int, now: int) -> list[int]:
    """Return the axes that were `count` long and are `now` long in a batch of so many samples."""
    if len(shape) != len(other):
        return []
    return [a for a, sizes in enumerate(zip(shape, other, strict=True)) if sizes == (count, now)]


def axis_of_shape(shape: tuple[int, ...], count: int, tokens_first: bool) -> int | None:
    """Return the axis of the samples, as far as one shape tells; None if it does not.

    Only of three axes the second can be that of samples: (token, sample, width).
    """
    axes = [axis for axis in (0, 1)[: 2 if len(shape) == 3 else 1] if _is_long(shape, axis, count)]
    if tokens_first and len(shape) == 3 and 1 in axes:
        return 1
    return axes[0] if len(axes) == 1 else None


def _is_long(shape: tuple[int, ...], axis: int, count: int) -> bool:
    return len(shape) > axis and shape[axis] == count


def is_plain(batch: Batch) -> bool:
    """Return whether no axis of the model's inputs could be taken for that of the samples.

    Images may have as many channels as there are samples; tokens of sentences or series that are
    as many as the samples are another matter, because the model may turn the two around.
    """
    for _, leaf in leaves((batch.args, batch.kwargs)):
        tensor = values_of(leaf)
        if isinstance(leaf, PackedSequence) or tensor.is_nested:
            continue
        sequence = tensor.ndim == 3 or (tensor.ndim == 2 and not tensor.is_floating_point())
        if sequence and tensor.shape[1 - batch.axis] == batch.count:
            return False
    return True


def input_axis(
    model: nn.Module,
    batch: Batch,
    run: Callable[[Batch], object],
    *,
    tokens_first: bool = False,
) -> int:
    """Return which axis of the model's inputs has the samples, 0 or 1.

    It is the second where that is the axis of the samples for modules that say which theirs is: if
    a shorter second axis of the input is a shorter one of samples for them. Labels, one for each
    settle it too. Where no module says a word, the rows of what the model returns do, if they are
    as many as one axis is long; else samples come first, unless the user says otherwise.

    Parameters
    ----------
    model : nn.Module
        The model, inside its wrappers.
    batch : Batch
        The first batch, as if samples came first.
    run : callable
        A pass of the model over a batch, in memory that it may write to.
    tokens_first : bool, optional
        Whether the user says that sequences are (token, sample, width).

    Returns
    -------
    int
        The axis.
    """
    first = next((values_of(leaf) for _, leaf in leaves((batch.args, batch.kwargs))), None)
    if first is None or first.is_nested or first.ndim not in (2, 3):
        return 0
    if first.ndim == 2 and first.is_floating_point():
        return 0
    modules = {module for module in model.modules() if first_axis(module) == 1}
    if model in modules:
        return 1
    if batch.labels is not None and first.shape[1] != batch.count:
        return 0  # labels are known to be as many as the first axis is long
    if not modules:
        return _axis_of_answer(tuple(first.shape), batch, run, tokens_first)
    turned = dataclasses.replace(batch, axis=1, count=first.shape[1])
    try:
        whole = watch_calls(model, lambda: run(mapped(batch, Tensor.clone)))
        part = _calls_of_fewer(model, turned, run)
    except Exception:  # the pass itself, which comes next, says what is wrong
        return 0
    votes = [
        axis
        for call in whole
        if call.site.module in modules and (call.site.name, call.times) in part
        for seen, other in zip(call.given, part[call.site.name, call.times].given, strict=False)
        if seen.real and len(seen.shape) == 3
        for axis in moving_axes(seen.shape, other.shape, turned.count, resized(turned).count)[:1]
    ]
    return 1 if votes and all(axis == 1 for axis in votes) else 0


def _axis_of_answer(
    shape: tuple[int, ...], batch: Batch, run: Callable[[Batch], object], tokens_first: bool
) -> int:
    """Return the axis of an input that is as long as the model's answer has rows."""
    if batch.masks:
        return 0  # they are (sample, token), with as many samples as the first axis is long
    if shape[0] == shape[1]:
        return int(tokens_first and len(shape) == 3)
    try:
        returned = run(mapped(batch, Tensor.clone))
    except Exception:  # the pass itself, which comes next, says what is wrong
        return 0
    real = [values_of(leaf) for _, leaf in leaves(returned) if is_real(values_of(leaf))]
    plain = [x for x in real if not x.is_nested]
    rows = {len(x) for x in plain if x.ndim <= 2}
    if not rows and tokens_first:
        rows = {x.shape[1] for x in plain if x.ndim == 3}
    rows &= set(shape[:2])
    if len(rows) == 1:
        return shape.index(rows.pop())
    return int(tokens_first and len(shape) == 3)


def _calls_of_fewer(
    model: nn.Module, batch: Batch, run: Callable[[Batch], object]
) -> dict[tuple[str, int], Call]:
    """Return the calls of a pass with a sample less, as the axis of the batch has it."""
    try:
        found = watch_calls(model, lambda: run(resized(batch)))
    except Exception:  # perhaps a mask (token, token) was cut, of as many tokens as samples
        found = watch_calls(model, lambda: run(resized(batch, square=False)))
    return {(call.site.name, call.times): call for call in found}
