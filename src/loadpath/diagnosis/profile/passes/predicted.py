"""What each layer's absence is predicted to cost, where a diagnosis is asked to rank by that."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from torch import nn

from loadpath.checks import check_choice
from loadpath.diagnosis.skipping import LossFunction
from loadpath.diagnosis.surgery import check_readable_twice, predict_harm
from loadpath.record import Loader

Rank = Literal["movement", "prediction"]
"""What layers are ranked by: how far they move the representation, which the pass of a diagnosis
has, or the harm that gradients predict, which takes passes of its own."""
RANKED_BY = "ranked_by"
"""The attr that says what layers are ranked by, and why, if they are not ranked as asked."""


def check_rank(rank: str, loader: Loader, loss: LossFunction | None) -> None:
    """Refuse, before anything runs, what no ranking can be made of."""
    check_choice("rank", rank, get_args(Rank))
    if rank == "prediction":
        check_readable_twice(loader)
    elif loss is not None:
        raise ValueError("loss is given, and rank is 'movement', which needs none.")


def with_prediction(
    ds: xr.Dataset, rank: Rank, model: nn.Module, loader: Loader, **options: Any
) -> xr.Dataset:
    """Return a diagnosis with the predicted harm of its layers, if that is asked for.

    Where there is no loss, or the model allows no gradients, the attr says so, and layers stay
    ranked by movement.
    """
    if rank == "movement":
        return ds.assign_attrs({RANKED_BY: "movement"})
    try:
        found = predict_harm(model, loader, **options)
    except ValueError as error:
        return ds.assign_attrs({RANKED_BY: f"movement, as no harm can be predicted: {error}"})
    if not found.attrs["by_loss"]:
        why = str(found.attrs["harm_kind"]).rpartition("there is no loss: ")[2]
        return ds.assign_attrs({RANKED_BY: f"movement, as there is no loss to predict: {why}"})
    names = [str(name) for name in ds["layer"].values]
    known = {str(name): place for place, name in enumerate(found["layer"].values)}
    places = [known.get(name) for name in names]
    new: dict[str, xr.DataArray] = {}
    for end in ("", "_low", "_high"):
        values = found[f"predicted_harm{end}"].values
        column = np.array([np.nan if place is None else values[place] for place in places])
        new[f"predicted_harm{end}"] = xr.DataArray(
            column, dims="layer", attrs=found[f"predicted_harm{end}"].attrs
        )
    status = found["predicted_harm_status"].values
    words = ["no layer that can be left out" if p is None else str(status[p]) for p in places]
    new["predicted_harm_status"] = xr.DataArray(np.array(words, dtype=object), dims="layer")
    kind, passes = found.attrs["harm_kind"], found.attrs["passes"]
    how = f"prediction: {kind}, predicted from {passes} ({found.attrs['n_samples']:,} samples)"
    return ds.assign(new).assign_attrs({RANKED_BY: how})
