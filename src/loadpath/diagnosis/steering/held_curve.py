"""The load curve of a model on a few samples, read often and cheaply while it trains."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from loadpath.diagnosis.monitor import HeldBatches
from loadpath.measures.separation import LoadCurve, SeparationKind, stacked_separations
from loadpath.record import INPUT

GROUPS = 5
"""Groups of samples of which each is left out once, for the error of a concavity."""
FEWEST = 3
"""Samples of a class: without any one of them there must be a scatter left."""


@dataclass(frozen=True)
class Reading:
    """What one look at the curve found."""

    concavity: float
    """Concavity of the curve; NaN if a layer has no finite log separation."""
    total: float
    """Fall of the curve, nats; NaN likewise."""
    error: float
    """Standard error of the concavity over samples; NaN where it was not asked for."""
    log_separation: tuple[float, ...]
    """Log separation of every layer."""


class HeldCurve:
    """Samples that stay the same, and the load curve of a model on them.

    Parameters
    ----------
    model : nn.Module
        The model.
    probe : object
        Samples with classes, as `Monitor` takes them.
    kind : str
        Convention of the log separation.
    samples : int
        How many samples are measured at most.
    with_input : bool
        Whether the model's input is the first layer of the curve.
    **options
        `layers`, `reduction`, `device` and the like, as of `Monitor`.

    Raises
    ------
    ValueError
        If the probe has no classes, too few samples, or the model fewer than 3 layers; as
        `Monitor`.
    """

    def __init__(
        self,
        model: nn.Module,
        probe: Any,
        *,
        kind: SeparationKind,
        samples: int,
        with_input: bool = True,
        **options: Any,
    ) -> None:
        self._held = HeldBatches(model, probe, kind=kind, samples=samples, **options)
        self._with_input = with_input
        self.kind = kind
        held = self._held
        if held.classes is None:
            raise ValueError(
                "probe must have labels of at least 2 classes to steer by, and what it has is "
                f"{held.label_words}."
            )
        counts = held.classes[held.classes >= 0].bincount()
        if int(counts.min()) < FEWEST:
            raise ValueError(
                f"probe must have at least {FEWEST} samples of every class to say anything, got "
                f"{int(counts.min())} of class {int(counts.argmin())}."
            )
        self._groups = min(GROUPS, int(counts.min()))
        self._group = _groups_within_classes(held.classes, self._groups)
        if len(self.layers) < 3:
            raise ValueError(
                "layers must be at least 3, of which a curve can bend, got "
                f"{', '.join(self.layers) or 'none'}."
            )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in order."""
        return tuple(self._wanted(self._held.description.layers))

    def _wanted(self, layers: Mapping[str, Any]) -> list[str]:
        """Return the layers of the curve, with or without the model's input."""
        return [name for name in layers if self._with_input or name != INPUT]

    def attrs(self) -> dict[str, Any]:
        """Return what records say of the layers and samples."""
        held = self._held
        return {
            **held.description.attrs(),
            "kind": self.kind,
            "n_samples": held.samples,
            "n_classes": held.n_classes,
        }

    def read(self, *, with_error: bool) -> Reading:
        """Measure the curve of the model as it is now, and leave the model as it was.

        Parameters
        ----------
        with_error : bool
            Whether the error over samples is computed too, at the cost of five curves.

        Returns
        -------
        Reading
            The curve and how it bends.
        """
        rows, sample, not_finite = self._held.rows()
        rows = {layer: rows[layer] for layer in self._wanted(rows)}
        D = self._curve(rows, sample, not_finite, None)
        whole = _curve_or_none(D, self.kind)
        if whole is None:
            return Reading(math.nan, math.nan, math.nan, tuple(D))
        error = math.nan
        if with_error and self._groups > 1:
            without = [
                _concavity(self._curve(rows, sample, not_finite, g), self.kind)
                for g in range(self._groups)
            ]
            # The jackknife's: groups are of about one size.
            spread = np.var(without) * (self._groups - 1)
            error = float(np.sqrt(spread)) if np.isfinite(spread) else math.inf
        return Reading(whole.concavity, whole.total, error, tuple(D))

    def _curve(
        self,
        rows: dict[str, Tensor],
        sample: dict[str, Tensor],
        not_finite: dict[str, str],
        left_out: int | None,
    ) -> list[float]:
        """Return the log separation of every layer, without one group of samples or with all."""
        classes = self._held.classes
        assert classes is not None
        D = dict.fromkeys(rows, math.nan)
        together: dict[tuple[int, ...], list[str]] = {}
        kept_of: dict[str, Tensor] = {}
        for layer in rows:
            if layer in not_finite:
                continue
            kept = classes[sample[layer]] >= 0
            if left_out is not None:
                kept &= self._group[sample[layer]] != left_out
            kept_of[layer] = kept
            together.setdefault((len(kept), int(kept.sum())), []).append(layer)
        for layers in together.values():
            # Layers with as many rows have the same ones, but for sequences cut differently.
            for some in _with_equal_samples(layers, sample):
                kept = kept_of[some[0]]
                labels = classes[sample[some[0]][kept]]
                features = [rows[layer][kept] for layer in some]
                values = stacked_separations(features, labels, self.kind)
                D |= dict(zip(some, values, strict=True))
        return list(D.values())


def read_function(probe: Callable[[Any], LoadCurve], model: Any) -> Reading:
    """Return the reading of a function of the model that measures a `LoadCurve`.

    Parameters
    ----------
    probe : callable
        The function.
    model : object
        What it is called with.

    Returns
    -------
    Reading
        The curve; its error is the deviation of its replicates, if it has any.

    Raises
    ------
    ValueError
        If the function returns something else.
    """
    curve = probe(model)
    if not isinstance(curve, LoadCurve):
        raise ValueError(f"probe must return a LoadCurve when it is called, got {curve!r}.")
    error = math.nan
    if curve.replicates is not None:
        bent = [LoadCurve(each, curve.kind).concavity for each in curve.replicates]
        error = float(np.std(bent)) if np.isfinite(bent).all() else math.inf
    D = tuple(float(each) for each in curve.log_separation)
    return Reading(curve.concavity, curve.total, error, D)


def _curve_or_none(D: list[float], kind: SeparationKind) -> LoadCurve | None:
    """Return the curve if all its layers are finite."""
    return LoadCurve(D, kind) if np.isfinite(D).all() else None


def _concavity(D: list[float], kind: SeparationKind) -> float:
    """Return how a curve bends; NaN if it is not finite."""
    curve = _curve_or_none(D, kind)
    return math.nan if curve is None else curve.concavity


def _groups_within_classes(classes: Tensor, groups: int) -> Tensor:
    """Return the group of every sample (sample,): each class is dealt out in turn."""
    group = torch.zeros(len(classes), dtype=torch.int64)
    for k in classes.unique():
        here = (classes == k).nonzero()[:, 0]
        group[here] = torch.arange(len(here)) % groups
    return group


def _with_equal_samples(layers: list[str], sample: dict[str, Tensor]) -> list[list[str]]:
    """Return the layers in lists whose rows are of the same samples."""
    lists: list[list[str]] = []
    for layer in layers:
        for each in lists:
            if torch.equal(sample[each[0]], sample[layer]):
                each.append(layer)
                break
        else:
            lists.append([layer])
    return lists
