"""How a model is called with what a batch holds: by name, one after the other, or as one thing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, get_origin

from torch import nn

SPLIT = "pass split, a function from a batch to (inputs, labels)"
"""What a user can do about a batch that is taken apart wrongly."""


def arguments(model: nn.Module | None, inputs: Any, number: int) -> tuple[tuple[Any, ...], Any]:
    """Return positional and named arguments of the model for the inputs of a batch.

    The entries of a dict are named arguments. It is one argument where the model has no argument of
    any of these names, and takes one that is not named. A tuple or list holds arguments; it is one
    argument where the model cannot take so many, or says that its first one is a list.

    Parameters
    ----------
    model : nn.Module or None
        The model, inside its wrappers; None where it is not at hand.
    inputs : Any
        What a batch holds for the model.
    number : int
        The batch's number, for messages.

    Returns
    -------
    args : tuple
        Positional arguments.
    kwargs : dict of str to Any
        Named arguments.

    Raises
    ------
    ValueError
        If the model can be called in none of these ways.
    """
    signature = None if model is None else _signature(model)
    if isinstance(inputs, Mapping):
        named = {str(name): value for name, value in inputs.items()}
        if signature is None or _takes(signature, **named):
            return (), named
        if not named.keys() & signature.parameters.keys() and _takes(signature, inputs):
            return (inputs,), {}
        raise ValueError(_cannot(signature, number, f"a dict of {', '.join(named) or 'nothing'}"))
    if not isinstance(inputs, tuple | list):
        if signature is not None and not _takes(signature, inputs):
            raise ValueError(_cannot(signature, number, "one input"))
        return (inputs,), {}
    if signature is None:
        return tuple(inputs), {}
    asked_for = isinstance(inputs, list) and _wants_list(signature)
    if not asked_for and _takes(signature, *inputs):
        return tuple(inputs), {}
    if _takes(signature, inputs):
        return (inputs,), {}
    raise ValueError(_cannot(signature, number, f"{len(inputs)} inputs"))


def named_arguments(model: nn.Module, args: tuple[Any, ...], kwargs: Any) -> dict[str, Any]:
    """Return all arguments by name; of a model that takes one dict, the entries of that.

    Parameters
    ----------
    model : nn.Module
        The model, inside its wrappers.
    args : tuple
        Positional arguments.
    kwargs : dict
        Named arguments.

    Returns
    -------
    dict of str to Any
        The arguments. Those that only stand in a row are called by their place, such as "0".
    """
    if len(args) == 1 and not kwargs and isinstance(args[0], Mapping):
        return dict(args[0])
    signature = _signature(model)
    names = [] if signature is None else list(signature.parameters)
    names += [str(place) for place in range(len(names), len(args))]
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def _signature(model: nn.Module) -> inspect.Signature | None:
    """Return the signature of the model's forward; None if it cannot be read."""
    forward = model.forward
    function = getattr(forward, "__func__", None)
    try:
        if function is None or function is not getattr(type(model), "forward", None):
            return inspect.signature(forward)
        return _signature_of(function)
    except (TypeError, ValueError):
        return None


@lru_cache(maxsize=32)
def _signature_of(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a class's forward without self, asked for on every batch."""
    whole = inspect.signature(function)
    return whole.replace(parameters=list(whole.parameters.values())[1:])


def _takes(signature: inspect.Signature, *args: Any, **kwargs: Any) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _wants_list(signature: inspect.Signature) -> bool:
    """Return whether the first argument is annotated as a list, tuple or sequence."""
    first = next(iter(signature.parameters.values()), None)
    if first is None or first.kind is inspect.Parameter.VAR_POSITIONAL:
        return False
    hint = first.annotation
    words = hint if isinstance(hint, str) else getattr(get_origin(hint) or hint, "__name__", "")
    kind = words.partition("[")[0].rpartition(".")[2].lower()
    return kind in ("list", "tuple", "sequence", "iterable")


def _cannot(signature: inspect.Signature, number: int, given: str) -> str:
    """Return the sentence about a batch that the model cannot be called with."""
    asked = ", ".join(signature.parameters) or "nothing"
    return (
        f"model takes ({asked}), and batch {number} of loader has {given} for it: {SPLIT}, whose "
        "inputs the model takes."
    )
