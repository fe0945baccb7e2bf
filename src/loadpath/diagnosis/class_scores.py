"""Whether a model's outputs are scores of the classes that the labels name, or something else."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import torch
from torch import Tensor

from loadpath.diagnosis.labels import IGNORED

BY_CHANCE = 1e-3
"""Probability at which it is taken for chance that the last classes have no sample."""


@dataclass
class ClassScores:
    """Which output was the largest for samples of which class, streamed over a pass.

    An embedding of 128 numbers has a largest one too. Outputs are taken for scores of classes if

    - there are as many as classes, 0 to the largest label,
    - or so few samples were seen that the classes of the others may be missing by chance,
    - or for more than half of the classes the largest output is most often that of the class.
    """

    width: int = 0
    """Number of outputs."""
    seen: dict[int, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    """How often each output was the largest, by the label."""

    def update(self, largest: Tensor, labels: Tensor, width: int) -> None:
        """Add samples.

        Parameters
        ----------
        largest : Tensor
            (sample,) which output is the largest.
        labels : Tensor
            (sample,) class numbers, -100 where there is none.
        width : int
            Number of outputs.
        """
        self.width = width
        counted = labels != IGNORED
        pairs = torch.stack([labels[counted], largest[counted]], dim=1)
        kinds, counts = pairs.unique(dim=0, return_counts=True)
        for (label, output), count in zip(kinds.tolist(), counts.tolist(), strict=True):
            self.seen[label][output] += count

    @property
    def count(self) -> int:
        """Number of samples that have a label."""
        return sum(each.total() for each in self.seen.values())

    @property
    def right(self) -> int:
        """For how many the output of their class is the largest."""
        return sum(each[label] for label, each in self.seen.items())

    @property
    def doubt(self) -> str:
        """Why the outputs are not taken for class scores, in words; empty if they are."""
        if not self.seen:
            return "no sample has a label"
        n_classes = max(self.seen) + 1
        if n_classes == self.width:
            return ""
        labels = f"labels are 0 to {n_classes - 1}"
        if n_classes > self.width:
            return f"there are {self.width} outputs, and {labels}"
        if (n_classes / self.width) ** self.count > BY_CHANCE:
            return ""
        told = sum(each.most_common(1)[0][0] == label for label, each in self.seen.items())
        if 2 * told > len(self.seen):
            return ""
        return f"there are {self.width} outputs, {labels}, and few have their output the largest"
