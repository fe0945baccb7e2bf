"""What the one pass keeps of a layer: sums over all samples, and some of the samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from loadpath.diagnosis.class_scores import ClassScores
from loadpath.diagnosis.labels import IGNORED, LabelKind
from loadpath.diagnosis.profile.entries import BEYOND
from loadpath.diagnosis.profile.mesh import Mesh
from loadpath.diagnosis.profile.sums.label_moments import LabelMoments
from loadpath.measures import StepSums
from loadpath.record import WIDE, Moments, Recorded, Sketch
from loadpath.statistics import Grouped, Reservoir, groups_of, hashes
from loadpath.threads import side_by_side

ENTRIES = 2**24
"""How many numbers are kept of a layer's samples at most: a wide layer keeps fewer samples."""


@dataclass(frozen=True)
class Plan:
    """What the pass is to keep."""

    kept: int
    """How many samples of every layer are kept."""
    seed: int
    """Seed of which samples these are."""
    energies: bool
    """Whether moments for the energies are summed."""
    separation: bool
    """Whether moments of classes or targets are summed."""
    class_scores: bool | None = None
    """Whether the model's outputs are scores of classes, as the user says."""


@dataclass
class LayerSums:
    """What the pass keeps of one layer."""

    name: str
    """Its name."""
    width: int
    """Width of its rows."""
    epsilon: float
    """Relative rounding of the type of its rows."""
    kept: Reservoir
    """One row of each kept sample; the samples are the same in all layers."""
    moments: Moments | None
    """Moments of [S, A, dA], with dA the step to the next layer where shapes agree."""
    labelled: LabelMoments | None
    """Moments of its classes or targets."""
    sketch: Sketch | None
    """The projection that narrows wide features before their moments of classes are summed."""
    step: Grouped[StepSums] | None = None
    """Sums of the step from the layer before to this one, where shapes agree."""
    beyond: bool = False
    """Whether some of its numbers are so large that their fourth powers overflow."""
    rows: int = 0
    """How many rows were seen: more than samples where a sample has several."""


