"""The practitioner's question first: which layers to try without, and what that costs at most."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath.diagnosis.judging.verdicts import Verdict
from loadpath.diagnosis.judging.wording import (
    amount,
    as_number,
    as_points,
    level_of,
    loss_units,
    points_of_accuracy,
)
from loadpath.diagnosis.naming import LayerNames

Array = NDArray[np.float64]


def candidates_of(skipped: xr.Dataset, tolerated: float | None = None) -> tuple[str, ...]:
    """Return the layers to try without, the one with the smallest bound on its harm first.

    Parameters
    ----------
    skipped : xarray.Dataset
        What skipping layers did, as `skip_layers` returns it.
    tolerated : float, optional
        The most that a candidate may add to the loss, at the upper end of its interval. If left
        out, candidates are the layers of which no harm is shown.

    Returns
    -------
    tuple of str
        Layers whose interval of the loss has 0 in it or lies below (or ends at `tolerated` at
        most), and whose accuracy is not shown to fall. None where there is no loss.
    """
    if "loss_change" not in skipped:
        return ()
    low, high = (skipped[f"loss_change_{end}"].values.astype(float) for end in ("low", "high"))
    fit = high <= tolerated if tolerated is not None else low <= 0
    if tolerated is None and "accuracy_change_high" in skipped:
        fit &= ~(skipped["accuracy_change_high"].values < 0)
    fit &= np.isfinite(high)
    layers = [str(name) for name in skipped["layer"].values]
    return tuple(layers[l] for l in np.argsort(high, kind="stable") if fit[l])


def candidate_sentences(
    verdict: Verdict, profile: xr.Dataset, skipped: xr.Dataset, names: LayerNames
) -> Iterator[str]:
    """Say what to try without, what each costs at most, and what the layers take to run.

    Parameters
    ----------
    verdict : Verdict
        The verdict, with its candidates.
    profile : xarray.Dataset
        What `diagnose` measured, which may say what the layers cost to run.
    skipped : xarray.Dataset
        What skipping layers did.
    names : LayerNames
        What sentences call the layers.

    Yields
    ------
    str
        One or two sentences.
    """
    if verdict.truth != "loss_change":
        yield _without_loss(verdict, skipped, names)
        return
    found = verdict.candidates
    if not found:
        yield _no_candidate(verdict, skipped, names)
        return
    at_most = max(0.0, float(np.max(_end(skipped, "loss_change_high", found))))
    units = loss_units(skipped)
    cost = f"{as_number(at_most)} {units}" if units else f"{as_number(at_most)} of loss"
    if "accuracy_change" in skipped:
        fall = -float(np.min(_end(skipped, "accuracy_change_low", found)))
        if math.isfinite(fall):
            cost += f" and {points_of_accuracy(max(0.0, fall))}"
    level = f"{level_of(skipped):.0%}"
    if len(found) == 1:
        yield (
            f"Try without {names.one(found[0])}: that costs at most {cost} (by the ends of {level} "
            "intervals)."
        )
    else:
        yield (
            f"Try without {names.several(found)}: each alone costs at most {cost} (by the ends of "
            f"{level} intervals); what they cost together is not measured here."
        )
    yield from _share_sentences(profile, found)


def _share_sentences(profile: xr.Dataset, layers: Sequence[str]) -> Iterator[str]:
    """Say which shares of the model's parameters and operations the candidates have."""
    known = [str(name) for name in profile["layer"].values] if "layer" in profile.coords else []
    parts = []
    for name, words in (
        ("parameters", "parameters"),
        ("operations", "multiply-adds"),
    ):
        if not (
            _is_numbers(profile, name, ("layer",)) and _is_numbers(profile, f"model_{name}", ())
        ):
            continue
        whole = float(profile[f"model_{name}"])
        if set(layers) <= set(known) and whole > 0:
            share = float(profile[name].sel(layer=list(layers)).sum(skipna=False)) / whole
            if math.isfinite(share):
                parts.append(f"{min(share, 1.0):.0%} of its {words}")
    if parts:
        start = "That layer has" if len(layers) == 1 else "In all they have"
        shown = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
        yield f"{start}, of the whole model, {shown}."


def _is_numbers(ds: xr.Dataset, name: str, dims: tuple[str, ...]) -> bool:
    """Return whether a variable is there, of numbers over these dimensions."""
    return name in ds and ds[name].dims == dims and ds[name].dtype.kind in "iuf"


def _no_candidate(verdict: Verdict, skipped: xr.Dataset, names: LayerNames) -> str:
    """Say that every layer does harm, and which does the least."""
    change = skipped["loss_change"].values
    if not np.isfinite(skipped["loss_change_high"].values).any():
        return "No layer is named to try without, because no change of the loss has an interval."
    layer = str(skipped["layer"].values[int(np.nanargmin(change))])
    value, low, high = (float(_end(skipped, f"loss_change{end}", [layer])[0]) for end in _ENDS)
    words = amount(value, low, high, loss_units(skipped) or "of loss")
    if "accuracy_change" in skipped:
        fall = [-float(_end(skipped, f"accuracy_change{end}", [layer])[0]) for end in _ENDS]
        if math.isfinite(fall[0]):
            words += f" and {points_of_accuracy(fall[0])}"
            words += f" ({as_points(fall[2])} to {as_points(fall[1])})"
    return (
        f"No layer is seen to be free to go: {names.one(layer)}, the least harmful, costs {words}."
    )


_ENDS = ("", "_low", "_high")


def _without_loss(verdict: Verdict, skipped: xr.Dataset, names: LayerNames) -> str:
    """Say that nothing tells which layers can go, and which changes the output least."""
    why = str(skipped.attrs.get("loss_kind", "")).removeprefix("none").removeprefix(": ")
    reason = f" ({why})" if why else ""
    change = skipped["output_change"].values
    layer = str(skipped["layer"].values[int(np.nanargmin(change))])
    value, low, high = (float(_end(skipped, f"output_change{end}", [layer])[0]) for end in _ENDS)
    return (
        f"Which layers can go is not told, because there is no loss{reason}: the output moves "
        f"least without {names.one(layer)}, by {amount(value, low, high)} times as much as outputs "
        "differ from one another."
    )


def _end(skipped: xr.Dataset, name: str, layers: Sequence[str]) -> Array:
    """Return a variable of some layers."""
    values: Array = skipped[name].sel(layer=list(layers)).values.astype(float)
    return values
