"""What the labels of a loader are, read by one rule for `diagnose`, `skip_layers` and `Monitor`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

LabelKind = Literal["classes", "numbers", "tokens", "values", "maps", "none"]
"""What labels are: one class a sample; other integers, one a sample; several integers a sample;
real targets, one row a sample; real targets with more axes; nothing that a rule is for."""
IGNORED = -100
"""Label of samples or tokens that do not count, as in the losses of torch and Hugging Face."""
LARGEST_CLASS = 9999
"""Larger integers are taken for something else than class numbers: indices, years, tokens."""
NO_LABELS = "no labels"
"""What is said of a loader without labels."""
SUM = 1e-3
"""How far from 1 the shares of a sample may sum, beside the rounding of their type."""


@dataclass(frozen=True)
class Labels:
    """The labels of one batch, in one form."""

    kind: LabelKind
    """What they are."""
    words: str
    """The same in words."""
    values: Tensor | None
    """Classes and numbers as int64, (sample,); tokens as int64, (sample, ...); real targets as
    rows, (sample, target), and with more axes as they came; None for kind "none"."""
    shares: bool = False
    """Whether they may be shares of classes: not negative, and 1 in all for every sample."""


def read_labels(labels: Tensor | None) -> Labels:
    """Read the labels of one batch.

    Integers of any type, signed or not, and booleans are class numbers, one a sample. -100 stands
    for no label. -1 beside +1 alone are two classes, 0 and 1. Other negative numbers, and those
    above 9999, are no classes.

    Parameters
    ----------
    labels : Tensor or None
        Labels as the loader has them, (sample, ...).

    Returns
    -------
    Labels
        What they are, and in one form.
    """
    if labels is None:
        return Labels("none", NO_LABELS, None)
    if labels.is_complex():
        return Labels("none", f"labels are {labels.dtype}, neither classes nor values", None)
    if labels.is_floating_point():
        return _read_real(labels)
    if labels.ndim > 1 and labels[0].numel() == 1:
        labels = labels.reshape(-1)
    whole = labels.to(torch.int64)
    shape = f"labels are of shape {tuple(labels.shape)}, not one class a sample"
    if labels.ndim != 1:
        # One row of zeros and a one may be a class, or tokens: which, the outputs tell.
        return Labels("tokens", shape, whole, shares=whole.ndim == 2 and _are_shares(whole))
    counted = whole[whole != IGNORED]
    if len(counted) == 0:
        return Labels("classes", "labels are class numbers", whole)
    low, high = int(counted.min()), int(counted.max())
    if low == -1 and bool((counted.abs() == 1).all()):
        signs = torch.where(whole == -1, 0, whole)
        return Labels("classes", "labels are class numbers, -1 and +1", signs)
    if low < 0 or high > LARGEST_CLASS:
        return Labels("numbers", f"labels are integers from {low} to {high}", whole)
    return Labels("classes", "labels are class numbers", whole)


def _read_real(labels: Tensor) -> Labels:
    """Read labels that are real numbers."""
    if labels.ndim not in (1, 2) or labels.numel() == 0:
        words = f"labels are of shape {tuple(labels.shape)}, not one row a sample"
        return Labels("maps", words, labels)
    rows = labels.reshape(len(labels), -1)
    if _are_shares(rows):
        return Labels("values", f"labels are shares of {rows.shape[1]} classes", rows, shares=True)
    return Labels("values", f"labels are {rows.shape[1]} real target(s) a sample", rows)


def _are_shares(rows: Tensor) -> bool:
    """Whether every row has several numbers that are not negative and sum to 1."""
    epsilon = torch.finfo(rows.dtype).eps if rows.is_floating_point() else 0.0
    off = (rows.double().sum(1) - 1).abs()
    return rows.shape[1] > 1 and bool((rows >= 0).all()) and bool((off <= SUM + epsilon).all())


def check_targets(rows: Tensor, batch: int) -> None:
    """Refuse targets that are not finite, and name their batch.

    Parameters
    ----------
    rows : Tensor
        Real targets.
    batch : int
        Number of the batch.

    Raises
    ------
    ValueError
        If one is NaN or infinite.
    """
    bad = int((~rows.isfinite()).sum())
    if bad:
        raise ValueError(
            f"labels of batch {batch} must be finite, and {bad} of {rows.numel()} are NaN or "
            "infinite."
        )


@dataclass
class LabelReader:
    """Reads the labels of all batches of a pass: the first says what they are.

    Examples
    --------
    >>> reader = LabelReader()
    >>> reader.read(torch.tensor([3, -100, 0], dtype=torch.int32), 0).values.tolist()
    [3, -100, 0]
    >>> reader.kind, reader.words
    ('classes', 'labels are class numbers')
    """

    kind: LabelKind = "none"
    """What the labels are; "none" before the first batch."""
    words: str = NO_LABELS
    """The same in words."""
    _first: bool = True
    _signed: bool = False
    _others: bool = False
    _columns: int = 0
    ignored: int = field(default=0)
    """How many samples had no label, -100, so far."""

    def read(self, labels: Tensor | None, batch: int) -> Labels:
        """Read the labels of a batch.

        Parameters
        ----------
        labels : Tensor or None
            Labels as the loader has them.
        batch : int
            Number of the batch, for the error.

        Returns
        -------
        Labels
            What they are, and in one form.

        Raises
        ------
        ValueError
            If they are of another kind than those of the first batch, or real targets that are not
            finite.
        """
        found = read_labels(labels)
        if self._first:
            self.kind, self.words, self._first = found.kind, found.words, False
        elif found.kind != self.kind:
            raise ValueError(
                f"labels of batch {batch} must be {self.kind} as those of batch 0, and "
                f"{found.words}."
            )
        if found.values is None:
            return found
        if found.kind in ("values", "maps"):
            check_targets(found.values, batch)
        if found.kind == "values":
            self._columns = self._columns or found.values.shape[1]
            if found.values.shape[1] != self._columns:
                raise ValueError(
                    f"labels of batch {batch} must be {self._columns} target(s) a sample as those "
                    f"of batch 0, and {found.words}."
                )
        if found.kind == "classes":
            self._note_signs(found, batch)
            self.ignored += int((found.values == IGNORED).sum())
        return found

    def _note_signs(self, found: Labels, batch: int) -> None:
        """Refuse -1 where other classes than +1 were seen, and the other way round."""
        assert found.values is not None
        signed = "-1" in found.words
        self._signed |= signed
        if signed:
            self.words = found.words
        elif len(found.values):
            self._others |= bool(((found.values != 1) & (found.values != IGNORED)).any())
        if self._signed and self._others:
            raise ValueError(
                f"labels of batch {batch} must be class numbers as those before, and -1 is a class "
                "only beside +1 alone."
            )
