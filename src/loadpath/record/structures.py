"""Tensors inside the structures that modules put out: tuples, dicts, ModelOutputs, dataclasses."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

FIRST_CHOICES = ("last_hidden_state", "hidden_states", "sentence_embedding", "logits")
"""The entries of an output that stand for all of it, best first."""

OutputPath = tuple[Any, ...]
"""The keys, indices and field names that lead from a structure to something in it."""


def tensor_of(output: Any) -> Tensor | None:
    """Return the tensor that stands for a structure.

    A tensor is itself. In a dict, a Hugging Face ModelOutput or a dataclass it is
    `last_hidden_state`, else the last of `hidden_states`, else `sentence_embedding`, else `logits`,
    else the first tensor in it; in a tuple or list it is the first. What is nested is searched in
    order. Numbers without axes, whole numbers and booleans come after all tensors of real numbers.

    Parameters
    ----------
    output : Any
        What a model or module was given, or put out.

    Returns
    -------
    Tensor or None
        The tensor; None if there is none. For a packed sequence it is its data.
    """
    if isinstance(output, Tensor):
        return output
    first: Tensor | None = None
    for _, leaf in leaves(output):
        tensor = values_of(leaf)
        if is_real(tensor):
            return tensor
        first = tensor if first is None else first
    return first


def is_real(tensor: Tensor) -> bool:
    """Return whether a tensor has real numbers along one axis or more."""
    return tensor.is_floating_point() and tensor.ndim > 0


def values_of(leaf: Tensor | PackedSequence) -> Tensor:
    """Return a tensor as it is, and the values of a packed sequence, (token of any sample, ...)."""
    return leaf.data if isinstance(leaf, PackedSequence) else leaf


def leaves(
    value: Any, path: OutputPath = ()
) -> Iterator[tuple[OutputPath, Tensor | PackedSequence]]:
    """Yield all tensors and packed sequences of a structure, each with the path that leads to it.

    Entries that stand for all of a dict or dataclass come first, as `tensor_of` has them.

    Parameters
    ----------
    value : Any
        A tensor, or tensors in tuples, lists, dicts, Hugging Face ModelOutputs and dataclasses.
    path : tuple
        The path of `value` itself, which begins all paths.

    Yields
    ------
    path : tuple
        The path, as `at` takes it.
    leaf : Tensor or PackedSequence
        What is there.
    """
    if isinstance(value, Tensor | PackedSequence):
        yield path, value
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from leaves(part, (*path, index))
    else:
        parts = _named_parts(value)
        names = [name for name in FIRST_CHOICES if parts.get(name) is not None]
        for name in [*names, *(name for name in parts if name not in names)]:
            part = parts[name]
            if name == "hidden_states" and isinstance(part, list | tuple) and part:
                last = len(part) - 1  # one a layer: the last stands for them
                yield from leaves(part[last], (*path, name, last))
                part = part[:last]
            yield from leaves(part, (*path, name))


def _named_parts(value: Any) -> Mapping[Any, Any]:
    """Return the entries of a dict or the fields of a dataclass; nothing for anything else."""
    if isinstance(value, Mapping):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return {}


def at(value: Any, path: OutputPath) -> Any:
    """Return what lies in a structure at the end of a path.

    Raises
    ------
    LookupError
        If the path leads nowhere.
    """
    for step in path:
        if isinstance(value, list | tuple):
            value = value[step]
        else:
            value = _named_parts(value)[step]
    return value


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the same structure with every tensor in it changed; the one given is left as it is.

    Parameters
    ----------
    value : Any
        A tensor, or tensors in tuples, lists, dicts, Hugging Face ModelOutputs and dataclasses.
    change : callable
        What becomes of a tensor. Of a packed sequence, only the values are changed.

    Returns
    -------
    Any
        A structure of the same kind. Whatever else is in it is shared with the one given.
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, PackedSequence):  # what is beside its values are indices
        return value._replace(data=change(value.data))
    if isinstance(value, Mapping):
        same: Any = copy.copy(value)
        for key in value:
            same[key] = mapped(value[key], change)
        return same
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        same = copy.copy(value)
        for field in dataclasses.fields(value):
            # A frozen one refuses plain assignment.
            object.__setattr__(same, field.name, mapped(getattr(value, field.name), change))
        return same
    if isinstance(value, list | tuple):
        parts = [mapped(part, change) for part in value]
        # A namedtuple takes its parts one by one.
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value
