"""What each layer's absence is predicted to cost, where a diagnosis is to rank by that."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import xarray as xr
from torch import nn

from loadpath.checks import check_choice
from loadpath.diagnosis.skipping import LossFunction
from loadpath.diagnosis.surgery import (
    Calling,
    NoLossError,
    check_readable_twice,
    predict_loss_change,
)
from loadpath.record import Batch, Loader

Rank = Literal["movement", "prediction"]
"""What layers are ranked by: how far they move the representation, which the pass of a diagnosis
has, or the harm that gradients predict, which takes passes of its own over the loader. None is for
a prediction on the first batches of the one pass."""
RANKED_BY = "ranked_by"
"""The attr that says what layers are ranked by, and why, if they are not ranked as asked."""
ENOUGH = 256
"""Samples that harm is predicted on by default.

On the twelve nets of `benchmarks/ranking.py` the prediction correlates with the harm by 0.84 with
so many, and by 0.87 with all of some 500.
"""
LARGEST_BATCH = 4 * ENOUGH
"""Samples of a first batch above which nothing is predicted by default: gradients hold all that is
computed of a batch, where the pass of a diagnosis holds one layer's."""
LARGEST_MODEL = 300_000_000
"""Parameters above which nothing is predicted by default, likewise."""


@dataclass
class FirstBatches:
    """The first batches of a pass, kept for a prediction: up to 256 samples, and one batch."""

    batches: list[Batch] = field(default_factory=list)
    """The batches, in memory of their own."""
    samples: int = 0
    """How many samples they have."""
    over: bool = False
    """Whether no more are kept."""
    too_many: int = 0
    """How many samples the first batch has, if these are too many; none is kept then."""

    def add(self, batch: Batch) -> None:
        """Keep a batch, unless there are too many samples with it."""
        if batch.count > LARGEST_BATCH and not self.batches:
            self.too_many = batch.count
        if self.over or self.too_many or (self.batches and self.samples + batch.count > ENOUGH):
            self.over = True
            return
        self.batches.append(batch)
        self.samples += batch.count
        self.over = self.samples >= ENOUGH


def check_rank(rank: str | None, loader: Loader, loss: LossFunction | None) -> None:
    """Refuse, before anything runs, what no ranking can be made of."""
    if rank is not None:
        check_choice("rank", rank, get_args(Rank))
    if rank == "prediction":
        check_readable_twice(loader)
    if loss is None:
        return
    if rank == "movement":
        raise ValueError("loss is given, and rank is 'movement', which needs none.")
    Calling(loss=loss)  # which refuses what is no function


def with_prediction(
    ds: xr.Dataset,
    rank: Rank | None,
    model: nn.Module,
    loader: Loader,
    calling: Calling,
    *,
    first: FirstBatches | None = None,
    no_scores: str,
    level: float,
    seed: int,
    progress: bool | None,
) -> xr.Dataset:
    """Return a diagnosis with the predicted harm of its layers, if that is wanted.

    Where there is no loss, or the model allows no gradients, the attr says so, and layers stay
    ranked by movement.

    Parameters
    ----------
    ds : xarray.Dataset
        The diagnosis.
    rank : {"movement", "prediction"} or None
        What layers are to be ranked by; None for a prediction on `first`.
    model : nn.Module
        The model, without wrappers.
    loader : iterable or Data
        The loader, which is gone through once more for "prediction".
    calling : Calling
        How the model is called.
    first : FirstBatches, optional
        What was kept of the pass, where `rank` is None.
    no_scores : str
        Why the model's answers are no scores of classes; empty if they may be.
    level, seed, progress
        As for `predict_harm`.

    Returns
    -------
    xarray.Dataset
        With `predicted_harm`, its ends and its status, where there is such.
    """
    if rank == "movement":
        return ds.assign_attrs({RANKED_BY: "movement"})
    if first is not None and (why := _too_large(model, first)):
        return ds.assign_attrs({RANKED_BY: f"movement, as {why}"})
    if first is not None:  # whole batches, as they were prepared for the pass
        loader, calling = first.batches, replace(calling, max_batches=None, split=None)
    try:
        found = predict_loss_change(
            model,
            loader,
            calling,
            no_scores=no_scores,
            level=level,
            seed=seed,
            progress=progress,
        )
    except NoLossError as error:
        return ds.assign_attrs({RANKED_BY: f"movement, as there is no loss to predict: {error}"})
    except ValueError as error:
        return ds.assign_attrs({RANKED_BY: f"movement, as no harm can be predicted: {error}"})
    except Exception as error:  # of whatever kind: what nobody asked for must not end a diagnosis
        if rank == "prediction":
            raise
        words = str(error).strip().split("\n")[0].rstrip(".")
        why = f"{type(error).__name__}: {words}" if words else type(error).__name__
        return ds.assign_attrs({RANKED_BY: f"movement, as no harm can be predicted: {why}"})
    n, kind, passes = found.attrs["n_samples"], found.attrs["harm_kind"], found.attrs["passes"]
    which = "" if first is None or not first.over else "the first "
    how = f"prediction: {kind}, predicted from {passes} ({which}{n:,} samples)"
    return ds.assign(_columns(ds, found)).assign_attrs({RANKED_BY: how})


def _too_large(model: nn.Module, first: FirstBatches) -> str:
    """Return why harm is not predicted unless that is asked for; empty if it is."""
    asked = "rank='prediction' predicts harm all the same"
    if first.too_many:
        return (
            f"gradients of the {first.too_many:,} samples of the first batch may take much memory: "
            f"{asked}"
        )
    size = sum(weights.numel() for weights in model.parameters())
    if size > LARGEST_MODEL:
        return f"gradients of {size:,} parameters may take much memory: {asked}"
    return ""


def _columns(ds: xr.Dataset, found: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return the predictions over the layers of a diagnosis."""
    known = {str(name): place for place, name in enumerate(found["layer"].values)}
    places = [known.get(str(name)) for name in ds["layer"].values]
    new: dict[str, xr.DataArray] = {}
    for end in ("", "_low", "_high"):
        values = found[f"predicted_harm{end}"].values
        column = np.array([np.nan if place is None else values[place] for place in places])
        new[f"predicted_harm{end}"] = xr.DataArray(
            column, dims="layer", attrs=found[f"predicted_harm{end}"].attrs
        )
    status = found["predicted_harm_status"].values
    words = ["no layer that can be left out" if p is None else str(status[p]) for p in places]
    about = {"long_name": f"{found['predicted_harm'].attrs['long_name']}: how it is known"}
    new["predicted_harm_status"] = xr.DataArray(
        np.array(words, dtype=object), dims="layer", attrs=about
    )
    return new
