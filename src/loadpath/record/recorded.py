"""What a recording is made of: the description of its layers, and the rows of every batch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from loadpath.record.structures import OutputPath
from loadpath.results import Shown


@dataclass(frozen=True)
class Description:
    """What the layers of a recording are; the same for all its batches."""

    layers: dict[str, str]
    """What is recorded of every layer, in words, by its name; in the order in which they ran."""
    selection: str
    """How the layers were chosen."""
    not_called: tuple[str, ...]
    """Modules that were chosen and did not run."""
    left_out: dict[str, str] = field(default_factory=dict)
    """What would be a layer and cannot be recorded, by name, each with why not."""

    def attrs(self) -> dict[str, str]:
        """Return what a result says of its layers; `layers` is JSON."""
        return {
            "layers": json.dumps(self.layers),
            "layers_selection": self.selection,
            "layers_not_called": ", ".join(self.not_called),
            "layers_left_out": "; ".join(f"{n}: {why}" for n, why in self.left_out.items()),
        }


@dataclass(frozen=True, repr=False)
class Recorded(Shown):
    """What every layer put out on one batch."""

    number: int
    """The batch's number in the loader, from 0."""
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
    """Number of samples in the batch."""
    description: Description
    """What the layers are."""
    last: OutputPath | None = None
    """On the first batch, where the model returns several tensors: the path in `output` to what
    its last layer put out; None if that is not known."""

    def labels_of(self, layer: str) -> Tensor | None:
        """Return the labels of the rows of a layer.

        Parameters
        ----------
        layer : str
            Name of the layer.

        Returns
        -------
        Tensor or None
            (row, ...); None if the batch has no labels.
        """
        return None if self.labels is None else self.labels[self.sample[layer] - self.first]

    def steps(self) -> Iterator[tuple[str, Tensor, Tensor | None]]:
        """Yield every layer but the last, with the step from it to the next layer.

        Yields
        ------
        layer : str
            Name of the layer.
        A : Tensor
            Its rows, (row, width).
        dA : Tensor or None
            A_next - A in float64; None where the two differ in width or in rows.
        """
        for layer, after in pairwise(self.features):
            A, B = self.features[layer], self.features[after]
            alike = A.shape == B.shape and torch.equal(self.sample[layer], self.sample[after])
            yield layer, A, B.double() - A.double() if alike else None
