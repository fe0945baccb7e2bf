"""The one pass over a loader that records what every layer puts out, batch by batch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.record.batches import Batch, Split
from loadpath.record.blocks import find_blocks
from loadpath.record.hooks import watching
from loadpath.record.moments import Moments
from loadpath.record.reduction import Reduction, runs_along_one_axis, tensor_of
from loadpath.record.selection import Layers, Site, select, unwrapped
from loadpath.record.sketch import WIDE
from loadpath.record.visiting import device_of, visit

INPUT = "input"
"""Name of the layer that is the model's input."""


@dataclass(frozen=True)
class Description:
    """What the layers of a recording are; the same for all its batches."""

    layers: dict[str, str]
    """What "the output of layer l" means, in words, by name and in the order in which they ran."""
    selection: str
    """How the layers were chosen."""
    not_called: tuple[str, ...]
    """Modules that were chosen and did not run."""

    def attrs(self) -> dict[str, str]:
        """What a result says of it; `layers` as JSON."""
        return {
            "layers": json.dumps(self.layers),
            "layers_selection": self.selection,
            "layers_not_called": ", ".join(self.not_called),
        }


@dataclass(frozen=True)
class Recorded:
    """What a batch left."""

    number: int
    """Which batch of the loader, from 0."""
    features: dict[str, Tensor]
    """Rows (row, width) of every layer, in the order in which they ran; on the CPU, in the type
    that the model computed them in."""
    sample: dict[str, Tensor]
    """For every layer, the sample that each row is of: its number in all of the pass, (row,)."""
    labels: Tensor | None
    """Labels or targets as the loader has them, (sample, ...), or None."""
    output: Any
    """What the model returned, as it is."""
    first: int
    """Number of the batch's first sample in all of the pass."""
    count: int
    """Samples in the batch."""
    description: Description
    """What the layers are."""

    def labels_of(self, layer: str) -> Tensor | None:
        """Labels of the rows of a layer, (row, ...)."""
        return None if self.labels is None else self.labels[self.sample[layer] - self.first]

    def steps(self) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        """Every layer but the last with its rows A and the step dA from it to the next layer.

        dA = A_next - A in float64, or None where the two differ in width or in rows.
        """
        for layer, after in pairwise(self.features):
            A, B = self.features[layer], self.features[after]
            alike = A.shape == B.shape and torch.equal(self.sample[layer], self.sample[after])
            yield layer, A, B.double() - A.double() if alike else None


def stream(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: Layers = None,
    reduction: Reduction | None = None,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
) -> Iterator[Recorded]:
    """Run `model` over `loader` and yield what every layer put out on each batch, as rows.

    The model runs in evaluation mode and without gradients, inside DataParallel,
    DistributedDataParallel and torch.compile. Whatever happens, hooks are gone and modes and
    torch's random state put back before anything is yielded or raised. No sample is kept.

    Parameters
    ----------
    model: any nn.Module; it stays where it is and as it is.
    loader: yields batches (see `loadpath.record.prepare`), or is a `loadpath.data.Data`.
    layers: names with * and **, classes, or several of these (see `loadpath.record.select`);
        None finds blocks by itself, by one more pass of the first batch (see
        `loadpath.record.find_blocks`).
    reduction: how outputs become rows (see `Reduction`).
    device: where the model is, and batches go; that of the model's first parameter if None.
    max_batches: how many batches at most.
    split: from a batch to (inputs, labels), for batches of another kind.
    pass_labels: whether the model of a dict batch gets its labels too.

    The order of layers is that in which they ran on the first batch, and a module's second call
    in a pass is the layer "name#2". Where the model's input is real numbers it comes first, as the
    layer "input". A chosen module that does not run is named in `description.not_called`.

    Raises: ValueError for bad arguments, before anything runs; for batches as `prepare`; for a
    loader that yields nothing; if a layer's output is not finite, with its batch; if layers run in
    one batch and not in another, or change their width.
    """
    inner = unwrapped(model)
    chosen = None if layers is None else select(inner, layers)
    return visit(
        inner,
        loader,
        _Pass(inner, reduction or Reduction(), chosen).record,
        device=device_of(inner) if device is None else torch.device(device),
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
    )


