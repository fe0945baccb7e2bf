"""Everything random in the training of one classifier, drawn from streams of its own.

A net draws the same numbers whatever is trained beside it, and whichever engine trains it: both
engines take order and data noise from here. Only their dropout differs.
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
    """Inputs, (sample, inputs) float32."""
    labels: Tensor
    """Classes, (sample,) int64."""


class Draws:
    """Order, label noise and input noise of every epoch of one net.

    Parameters
    ----------
    x : Tensor
        Inputs of the clean training set, (sample, inputs) float32.
    labels : Tensor
        Classes of the clean training set, (sample,) int64.
    n_classes : int
        Number of classes, from which labels are drawn anew.
    recipe : Recipe
        Batch size and data noise.
    seed : int
        Seed of all that is drawn; it may be that of the weights, which no stream repeats.
    raw_deviation : float, optional
        Standard deviation of the inputs before they were demeaned, in their units, which is what
        `noise_scale` "raw" asks for; that of `x` if left out.
    """

    dropout_seed: int
    """Seed for whatever draws the masks of Dropout."""
    batch_size: int
    """Number of samples of a batch."""

    def __init__(
        self,
        x: Tensor,
        labels: Tensor,
        *,
        n_classes: int,
        recipe: Recipe,
        seed: int,
        raw_deviation: float | None = None,
    ) -> None:
        """Set up the streams."""
        order, noise, dropout = np.random.SeedSequence(seed).generate_state(3, np.uint64)
        # Torch's generators use 32 bits of their seed.
        self._order = torch.Generator().manual_seed(int(order >> np.uint64(32)))
        self._noise = torch.Generator().manual_seed(int(noise >> np.uint64(32)))
        self.dropout_seed = int(dropout)
        self._x, self._labels, self._n_classes = x, labels, n_classes
        unit = raw_deviation if recipe.noise_scale == "raw" else None
        if unit is None:
            unit = float(x.double().std())
        self._q, self._deviation = recipe.data_noise, recipe.data_noise * unit
        self.batch_size = recipe.batch_size or len(x)

    @property
    def bounds(self) -> list[int]:
        """Sample numbers at which batches start and end, from 0 to the number of samples."""
        n = len(self._x)
        return [*range(0, n, self.batch_size), n]

    def epoch(self) -> Epoch:
        """Draw the next epoch.

        Returns
        -------
        Epoch
            Inputs and labels in the order of the batches. Without noise, on the full batch, they
            are always the same tensors.
        """
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
        """Draw a share of the labels of one batch anew, in place."""
        chosen = torch.randperm(len(batch), generator=self._noise)[: int(self._q * len(batch))]
        batch[chosen] = torch.randint(self._n_classes, (len(chosen),), generator=self._noise)
