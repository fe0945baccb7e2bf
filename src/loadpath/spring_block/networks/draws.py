"""Everything random in the training of one classifier, from streams of its own.

A cell of a sweep draws the same numbers whatever is trained beside it, and whoever trains it: the
plain way and the compiled one take order and data noise from here. Only their dropout differs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from loadpath.spring_block.networks.recipe import Recipe


class Epoch(NamedTuple):
    """What one epoch trains on, batch after batch."""

    x: Tensor
    """(sample, inputs) float32."""
    labels: Tensor
    """(sample,) int64."""


class Draws:
    """Order, label noise and input noise of every epoch of one cell.

    `x` (sample, inputs) float32 and `labels` (sample,) are the clean training set; `seed` and
    `recipe` fix all that is drawn. `dropout_seed` is for whoever draws the masks.
    """

    def __init__(
        self, x: Tensor, labels: Tensor, *, n_classes: int, recipe: Recipe, seed: int
    ) -> None:
        """Set up the streams; `seed` may be that of the weights, which no stream repeats."""
        order, noise, dropout = np.random.SeedSequence(seed).generate_state(3, np.uint64)
        # Torch's generators use 32 bits of their seed.
        self._order = torch.Generator().manual_seed(int(order >> np.uint64(32)))
        self._noise = torch.Generator().manual_seed(int(noise >> np.uint64(32)))
        self.dropout_seed = int(dropout)
        self._x, self._labels, self._n_classes = x, labels, n_classes
        self._q, self._deviation = recipe.data_noise, recipe.data_noise * float(x.double().std())
        self.batch_size = recipe.batch_size or len(x)

    @property
    def bounds(self) -> list[int]:
        """Where batches start and end: sample numbers, from 0 to the number of samples."""
        n = len(self._x)
        return [*range(0, n, self.batch_size), n]

    def epoch(self) -> Epoch:
        """Draw the next epoch; without noise, on the full batch, it is always the same tensors."""
        x, labels = self._x, self._labels
        if self.batch_size < len(x):
            order = torch.randperm(len(x), generator=self._order)
            x, labels = x[order], labels[order]
        if self._q > 0:
            x = torch.empty_like(x).normal_(std=self._deviation, generator=self._noise).add_(x)
            labels = labels.clone()
            bounds = self.bounds
            for a, b in zip(bounds, bounds[1:], strict=False):
                self._relabel(labels[a:b])
        return Epoch(x, labels)

    def _relabel(self, batch: Tensor) -> None:
        chosen = torch.randperm(len(batch), generator=self._noise)[: int(self._q * len(batch))]
        batch[chosen] = torch.randint(self._n_classes, (len(chosen),), generator=self._noise)
