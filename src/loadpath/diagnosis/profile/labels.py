"""What a loader's labels are: classes, values, or nothing that a layer can be compared to."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from loadpath.measures.separation import ClassMoments, TargetMoments

LabelKind = Literal["classes", "values", "none"]
LARGEST_CLASS = 9999
"""Larger integers are taken for something else than class numbers: indices, years, tokens."""


def label_kind(labels: Tensor | None) -> tuple[LabelKind, str]:
    """Return what the labels of the first batch are, and the same in words."""
    if labels is None:
        return "none", "no labels"
    if labels.is_complex() or labels.dtype == torch.bool and labels.ndim != 1:
        return "none", f"labels are {labels.dtype}, neither classes nor values"
    if labels.is_floating_point():
        if labels.ndim in (1, 2) and labels.numel():
            return "values", f"labels are {labels[0].numel()} real target(s) a sample"
        return "none", f"labels are of shape {tuple(labels.shape)}, not one row a sample"
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        return "none", f"labels are of shape {tuple(labels.shape)}, not one class a sample"
    if int(labels.min()) < 0 or int(labels.max()) > LARGEST_CLASS:
        return "none", f"labels are integers from {int(labels.min())} to {int(labels.max())}"
    return "classes", "labels are class numbers"


def labels_in_form(labels: Tensor | None, kind: LabelKind, batch: int) -> Tensor | None:
    """Return labels of a batch in one form, and refuse those of another kind than the first batch.

    Parameters
    ----------
    labels : Tensor or None
        Labels as the loader has them.
    kind : {"classes", "values", "none"}
        What those of the first batch are.
    batch : int
        Number of the batch, for the error.

    Returns
    -------
    Tensor or None
        Classes as int64, (sample,); values as rows, (sample, target); None for kind "none".

    Raises
    ------
    ValueError
        If the labels are of another kind.
    """
    if kind == "none":
        return None
    found, words = label_kind(labels)
    if labels is None or found != kind:
        raise ValueError(
            f"labels of batch {batch} must be {kind} as those of batch 0, and {words}."
        )
    if kind == "classes":
        return labels.reshape(len(labels)).long()
    return labels.reshape(len(labels), -1)


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
        self.moments: ClassMoments | TargetMoments = (
            ClassMoments(width, 2) if kind == "classes" else TargetMoments(width, n_outputs)
        )

    def update(self, rows: Tensor, labels: Tensor, epsilon: float = 0.0) -> None:
        """Add rows (row, width) with their labels, as `labels_in_form` gives them.

        `epsilon` is the relative rounding of what the rows were made of.
        """
        if isinstance(self.moments, ClassMoments):
            have, need = self.moments.n_classes, int(labels.max()) + 1
            if need > have:
                self.moments = self.moments.renumbered([*range(have), *[None] * (need - have)])
        self.moments.update(rows, labels)
        self.moments.epsilon = max(self.moments.epsilon, epsilon)

    def without_empty_classes(self) -> ClassMoments | TargetMoments:
        """Return the moments, of classes those that have samples."""
        if not isinstance(self.moments, ClassMoments):
            return self.moments
        present = present_classes(self.moments)
        if len(present) < 2 or len(present) == self.moments.n_classes:
            return self.moments
        return self.moments.renumbered(present)


def present_classes(moments: ClassMoments) -> list[int]:
    """Return the numbers of the classes that have samples."""
    return moments.counts.nonzero()[:, 0].tolist()
