"""What `diagnose` measures beside the recorded rows, in passes of its own over the same batches."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
import xarray as xr
from torch import Tensor, nn

from loadpath.diagnosis.profile.columns import Columns
from loadpath.diagnosis.profile.options import Measure
from loadpath.diagnosis.profile.passes.costs import LayerCosts
from loadpath.diagnosis.profile.passes.heads import Head
from loadpath.diagnosis.profile.passes.next_tokens import NextTokens
from loadpath.diagnosis.profile.passes.predicted import FirstBatches
from loadpath.record import Batch, Recording, mapped

_OF_MODEL = {
    "parameters": ("parameters of the model", "1"),
    "operations": ("multiply-adds of the model for one sample", "1"),
    "milliseconds": ("time of the model on the first batch", "ms"),
}


class Beside:
    """What is measured of each batch once it was recorded."""

    def __init__(
        self,
        measures: Sequence[Measure] | None,
        *,
        head: Head | None,
        level: float,
        first: FirstBatches | None = None,
    ) -> None:
        """Measure nothing yet.

        Parameters
        ----------
        measures : sequence of str or None
            What was asked for; None for all that is possible.
        head : callable or None
            What reads logits off a representation, where the user gave it.
        level : float
            Confidence level of the intervals.
        first : FirstBatches, optional
            What keeps the first batches.
        """
        self.first = first
        self.costs = LayerCosts() if measures is None or "costs" in measures else None
        self.seconds = 0.0
        """Time that these passes have taken."""
        asked = measures is not None and "next_token" in measures
        self.next_tokens = None
        if measures is None or asked:
            self.next_tokens = NextTokens(head, asked or head is not None, level)

    def wants(self, number: int) -> bool:
        """Return whether the batch of that number is needed."""
        read = self.next_tokens is not None and not self.next_tokens.over
        kept = self.first is not None and not self.first.over
        return read or kept or (self.costs is not None and number == 0)

    def __call__(self, recording: Recording, batch: Batch) -> None:
        """Measure a batch."""
        began = time.monotonic()
        if self.first is not None:
            self.first.add(batch)  # all else here runs the model on copies
        if self.costs is not None and batch.number == 0:
            self.costs.measure(recording, batch)
        if self.next_tokens is not None:
            with torch.no_grad():
                self.next_tokens.measure(recording, mapped(batch, Tensor.clone))
        self.seconds += time.monotonic() - began

    def columns(self, layers: Sequence[str]) -> Columns:
        """Return the columns over these layers."""
        found: Columns = {}
        for each in (self.costs, self.next_tokens):
            found |= {} if each is None else each.columns(layers)
        return found

    def of_model(self, model: nn.Module) -> dict[str, xr.DataArray]:
        """Return what the whole model takes to run, by the name of a variable."""
        if self.costs is None:
            return {}
        samples = self.costs.n_samples
        return {
            f"model_{name}": xr.DataArray(
                value, attrs={"long_name": words, "units": units, "n_samples": samples}
            )
            for (name, value), (words, units) in zip(
                self.costs.of_model(model).items(), _OF_MODEL.values(), strict=True
            )
        }

    def attrs(self) -> dict[str, object]:
        """Return what a result says of next tokens: how many were read, or why none was."""
        if self.next_tokens is None:
            return {}
        return {
            "next_tokens": self.next_tokens.n_tokens,
            "next_token_vocabulary": self.next_tokens.vocabulary,
            "next_token_left_out": self.next_tokens.left_out,
        }
