"""The losses and predictions that the shapes of outputs and labels decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from loadpath.diagnosis.labels import IGNORED, Labels


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
    fits: Callable[[Tensor, Labels], bool]
    """Whether an answer and labels have the shapes and types that the rule is for."""
    losses: Callable[[Tensor, Tensor, int], Losses]
    """Losses from answer, labels in one form and number of the batch; raises ValueError for labels
    that are no class."""
    predictions: Callable[[Tensor, Tensor], Predictions] | None = None
    """Predictions from answer and labels, where there are classes."""


def _entropy_rule(
    words: str,
    fits: Callable[[Tensor, Labels], bool],
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


def _soft_entropies(answer: Tensor, shares: Tensor, batch: int) -> Losses:
    wide = answer.cpu() if answer.dtype == torch.float64 else answer.cpu().float()
    each = -(shares.cpu().double() * wide.log_softmax(1).double()).sum(1)
    return Losses(each, torch.ones_like(each))


def _soft_predictions(answer: Tensor, shares: Tensor) -> Predictions:
    return Predictions(answer.argmax(1, keepdim=True), shares.argmax(1, keepdim=True))


def _fit_classes(answer: Tensor, labels: Labels) -> bool:
    y = labels.values
    several = answer.ndim == 2 and answer.shape[1] > 1 and answer.is_floating_point()
    one = y is not None and labels.kind in ("classes", "numbers")
    return one and several and y is not None and len(answer) == len(y)


def _fit_tokens(answer: Tensor, labels: Labels) -> bool:
    y = labels.values
    if y is None or labels.kind not in ("classes", "numbers", "tokens"):
        return False
    shape = (len(y), 1) if y.ndim == 1 else y.shape  # one token a sample
    return answer.ndim == 3 and answer.shape[2] > 1 and answer.shape[:2] == torch.Size(shape)


def _fit_shares(answer: Tensor, labels: Labels) -> bool:
    y = labels.values
    real = answer.is_floating_point() and labels.shares
    return real and y is not None and answer.shape == y.shape


def _fit_squares(answer: Tensor, labels: Labels) -> bool:
    y = labels.values
    real = answer.is_floating_point() and labels.kind in ("values", "maps") and answer.ndim > 0
    return real and y is not None and _without_ones(answer.shape) == _without_ones(y.shape)


def _without_ones(shape: torch.Size) -> list[int]:
    return [shape[0], *(size for size in shape[1:] if size != 1)]


CLASSES = _entropy_rule(
    "mean cross-entropy of classes over samples",
    _fit_classes,
    lambda answer, labels: (answer[:, None], labels.reshape(-1, 1)),
)
TOKENS = _entropy_rule(
    "mean cross-entropy over the tokens that have a label",
    _fit_tokens,
    lambda answer, labels: (answer, labels.reshape(answer.shape[:2])),
)
NEXT_TOKENS = _entropy_rule(
    "mean cross-entropy of the next token, over those that have a label",
    lambda answer, labels: _fit_tokens(answer, labels) and answer.shape[1] > 1,
    lambda answer, labels: (answer[:, :-1], labels[:, 1:]),
)
SHARES = Rule(
    "mean cross-entropy of shares of classes over samples",
    "nats",
    _fit_shares,
    _soft_entropies,
    _soft_predictions,
)
SQUARES = Rule(
    "mean squared error over samples and outputs",
    "units of the labels, squared",
    _fit_squares,
    _squares,
)
