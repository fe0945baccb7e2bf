"""The verdict on a model: which layers move least, which can go, and whether those are the same."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath.checks import check_count
from loadpath.diagnosis.skipping.ranking import Verdict
from loadpath.diagnosis.skipping.verdict_words import in_words, listed, sentences_of
from loadpath.statistics import FEWEST, Column, rank_agreement, spearman


def verdict(
    profile: xr.Dataset,
    skipped: xr.Dataset,
    *,
    by: str = "relative_step",
    least: int | None = None,
    seed: int = 0,
) -> Verdict:
    """Rank layers by how little they move the representation, and hold that against the truth.

    Parameters
    ----------
    profile: over `layer`, with the measure, NaN where it is not defined, and its ends `_low` and
        `_high`; `loadpath.diagnose` makes one.
    skipped: of the same layers, as `skip_layers` returns it.
    by: the measure, a variable of `profile` or else of `skipped`: relative_step or turn, which take
        the step from the layer recorded before, so that the first of all has none; own_step, from
        the layer's own input.
    least: how many of the least moving layers are looked up among as many least harmful ones; a
        quarter of the layers if None.
    seed: of the draws behind interval and p-value of the correlation.

    Raises: ValueError if a variable is missing, the two have no layer in common, or no layer was
    skipped; as `rank_agreement`.
    """
    check_count("seed", seed, 0)
    layers, measured = _layers("skipped", skipped), _layers("profile", profile)
    if not set(layers) & set(measured):
        raise ValueError(
            "profile and skipped must have layers in common, and they have "
            f"{listed(measured)} and {listed(layers)}."
        )
    if by not in profile and by not in skipped:
        raise ValueError(f"by must be a variable of profile or skipped, got {by!r}.")
    level = float(skipped.attrs.get("level", 0.95))
    truth = "loss_change" if "loss_change" in skipped else "output_change"
    harm = _column("skipped", skipped, truth, level)
    source, name = (profile, "profile") if by in profile else (skipped, "skipped")
    movement = _column(name, source, by, float(source.attrs.get("level", level)))
    was_skipped = np.isfinite(harm.value)
    if not was_skipped.any():
        raise ValueError(f"skipped must have a layer with a {truth}, and has none.")
    if "status" not in skipped:
        raise ValueError("skipped has no variable 'status'.")

    places = {layer: l for l, layer in enumerate(_layers(name, source))}
    movement = _at(movement, [places.get(layer) for layer in layers])
    both = was_skipped & np.isfinite(movement.value)
    order = np.flatnonzero(both)[np.argsort(movement.value[both], kind="stable")]
    status = skipped["status"].values
    left_out = {
        layer: f"no {in_words(by)}" if was_skipped[l] else str(status[l])
        for l, layer in enumerate(layers)
        if not both[l]
    }
    agreement = None
    if len(order):
        agreement = rank_agreement(
            movement[order], harm[order], least=least, level=level, seed=seed
        )
    by_place = math.nan
    if both.sum() >= FEWEST:
        by_place = float(spearman(np.flatnonzero(both).astype(np.float64), harm.value[both]))
    by_change = [l for l in np.argsort(harm.value, kind="stable") if was_skipped[l]]

    def where(condition: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(layers[l] for l in by_change if condition[l])

    found = Verdict(
        measure=by,
        truth=truth,
        ranking=tuple(layers[l] for l in order),
        movement=movement[order],
        harm=harm[order],
        indistinct=where((harm.low <= 0) & (harm.high >= 0)),
        harmful=where(harm.low > 0),
        helpful=where(harm.high < 0),
        unsure=where(np.isnan(harm.low)),
        left_out=left_out,
        agreement=agreement,
        by_place=by_place,
        sentences=(),
    )
    return replace(found, sentences=sentences_of(found, skipped))


def _layers(name: str, ds: xr.Dataset) -> list[str]:
    if "layer" not in ds.coords:
        raise ValueError(f"{name} must have a coordinate 'layer', and has none.")
    return [str(layer) for layer in ds["layer"].values]


def _column(name: str, ds: xr.Dataset, variable: str, level: float) -> Column:
    ends = []
    for each in (variable, f"{variable}_low", f"{variable}_high"):
        if each not in ds or ds[each].dims != ("layer",):
            raise ValueError(f"{name} must have a variable {each!r} over layer, and has none.")
        ends.append(ds[each].values.astype(np.float64))
    value, low, high = ends
    return Column(value, low, high, level)


def _at(column: Column, places: list[int | None]) -> Column:
    """The column in another order; NaN for what it does not have."""
    values, lows, highs = (
        np.array([math.nan if place is None else end[place] for place in places])
        for end in (column.value, column.low, column.high)
    )
    return Column(values, lows, highs, column.level)
