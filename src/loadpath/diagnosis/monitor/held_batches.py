"""The few samples on which a model is looked at while it trains, and the pass over them."""

from __future__ import annotations

import copy
import glob
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from loadpath.checks import check_count
from loadpath.diagnosis.monitor.snapshot import Look, look_at
from loadpath.measures import LEAST
from loadpath.measures.separation import SeparationKind, check_kind
from loadpath.record import (
    INPUT,
    Description,
    Layers,
    OwnRandomness,
    Recorded,
    Reduced,
    Reduction,
    Split,
    batches_of,
    prepare,
    sites_of,
    stream,
    unwrapped,
)

OF_THE_MODEL = "input of the model"
"""How `Description.layers` begins where a layer is the model's input."""


class Probe:
    """A few samples that stay, and the pass that measures a model on them.

    `given`: one batch, if it is a tensor, an array, a dict or a tuple (x, y); else a list or loader
    of batches, of which as many are taken as hold `samples` samples. Copies are kept, and each
    look works on a copy of these, so that neither a model that acts in place nor anyone else
    changes them. Layers are found at once, and looked at by name.

    Raises: ValueError if there is no batch, or fewer than 20 samples, or for another `kind`; as
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
    ) -> None:
        """Take the samples, and find the layers."""
        check_kind(kind)
        check_count("samples", samples, LEAST)
        self.model, self.kind, self.device = model, kind, device
        self._layers, self._reduction = layers, reduction or Reduction()
        self._split, self._pass_labels = split, pass_labels
        with _random_numbers_kept():
            self._batches, labels, count = self._taken(batches_in(given, model), samples)
            if not self._batches:
                raise ValueError("probe must have at least one batch, got none.")
            if count < LEAST:
                raise ValueError(f"probe must have at least {LEAST} samples, got {count}.")
            self.description = self._found()
            """What the layers are."""
        self.samples = min(count, samples)
        """How many samples are measured: the first of those in the batches."""
        self.classes = _classes(labels, self.samples)
        """Class of every sample, -1 for one of a class that has only one; None without classes."""
        # A module may have that name too.
        own = not self.description.layers.get(INPUT, "").startswith(OF_THE_MODEL)
        self._given = None if own else INPUT

    @property
    def n_classes(self) -> int:
        """Number of the classes that separation is measured of, 0 if it is not measured."""
        return 0 if self.classes is None else int(self.classes.max()) + 1

    def look(self) -> Look:
        """Measure every layer of the model as it is now; it is left as it was.

        Raises: ValueError as `loadpath.record.stream`, but for what is not finite in its layers.
        """
        noting = self._noting()
        rows: dict[str, list[Tensor]] = {}
        sample: dict[str, list[Tensor]] = {}
        with _random_numbers_kept():
            for recorded in self._pass(self._batches, noting):
                for layer, part in recorded.features.items():
                    kept = recorded.sample[layer] < self.samples
                    rows.setdefault(layer, []).append(part[kept])
                    sample.setdefault(layer, []).append(recorded.sample[layer][kept])
        if self._given in noting.wrong:
            words = noting.words(INPUT)
            raise ValueError(f"probe must have finite inputs, got NaN or infinity in {words}.")
        return look_at(
            {layer: torch.cat(parts) for layer, parts in rows.items()},
            {layer: torch.cat(parts) for layer, parts in sample.items()},
            classes=self.classes,
            kind=self.kind,
            not_finite={layer: noting.words(layer) for layer in rows if layer in noting.wrong},
            given=self._given,
        )

    def _taken(
        self, batches: Iterable[Any], samples: int
    ) -> tuple[list[Any], list[Tensor | None], int]:
        """Copies of the first batches, their labels, and how many samples they have."""
        taken: list[Any] = []
        labels: list[Tensor | None] = []
        count = 0
        for raw in batches:
            taken.append(copy.deepcopy(raw))
            batch = prepare(
                copy.deepcopy(raw),
                len(labels),
                device=torch.device("cpu"),
                split=self._split,
                pass_labels=self._pass_labels,
            )
            labels.append(batch.labels)
            count += batch.count
            if count >= samples:
                break
        return taken, labels, count

    def _found(self) -> Description:
        """Find the layers, and keep their names as what to select from now on.

        By a pass of its own: the search runs a batch twice, and a model that acts in place on its
        input would find it changed.
        """
        recorded = next(iter(self._pass(self._batches[:1], self._noting())))
        known = sites_of(unwrapped(self.model))
        # The input is none, nor is "#2" of a second call in a module's name.
        plain = (name if name in known else name.rpartition("#")[0] for name in recorded.features)
        self._layers = [glob.escape(name) for name in dict.fromkeys(plain) if name in known]
        return recorded.description

    def _pass(self, batches: list[Any], reduction: Reduction) -> Iterator[Recorded]:
        return stream(
            self.model,
            (copy.deepcopy(raw) for raw in batches),
            layers=self._layers,
            reduction=reduction,
            device=self.device,
            split=self._split,
            pass_labels=self._pass_labels,
        )

    def _noting(self) -> _Noting:
        return _Noting(**{f.name: getattr(self._reduction, f.name) for f in fields(Reduction)})


def batches_in(given: Any, model: nn.Module) -> Iterable[Any]:
    """The batches of a probe: one, if it is a tensor, an array, a dict or a tuple; else a loader's.

    Raises: ValueError for what is neither.
    """
    one = isinstance(given, Tensor | np.ndarray | Mapping | tuple)
    return [given] if one else batches_of(given, unwrapped(model))


def _classes(labels: list[Tensor | None], samples: int) -> Tensor | None:
    """Classes 0, 1, ... of the samples by their labels, -1 for those without one or alone in it.

    Negative labels are none. None in all if labels are missing, no whole numbers, not one a sample,
    or leave fewer than 2 classes.
    """
    given = [part for part in labels if part is not None]
    if len(given) < len(labels) or any(
        part.numel() != len(part) or part.is_floating_point() or part.is_complex() for part in given
    ):
        return None
    every = torch.cat([part.reshape(-1).long() for part in given])[:samples]
    names, numbers, counts = every.unique(return_inverse=True, return_counts=True)
    several = (counts >= 2) & (names >= 0)
    if int(several.sum()) < 2:
        return None
    renumbered = torch.where(several, several.cumsum(0) - 1, -1)
    return renumbered[numbers]


@dataclass(frozen=True)
class _Noting(Reduction):
    """A reduction that notes where NaN or infinity is, and puts 0 in its place."""

    wrong: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of each layer with any, how many numbers are not finite, of how many."""

    def __call__(
        self,
        name: str,
        output: Any,
        *,
        count: int,
        mask: Tensor | None = None,
        one_axis: bool = False,
    ) -> Reduced:
        """As `Reduction`."""
        reduced = super().__call__(name, output, count=count, mask=mask, one_axis=one_axis)
        finite = reduced.rows.isfinite()
        if bool(finite.all()):
            return reduced
        bad, of = self.wrong.get(name, (0, 0))
        self.wrong[name] = (bad + int((~finite).sum()), of + finite.numel())
        return reduced._replace(rows=torch.where(finite, reduced.rows, 0))

    def words(self, layer: str) -> str:
        """How much of a layer is not finite."""
        bad, of = self.wrong[layer]
        return f"{bad} of {of} numbers"


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Whatever runs within draws the random numbers that come next, and leaves them to others.

    Of torch on the CPU, Python and NumPy; `stream` keeps those of the model's device.
    """
    own = OwnRandomness(torch.device("cpu"))
    of_python, of_numpy = random.getstate(), np.random.get_state()
    try:
        with own():
            yield
    finally:
        random.setstate(of_python)
        np.random.set_state(of_numpy)
