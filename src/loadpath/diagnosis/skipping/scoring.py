"""How outputs are scored: by a loss that is given, the model's own, or one for their shapes."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from loadpath.diagnosis.answers import own_loss
from loadpath.diagnosis.class_scores import ClassScores, are_probabilities
from loadpath.diagnosis.labels import IGNORED, check_targets
from loadpath.diagnosis.skipping.losses import (
    CLASSES,
    NEXT_TOKENS,
    SHARES,
    SQUARES,
    TOKENS,
    Losses,
    Predictions,
    Rule,
)
from loadpath.diagnosis.skipping.reading import Reading
from loadpath.record import Batch

ALIKE = 1e-4
"""Largest relative distance of a model's own loss from a loss that is recognized in it."""

LossFunction = Callable[[Any, Tensor], Any]
"""A function from what the model returned and the labels to the loss of each sample, or of the
batch."""


@dataclass(frozen=True)
class Scoring:
    """How the outputs of a model are scored."""

    words: str
    """What the loss is, and over what it is a mean; or why there is none."""
    units: str
    """Units of the loss."""
    losses: Callable[[Any, Batch], Losses] | None
    """Losses from what the model returned; None where there is no loss."""
    predictions: Callable[[Any, Batch], Predictions] | None
    """Predictions from what the model returned; None where there are no classes."""
    scores: ClassScores | None = None
    """Whether outputs are scores of classes, where that is not known from the loss."""
    by_scores: bool = False
    """Whether the loss too is for scores of classes."""

    def note(self, output: Any, batch: Batch, reading: Reading) -> None:
        """Note the outputs of a batch with all layers in place, as far as they may be scores."""
        answer, labels = reading.answer(output), reading.labels(output, batch).values
        if self.scores is None or answer is None or labels is None:
            return
        self.scores.update(answer.cpu(), labels)

    def concluded(self) -> Scoring:
        """Return what is left once all batches are seen: no scores, no loss or predictions."""
        if self.scores is None:
            return self
        if not self.scores.doubt:
            if not (self.by_scores and self.scores.no_logits):
                return self
            words = f"none: {self.scores.no_logits}"
            return dataclasses.replace(self, words=words, units="1", losses=None)
        if not self.by_scores:
            return dataclasses.replace(self, predictions=None)
        words = f"none: outputs are not taken for class scores, as {self.scores.doubt}"
        return Scoring(words, "1", None, None)


def choose_scoring(
    loss: LossFunction | None, output: Any, batch: Batch, reading: Reading
) -> Scoring:
    """Choose the scoring that suits a first batch and what the model returned for it.

    The first of these that applies is chosen:

    1. the `loss` that is given;
    2. the model's own loss, where it returns one;
    3. cross-entropy, for logits (sample, class) with classes (sample,), or for logits (sample,
       token, class) with classes (sample, token), where the label -100 stands for none;
    4. cross-entropy with shares of classes, for logits (sample, class) and real labels of that
       shape that are not negative and sum to 1 for every sample;
    5. the mean squared error, for real labels of the output's shape;
    6. no loss.

    Outputs of 3 and 4 that are probabilities, not negative and 1 in all, have their logarithms
    taken for logits.

    A model's own loss is one number for a batch. Where it equals, to 1e-4, just one of the losses
    above or the cross-entropy of each next token, that one takes its place, sample by sample.

    Parameters
    ----------
    loss : callable or None
        The loss that the user gave.
    output : object
        What the model returned for the batch.
    batch : Batch
        The first batch.
    reading : Reading
        How answers and labels are read.

    Returns
    -------
    Scoring
        How this batch and all others are scored.

    Raises
    ------
    ValueError
        If a loss is given and there are no labels; if labels of tokens are the tokens that the
        model was given, because how they are to be shifted is the model's matter; for labels that
        are no class of the logits.
    """
    if loss is not None:
        return _scoring_by_given_loss(loss, output, batch, reading)
    if own_loss(output) is not None:
        return _scoring_by_own_loss(output, batch, reading)
    if batch.labels is None:
        return Scoring("none: the loader has no labels", "1", None, None)
    if reading.labels(output, batch).unclear:
        return Scoring(f"none: {reading.words}", "1", None, None)
    for rule in (CLASSES, TOKENS, SHARES, SQUARES):
        if _fits(rule, output, batch, reading):
            if rule is TOKENS:
                _refuse_inputs_as_labels(batch)
            scores = ClassScores(reading.class_scores) if rule is CLASSES else None
            probable = _are_probable(rule, output, reading)
            found = _scoring_by_rule(rule, reading, probable)
            return dataclasses.replace(found, scores=scores, by_scores=True)
    answer = reading.answer(output)
    what = "no tensor" if answer is None else f"outputs {tuple(answer.shape)}"
    return Scoring(
        f"none: no rule is for {what} with labels {tuple(batch.labels.shape)} of type "
        f"{batch.labels.dtype}",
        "1",
        None,
        None,
    )


def _fits(rule: Rule, output: Any, batch: Batch, reading: Reading) -> bool:
    """Whether a rule is for what the model returned and the labels of the batch."""
    answer, labels = reading.answer(output), reading.labels(output, batch)
    return answer is not None and not labels.unclear and rule.fits(answer, labels)


def _are_probable(rule: Rule, output: Any, reading: Reading) -> bool:
    """Whether a rule is for logits, and the outputs are probabilities instead."""
    answer = reading.answer(output)
    return rule is not SQUARES and answer is not None and are_probabilities(answer)


