"""How much worse a model is on each sample without some layers, beside what it was with all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from loadpath.diagnosis.skipping import Losses, output_rows, squares_of_rows, widened
from loadpath.diagnosis.surgery.search.subject import Subject
from loadpath.record import Batch


@dataclass(frozen=True)
class SampleHarm:
    """What changed on the samples of one batch, (unit,) each, in float64."""

    loss: Tensor
    """Change of the loss, summed over what the unit holds; or how far outputs moved, squared."""
    weight: Tensor
    """How many samples or tokens each loss is a sum over; or the spread of the outputs."""
    right: Tensor | None = None
    """Change of the right predictions, where there are classes."""
    counted: Tensor | None = None
    """How many places of each unit have a label."""


@dataclass
class Harm:
    """Scores a model without some layers against the model with all of them.

    The harm is the change of the loss where there is one. Where there is none, because labels are
    missing or of no known kind, it is the squared change of the outputs over their spread.
    """

    subject: Subject
    """The model and the samples."""
    plain: dict[int, tuple[Losses | None, Any, Tensor | None, Tensor | None]] = field(
        default_factory=dict
    )
    """Of each batch with all layers in place: losses, predictions, rows of the outputs, and the
    sample of each row."""

    @property
    def by_loss(self) -> bool:
        """Whether the harm is a change of the loss."""
        scoring = self.subject.scoring
        return scoring is not None and scoring.losses is not None

    @property
    def has_classes(self) -> bool:
        """Whether there are predictions."""
        scoring = self.subject.scoring
        return scoring is not None and scoring.predictions is not None

    @property
    def words(self) -> str:
        """What the harm is."""
        scoring = self.subject.scoring
        assert scoring is not None
        if self.by_loss:
            return f"change of the {scoring.words}"
        return (
            f"squared change of the outputs over their spread, as there is no loss: {scoring.words}"
        )

    @property
    def units(self) -> str:
        """Units of the harm."""
        return self.subject.scoring.units if self.by_loss and self.subject.scoring else "1"

    def note_plain(self, output: Any, batch: Batch) -> None:
        """Keep what the model with all layers makes of a batch.

        Raises
        ------
        ValueError
            If that is not finite.
        """
        scoring, reading = self.subject.scoring, self.subject.reading
        assert scoring is not None
        if self.by_loss:
            assert scoring.losses is not None
            losses = scoring.losses(output, batch)
            if not bool(losses.total.isfinite().all()):
                raise ValueError(
                    "loss must be finite with all layers in place, and in batch "
                    f"{batch.number} it is not."
                )
            predictions = scoring.predictions(output, batch) if scoring.predictions else None
            self.plain[batch.number] = losses, predictions, None, None
            return
        rows, sample = output_rows(reading.answer(output), batch, self.subject.calling.tokens_first)
        if not bool(rows.isfinite().all()):
            raise ValueError(
                f"output must be finite with all layers in place, and in batch {batch.number} it "
                "is not."
            )
        self.plain[batch.number] = None, None, widened(rows), sample

    def measure(self, output: Any, batch: Batch) -> SampleHarm:
        """Return what changed on a batch from the model with all layers to what put this out."""
        scoring = self.subject.scoring
        assert scoring is not None
        losses, predictions, rows, sample = self.plain[batch.number]
        if losses is not None:
            assert scoring.losses is not None
            now = scoring.losses(output, batch)
            change = (now.total - losses.total).nan_to_num(math.inf, math.inf, math.inf)
            if predictions is None or scoring.predictions is None:
                return SampleHarm(change, losses.weight)
            right = scoring.predictions(output, batch).right - predictions.right
            if len(right) != len(change):  # one loss a batch
                return SampleHarm(change, losses.weight, right.sum()[None], _whole(predictions))
            return SampleHarm(change, losses.weight, right, predictions.counted)
        assert rows is not None and sample is not None
        answer = self.subject.reading.answer(output)
        new, _ = output_rows(answer, batch, self.subject.calling.tokens_first)
        if new.shape != rows.shape:
            return SampleHarm(*(torch.full((batch.count,), x) for x in (math.inf, 1.0)))
        moved = squares_of_rows(widened(new) - rows).nan_to_num(math.inf, math.inf, math.inf)
        apart = squares_of_rows(rows - rows.mean(0))
        total, weight = (torch.zeros(batch.count, dtype=torch.float64) for _ in range(2))
        return SampleHarm(total.index_add(0, sample, moved), weight.index_add(0, sample, apart))


def _whole(predictions: Any) -> Tensor:
    counted: Tensor = predictions.counted.sum()[None]
    return counted
