"""Which of the tensors that a model returns is its answer: what a loss reads, and labels are of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from loadpath.diagnosis.labels import IGNORED, Labels
from loadpath.record import (
    FIRST_CHOICES,
    Output,
    OutputPath,
    at,
    is_real,
    leaves,
    tensor_of,
    values_of,
)

LOGITS = FIRST_CHOICES[-1]


def own_loss(output: Any) -> Tensor | None:
    """Return the loss that a model returns beside its answer: `loss`, or a number that is first."""
    if isinstance(output, Mapping):
        loss = output.get("loss")
    elif isinstance(output, tuple | list):
        loss = output[0] if len(output) > 1 else None
        loss = loss if isinstance(loss, Tensor) and loss.ndim == 0 else None
    else:
        loss = getattr(output, "loss", None) if dataclasses.is_dataclass(output) else None
    return loss if isinstance(loss, Tensor) else None


def check_answer(answer: object) -> None:
    """Refuse an `answer` that is no key, index or function."""
    known = isinstance(answer, str | int) and not isinstance(answer, bool)
    if answer is not None and not known and not callable(answer):
        raise ValueError(
            "answer must be a key or an index of what the model returns, or a function of it, got "
            f"{answer!r}."
        )


@dataclass
class AnswerRule:
    """Finds the answer in what a model returns, by what the first batch shows."""

    given: Output = None
    """What the user says: a key, an index, or a function of what the model returns."""
    path: OutputPath | None = None
    """The path to the answer, once there was a choice."""
    words: str = ""
    """Which of several tensors was taken, and why; empty where there was no choice."""

    def __post_init__(self) -> None:
        check_answer(self.given)

    def of(self, output: Any) -> Tensor | None:
        """Return the answer in what the model returned, None if there is no tensor.

        Raises
        ------
        ValueError
            If what the user says leads to nothing.
        """
        if self.given is not None and not isinstance(output, Tensor):
            return self._by_user(output)
        if self.path is not None:
            try:
                found = at(output, self.path)
            except LookupError:
                found = None
            if not isinstance(found, Tensor):
                raise ValueError(
                    "the model must return the same for all batches, and once it returns a "
                    f"{type(output).__name__} without {_words(self.path)}."
                )
            return found
        candidates = _candidates(output)
        if candidates:
            return candidates[0][1]
        loss, found = own_loss(output), tensor_of(output)
        return None if found is loss else found

    def _by_user(self, output: Any) -> Tensor | None:
        if callable(self.given):
            made = self.given(output)
        else:
            try:
                made = at(output, (self.given,))
            except (LookupError, TypeError):
                raise ValueError(
                    f"answer is {self.given!r}, and the model returns a {type(output).__name__} "
                    "without it."
                ) from None
        found = tensor_of(made)
        if found is None:
            raise ValueError(f"answer is {self.given!r}, and there is no tensor.")
        return found

    def needs_last(self, output: Any, labels: Labels) -> bool:
        """Choose by names and labels; return whether only the last layer can decide.

        Parameters
        ----------
        output : Any
            What the model returned for the first batch.
        labels : Labels
            The labels of that batch.

        Returns
        -------
        bool
            Whether there are several tensors of which neither settles one.
        """
        found = _candidates(output)
        if self.given is not None or len(found) < 2:
            return False
        named = [path for path, _ in found if LOGITS in path]
        if named:
            self.path = named[0]
            return False
        fitting = [path for path, tensor in found if _fits(tensor, labels)]
        if len(fitting) == 1:
            self._take(fitting[0], found, "which has the shape that the labels ask for")
            return False
        if any(step in FIRST_CHOICES for step in found[0][0]):
            self.path = found[0][0]
            return False
        return True

    def take_last(self, output: Any, last: OutputPath | None) -> None:
        """Choose what the last layer put out; the first tensor, if that is not known."""
        found = _candidates(output)
        if last is not None and any(path == last for path, _ in found):
            self._take(last, found, "which the last layer puts out")
        else:
            self._take(found[0][0], found, "the first")

    def _take(self, path: OutputPath, found: list[tuple[OutputPath, Tensor]], why: str) -> None:
        self.path = path
        shape = next(_shape(tensor) for other, tensor in found if other == path)
        self.words = (
            f"of the {len(found)} tensors that the model returns, {_words(path)} {shape} is taken "
            f"for its answer, {why}; answer= names another"
        )


def _candidates(output: Any) -> list[tuple[OutputPath, Tensor]]:
    """Return the tensors of real numbers in what a model returned, each once, but for its loss."""
    found: list[tuple[OutputPath, Tensor]] = []
    loss = own_loss(output)
    for path, leaf in leaves(output):
        tensor = values_of(leaf)
        if is_real(tensor) and tensor is not loss and all(tensor is not t for _, t in found):
            found.append((path, tensor))
    named = [pair for pair in found if LOGITS in pair[0]]
    return [*named, *(pair for pair in found if LOGITS not in pair[0])]


def _fits(tensor: Tensor, labels: Labels) -> bool:
    """Whether a tensor has the shape of an answer to labels: a number for each class, say."""
    values = labels.values
    if values is None or tensor.is_nested or len(values) == 0:
        return False
    shape = _shape(tensor)
    if labels.kind == "classes":
        counted = values[values != IGNORED]
        return len(counted) > 0 and shape == (len(values), int(counted.max()) + 1)
    if labels.kind == "tokens":
        return tensor.ndim == 3 and shape[:2] == tuple(values.shape)
    if labels.kind in ("values", "maps"):
        return [n for n in shape if n != 1] == [n for n in values.shape if n != 1]
    return False


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return () if tensor.is_nested else tuple(tensor.shape)


def _words(path: OutputPath) -> str:
    """Return a path as one would write it."""
    return "".join(f"[{step!r}]" for step in path)
