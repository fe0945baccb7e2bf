"""Streamed moments of one layer by its labels, with room for classes as they come."""

from __future__ import annotations

import torch
from torch import Tensor

from loadpath.diagnosis.labels import IGNORED, LabelKind
from loadpath.measures.separation import ClassMoments, TargetMoments


class LabelMoments:
    """Streamed class or target moments of one layer, with room for classes as they come.

    Parameters
    ----------
    width : int
        Width of the rows.
    kind : {"classes", "values"}
        What the labels are.
    n_outputs : int
        Number of target values of a sample, where labels are values.
    """

    def __init__(self, width: int, kind: LabelKind, n_outputs: int) -> None:
        self.classes: dict[int, int] = {}
        """The place of each class that was seen, by its number, in the order of coming."""
        self.moments: ClassMoments | TargetMoments = (
            ClassMoments(width, 2) if kind == "classes" else TargetMoments(width, n_outputs)
        )

    def update(self, rows: Tensor, labels: Tensor, epsilon: float = 0.0) -> None:
        """Add rows with their labels.

        Parameters
        ----------
        rows : Tensor
            (row, width).
        labels : Tensor
            What `loadpath.diagnosis.labels` makes of them; rows without a label are left out.
        epsilon : float
            Relative rounding of what the rows were made of.
        """
        if isinstance(self.moments, ClassMoments):
            counted = labels != IGNORED
            rows, labels = rows[counted], self._places(labels[counted])
        if len(rows) == 0:
            return
        self.moments.update(rows, labels)
        self.moments.epsilon = max(self.moments.epsilon, epsilon)

    def _places(self, labels: Tensor) -> Tensor:
        """Return the place of every class, and make room for new ones.

        Places and not numbers are columns: class 9000 alone does not ask for 9,000 of them.
        """
        assert isinstance(self.moments, ClassMoments)
        names, inverse = labels.unique(return_inverse=True)
        for name in names.tolist():
            self.classes.setdefault(name, len(self.classes))
        have, need = self.moments.n_classes, len(self.classes)
        if need > have:
            # More than needed after the first batch: each time the factor is made anew.
            room = need if self.moments.count == 0 else max(need, have + have // 2)
            self.moments = self.moments.renumbered([*range(have), *[None] * (room - have)])
        places = torch.tensor([self.classes[name] for name in names.tolist()], dtype=torch.int64)
        return places[inverse]

    def without_empty_classes(self) -> ClassMoments | TargetMoments:
        """Return the moments, of classes those that have samples, in the order of `classes`."""
        if not isinstance(self.moments, ClassMoments):
            return self.moments
        present = len(self.classes)
        if present < 2 or present == self.moments.n_classes:
            return self.moments
        return self.moments.renumbered(range(present))
