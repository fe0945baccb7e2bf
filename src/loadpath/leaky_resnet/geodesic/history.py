"""The record of a descent, as a Dataset."""

from __future__ import annotations

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.leaky_resnet.geodesic.descent import Descent
from loadpath.results import Status

COLUMNS = {
    "iteration": "iterations done",
    "stage": "method",
    "objective": "objective",
    "rounded_objective": "objective with rounded kinks",
    "data_term": "data term",
    "residual": "median over layers of the residual with rounded kinks",
    "residual_worst": "worst layer's residual with rounded kinks",
    "width": "half-width of the rounding over the layer's rms",
    "samples": "samples taken",
    "depth": "layers of the mesh",
    "seconds": "time spent solving",
}
"""Variables of the record, and their long names."""


def history(descent: Descent, status: Status) -> xr.Dataset:
    """Return what every look saw, over `look` with coordinates `iteration` and `stage`."""
    columns = {
        name: ("look", np.array([row[name] for row in descent.rows]), {"long_name": said})
        for name, said in COLUMNS.items()
    }
    coords = {name: columns.pop(name) for name in ("iteration", "stage")}
    ds = xr.Dataset(columns, coords=coords)
    ds["seconds"].attrs["units"] = "s"
    return results.stamp(
        ds,
        status=status,
        weight_decay=descent.weight_decay,
        loss=descent.loss,
        seed=descent.seed,
        **descent.model.settings(),
    )
