"""What each layer of a language model adds to the next token, in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import xarray as xr

from loadpath.diagnosis.naming import LayerNames


def next_token_sentences(ds: xr.Dataset, names: LayerNames) -> Iterator[str]:
    """Say what the layers add to the prediction of the next token, or why that is not told.

    Parameters
    ----------
    ds : xarray.Dataset
        What `diagnose` measured.
    names : LayerNames
        What sentences call the layers.

    Yields
    ------
    str
        Sentences; none for a model that is given no tokens.
    """
    if "next_token_loss" not in ds:
        why = str(ds.attrs.get("next_token_left_out", ""))
        if why and "load" not in ds:  # with class labels the model is asked for something else
            yield f"What each layer adds to the prediction of the next token is not told: {why}."
        return
    loss, gain = ds["next_token_loss"].values, ds["next_token_gain"].values
    known = np.flatnonzero(np.isfinite(loss))
    layers = [str(name) for name in ds["layer"].values]
    if not len(known):
        yield "The next token could not be read off any layer: see next_token_loss_status."
        return
    first, last = known[0], known[-1]
    n_tokens = int(ds.attrs.get("next_tokens", 0))
    vocabulary = int(ds.attrs.get("next_token_vocabulary", 0))
    even = (
        f"; an even guess among {vocabulary:,} costs {math.log(vocabulary):.3g}"
        if vocabulary
        else ""
    )
    start = loss[first] + gain[first] if np.isfinite(gain[first]) else loss[first]
    where = "the input of " if np.isfinite(gain[first]) else ""
    change = "falls" if loss[last] < start else "rises"
    yield (
        f"Read off the layers through the head of the model, the cross-entropy of the next token "
        f"{change} from {start:.3g} nats at {where}{names.one(layers[first])} to "
        f"{loss[last]:.3g} nats after {names.one(layers[last])} ({n_tokens:,} tokens{even}). "
        "Labels were not used: the next tokens are those of the input itself."
    )
    if np.isfinite(gain).any():
        yield from _most_and_harmful(ds, names, layers)


def _most_and_harmful(ds: xr.Dataset, names: LayerNames, layers: list[str]) -> Iterator[str]:
    """Say which layer adds most, and which take the prediction further away."""
    gain, low, high = (ds[f"next_token_gain{end}"].values for end in ("", "_low", "_high"))
    best = int(np.nanargmax(gain))
    reach = f" ({low[best]:.3g} to {high[best]:.3g})" if np.isfinite(low[best]) else ""
    near = [layers[l] for l in np.argsort(-gain) if l != best and high[l] >= low[best]]
    beside = f"; {names.several(near, 'or')} may do as much" if near else ""
    if gain[best] > 0:
        yield (
            f"The most is added to it by {names.one(layers[best])}, which takes {gain[best]:.3g} "
            f"nats{reach} off{beside}."
        )
    back = [layers[l] for l in np.flatnonzero(high < 0)]
    if back:
        yield (
            f"Read in this way the prediction is worse after {names.several(back, 'or')} than "
            "before."
        )
    idle = [layers[l] for l in np.flatnonzero((low <= 0) & (high >= 0))]
    if idle:
        yield (
            "It cannot be told whether the prediction read in this way is better or worse after "
            f"{names.several(idle, 'or')}."
        )