def second_moments(
    recording: Iterable[Recorded], *, activation: str = "identity", sketch: int | None = WIDE
) -> dict[str, Moments]:
    """Second moments of every layer of a recording, with the step to the next where shapes agree.

    `activation` and `sketch` are those of `Moments`.
    """
    moments: dict[str, Moments] = {}
    for recorded in recording:
        last = list(recorded.features)[-1]
        steps = chain(recorded.steps(), [(last, recorded.features[last], None)])
        for layer, A, dA in steps:
            if layer not in moments:
                moments[layer] = Moments(
                    A.shape[1], velocity=dA is not None, activation=activation, sketch=sketch
                )
            moments[layer].update(A, dA)
    return moments


@dataclass
class _Pass:
    """One pass over a loader."""

    model: nn.Module
    reduction: Reduction
    chosen: tuple[list[Site], str] | None
    description: Description | None = None
    widths: dict[str, int] = field(default_factory=dict)
    one_axis: dict[Site, bool] = field(default_factory=dict)

    def record(self, batch: Batch, first: int) -> Recorded:
        if self.chosen is None:
            self.chosen = find_blocks(
                self.model,
                lambda: batch.run(self.model),
                count=batch.count,
                tokens_first=self.reduction.tokens_first,
            )
        sites, _ = self.chosen
        calls: Counter[Site] = Counter()
        features: dict[str, Tensor] = {}
        sample: dict[str, Tensor] = {}
        words: dict[str, str] = {}

        def reduce(name: str, kind: str, output: Any, one_axis: bool) -> None:
            rows, which, rule = self.reduction(
                name, output, count=batch.count, mask=batch.mask, one_axis=one_axis
            )
            features[name], sample[name] = rows, which
            if self.description is None:
                words[name] = f"{kind}, {_shape_in_words(output)}: {rule}"

        def take(site: Site, output: Any) -> None:
            calls[site] += 1
            name = site.called(calls[site])
            times = "" if calls[site] == 1 else f" in its call {calls[site]}"
            reduce(name, f"{site.meaning}{times}", output, self.one_axis[site])

        if not self.one_axis:
            self.one_axis = {site: runs_along_one_axis(site.module) for site in sites}
        given = batch.input
        if given is not None and all(site.name != INPUT for site in sites):
            reduce(INPUT, "input of the model", given, False)
        with watching(sites, take):
            output = batch.run(self.model)
        if self.description is None:
            self.description = self._describe(words, calls)
            self.widths = {name: rows.shape[1] for name, rows in features.items()}
        features = {name: rows.cpu() for name, rows in features.items()}
        self._check(features, batch.number)
        return Recorded(
            number=batch.number,
            features={name: features[name] for name in self.widths},
            sample={name: sample[name].cpu() + first for name in self.widths},
            labels=batch.labels,
            output=output,
            first=first,
            count=batch.count,
            description=self.description,
        )

    def _describe(self, words: dict[str, str], calls: Counter[Site]) -> Description:
        assert self.chosen is not None
        sites, selection = self.chosen
        if not calls:
            names = ", ".join(site.name for site in sites[:3])
            raise ValueError(
                f"layers has {len(sites)} modules ({names}{', ...' if len(sites) > 3 else ''}), "
                "and none of them ran on the first batch."
            )
        missed = tuple(site.name for site in sites if site not in calls)
        return Description(words, selection, missed)

    def _check(self, features: dict[str, Tensor], number: int) -> None:
        odd = self.widths.keys() ^ features.keys()
        if odd:
            name = min(odd)
            ran, did_not = (number, 0) if name in features else (0, number)
            raise ValueError(
                f"layer {name!r} ran in batch {ran} and not in batch {did_not}: all batches must "
                "run the same layers."
            )
        for name, rows in features.items():
            if rows.shape[1] != self.widths[name]:
                raise ValueError(
                    f"layer {name!r} has width {rows.shape[1]} in batch {number} and "
                    f"{self.widths[name]} in batch 0: it must keep it."
                )
            if not bool(rows.isfinite().all()):
                bad = int((~rows.isfinite()).sum())
                raise ValueError(
                    f"layer {name!r} must put out finite numbers, and in batch {number} it is the "
                    f"first with NaN or infinity: {bad} of {rows.numel()}."
                )


def _shape_in_words(output: Any) -> str:
    x = tensor_of(output)
    sizes = [] if x is None else [str(size) for size in x.shape[1:]]
    return f"({', '.join(['sample', *sizes])})"