@dataclass
class PassSums:
    """What the pass keeps of all layers, of the model's outputs and of the labels."""

    plan: Plan
    """What is to be kept."""
    labels: LabelKind
    """What the labels are."""
    mesh: Mesh
    """Where the layers stand on the path."""
    layers: dict[str, LayerSums] = field(default_factory=dict)
    """The layers by name, in the order of running."""
    outputs: Reservoir | None = None
    """What the model put out for the kept samples, where that is (sample, output)."""
    answers: Reservoir | None = None
    """Labels of the kept samples."""
    count: int = 0
    """How many samples were seen."""
    labelled: int = 0
    """How many of them have a label."""
    scores: ClassScores | None = None
    """Which outputs were the largest, by class; None where there are no classes or no outputs."""

    def update(self, recorded: Recorded, labels: Tensor | None, output: Tensor | None) -> None:
        """Add a batch: what its layers put out, its labels in one form, and the model's output."""
        names = list(recorded.features)
        for name in self.layers.keys() - recorded.features.keys():
            del self.layers[name]  # an input that the model handles itself
            self.layers[names[0]].step = None
        indices = torch.arange(recorded.first, recorded.first + recorded.count)
        for name in names:
            if name not in self.layers:
                self.layers[name] = self._new_layer(name, recorded.features[name], labels)
        ends: list[str | None] = [None]
        around = zip([*ends, *names[:-1]], names, [*names[1:], *ends], strict=True)

        def update_layer(place: tuple[str | None, str, str | None]) -> None:
            before, name, after = place
            layer, rows, sample = self.layers[name], recorded.features[name], recorded.sample[name]
            layer.rows += len(rows)
            layer.kept.update(*_one_a_sample(rows, sample, indices, self.plan.seed))
            if layer.beyond:
                return
            if layer.labelled is not None and labels is not None:
                narrow = rows if layer.sketch is None else layer.sketch(rows)
                # A sketch is float64, and as coarse as what it is made of.
                layer.labelled.update(narrow, labels[sample - recorded.first], layer.epsilon)
            if (
                before is not None
                and _alike(recorded, before, name)
                and not self.layers[before].beyond
            ):
                layer.step = layer.step or Grouped(StepSums)
                layer.step.update(groups_of(sample), recorded.features[before], rows)
            if self.plan.energies:
                if after is not None and not _alike(recorded, name, after):
                    after = None
                self._update_moments(
                    name, rows, None if after is None else recorded.features[after]
                )

        for name, layer in self.layers.items():
            layer.beyond |= _is_beyond(recorded.features[name])
        # Layers of one width reach their factorization in the same batch, so all cores have work.
        side_by_side(update_layer, around)
        self._update_answers(indices, labels, output)
        self.count += recorded.count

    def _new_layer(self, name: str, rows: Tensor, labels: Tensor | None) -> LayerSums:
        """Return the empty sums of a layer that is seen for the first time."""
        width = rows.shape[1]
        kept = max(1, min(self.plan.kept, ENTRIES // width))
        sketch = Sketch(width, WIDE) if width > WIDE else None
        labelled = None
        if self.plan.separation and labels is not None:
            outputs = 1 if self.labels == "classes" else labels.shape[1]
            labelled = LabelMoments(min(width, WIDE), self.labels, outputs)
        reservoir = Reservoir(kept, seed=self.plan.seed)
        epsilon = torch.finfo(rows.dtype).eps
        return LayerSums(name, width, epsilon, reservoir, None, labelled, sketch)

    def _update_moments(self, name: str, A: Tensor, after: Tensor | None) -> None:
        """Add the rows of a layer, and of the layer after it, to the moments for its energies."""
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
        """Add the labels and outputs of a batch."""
        if labels is not None:
            self.answers = self.answers or Reservoir(self.plan.kept, seed=self.plan.seed)
            self.answers.update(indices, labels)
            self.labelled += int((labels != IGNORED).sum()) if labels.ndim == 1 else len(labels)
        if output is None or output.ndim != 2 or len(output) != len(indices):
            return
        if output.shape[1] * self.plan.kept <= ENTRIES:
            self.outputs = self.outputs or Reservoir(self.plan.kept, seed=self.plan.seed)
            self.outputs.update(indices, output)
        if self.labels == "classes" and labels is not None and output.shape[1] > 1:
            self.scores = self.scores or ClassScores(self.plan.class_scores)
            self.scores.update(output, labels)

    def labelled_samples(self, layer: LayerSums) -> tuple[Tensor, Tensor, Tensor]:
        """Return the kept samples of a layer that have a label.

        Parameters
        ----------
        layer : LayerSums
            One of the layers.

        Returns
        -------
        rows : Tensor
            (sample, width).
        labels : Tensor
            Their labels.
        indices : Tensor
            (sample,) where they stand in the data.
        """
        assert self.answers is not None
        rows, indices = layer.kept.rows(), layer.kept.indices()
        labels = self.answers.rows()[: len(rows)]
        if labels.ndim > 1:
            return rows, labels, indices
        counted = labels != IGNORED
        return rows[counted], labels[counted], indices[counted]


def _is_beyond(rows: Tensor) -> bool:
    """Whether rows have numbers that are too large to be squared twice."""
    return rows.dtype == torch.float64 and float(rows.abs().max()) > BEYOND


def _alike(recorded: Recorded, before: str, name: str) -> bool:
    """Whether two layers have the same rows, of one width."""
    same = recorded.features[before].shape == recorded.features[name].shape
    return same and torch.equal(recorded.sample[before], recorded.sample[name])


def _one_a_sample(
    rows: Tensor, sample: Tensor, indices: Tensor, seed: int
) -> tuple[Tensor, Tensor]:
    """Return every sample's index and one row of the sample, picked by a hash of the index."""
    if len(rows) == len(indices):
        return indices, rows
    counts = torch.bincount(sample - indices[0], minlength=len(indices))
    starts = counts.cumsum(0) - counts
    turns = torch.from_numpy((hashes(indices, seed + 1) >> 33).astype("int64")) % counts
    return indices, rows[(starts + turns).to(rows.device)]


def common_rows(layers: Sequence[LayerSums]) -> list[Tensor]:
    """Return the kept rows of several layers, of the samples that all of these layers kept."""
    fewest = min(layer.kept.count for layer in layers)
    # Reservoirs of one seed hold samples in one order: a smaller one has the first of a larger one.
    return [layer.kept.rows()[:fewest] for layer in layers]
