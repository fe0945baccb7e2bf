"""The losses and predictions that the shapes of outputs and labels decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

IGNORED = -100
"""Label of samples or tokens that do not count, as in the losses of torch and Hugging Face."""


class Losses(NamedTuple):
    """Losses of one batch, in float64 on the CPU.

    The loss of the batch is the sum of `total` over that of `weight`.
    """

    total: Tensor
    """Summed loss of each unit, (unit,): units are the samples, or the batch is one unit."""
    weight: Tensor
    """How many samples or tokens each total is a sum over, (unit,)."""


@dataclass(frozen=True)
class Predictions:
    """Predicted classes of one batch, at one place in a sample or at many (tokens)."""

    classes: Tensor
    """Predicted classes, (sample, place)."""
    labels: Tensor
    """Labels, (sample, place)."""

    @property
    def counted(self) -> Tensor:
        """How many places of a sample have a label, (sample,)."""
        return self._sum(torch.ones_like(self.labels, dtype=torch.bool))

    @property
    def right(self) -> Tensor:
        """At how many of these places the label is predicted, (sample,)."""
        return self._sum(self.classes == self.labels)

    def same(self, other: Predictions) -> Tensor:
        """Return at how many of these places two predictions are the same, (sample,)."""
        return self._sum(self.classes == other.classes)

    def _sum(self, which: Tensor) -> Tensor:
        return (which & (self.labels != IGNORED)).sum(1).cpu().double()


@dataclass(frozen=True)
class Rule:
    """A loss, and the shapes that it is for. An answer is what a model puts out, as one tensor."""

    words: str
    """What the loss is, and over what it is a mean."""
    units: str
    """Units of the loss."""
    fits: Callable[[Tensor, Tensor], bool]
    """Whether an answer and labels have the shapes and types that the rule is for."""
    losses: Callable[[Tensor, Tensor, int], Losses]
    """Losses from answer, labels and number of the batch; raises ValueError for labels that are no
    class."""
    predictions: Callable[[Tensor, Tensor], Predictions] | None = None
    """Predictions from answer and labels, where there are classes."""


def _entropy_rule(
    words: str,
    fits: Callable[[Tensor, Tensor], bool],
    places: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
) -> Rule:
    """Return the rule of cross-entropy, for logits (sample, place, class) that `places` makes."""

    def predictions(answer: Tensor, labels: Tensor) -> Predictions:
        logits, labels = places(answer, labels)
        return Predictions(logits.argmax(-1), labels)

    def losses(answer: Tensor, labels: Tensor, batch: int) -> Losses:
        return _entropies(*places(answer, labels), batch)

    return Rule(words, "nats", fits, losses, predictions)


def _entropies(logits: Tensor, labels: Tensor, batch: int) -> Losses:
    counted, n_classes = labels != IGNORED, logits.shape[-1]
    odd = labels[counted & ((labels < 0) | (labels >= n_classes))]
    if len(odd):
        raise ValueError(
            f"labels of batch {batch} must be classes from 0 to {n_classes - 1} (or {IGNORED} for "
            f"none), as the model has {n_classes} outputs, and there is {int(odd[0])}."
        )
    # Half precision would round away small changes of a loss.
    wide = logits if logits.dtype == torch.float64 else logits.float()
    each = nn.functional.cross_entropy(
        wide.flatten(0, 1), labels.long().flatten(), ignore_index=IGNORED, reduction="none"
    )
    total = each.cpu().double().reshape(labels.shape).sum(1)
    return Losses(total, counted.sum(1).cpu().double())


def _squares(answer: Tensor, labels: Tensor, batch: int) -> Losses:
    f, y = (t.cpu().double().reshape(len(t), -1) for t in (answer, labels))
    each = (f - y).square().mean(1)
    return Losses(each, torch.ones_like(each))


def _is_whole(labels: Tensor) -> bool:
    return not (labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool)


def _fit_classes(answer: Tensor, labels: Tensor) -> bool:
    one = labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)
    several = answer.ndim == 2 and answer.shape[1] > 1 and len(answer) == len(labels)
    return one and several and _is_whole(labels) and answer.is_floating_point()


def _fit_tokens(answer: Tensor, labels: Tensor) -> bool:
    alike = answer.ndim == 3 and answer.shape[2] > 1 and answer.shape[:2] == labels.shape
    return alike and _is_whole(labels) and answer.is_floating_point()


def _fit_squares(answer: Tensor, labels: Tensor) -> bool:
    real = answer.is_floating_point() and labels.is_floating_point()
    return real and answer.ndim > 0 and _without_ones(answer.shape) == _without_ones(labels.shape)


def _without_ones(shape: torch.Size) -> list[int]:
    return [shape[0], *(size for size in shape[1:] if size != 1)]


CLASSES = _entropy_rule(
    "mean cross-entropy of classes over samples",
    _fit_classes,
    lambda answer, labels: (answer[:, None], labels.reshape(-1, 1)),
)
TOKENS = _entropy_rule(
    "mean cross-entropy over the tokens that have a label", _fit_tokens, lambda a, y: (a, y)
)
NEXT_TOKENS = _entropy_rule(
    "mean cross-entropy of the next token, over those that have a label",
    lambda answer, labels: _fit_tokens(answer, labels) and labels.shape[1] > 1,
    lambda answer, labels: (answer[:, :-1], labels[:, 1:]),
)
SQUARES = Rule(
    "mean squared error over samples and outputs",
    "units of the labels, squared",
    _fit_squares,
    _squares,
)
