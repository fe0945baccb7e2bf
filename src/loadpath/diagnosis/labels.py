"""What the labels of a loader are, read by one rule for `diagnose`, `skip_layers` and `Monitor`."""

from __future__ import annotations

from collections.abc import Sequence
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
CLASS_NUMBERS = "labels are class numbers"
"""What is said of classes, one a sample."""
SIGNS = ", -1 and +1"
"""What is said besides of -1 and +1, which are two of them."""
UNCLEAR = (
    "labels are -1 beside 0 or 1, which may be a class or stand for none: write -100 for none, or "
    "number the classes from 0"
)
"""What is said of labels whose -1 may be either."""
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
    unclear: bool = False
    """Whether -1 may be a class or stand for no label, so that nothing is made of the labels."""


def read_labels(
    labels: Tensor | None,
    *,
    outputs: Sequence[int] | None = None,
    before: frozenset[int] = frozenset(),
) -> Labels:
    """Read the labels of one batch.

    Integers of any type, signed or not, and booleans are class numbers, one a sample. Rows of
    zeros and a single one are class numbers too, unless the outputs are those of as many tokens.
    -100 stands for no label. -1 beside +1 alone are two classes, 0 and 1; beside a class of 2 or
    more, or more than 3 outputs, or 0 and 1 with 2 outputs, it stands for no label; else it may be
    either. Other negative numbers, and those above 9999, are no classes.

    Parameters
    ----------
    labels : Tensor or None
        Labels as the loader has them, (sample, ...).
    outputs : sequence of int, optional
        Shape of the model's answer for the batch, where it is known.
    before : frozenset of int, optional
        Classes of the batches before.

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
    whole, words = labels.to(torch.int64), CLASS_NUMBERS
    shape = f"labels are of shape {tuple(labels.shape)}, not one class a sample"
    if labels.ndim == 2 and _are_shares(whole):
        of_tokens = outputs is not None and len(outputs) == 3 and tuple(outputs[:2]) == whole.shape
        if of_tokens:
            return Labels("tokens", shape, whole)
        whole, words = whole.argmax(1), f"{CLASS_NUMBERS}, as rows of zeros and a one"
    minus = _meaning_of_minus_one(whole, outputs, before)
    if minus == "none":
        whole, words = torch.where(whole == -1, IGNORED, whole), f"{CLASS_NUMBERS}, -1 for none"
    if whole.ndim != 1:
        return Labels("tokens", shape, whole)
    if minus == "class":
        signs = torch.where(whole == -1, 0, whole)
        return Labels("classes", CLASS_NUMBERS + SIGNS, signs)
    if minus == "unclear":
        return Labels("numbers", UNCLEAR, whole, unclear=True)
    counted = whole[whole != IGNORED]
    if len(counted) == 0:
        return Labels("classes", words, whole)
    low, high = int(counted.min()), int(counted.max())
    if low < 0 or high > LARGEST_CLASS:
        return Labels("numbers", f"labels are integers from {low} to {high}", whole)
    return Labels("classes", words, whole)


def _meaning_of_minus_one(
    whole: Tensor, outputs: Sequence[int] | None, before: frozenset[int]
) -> Literal["", "class", "none", "unclear"]:
    """Return what -1 stands for among whole numbers; "" where it is not there, or not alone."""
    counted = whole[whole != IGNORED]
    if len(counted) == 0 or int(counted.min()) != -1:
        return ""
    others = {int(counted.max()), *before} - {-1}
    if bool((counted == 0).any()):
        others.add(0)
    if others <= {1}:
        return "class"
    largest = max(others)
    n_outputs = None if outputs is None or len(outputs) not in (2, 3) else outputs[-1]
    pair = largest == 1 and n_outputs == 2
    if largest > 1 or pair or (n_outputs is not None and n_outputs > 3):
        return "none"
    return "unclear"  # -1, 0 and 1 may be three classes


def _read_real(labels: Tensor) -> Labels:
    """Read labels that are real numbers."""
    if labels.ndim not in (1, 2) or labels.numel() == 0:
        words = f"labels are of shape {tuple(labels.shape)}, not one row a sample"
        return Labels("maps", words, labels)
    rows = labels.reshape(len(labels), -1)
    if _are_shares(rows):
        words = f"labels are shares of {rows.shape[1]} classes"
        if bool((rows.amax(1) == 1).all()):
            words += ", all of them of one (as whole numbers they are read as classes)"
        return Labels("values", words, rows, shares=True)
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
class ClassMemory:
    """Reads the labels of one batch after the other, and what -1 means by all that came before."""

    seen: frozenset[int] = frozenset()
    """The smallest and largest class so far, but for -1, and whether 0 and 1 were there."""
    signed: bool = False
    """Whether -1 was read as a class."""

    def read(self, labels: Tensor | None, batch: int, outputs: Sequence[int] | None) -> Labels:
        """Read the labels of a batch by `read_labels`.

        Parameters
        ----------
        labels : Tensor or None
            Labels as the loader has them.
        batch : int
            Number of the batch, for the error.
        outputs : sequence of int or None
            Shape of the model's answer.

        Returns
        -------
        Labels
            What they are, and in one form.

        Raises
        ------
        ValueError
            If -1 was a class beside +1 alone, and now there are others.
        """
        found = read_labels(labels, outputs=outputs, before=self.seen)
        if found.kind not in ("classes", "numbers") or found.values is None:
            return found
        signed = found.words.endswith(SIGNS)
        counted = found.values[found.values != IGNORED]
        if signed:
            counted = counted[counted == 1]
        self.signed |= signed
        if len(counted):
            ends = {int(counted.min()), int(counted.max())} - {-1}
            self.seen |= ends | ({0} if bool((counted == 0).any()) else set())
        if len(self.seen) > 3:
            self.seen = frozenset({max(self.seen)} | (self.seen & {0, 1}))
        if self.signed and self.seen - {1}:
            raise ValueError(
                f"labels of batch {batch} must be class numbers as those before, where -1 is a "
                "class, as it is beside +1 alone: write -100 for none, or number the classes from "
                "0."
            )
        return found


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
    _columns: int = 0
    _memory: ClassMemory = field(default_factory=ClassMemory)
    ignored: int = field(default=0)
    """How many samples had no label so far."""

    def read(
        self, labels: Tensor | None, batch: int, outputs: Sequence[int] | None = None
    ) -> Labels:
        """Read the labels of a batch.

        Parameters
        ----------
        labels : Tensor or None
            Labels as the loader has them.
        batch : int
            Number of the batch, for the error.
        outputs : sequence of int, optional
            Shape of the model's answer, where it is known.

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
        found = self._memory.read(labels, batch, outputs)
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
            if found.words != CLASS_NUMBERS:
                self.words = found.words
            self.ignored += int((found.values == IGNORED).sum())
        return found
