"""The verdict on a model: how layers rank, which can go, and whether these are the same."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath.checks import HoldsDataset, as_dataset, check_number, check_seed, check_text
from loadpath.diagnosis.judging.candidates import candidates_of
from loadpath.diagnosis.judging.columns import column_of, layer_names
from loadpath.diagnosis.judging.ranking_sentences import learned_by_heart
from loadpath.diagnosis.judging.verdict_sentences import verdict_sentences
from loadpath.diagnosis.judging.verdicts import Verdict
from loadpath.diagnosis.judging.wording import BOTH, OWN_STEP, PREDICTED, measure_words
from loadpath.diagnosis.naming import listed
from loadpath.results import with_present_names
from loadpath.statistics import FEWEST, Column, mean_ranks, rank_agreement, spearman


def verdict(
    profile: xr.Dataset | HoldsDataset,
    skipped: xr.Dataset,
    *,
    by: str | None = None,
    least: int | None = None,
    tolerated: float | None = None,
    seed: int = 0,
) -> Verdict:
    """Rank layers by predicted harm and how little they move, and hold that against the truth.

    Parameters
    ----------
    profile : Diagnosis or xarray.Dataset
        Over `layer`, with the measure, NaN where it is not defined, and its ends `_low` and
        `_high`. `loadpath.diagnose` makes one.
    skipped : xarray.Dataset
        What skipping the same layers did, as `skip_layers` returns it.
    by : str, optional
        The measure to rank by, a variable of `profile` or else of `skipped`; or "both", which is
        the mean of the ranks by "predicted_harm" and by "own_step". "own_step" takes the step from
        the layer's own input, so that the first layer has one too. "relative_step" and "turn" take
        the step from the layer that was recorded before. If left out, "predicted_harm" where
        `profile` has it, and the model has not all samples right, as it may have those that it was
        trained on: their gradients say little of the harm to others. Else "own_step" where
        `skipped` has it, and else "relative_step". On nine nets for images "both" agreed with what
        skipping does better than either alone, and on three language models worse than
        "predicted_harm" (docs/diagnose.md).
    least : int, optional
        How many of the least moving layers are looked up among as many least harmful ones; a
        quarter of the layers if it is left out.
    tolerated : float, optional
        The most that a layer to try without may add to the loss, in the units of the loss, at the
        upper end of its interval. If left out, layers to try without are those of which no harm to
        loss or accuracy is shown.
    seed : int, default 0
        Seed of the draws behind interval and p-value of the correlation.

    Returns
    -------
    Verdict
        The ranking, the numbers behind it, and sentences.

    Raises
    ------
    ValueError
        If a variable is missing, the two Datasets have no layer in common, no layer was skipped, or
        `least` is not between 1 and the number of layers.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> model = nn.Sequential(*(nn.Linear(4, 4, bias=False) for _ in range(5)))
    >>> for layer, scale in zip(model, (1.1, 1.5, 1.2, 1.4, 1.3)):
    ...     _ = layer.weight.data.copy_(scale * torch.eye(4))
    >>> x = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    >>> profile = lp.diagnose(model, [x], layers="?", measures=["steps"])
    >>> skipped = lp.diagnosis.skip_layers(model, [x], layers="?")
    >>> found = lp.diagnosis.verdict(profile, skipped)
    >>> found.ranking
    ('0', '2', '4', '3', '1')
    >>> found.agreement.trust
    'agrees'
    """
    profile = as_dataset("profile", profile)
    check_seed("seed", seed)
    if tolerated is not None:
        check_number("tolerated", tolerated, least=0)
    if by is not None:
        check_text("by", by)
    layers, measured = layer_names("skipped", skipped), layer_names("profile", profile)
    if not set(layers) & set(measured):
        raise ValueError(
            "profile and skipped must have layers in common, and they have "
            f"{listed(measured)} and {listed(layers)}."
        )
    profile = with_present_names(profile)
    chosen_here = by is None
    by = _best_measure(profile, skipped) if by is None else by
    wanted = (PREDICTED, OWN_STEP) if by == BOTH else (by,)
    for each in wanted:
        if each not in profile and each not in skipped:
            if by == BOTH:
                raise ValueError(f"by is 'both', and profile and skipped have no {each!r}.")
            raise ValueError(f"by must be a variable of profile or skipped, got {by!r}.")
    level = _level_of("skipped", skipped, 0.95)
    truth = "loss_change" if "loss_change" in skipped else "output_change"
    harm = column_of("skipped", skipped, truth, level)
    if "accuracy_change" in skipped:
        column_of("skipped", skipped, "accuracy_change", level)
    was_skipped = np.isfinite(harm.value)
    if not was_skipped.any():
        raise ValueError(f"skipped must have a layer with a {truth}, and has none.")
    if "status" not in skipped:
        raise ValueError("skipped has no variable 'status'.")

    columns = {each: _measure_of(profile, skipped, each, layers, level) for each in wanted}
    known = {each: np.isfinite(column.value) for each, column in columns.items()}
    both = was_skipped & np.logical_and.reduce(list(known.values()))
    status, left_out = skipped["status"].values, {}
    for l in np.flatnonzero(~both):
        missing = [each for each in wanted if not known[each][l]]
        why = _reason(profile, layers[l], missing) if was_skipped[l] else str(status[l])
        left_out[layers[l]] = why
    order = np.flatnonzero(both)
    movement, agreement = columns[wanted[0]][order], None
    if len(order):
        if by == BOTH:
            movement = mean_ranks([c[order] for c in columns.values()], level=level, seed=seed)
        least_first = np.argsort(movement.value, kind="stable")
        order, movement = order[least_first], movement[least_first]
        moving = [column[order] for column in columns.values()]
        agreement = rank_agreement(moving, harm[order], least=least, level=level, seed=seed)
    by_place = math.nan
    if both.sum() >= FEWEST:
        by_place = float(spearman(np.flatnonzero(both).astype(np.float64), harm.value[both]))
    by_change = [l for l in np.argsort(harm.value, kind="stable") if was_skipped[l]]

    def layers_where(condition: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(layers[l] for l in by_change if condition[l])

    found = Verdict(
        measure=by,
        truth=truth,
        ranking=tuple(layers[l] for l in order),
        movement=movement,
        harm=harm[order],
        candidates=candidates_of(skipped, tolerated),
        indistinct=layers_where((harm.low <= 0) & (harm.high >= 0)),
        harmful=layers_where(harm.low > 0),
        helpful=layers_where(harm.high < 0),
        unsure=layers_where(np.isnan(harm.low)),
        left_out=left_out,
        agreement=agreement,
        by_place=by_place,
        answer=(),
        sentences=(),
    )
    answer, rest = verdict_sentences(found, profile, skipped, say_rank=chosen_here)
    return replace(found, answer=answer, sentences=(*answer, *rest))


def _best_measure(profile: xr.Dataset, skipped: xr.Dataset) -> str:
    """Return the measure that agrees best with harm, of those that are there."""
    own_step = OWN_STEP in skipped
    if PREDICTED in profile and np.isfinite(profile[PREDICTED].values.astype(float)).any():
        return OWN_STEP if own_step and learned_by_heart(profile) else PREDICTED
    return OWN_STEP if own_step else "relative_step"


def _measure_of(
    profile: xr.Dataset, skipped: xr.Dataset, variable: str, layers: list[str], level: float
) -> Column:
    """Return a variable of one of the two over these layers, NaN where it has none of them."""
    source, name = (profile, "profile") if variable in profile else (skipped, "skipped")
    column = column_of(name, source, variable, _level_of(name, source, level))
    places = {layer: l for l, layer in enumerate(layer_names(name, source))}
    return _reordered(column, [places.get(layer) for layer in layers])


def _reason(profile: xr.Dataset, layer: str, missing: list[str]) -> str:
    """Return why a layer that was skipped is not ranked."""
    words = " and ".join(f"no {measure_words(name)}" for name in missing)
    status = f"{PREDICTED}_status"
    if PREDICTED in missing and status in profile and layer in profile["layer"].values:
        why = str(profile[status].sel(layer=layer).item())
        return f"{words}: {why.removeprefix('stays: ')}"
    return words


def _level_of(name: str, ds: xr.Dataset, default: float) -> float:
    """Return the confidence level of a Dataset's intervals, which its attrs have."""
    level = ds.attrs.get("level", default)
    check_number(f"{name}.attrs['level']", level, above=0, below=1)
    return float(level)


def _reordered(column: Column, places: list[int | None]) -> Column:
    """Return the column in another order; a place of None gets NaN."""
    values, lows, highs = (
        np.array([math.nan if place is None else end[place] for place in places])
        for end in (column.value, column.low, column.high)
    )
    return Column(values, lows, highs, column.level)
