"""Tensors inside the structures that modules put out: tuples, dicts, ModelOutputs, dataclasses."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from torch import Tensor

_FIRST_CHOICES = ("last_hidden_state", "hidden_states", "logits")
"""The entries of an output that stand for all of it, best first."""


def tensor_of(output: Any) -> Tensor | None:
    """Return the tensor that stands for what a module put out.

    A tensor is itself. In a dict, a Hugging Face ModelOutput or a dataclass it is
    `last_hidden_state`, else the last of `hidden_states`, else `logits`, else the first tensor in
    it; in a tuple or list it is the first. What is nested is searched in order.

    Parameters
    ----------
    output : Any
        The output of a module.

    Returns
    -------
    Tensor or None
        The tensor; None if there is none.
    """
    if isinstance(output, Tensor):
        return output
    if dataclasses.is_dataclass(output) and not isinstance(output, type | Mapping):
        output = {f.name: getattr(output, f.name) for f in dataclasses.fields(output)}
    parts: Iterable[Any] = ()
    if isinstance(output, Mapping):
        chosen = [output[key] for key in _FIRST_CHOICES if output.get(key) is not None]
        if chosen and isinstance(chosen[0], list | tuple):  # hidden_states, one a layer
            chosen[0] = chosen[0][-1:]
        parts = [*chosen, *output.values()]
    elif isinstance(output, list | tuple):
        parts = output
    return next((t for t in map(tensor_of, parts) if t is not None), None)


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Return the same structure with every tensor in it changed; the one given is left as it is.

    Parameters
    ----------
    value : Any
        A tensor, or tensors in tuples, lists, dicts, Hugging Face ModelOutputs and dataclasses.
    change : callable
        What becomes of a tensor.

    Returns
    -------
    Any
        A structure of the same kind. Whatever else is in it is shared with the one given.
    """
    if isinstance(value, Tensor):
        return change(value)
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
