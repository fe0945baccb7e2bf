"""What the laws are measured on: rows of the same samples at every layer of one net."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loadpath.checks import as_list, as_numbers, as_rows, as_tensor, check_choice, check_text
from loadpath.measures.separation import TargetMoments, TargetProbe
from loadpath.record import ActivationLike, as_activation
from loadpath.results import Shown

Array = NDArray[np.float64]
AnswerKind = Literal["classes", "tokens", "targets", "none"]
"""What the answers are: classes; tokens of a vocabulary, by their index; real targets; nothing."""
KINDS: tuple[AnswerKind, ...] = ("classes", "tokens", "targets", "none")
SMALL_STEP = 1.0
"""Relative step up to which layers add to a stream, and do not make the representation anew."""
READOUT_FOLDS = 2
"""Parts of the held-out readout: each is read by what was fitted on the other."""
FEWEST_LAYERS = 3
"""Layers below which there is no order of layers to speak of."""


@dataclass(frozen=True, eq=False, repr=False)
class Representations(Shown):
    """Rows of the same samples at every layer of a net, and what the net is to answer.

    `from_features` checks what it is given, and is the way to make one.

    Examples
    --------
    >>> x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    >>> found = Representations.from_features([x, 2 * x, 3 * x], torch.arange(40) % 2)
    >>> found.names, found.answer_kind, found.of_one_width
    (('0', '1', '2'), 'classes', True)
    """

    names: tuple[str, ...]
    """Names of the layers."""
    rows: tuple[Tensor, ...]
    """(sample, width) of every layer, float64."""
    answers: Tensor | None
    """(sample,) class numbers or tokens, or (sample, output) real targets."""
    answer_kind: AnswerKind
    """What the answers are."""
    samples: Tensor
    """(sample,) the sample that each row is of: rows of one sample are kept together."""
    p: Array
    """(layer,) positions on the path."""
    activation: ActivationLike = "relu"
    """The phi of the metric of [LR]."""
    bias: bool = True
    """Whether that metric has a column of ones."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Layers that were recorded and are not used, with why not."""

    @classmethod
    def from_features(
        cls,
        features: Sequence[Any],
        answers: Any = None,
        *,
        names: Sequence[str] | None = None,
        answer_kind: AnswerKind | None = None,
        samples: Any = None,
        p: Any = None,
        activation: ActivationLike = "relu",
        bias: bool = True,
    ) -> Representations:
        """Check features that are at hand, and put them together.

        Parameters
        ----------
        features : sequence of (Tensor or array_like)
            (sample, width) of every layer, at least 3, the same samples in each.
        answers : Tensor or array_like, optional
            (sample,) class numbers or tokens, or (sample, output) real targets.
        names : sequence of str, optional
            Names of the layers; their numbers if left out.
        answer_kind : {"classes", "tokens", "targets", "none"}, optional
            What the answers are; if left out, whole numbers are classes and real ones targets.
        samples : Tensor or array_like, optional
            (sample,) whole numbers: rows that share one belong together, such as the tokens of a
            text. Each row is a sample of its own if left out.
        p : array_like, optional
            (layer,) rising positions on the path; equal steps from 0 to 1 if left out.
        activation : str or callable
            The phi of the metric of [LR], as in `loadpath.mechanics`.
        bias : bool
            Whether that metric has a column of ones.

        Returns
        -------
        Representations
            The rows in float64.

        Raises
        ------
        ValueError
            For fewer than 3 layers, features that are not finite or not of the same samples, and
            answers, names, samples or positions that do not fit.
        """
        features = as_list("features", features, "layers", fewest=FEWEST_LAYERS)
        rows = [as_rows(f"features[{l}]", H).detach().double() for l, H in enumerate(features)]
        for l, H in enumerate(rows):
            if len(H) != len(rows[0]) or H.numel() == 0:
                raise ValueError(
                    f"features[{l}] must have {len(rows[0])} samples as features[0], "
                    f"got shape {tuple(H.shape)}."
                )
        given, kind = as_answers(answers, answer_kind, len(rows[0]))
        words = [str(l) for l in range(len(rows))]
        if names is not None:
            words = as_list("names", names, "texts")
            for word in words:
                check_text("names", word)
        if len(words) != len(rows) or len(set(words)) != len(words):
            raise ValueError(f"names must be {len(rows)} different names, got {words!r}.")
        place = np.linspace(0.0, 1.0, len(rows)) if p is None else as_numbers("p", p)
        if place.shape != (len(rows),) or bool((np.diff(place) <= 0).any()):
            raise ValueError(f"p must be {len(rows)} rising positions, got {place.tolist()}.")
        which = torch.arange(len(rows[0])) if samples is None else as_tensor("samples", samples)
        if which.shape != (len(rows[0]),) or which.is_floating_point() or bool((which < 0).any()):
            raise ValueError(
                f"samples must be {len(rows[0])} whole numbers from 0, got {which.dtype} of shape "
                f"{tuple(which.shape)}."
            )
        as_activation(activation)  # refuses what is none
        return cls(
            tuple(words), tuple(rows), given, kind, which.cpu().long(), place, activation, bias
        )

    @property
    def count(self) -> int:
        """Number of rows of every layer."""
        return len(self.rows[0])

    @cached_property
    def of_one_width(self) -> bool:
        """Whether all layers have one width, so that there are steps between them."""
        return len({H.shape[1] for H in self.rows}) == 1

    @cached_property
    def first_of_stream(self) -> int:
        """Where the longest run of layers of one width begins; the first of several."""
        widths = [H.shape[1] for H in self.rows]
        begins = [l for l in range(len(widths)) if l == 0 or widths[l] != widths[l - 1]]
        lengths = np.diff([*begins, len(widths)])
        return begins[int(lengths.argmax())]

    @cached_property
    def stream(self) -> Representations:
        """The longest run of layers of one width, between which there are steps."""
        if self.of_one_width:
            return self
        first = self.first_of_stream
        width, last = self.rows[first].shape[1], first
        while last < len(self.rows) and self.rows[last].shape[1] == width:
            last += 1
        part = slice(first, last)
        return replace(self, names=self.names[part], rows=self.rows[part], p=self.p[part])

    @cached_property
    def increments(self) -> Tensor:
        """(step, sample, width): A_l - A_{l-1}, for layers of one width."""
        return torch.stack([b - a for a, b in zip(self.rows, self.rows[1:], strict=False)])

    @cached_property
    def lengths(self) -> Tensor:
        """(step, sample): the length of the step of every sample."""
        return torch.linalg.vector_norm(self.increments, dim=2)

    @cached_property
    def adds_to_a_stream(self) -> bool:
        """Whether layers add to one stream, as residual blocks do.

        So they do where all have one width, and half of the steps or more are no larger than the
        representation that they lead to. Between independent layers of one size a step is 1.4
        times that size.
        """
        if not self.of_one_width:
            return False
        moved = self.lengths.square().sum(1).sqrt()
        size = torch.stack([H.norm() for H in self.rows[1:]])
        return bool((moved <= SMALL_STEP * size).double().mean() >= 0.5)

    @cached_property
    def scatters(self) -> tuple[Any, ...]:
        """Scatter of every layer by real targets, which holds on to its decompositions."""
        return tuple(TargetMoments.from_features(H, self.answers).scatter() for H in self.rows)

    @cached_property
    def _of_rows(self) -> dict[str, tuple[TargetProbe, ...]]:
        """What is known of the rows alone; the same with other answers has the same one."""
        return {}

    @property
    def probes(self) -> tuple[TargetProbe, ...]:
        """Held-out readouts of every layer, which decompose its rows once for all answers."""
        if "probes" not in self._of_rows:
            made = tuple(TargetProbe(H, n_folds=READOUT_FOLDS) for H in self.rows)
            self._of_rows["probes"] = made
        return self._of_rows["probes"]

    @cached_property
    def _curves(self) -> dict[Callable[[Representations], Array], Array]:
        """Curves that were measured: several laws share one."""
        return {}

    def curve(self, measure: Callable[[Representations], Array]) -> Array:
        """Return a curve, measured once.

        Parameters
        ----------
        measure : callable
            One of the curves of `loadpath.laws.curves`.

        Returns
        -------
        Array
            (layer,) or (step,) numbers.
        """
        if measure not in self._curves:
            self._curves[measure] = measure(self)
        return self._curves[measure]

    def taken(self, chosen: Tensor) -> Representations:
        """Return the same of some of the rows.

        Parameters
        ----------
        chosen : Tensor
            (sample,) which rows: a mask, or their numbers.

        Returns
        -------
        Representations
            The same layers of these rows.
        """
        answers = None if self.answers is None else self.answers[chosen]
        rows = tuple(H[chosen] for H in self.rows)
        return replace(self, rows=rows, answers=answers, samples=self.samples[chosen])

    def with_rows(self, rows: Sequence[Tensor]) -> Representations:
        """Return the same with other representations of the same samples.

        Parameters
        ----------
        rows : sequence of Tensor
            (sample, width) of every layer.

        Returns
        -------
        Representations
            With the same names, answers and positions.
        """
        return replace(self, rows=tuple(rows))

    def with_answers(self, answers: Tensor | None) -> Representations:
        """Return the same with other answers of the same kind.

        Parameters
        ----------
        answers : Tensor or None
            The answers, a row a sample.

        Returns
        -------
        Representations
            With the same rows, and what was decomposed of them to read answers.
        """
        other = replace(self, answers=answers)
        other.__dict__["_of_rows"] = self._of_rows  # where cached_property keeps it
        return other


