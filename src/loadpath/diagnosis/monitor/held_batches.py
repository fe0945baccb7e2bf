"""The few held-out samples that a model in training is measured on, and the pass over them."""

from __future__ import annotations

import copy
import glob
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from loadpath.checks import check_count
from loadpath.diagnosis.answers import AnswerRule
from loadpath.diagnosis.labels import read_labels
from loadpath.diagnosis.monitor.classes import probe_classes
from loadpath.diagnosis.monitor.snapshot import Snapshot, measure_snapshot
from loadpath.measures import LEAST
from loadpath.measures.separation import SeparationKind, check_kind
from loadpath.record import (
    INPUT,
    Batch,
    Description,
    Layers,
    Output,
    OwnRandomness,
    Recorded,
    Reduced,
    Reduction,
    Split,
    TokenMask,
    batches_of,
    keeping_generators,
    prepare,
    sites_of,
    stream,
    unwrapped,
)

INPUT_WORDS = "input of the model"
"""How `Description.layers` begins where a layer is the model's input."""


class HeldBatches:
    """A few samples that stay the same, and the pass that measures a model on them.

    Copies of the batches are kept, and each pass works on a copy of these: neither a model that
    acts in place nor anyone else changes them. Layers are found when the object is made, and
    selected by name from then on.

    Parameters
    ----------
    model : nn.Module
        The model that is measured.
    given : object
        One batch, if it is a tensor, an array, a dict or a tuple (x, y); else a list or loader of
        batches, of which the first are taken, until they hold `samples` samples.
    samples : int
        How many samples are measured at most.
    layers, reduction, device, split, pass_labels, output, token_mask, grad
        As in `loadpath.record.stream`.
    kind : str
        Convention of the log separation.

    Raises
    ------
    ValueError
        If there is no batch, or fewer than 20 samples; for another `kind`; as
        `loadpath.record.stream`.
    """

    def __init__(
        self,
        model: nn.Module,
        given: Any,
        *,
        samples: int,
        layers: Layers = None,
        reduction: Reduction | None = None,
        device: torch.device | str | None = None,
        kind: SeparationKind = "trace_ratio",
        split: Split | None = None,
        pass_labels: bool = False,
        output: Output = None,
        token_mask: TokenMask | None = None,
        grad: bool = False,
    ) -> None:
        check_kind(kind)
        check_count("samples", samples, LEAST)
        self.model, self.kind, self.device = model, kind, device
        self._layers, self._reduction = layers, reduction or Reduction()
        self._split, self._pass_labels = split, pass_labels
        self._output, self._token_mask, self._grad = output, token_mask, grad
        self._named = layers is not None
        cpu = torch.device("cpu")
        with OwnRandomness(cpu)(), keeping_generators(model, given):
            self.description: Description
            """What the layers are."""
            self._outputs: tuple[int, ...] | None = None
            self._batches, labels, count = self._copies(batches_in(given, model), samples)
            if not self._batches:
                raise ValueError("probe must have at least one batch, got none.")
            if count < LEAST:
                raise ValueError(f"probe must have at least {LEAST} samples, got {count}.")
        self.samples = min(count, samples)
        """How many samples are measured: the first of those in the batches."""
        self.classes, self.label_words = probe_classes(labels, self.samples, self._outputs)
        """Class of every sample, (sample,), -1 for one that is alone in its class or has none;
        None without classes."""
        # A module may be called "input" too, and then that layer is the model's own work.
        own = not self.description.layers.get(INPUT, "").startswith(INPUT_WORDS)
        self._given = None if own else INPUT

    @property
    def n_classes(self) -> int:
        """Number of the classes that separation is measured of, 0 if it is not measured."""
        return 0 if self.classes is None else int(self.classes.max()) + 1

    def measure(self) -> Snapshot:
        """Measure every layer of the model as it is now, and leave the model as it was.

        Returns
        -------
        Snapshot
            The numbers of all layers.

        Raises
        ------
        ValueError
            As `loadpath.record.stream`, except that NaN or infinity in a layer is noted in the
            snapshot.
        """
        rows, sample, not_finite = self.rows()
        return measure_snapshot(
            rows,
            sample,
            classes=self.classes,
            kind=self.kind,
            not_finite=not_finite,
            given=self._given,
        )

    def rows(self) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, str]]:
        """Run the model over the samples as it is now, and leave it as it was.

        Returns
        -------
        rows : dict of str to Tensor
            What each layer puts out, (row, width), in the order in which the layers run; 0 stands
            where a number is not finite.
        sample : dict of str to Tensor
            For each layer the sample that every row belongs to, (row,).
        not_finite : dict of str to str
            Layers with NaN or infinity, and how much of it in words.

        Raises
        ------
        ValueError
            As `measure`.
        """
        noting = self._noting_reduction()
        rows: dict[str, list[Tensor]] = {}
        sample: dict[str, list[Tensor]] = {}
        with OwnRandomness(torch.device("cpu"))():
            for recorded in self._run(self._batches, noting):
                for layer, part in recorded.features.items():
                    kept = recorded.sample[layer] < self.samples
                    rows.setdefault(layer, []).append(part[kept])
                    sample.setdefault(layer, []).append(recorded.sample[layer][kept])
        if self._given in noting.wrong:
            words = f"NaN or infinity in {noting.words(INPUT)}"
            if not self._named:
                raise ValueError(
                    f"probe must have finite inputs, got {words}; name layers, and it is left out."
                )
            self._leave_out_input(f"has {words}")
            del rows[INPUT], sample[INPUT]
        return (
            {layer: torch.cat(parts) for layer, parts in rows.items()},
            {layer: torch.cat(parts) for layer, parts in sample.items()},
            {layer: noting.words(layer) for layer in rows if layer in noting.wrong},
        )

    def _leave_out_input(self, reason: str) -> None:
        """Say that the model's input is no layer, since the model handles NaN itself."""
        layers = {name: words for name, words in self.description.layers.items() if name != INPUT}
        left_out = {**self.description.left_out, INPUT: reason}
        self.description = replace(self.description, layers=layers, left_out=left_out)

    def _copies(
        self, batches: Iterable[Any], samples: int
    ) -> tuple[list[Any], list[Tensor | None], int]:
        """Return copies of the first batches, their labels, and how many samples they have.

        Layers are found on the first, which shows which axis of the batches has the samples.
        """
        copies: list[Any] = []
        labels: list[Tensor | None] = []
        count = axis = 0
        for raw in batches:
            copies.append(copy.deepcopy(raw))
            batch = self._prepared(raw, len(labels), axis)
            if not labels:
                seen = self._find_layers(copies)
                if batch.count != seen:
                    axis = 1
                    batch = self._prepared(raw, 0, axis)
            labels.append(batch.labels)
            count += batch.count
            if count >= samples:
                break
        return copies, labels, count

    def _prepared(self, raw: Any, number: int, axis: int) -> Batch:
        return prepare(
            copy.deepcopy(raw),
            number,
            device=torch.device("cpu"),
            split=self._split,
            pass_labels=self._pass_labels,
            model=unwrapped(self.model),
            axis=axis,
        )

    def _find_layers(self, batches: list[Any]) -> int:
        """Find the layers, and keep their names as what to select from now on.

        This takes a pass of its own: the search runs a batch twice, and a model that acts in place
        on its input would find it changed.

        Returns
        -------
        int
            Number of samples in the first batch.
        """
        recorded = next(iter(self._run(batches, self._noting_reduction())))
        known = sites_of(unwrapped(self.model))
        # "input" is no module, and the "#2" of a second call is no part of a module's name.
        plain = (name if name in known else name.rpartition("#")[0] for name in recorded.features)
        self._layers = [glob.escape(name) for name in dict.fromkeys(plain) if name in known]
        self.description = recorded.description
        self._outputs = _answer_shape(recorded)
        return recorded.count

    def _run(self, batches: list[Any], reduction: Reduction) -> Iterator[Recorded]:
        return stream(
            self.model,
            (copy.deepcopy(raw) for raw in batches),
            layers=self._layers,
            reduction=reduction,
            device=self.device,
            split=self._split,
            pass_labels=self._pass_labels,
            output=self._output,
            token_mask=self._token_mask,
            grad=self._grad,
        )

    def _noting_reduction(self) -> _NotingReduction:
        return _NotingReduction(
            **{f.name: getattr(self._reduction, f.name) for f in fields(Reduction)}
        )


