"""What is read of every batch in one way: the model's answer, and the labels in one form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from loadpath.diagnosis.answers import AnswerRule
from loadpath.diagnosis.labels import NO_LABELS, ClassMemory, Labels
from loadpath.record import Batch


@dataclass
class Reading:
    """Finds answers in what a model returns, and reads the labels of each batch once."""

    answers: AnswerRule = field(default_factory=AnswerRule)
    """Which tensor is the model's answer."""
    class_scores: bool | None = None
    """Whether the answer is scores of classes, as the user says."""
    words: str = NO_LABELS
    """What the labels are, in words."""
    _memory: ClassMemory = field(default_factory=ClassMemory)
    _read: tuple[int, Labels] | None = None

    def answer(self, output: Any) -> Tensor | None:
        """Return the model's answer in what it returned, None if there is no tensor."""
        return self.answers.of(output)

    def labels(self, output: Any, batch: Batch) -> Labels:
        """Return the labels of a batch in one form.

        Parameters
        ----------
        output : object
            What the model returned for the batch the first time that it ran.
        batch : Batch
            The batch; batches come one after the other.

        Returns
        -------
        Labels
            Labels by the rule of `loadpath.diagnosis.labels`.

        Raises
        ------
        ValueError
            If -1 is a class in one batch and may be none in another.
        """
        if self._read is None or self._read[0] != batch.number:
            answer = self.answer(output)
            shape = None if answer is None or answer.is_nested else answer.shape
            found = self._memory.read(batch.labels, batch.number, shape)
            self._read = batch.number, found
            if batch.number == 0 or found.words.endswith("-1 for none"):
                self.words = found.words
        return self._read[1]
