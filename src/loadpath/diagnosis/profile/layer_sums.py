"""What the one pass keeps of a layer: sums over all samples, and some of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from loadpath.diagnosis.profile.labels import LabelKind, Separations
from loadpath.diagnosis.profile.mesh import Mesh
from loadpath.measures import StepSums
from loadpath.record import WIDE, Moments, Recorded, Sketch
from loadpath.statistics import Grouped, Reservoir, groups_of, hashes
from loadpath.threads import side_by_side

ENTRIES = 2**24
"""Numbers kept of a layer's samples, at most: fewer samples where it is wide."""


@dataclass(frozen=True)
class Plan:
    """What to keep."""

    kept: int
    """Samples of every layer."""
    seed: int
    energies: bool
    separation: bool


@dataclass
class LayerSums:
    """One layer's."""

    width: int
    kept: Reservoir
    """A row of each sample kept, the same samples in all layers."""
    moments: Moments | None
    """Of [S, A, dA], dA the step to the next layer where shapes agree."""
    separations: Separations | None
    sketch: Sketch | None
    """What narrows wide features before class moments are taken."""
    step: Grouped[StepSums] | None = None
    """Of the step from the layer before to this one, where shapes agree."""
    rows: int = 0
    """Rows seen: more than samples where a sample has several."""


@dataclass
class Sums:
    """All layers', the model's outputs, and how many samples there were."""

    plan: Plan
    labels: LabelKind
    mesh: Mesh
    layers: dict[str, LayerSums] = field(default_factory=dict)
    outputs: Reservoir | None = None
    """What the model put out, of the same samples, where it is (sample, output)."""
    answers: Reservoir | None = None
    """Labels of the same samples."""
    count: int = 0
    right: int | None = None
    """Samples whose class has the largest output; None where there are no classes."""

    def update(self, recorded: Recorded, labels: Tensor | None, output: Tensor | None) -> None:
        """Take in a batch."""
        names = list(recorded.features)
        indices = torch.arange(recorded.first, recorded.first + recorded.count)
        for name in names:
            if name not in self.layers:
                self.layers[name] = self._new(recorded.features[name], labels)
        ends: list[str | None] = [None]
        around = zip([*ends, *names[:-1]], names, [*names[1:], *ends], strict=True)

        def take(place: tuple[str | None, str, str | None]) -> None:
            before, name, after = place
            layer, rows, sample = self.layers[name], recorded.features[name], recorded.sample[name]
            layer.rows += len(rows)
            layer.kept.update(*_one_a_sample(rows, sample, indices, self.plan.seed))
            if layer.separations is not None and labels is not None:
                narrow = rows if layer.sketch is None else layer.sketch(rows)
                layer.separations.update(narrow, labels[sample - recorded.first])
            if before is not None and _alike(recorded, before, name):
                layer.step = layer.step or Grouped(StepSums)
                layer.step.update(groups_of(sample), recorded.features[before], rows)
            if self.plan.energies:
                if after is not None and not _alike(recorded, name, after):
                    after = None
                self._update_moments(
                    name, rows, None if after is None else recorded.features[after]
                )

        # Layers of one width are factorized in the same batches: on all cores then.
        side_by_side(take, around)
        self._update_answers(indices, labels, output)
        self.count += recorded.count

    def _new(self, rows: Tensor, labels: Tensor | None) -> LayerSums:
        width = rows.shape[1]
        kept = max(1, min(self.plan.kept, ENTRIES // width))
        sketch = Sketch(width, WIDE) if width > WIDE else None
        separations = None
        if self.plan.separation and labels is not None:
            outputs = 1 if self.labels == "classes" else labels.shape[1]
            separations = Separations(min(width, WIDE), self.labels, outputs)
        return LayerSums(width, Reservoir(kept, seed=self.plan.seed), None, separations, sketch)

    def _update_moments(self, name: str, A: Tensor, after: Tensor | None) -> None:
        layer, node = self.layers[name], self.mesh.nodes[name]
        if layer.moments is None:
            layer.moments = Moments(
                layer.width,
                velocity=after is not None,
                activation=node.activation,
                bias=node.bias,
                sketch=WIDE,
            )
        layer.moments.update(A, None if after is None else after.double() - A.double())

    def _update_answers(
        self, indices: Tensor, labels: Tensor | None, output: Tensor | None
    ) -> None:
        if labels is not None:
            self.answers = self.answers or Reservoir(self.plan.kept, seed=self.plan.seed)
            self.answers.update(indices, labels)
        if output is None or output.ndim != 2 or len(output) != len(indices):
            return
        if output.shape[1] * self.plan.kept <= ENTRIES:
            self.outputs = self.outputs or Reservoir(self.plan.kept, seed=self.plan.seed)
            self.outputs.update(indices, output)
        if self.labels == "classes" and labels is not None and output.shape[1] > 1:
            self.right = (self.right or 0) + int((output.argmax(1) == labels).sum())


def _alike(recorded: Recorded, before: str, name: str) -> bool:
    """Whether two layers have the same rows, of one width."""
    same = recorded.features[before].shape == recorded.features[name].shape
    return same and torch.equal(recorded.sample[before], recorded.sample[name])


def _one_a_sample(
    rows: Tensor, sample: Tensor, indices: Tensor, seed: int
) -> tuple[Tensor, Tensor]:
    """Every sample's index and one row of it, picked by a hash of the index."""
    if len(rows) == len(indices):
        return indices, rows
    counts = torch.bincount(sample - indices[0], minlength=len(indices))
    starts = counts.cumsum(0) - counts
    turns = torch.from_numpy((hashes(indices, seed + 1) >> 33).astype("int64")) % counts
    return indices, rows[(starts + turns).to(rows.device)]


def common_rows(layers: Sequence[LayerSums]) -> list[Tensor]:
    """The kept rows of several layers, of the samples that all of them kept."""
    fewest = min(layer.kept.count for layer in layers)
    # Reservoirs of one seed hold their samples in one order, the smaller the first of the larger.
    return [layer.kept.rows()[:fewest] for layer in layers]