def batches_in(given: Any, model: nn.Module) -> Iterable[Any]:
    """Return the batches of a probe.

    Parameters
    ----------
    given : object
        One batch, if it is a tensor, an array, a dict or a tuple; else a list or loader of batches.
    model : nn.Module
        The model that they are for.

    Returns
    -------
    iterable
        The batches.

    Raises
    ------
    ValueError
        If `given` is neither.
    """
    one = isinstance(given, Tensor | np.ndarray | Mapping | tuple)
    return [given] if one else batches_of(given, unwrapped(model), "probe")


def _answer_shape(recorded: Recorded) -> tuple[int, ...] | None:
    """Return the shape of the model's answer for a first batch, None if that is no plain tensor."""
    answers = AnswerRule()
    if answers.needs_last(recorded.output, read_labels(recorded.labels)):
        answers.take_last(recorded.output, recorded.last)
    answer = answers.of(recorded.output)
    return None if answer is None or answer.is_nested else tuple(answer.shape)


@dataclass(frozen=True)
class _NotingReduction(Reduction):
    """A reduction that notes where NaN or infinity is, and puts 0 in its place."""

    wrong: dict[str, tuple[int, int]] = field(default_factory=dict)
    """For each layer with any, how many numbers are not finite, and how many there are."""

    def __call__(
        self,
        name: str,
        output: Any,
        *,
        count: int,
        mask: Tensor | None = None,
        one_axis: bool = False,
        axis: int | None = None,
        words: str = "",
    ) -> Reduced:
        """Reduce an output as `Reduction` does, with finite rows."""
        reduced = super().__call__(
            name, output, count=count, mask=mask, one_axis=one_axis, axis=axis, words=words
        )
        finite = reduced.rows.isfinite()
        if bool(finite.all()):
            return reduced
        bad, total = self.wrong.get(name, (0, 0))
        self.wrong[name] = (bad + int((~finite).sum()), total + finite.numel())
        return reduced._replace(rows=torch.where(finite, reduced.rows, 0))

    def words(self, layer: str) -> str:
        """Say how much of a layer is not finite."""
        bad, total = self.wrong[layer]
        return f"{bad} of {total} numbers"
