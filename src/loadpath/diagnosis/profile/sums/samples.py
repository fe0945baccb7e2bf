"""What is done with samples beside measuring: small batches joined, copies and dead features."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from loadpath.diagnosis.profile.sums.layer_sums import LayerSums, PassSums
from loadpath.measures.separation import noise_floor
from loadpath.record import Recorded

JOINED = 256
"""Batches are joined until they have so many samples: each update of the sums costs some time of
its own, and batches of one sample would cost that for each sample."""
NUMBERS = 2**22
"""Or until they hold so many numbers, 32 MB of float64."""

Part = tuple[Recorded, Tensor | None, Tensor | None]
"""A batch with its labels in one form, and the tensor of the model's output."""


@dataclass
class Waiting:
    """Batches that wait until there are enough of them for one update of the sums."""

    parts: list[Part] = field(default_factory=list)
    """The batches, in order."""
    samples: int = 0
    """How many samples they have."""
    numbers: int = 0
    """How many numbers their layers have."""

    def add(self, recorded: Recorded, labels: Tensor | None, output: Tensor | None) -> list[Part]:
        """Add a batch, and return what is now to be summed.

        Parameters
        ----------
        recorded : Recorded
            The batch.
        labels : Tensor or None
            Its labels in one form.
        output : Tensor or None
            The tensor of the model's output.

        Returns
        -------
        list
            One joined batch, or nothing yet.
        """
        self.parts.append((recorded, labels, output))
        self.samples += recorded.count
        self.numbers += sum(rows.numel() for rows in recorded.features.values())
        return self.rest() if self.samples >= JOINED or self.numbers >= NUMBERS else []

    def rest(self) -> list[Part]:
        """Return what waits, as one joined batch, and let go of it."""
        parts, self.parts, self.samples, self.numbers = self.parts, [], 0, 0
        if len(parts) < 2:
            return parts
        first, last = parts[0][0], parts[-1][0]
        joined = replace(
            last,
            features={
                name: torch.cat([each.features[name] for each, _, _ in parts])
                for name in last.features
            },
            sample={
                name: torch.cat([each.sample[name] for each, _, _ in parts]) for name in last.sample
            },
            labels=None,
            output=None,
            first=first.first,
            count=sum(each.count for each, _, _ in parts),
        )
        labels = _joined([labels for _, labels, _ in parts])
        return [(joined, labels, _joined([output for _, _, output in parts]))]


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    """Return tensors of one width as one, None where one is missing or has another."""
    given = [part for part in parts if part is not None]
    if len(given) < len(parts) or len({part.shape[1:] for part in given}) > 1:
        return None
    return torch.cat(given)


def copies_among(sums: PassSums) -> int:
    """Return how many of the kept samples are copies of others, as the first layers have them.

    Parameters
    ----------
    sums : PassSums
        What the pass kept.

    Returns
    -------
    int
        Kept samples less distinct ones; 0 where the first layer is the same for all of them.
    """
    layer = next(iter(sums.layers.values()))
    rows = layer.kept.rows()
    distinct = len(torch.unique(rows.double(), dim=0))
    return 0 if distinct == 1 else len(rows) - distinct


def dead_shares(layer: LayerSums) -> float:
    """Return the share of a layer's features that are the same for all kept samples.

    Parameters
    ----------
    layer : LayerSums
        The layer.

    Returns
    -------
    float
        From 0 to 1, up to rounding of the layer's type; NaN with fewer than 2 samples.
    """
    rows = layer.kept.rows().double()
    if len(rows) < 2:
        return float("nan")
    largest = rows.abs().amax(0)
    spread = (rows - rows.mean(0)).abs().amax(0)
    return float((spread <= noise_floor(layer.epsilon, 1.0) * largest).double().mean())
