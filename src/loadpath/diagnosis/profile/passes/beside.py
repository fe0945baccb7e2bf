"""What `diagnose` measures beside the recorded rows, in passes of its own over the same batches."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr
from torch import nn

from loadpath.diagnosis.profile.columns import Columns
from loadpath.diagnosis.profile.passes.costs import LayerCosts
from loadpath.record import Batch, Recording

_OF_MODEL = {
    "parameters": ("parameters of the model", "1"),
    "operations": ("multiply-adds of the model for one sample", "1"),
    "milliseconds": ("time of the model on the first batch", "ms"),
}


class Beside:
    """What is measured of each batch once it was recorded."""

    def __init__(self, *, costs: bool) -> None:
        """Measure nothing yet; `costs` says whether layers are counted and timed."""
        self.costs = LayerCosts() if costs else None

    def wants(self, number: int) -> bool:
        """Return whether the batch of that number is needed."""
        return self.costs is not None and number == 0

    def __call__(self, recording: Recording, batch: Batch) -> None:
        """Measure a batch."""
        if self.costs is not None and batch.number == 0:
            self.costs.measure(recording, batch)

    def columns(self, layers: Sequence[str]) -> Columns:
        """Return the columns over these layers."""
        return {} if self.costs is None else self.costs.columns(layers)

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
