"""One call of a model, and what is said where it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from loadpath.record.calls.calling import SPLIT
from loadpath.record.calls.padding import TARGET_MASKS, source_mask
from loadpath.record.structures import is_real, leaves, mapped, values_of

_OF_CALLS = (TypeError, LookupError, AttributeError, RuntimeError, ValueError)
"""What a model raises that is given something else than it works with."""


class CallError(ValueError, RuntimeError):
    """A model cannot run on a batch: what it raised, with how it was called, in one sentence."""


@dataclass(frozen=True)
class Batch:
    """One call of the model."""

    number: int
    """The batch's number in the loader, from 0."""
    args: tuple[Any, ...]
    """Positional arguments of the model."""
    kwargs: dict[str, Any]
    """Named arguments of the model."""
    labels: Tensor | None
    """(sample, ...), labels or targets as the loader has them, on the CPU; None if it has none."""
    count: int
    """Number of samples."""
    masks: dict[str, Tensor] = field(default_factory=dict)
    """(sample, token) each, True where a token is not padding, by the name of the argument."""
    unread_masks: str = ""
    """Masks that are the model's own matter, with their shapes."""
    padded: frozenset[str] = frozenset()
    """The masks in which some token is padding."""
    axis: int = 0
    """The axis of the samples in the model's inputs: 1 for (token, sample, ...)."""

    @property
    def input(self) -> Tensor | PackedSequence | None:
        """The first floating-point tensor that the model is given, or None."""
        masks = {id(tensor) for tensor in self.given_masks()}
        for _, leaf in leaves((self.args, self.kwargs)):
            tensor = values_of(leaf)
            if not is_real(tensor) or id(tensor) in masks:
                continue
            if isinstance(leaf, PackedSequence) or tensor.is_nested or self._has_samples(tensor):
                return leaf
        return None

    @property
    def mask(self) -> Tensor | None:
        """The mask of the tokens that the model reads; None where none of them is padding."""
        name = source_mask(self.masks)
        return self.masks[name] if name is not None and name in self.padded else None

    def given_masks(self) -> Iterator[Tensor]:
        """Yield the tensors among the arguments that are masks by their names."""
        one = self.args[0] if len(self.args) == 1 and isinstance(self.args[0], Mapping) else {}
        for name, value in chain(self.kwargs.items(), one.items()):
            if str(name).endswith("mask") and isinstance(value, Tensor):
                yield value

    @property
    def has_target(self) -> bool:
        """Whether a decoder is given tokens of its own."""
        return any(str(name).startswith(("decoder_", "tgt")) for name in self.kwargs)

    @property
    def target_mask(self) -> Tensor | None:
        """The mask of the tokens that a decoder is given; None where none of them is padding."""
        name = next((name for name in TARGET_MASKS if name in self.padded), None)
        return None if name is None else self.masks[name]

    def _has_samples(self, tensor: Tensor) -> bool:
        return tensor.ndim > self.axis and tensor.shape[self.axis] == self.count

    def call(self, model: nn.Module) -> Any:
        """Return what the model makes of the batch."""
        # New containers, because some models put their results into the dict that they are given;
        # and tensors of which models may ask for gradients.
        args, kwargs = mapped((self.args, self.kwargs), Tensor.detach)
        return model(*args, **kwargs)

    def run(self, model: nn.Module) -> Any:
        """Return what the model makes of the batch.

        Raises
        ------
        ValueError
            If the model looks for something else in the batch than is there; and if it takes
            gradients and there are none.
        """
        try:
            return self.call(model)
        except (torch.OutOfMemoryError, MemoryError):
            raise
        except _OF_CALLS as error:
            if is_our_own(error):
                raise
            if "does not require grad" in str(error) and not torch.is_grad_enabled():
                raise CallError(
                    f"model takes gradients when it runs on batch {self.number} of loader, and "
                    "they are off: pass grad=True."
                ) from error
            raise CallError(
                f"model cannot run on batch {self.number} of loader, which is called as "
                f"{self._as_call()} ({type(error).__name__}: {_first_line(error)}): {SPLIT}, if it "
                "must be called in another way."
            ) from error

    def _as_call(self) -> str:
        """Return the call of the model in words, such as model(tensor, mask=tensor)."""
        given = [_kind(value) for value in self.args]
        given += [f"{name}={_kind(value)}" for name, value in self.kwargs.items()]
        return f"model({', '.join(given)})"


def is_our_own(error: Exception) -> bool:
    """Return whether an error comes from this package, which words it itself, not from a model."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] == "loadpath"


def _kind(value: Any) -> str:
    return f"tensor {tuple(value.shape)}" if _is_plain(value) else f"a {type(value).__name__}"


def _is_plain(value: Any) -> bool:
    return isinstance(value, Tensor) and not value.is_nested


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no message"