def as_answers(
    answers: Any, kind: AnswerKind | None, count: int
) -> tuple[Tensor | None, AnswerKind]:
    """Return answers in one form, and what they are.

    Parameters
    ----------
    answers : Tensor, array_like or None
        What was given.
    kind : str or None
        What the caller says that they are.
    count : int
        How many samples there are.

    Returns
    -------
    answers : Tensor or None
        Class numbers from 0 without gaps, tokens as they are, targets as rows in float64.
    kind : str
        What they are.

    Raises
    ------
    ValueError
        If they do not fit each other, or not the samples.
    """
    if kind is not None:
        check_choice("answer_kind", kind, KINDS)
    if answers is None or kind == "none":
        if kind not in (None, "none"):
            raise ValueError(f"answers must be given for answer_kind {kind!r}, got None.")
        return None, "none"
    given = as_tensor("answers", answers).detach().cpu()
    if given.ndim not in (1, 2) or len(given) != count:
        raise ValueError(
            f"answers must have a row for each of {count} samples, got shape {tuple(given.shape)}."
        )
    whole = not given.is_floating_point() and not given.is_complex()
    found: AnswerKind = kind or ("classes" if whole else "targets")
    if found == "targets":
        return as_rows("answers", given.reshape(count, -1)).double(), found
    if not whole or given.ndim != 1:
        raise ValueError(
            f"answers must be one whole number a sample for answer_kind {found!r}, got "
            f"{given.dtype} of shape {tuple(given.shape)}."
        )
    numbers = given.long()
    if found == "classes":
        numbers = numbers.unique(return_inverse=True)[1]
        if int(numbers.bincount().min()) < 2 or int(numbers.max()) < 1:
            raise ValueError(
                "answers must have at least 2 classes with at least 2 samples each, got "
                f"{numbers.bincount().tolist()}; say answer_kind='tokens' for tokens of a "
                "vocabulary."
            )
    return numbers, found
