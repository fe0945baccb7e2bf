"""What a descent saw on its way, as a Dataset."""

from __future__ import annotations

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.leaky_resnet.geodesic.descent import Descent
from loadpath.leaky_resnet.model import LeakyResNet

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


def history(descent: Descent, model: LeakyResNet, status: str) -> xr.Dataset:
    """What every look saw, over `look` with coordinates `iteration` and `stage`."""
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
        **model.settings(),
    )