def _logarithms(answer: Tensor) -> Tensor:
    """Return the logarithms of probabilities, NaN where they are none.

    A probability that rounding made 0 counts as the smallest number of its type, as no loss is
    infinite for a model that is merely sure.
    """
    wide = answer if answer.dtype == torch.float64 else answer.float()
    if not are_probabilities(answer):
        return torch.full_like(wide, math.nan)
    return wide.clamp_min(torch.finfo(wide.dtype).tiny).log()


def _scoring_by_rule(rule: Rule, reading: Reading, probable: bool = False) -> Scoring:
    """Return the scoring by a rule, which refuses batches of other shapes.

    `probable` says that outputs are probabilities, not logits.
    """

    def checked(output: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        answer, labels = reading.answer(output), reading.labels(output, batch)
        if labels.values is not None and labels.values.is_floating_point():
            check_targets(labels.values, batch.number)
        if answer is None or labels.values is None or not rule.fits(answer, labels):
            shapes = ["none" if t is None else tuple(t.shape) for t in (answer, batch.labels)]
            raise ValueError(
                f"batch {batch.number} must have outputs and labels for the {rule.words}, as "
                f"batch 0 has, and their shapes are {shapes[0]} and {shapes[1]}."
            )
        return answer, labels.values.to(answer.device)

    def losses(output: Any, batch: Batch) -> Losses:
        answer, labels = checked(output, batch)
        logits = _logarithms(answer) if probable else answer
        return rule.losses(logits, labels, batch.number)

    found = rule.predictions

    def predictions(output: Any, batch: Batch) -> Predictions:
        assert found is not None
        return found(*checked(output, batch))

    words = f"{rule.words}, of outputs that are probabilities" if probable else rule.words
    return Scoring(words, rule.units, losses, predictions if found else None)


def _scoring_by_given_loss(
    loss: LossFunction, output: Any, batch: Batch, reading: Reading
) -> Scoring:
    """Return the scoring by a loss that the user gave."""

    def losses(output: Any, batch: Batch) -> Losses:
        if batch.labels is None:
            raise ValueError(f"loss is given, and batch {batch.number} of loader has no labels.")
        answer = reading.answer(output)
        labels = batch.labels if answer is None else batch.labels.to(answer.device)
        return _as_losses("loss", loss(output, labels), batch.count)

    name = getattr(loss, "__name__", type(loss).__name__)
    words = f"mean of the loss that was given, {name}"
    return _scoring_with_classes(words, losses, output, batch, reading)


def _scoring_by_own_loss(output: Any, batch: Batch, reading: Reading) -> Scoring:
    """Return the scoring by the model's own loss, or by the one rule that is recognized in it."""
    fitting = [
        _scoring_by_rule(rule, reading, probable)
        for rule in (CLASSES, TOKENS, NEXT_TOKENS, SHARES, SQUARES)
        if _fits(rule, output, batch, reading)
        for probable in {False, _are_probable(rule, output, reading)}
    ]
    matching = [found for found in fitting if _equals_own_loss(found, output, batch)]
    if len(matching) == 1:
        found = matching[0]
        return dataclasses.replace(found, words=f"{found.words}, which is the model's own loss")

    def losses(output: Any, batch: Batch) -> Losses:
        own = own_loss(output)
        if own is None:
            raise ValueError(
                f"the model must return its loss for all batches, and for batch {batch.number} it "
                "does not."
            )
        return _as_losses("the model's own loss", own, batch.count)

    return _scoring_with_classes("mean of the model's own loss", losses, output, batch, reading)


def _equals_own_loss(scoring: Scoring, output: Any, batch: Batch) -> bool:
    own = own_loss(output)
    assert own is not None and scoring.losses is not None
    total, weight = scoring.losses(output, batch)
    found = float(total.sum() / weight.sum())
    return math.isclose(found, float(own.mean()), rel_tol=ALIKE)


def _scoring_with_classes(
    words: str,
    losses: Callable[[Any, Batch], Losses],
    output: Any,
    batch: Batch,
    reading: Reading,
) -> Scoring:
    """Return a scoring by some other loss, with predictions where there are classes."""
    classes, scores = None, None
    if _fits(CLASSES, output, batch, reading):
        classes = _scoring_by_rule(CLASSES, reading).predictions
        scores = ClassScores(reading.class_scores)
    return Scoring(words, "units of the loss", losses, classes, scores)


def _as_losses(name: str, value: Any, count: int) -> Losses:
    """Return losses from one number a sample, or one for the batch, which stands for all of it."""
    try:
        given = torch.as_tensor(value).detach().cpu().double()
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name} must be numbers, and it is a {type(value).__name__}.") from None
    if given.ndim == 0:
        return Losses(given[None] * count, torch.full((1,), count, dtype=torch.float64))
    if tuple(given.shape) != (count,):
        raise ValueError(
            f"{name} must be one number for each of the {count} samples of a batch, or one for the "
            f"batch, and it has shape {tuple(given.shape)}."
        )
    return Losses(given, torch.ones(count, dtype=torch.float64))


def _refuse_inputs_as_labels(batch: Batch) -> None:
    """Refuse labels that are the input tokens themselves, unshifted."""
    ids, labels = batch.kwargs.get("input_ids"), batch.labels
    if not isinstance(ids, Tensor) or labels is None or ids.shape != labels.shape:
        return
    counted = labels != IGNORED
    if bool((ids.cpu()[counted] == labels[counted]).all()):
        raise ValueError(
            "labels are the input_ids themselves, which a model of the next token shifts inside: "
            "pass pass_labels=True, so that it returns its own loss, or a loss."
        )
