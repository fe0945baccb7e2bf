"""Whether a model's outputs are scores of the classes that the labels name, or something else."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import torch
from torch import Tensor

from loadpath.diagnosis.labels import IGNORED

BY_CHANCE = 1e-3
"""Probability at which it is taken for chance that the last classes have no sample."""
ALIKE = 1e-3
"""Relative distance at which lengths or sums of rows count as equal, beside rounding."""
FEWEST_ROWS = 5
"""Rows of fewer samples are equally long, or between 0 and 1, by chance."""


def are_probabilities(rows: Tensor) -> bool:
    """Return whether all rows, along the last axis, are not negative and sum to 1.

    Parameters
    ----------
    rows : Tensor
        (..., class).

    Returns
    -------
    bool
        Whether they may be probabilities of classes.
    """
    if rows.numel() == 0 or rows.shape[-1] < 2 or bool((rows < 0).any()):
        return False
    off = (rows.double().sum(-1) - 1).abs()
    return bool((off <= _near(rows)).all())


def _near(rows: Tensor) -> float:
    return ALIKE + 8 * torch.finfo(rows.dtype).eps


@dataclass
class ClassScores:
    """Which output was the largest for samples of which class, streamed over a pass.

    An embedding of 128 numbers has a largest one too. Outputs are not taken for scores if they have
    one length for every sample, as normalized embeddings have. Else they are if

    - there are as many as classes, 0 to the largest label,
    - or so few samples were seen that the classes of the others may be missing by chance,
    - or for more than half of the classes the largest output is most often that of the class.

    Where only their number speaks for it, `hedge` says so.
    """

    asked: bool | None = None
    """Whether they are scores, as the user says."""
    width: int = 0
    """Number of outputs."""
    seen: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """How often each output was the largest, by the label."""
    rows: int = 0
    """How many rows were seen."""
    lengths: tuple[float, float] = (math.inf, 0.0)
    """Smallest and largest length of a row."""
    sums: tuple[float, float] = (math.inf, -math.inf)
    """Smallest and largest sum of a row."""
    range: tuple[float, float] = (math.inf, -math.inf)
    """Smallest and largest output."""
    near: float = ALIKE
    """Relative distance at which numbers count as equal."""
    differ: bool = False
    """Whether two rows differ."""
    _first: Tensor | None = None

    def update(self, outputs: Tensor, labels: Tensor) -> None:
        """Add samples.

        Parameters
        ----------
        outputs : Tensor
            (sample, output).
        labels : Tensor
            (sample,) class numbers, -100 where there is none.
        """
        self.width = outputs.shape[1]
        self._look_at(outputs)
        counted = labels != IGNORED
        pairs = torch.stack([labels[counted], outputs.argmax(1)[counted]], dim=1)
        kinds, counts = pairs.unique(dim=0, return_counts=True)
        for (label, output), count in zip(kinds.tolist(), counts.tolist(), strict=True):
            self.seen[label][output] += count

    def _look_at(self, outputs: Tensor) -> None:
        """Note how long rows are, what they sum to, and between what they lie."""
        rows = outputs.double()
        self.near = _near(outputs)
        self.rows += len(rows)
        self.lengths = _widened(self.lengths, rows.norm(dim=1))
        self.sums = _widened(self.sums, rows.sum(1))
        self.range = _widened(self.range, rows)
        self._first = rows[0].clone() if self._first is None else self._first
        self.differ |= bool(((rows - self._first).norm(dim=1) > self.near * self.lengths[1]).any())

    @property
    def count(self) -> int:
        """Number of samples that have a label."""
        return sum(each.total() for each in self.seen.values())

    @property
    def right(self) -> int:
        """For how many the output of their class is the largest."""
        return sum(each[label] for label, each in self.seen.items())

    @property
    def largest(self) -> int:
        """How many samples the largest class has: always naming it is right on so many."""
        return max((each.total() for each in self.seen.values()), default=0)

    @property
    def doubt(self) -> str:
        """Why the outputs are not taken for class scores, in words; empty if they are."""
        if self.asked is False:
            return "class_scores is False"
        if not self.seen:
            return "no sample has a label"
        n_classes = max(self.seen) + 1
        labels = f"labels are 0 to {n_classes - 1}"
        if n_classes > self.width:
            return f"there are {self.width} outputs, and {labels}"
        if self.asked:
            return ""
        if self._have_one_length:
            return "they have the same length for every sample, as normalized embeddings have"
        if n_classes == self.width or self._may_miss_classes or self._tell_classes:
            return ""
        return f"there are {self.width} outputs, {labels}, and few have their output the largest"

    @property
    def hedge(self) -> str:
        """What to know of outputs that are taken for class scores by their number; else empty."""
        if self.doubt or self.asked or self._tell_classes:
            return ""
        why = "because they are as many as the classes"
        if max(self.seen) + 1 < self.width:
            why = "because too few samples were seen to tell"
        return (
            f"the outputs are read as class scores {why}, though for most classes the largest is "
            "mostly that of another class: if they are something else, pass class_scores=False"
        )

    @property
    def no_logits(self) -> str:
        """Why no cross-entropy is to be taken of them, though the largest names the class."""
        low, high = self.range
        if self.asked or self.rows < FEWEST_ROWS or low < 0 or high > 1 + self.near:
            return ""
        if self.sums[0] >= 1 - self.near and self.sums[1] <= 1 + self.near:
            return ""  # probabilities, whose logarithms are logits
        return "outputs lie between 0 and 1, as sigmoids do, and are no logits (pass loss)"

    @property
    def _tell_classes(self) -> bool:
        told = sum(each.most_common(1)[0][0] == label for label, each in self.seen.items())
        return 2 * told > len(self.seen)

    @property
    def _may_miss_classes(self) -> bool:
        return ((max(self.seen) + 1) / self.width) ** self.count > BY_CHANCE

    @property
    def _have_one_length(self) -> bool:
        short, long = self.lengths
        if self.rows < FEWEST_ROWS or not self.differ or long - short > self.near * long:
            return False
        low, high = self.sums
        # Numbers that are not negative and have one sum may be probabilities of sure answers.
        return self.range[0] < 0 or high - low > self.near * high


def _widened(ends: tuple[float, float], numbers: Tensor) -> tuple[float, float]:
    return min(ends[0], float(numbers.min())), max(ends[1], float(numbers.max()))
