"""A diagnosis in sentences that say no more than its intervals allow."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr

from loadpath.checks import (
    HoldsDataset,
    as_dataset,
    as_numbers,
    check_choice,
    check_columns,
    check_dataset,
)
from loadpath.diagnosis.labels import NO_LABELS
from loadpath.diagnosis.naming import (
    LayerNames,
    left_out_sentences,
    listed,
    names_in_sentences,
)
from loadpath.diagnosis.profile.entries import FAILED, TOO_LARGE
from loadpath.diagnosis.profile.schema import BY_KIND, LABELS
from loadpath.diagnosis.profile.token_sentences import next_token_sentences
from loadpath.measures.separation import KINDS, SeparationKind
from loadpath.results import with_present_names

ROUNDS = re.compile("near rounding|rounding left out")
"""What a status says of a number that rounding matters to."""
ABSENT_BY_NATURE = ("no layer before", "no layer follows", "no step of one shape leads here")
"""Statuses that more samples would not change: of layers at an end, or between shapes."""

LARGEST_GROWTH = 700.0
"""Log growth from which the growth of a stream is no number in float64."""
MANY_DEAD = 0.5
"""Share of dead features from which a layer is named."""


def summary(
    ds: xr.Dataset | HoldsDataset, *, kind: SeparationKind = "fuzziness"
) -> tuple[str, ...]:
    r"""Say in plain sentences what `loadpath.diagnose` found.

    A layer is called first in something where its interval lies apart from all others', and else
    named with those that it cannot be told from.

    Parameters
    ----------
    ds : Diagnosis or xarray.Dataset
        What `diagnose` returned, or its `dataset`.
    kind : str, default "fuzziness"
        The convention of separation that sentences about loads go by. Where another convention
        gives the load curve another shape, they say so.

    Returns
    -------
    tuple of str
        Sentences, which say no more than the intervals allow.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    >>> for layer, scale in zip(model, (2.0, 1.25)):
    ...     _ = layer.weight.data.copy_(scale * torch.eye(4))
    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> ds = lp.diagnose(model, [x], layers="?", measures=["steps"])
    >>> print(*lp.diagnosis.summary(ds)[:3], sep="\n")
    3 layers (?) were seen on 60 samples.
    The representation is moved most by the step to layer 0 (relative step 0.5 (0.5 to 0.5)).
    The representation is moved least by the step to layer 1 (relative step 0.2 (0.2 to 0.2)).
    """
    check_choice("kind", kind, KINDS)
    ds = as_dataset("ds", ds)
    check_columns("ds", ds)
    ds = with_present_names(ds)
    _check_diagnosis(ds, kind)
    if "n_samples" not in ds.attrs:
        raise ValueError("ds must be what diagnose returns, and lacks the attr 'n_samples'.")
    return tuple(_sentences(ds, kind))


def _check_diagnosis(ds: xr.Dataset, kind: SeparationKind) -> None:
    """Refuse columns over other axes than `diagnose` gives them, or of huge numbers."""
    for name in set(LABELS) & set(map(str, ds.data_vars)):
        dims = "kind" if name == "concavity" else "kind, layer" if name in BY_KIND else "layer"
        known = dict(kind=kind) if name in BY_KIND else {}
        for each in (name, f"{name}_low", f"{name}_high"):
            check_dataset("ds", ds, f"{each}({dims})", **known)
            values = ds[each].values  # of which an interval without an end has an infinity
            as_numbers(f"ds.{each}", np.where(np.isfinite(values), values, np.nan), missing=True)
    for name in {"width", "rows", "kept", "dead"} & set(map(str, ds.data_vars)):
        check_dataset("ds", ds, f"{name}(layer)")
    if "log_growth" in ds and not abs(np.nansum(ds["log_growth"])) < LARGEST_GROWTH:
        raise ValueError(
            f"ds must have a log_growth of less than {LARGEST_GROWTH:g} in all, got "
            f"{np.nansum(ds['log_growth']):g}."
        )


def _sentences(ds: xr.Dataset, kind: SeparationKind) -> Iterator[str]:
    n, layers = int(ds.attrs["n_samples"]), ds.sizes["layer"]
    how = f" ({ds.attrs['layers_selection']})" if "layers_selection" in ds.attrs else ""
    names = names_in_sentences(ds)
    key = f" {_capital(names.key)}." if names.key else ""
    yield f"{layers} layers{how} were seen on {n:,} samples.{key}"
    if "accuracy" in ds:
        right, baseline = float(ds["accuracy"]), ds["accuracy"].attrs.get("baseline")
        beside = ""
        if baseline is not None:
            beside = f"; always naming the largest class would be right on {baseline:.1%}"
        yield f"The model names the right class of {right:.1%} of the samples{beside}."
    yield from left_out_sentences(ds)
    yield from _sample_sentences(ds)
    yield from _dead_sentences(ds, names)
    if "load" in ds:
        yield from _load_sentences(ds, names, kind)
    if "relative_step" in ds:
        yield from _step_sentences(ds, names)
    if "participation_ratio" in ds:
        yield from _dimension_sentences(ds, names)
    if "probe_logistic" in ds:
        yield from _probe_sentences(ds, names)
    yield from next_token_sentences(ds, names)
    yield from _gap_sentences(ds)


def _sample_sentences(ds: xr.Dataset) -> Iterator[str]:
    """Say what is odd about samples, labels and outputs, and what was left out for it."""
    n, labelled = int(ds.attrs["n_samples"]), int(ds.attrs.get("n_labelled", 0))
    if 0 < labelled < n:
        none = "-1" if str(ds.attrs.get("labels", "")).endswith("-1 for none") else "-100"
        yield f"{n - labelled:,} of the samples have no label ({none}), and count in no class."
    if ds.attrs.get("outputs"):
        yield (
            f"The outputs are not taken for class scores, so that no accuracy is told: "
            f"{ds.attrs['outputs']}."
        )
    for name in ("answer", "outputs_hedge"):
        if ds.attrs.get(name):
            yield f"{_capital(str(ds.attrs[name]))}."
    left_out = str(ds.attrs.get("measures_left_out", "")).split(", ")
    if left_out[0]:
        are = "is" if len(left_out) == 1 else "are"
        labels = str(ds.attrs["labels"])
        why = "the loader has no labels" if labels == NO_LABELS else labels
        yield f"{_capital(listed(left_out))} {are} left out, because {why}."
    copies = int(ds.attrs.get("n_copies", 0))
    if copies:
        copy, others = ("is a copy", "another") if copies == 1 else ("are copies", "others")
        leak = (
            ": probes are scored on copies of what they were fitted on, and look better than "
            "they are"
            if "probe_logistic" in ds
            else ""
        )
        kept = int(ds["kept"][0])
        rest = f" (the {n - kept:,} that were not kept are not compared)" if n > kept else ""
        yield f"Of the {kept:,} samples that were kept {copies:,} {copy} of {others}{rest}{leak}."


def _dead_sentences(ds: xr.Dataset, called: LayerNames) -> Iterator[str]:
    """Say which layers put out the same for every sample, and which have many such features."""
    if "dead" not in ds:
        return
    names, dead = ds["layer"].values, ds["dead"].values
    whole = [str(name) for name in names[dead == 1]]
    if whole:
        put, them = ("puts", "it") if len(whole) == 1 else ("put", "them")
        yield (
            f"{_capital(called.several(whole))} {put} out the same for every sample: nothing of "
            f"the input gets through {them}."
        )
    many = [
        f"{called.one(str(name))} ({share:.0%} of its features)"
        for name, share in zip(names, dead, strict=True)
        if MANY_DEAD <= share < 1
    ]
    if many:
        yield f"Many features are the same for every sample in {listed(many)}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _load_sentences(ds: xr.Dataset, called: LayerNames, kind: SeparationKind) -> Iterator[str]:
    """Say which steps separate the classes."""
    part = ds.sel(kind=kind)
    load = part["load"].values
    names = part["layer"].values
    known = np.isfinite(load)
    if not known.any():
        yield f"No load is known by {kind}: {_reasons(part, 'load')}."
        return
    total = float(np.nansum(load))
    most = _extreme(part, "load", largest=True)
    if total > 0:
        value = _value(part, "load", most[0])
        if len(most) == 1:
            yield (
                f"The step to {called.one(most[0])} does the most to separate the classes: it "
                f"takes {value} off the log separation ({kind}), and all layers together "
                f"{total:.3g}{_undone(float(np.nanmax(load)), total)}."
            )
        else:
            yield (
                f"The most is done to separate the classes by the step to {called.one(most[0])}: "
                f"it takes {value} off the log separation ({kind}), and all layers together "
                f"{total:.3g}{_undone(float(np.nanmax(load)), total)}. "
                f"{_capital(called.several(most[1:]))} cannot be told apart from it."
            )
    else:
        yield (
            f"From first to last the classes do not come apart: log separation "
            f"({kind}) changes by {-total:+.3g}."
        )
    low, high = part["load_low"].values, part["load_high"].values
    undone = [str(name) for name in names[high < 0]]
    if undone:
        steps, mix, are = (
            ("step", "mixes", "its load is")
            if len(undone) == 1
            else ("steps", "mix", "their loads are")
        )
        where = called.several(undone)
        yield f"The {steps} to {where} {mix} the classes again: {are} below 0."
    idle = [str(name) for name in names[(low <= 0) & (high >= 0)]]
    if idle:
        steps, separate, mix = (
            ("step", "separates", "mixes") if len(idle) == 1 else ("steps", "separate", "mix")
        )
        yield (
            f"It cannot be told whether the {steps} to {called.several(idle)} {separate} or {mix} "
            "them."
        )
    yield from _shape_sentences(ds, kind)


def _undone(largest: float, total: float) -> str:
    """Say why one load is more than all together."""
    return ", less than that one, because others mix the classes again" if largest > total else ""


def _shape_sentences(ds: xr.Dataset, kind: SeparationKind) -> Iterator[str]:
    """Say whether deep or shallow layers do more."""
    shapes = {name: _shape(ds.sel(kind=name)) for name in KINDS if name in ds["kind"].values}
    words = {
        "lazy": "is concave (lazy: the deep layers do more)",
        "active": "is convex (active: the shallow layers do more)",
        "straight": "cannot be told from a straight line (equal loads)",
    }
    shape = shapes[kind]
    if shape is None:
        return
    value = _number(ds.sel(kind=kind), "concavity")
    others = [name for name, other in shapes.items() if other not in (None, shape)]
    beside = f"; it is not so by {listed(others)}" if others else ""
    yield f"The load curve {words[shape]}, concavity {value} by {kind}{beside}."


def _shape(part: xr.Dataset) -> str | None:
    """Return the shape of the load curve by one convention, None if it has no interval."""
    low, high = float(part["concavity_low"]), float(part["concavity_high"])
    if math.isnan(low):
        return None
    return "lazy" if low > 0 else "active" if high < 0 else "straight"


def _step_sentences(ds: xr.Dataset, called: LayerNames) -> Iterator[str]:
    """Say which steps move the representation most and least, and how much the stream grows."""
    if not np.isfinite(ds["relative_step"]).any():
        yield "No two neighbouring layers have one shape, so that no step has a size."
        return
    least, most = (_extreme(ds, "relative_step", largest=largest) for largest in (False, True))
    for layers, words in ((most, "most"), (least, "least")):
        beside = ""
        if len(layers) > 1:
            beside = f"; the step to {called.several(layers[1:], 'or')} may move it {words} as well"
        yield (
            f"The representation is moved {words} by the step to {called.one(layers[0])} (relative "
            f"step {_value(ds, 'relative_step', layers[0])}){beside}."
        )
    growth = ds["log_growth"].values
    if np.isfinite(growth).sum() > 1:
        yield (
            f"Over the steps that have a size the representation grows by a factor of "
            f"{math.exp(np.nansum(growth)):.3g} in all, which is a log growth of "
            f"{np.nansum(growth):.3g}."
        )


def _dimension_sentences(ds: xr.Dataset, called: LayerNames) -> Iterator[str]:
    """Say where the representation is narrowest."""
    inner = ds.sel(layer=[name for name in ds["layer"].values if name != "input"])
    if not np.isfinite(inner["participation_ratio"]).any():
        return
    least = _extreme(inner, "participation_ratio", largest=False)
    beside = ""
    if len(least) > 1:
        beside = f"; {called.several(least[1:])} may be as narrow"
    yield (
        f"The narrowest representation is that of {called.one(least[0])}, with a participation "
        f"ratio of {_value(inner, 'participation_ratio', least[0])} in "
        f"{_width(inner, least[0])} dimensions{beside}."
    )


def _probe_sentences(ds: xr.Dataset, called: LayerNames) -> Iterator[str]:
    """Say which layer a probe reads the classes best off."""
    if not np.isfinite(ds["probe_logistic"]).any():
        return
    best = _extreme(ds, "probe_logistic", largest=True)
    early = next(str(name) for name in ds["layer"].values if name in best)
    beside = ""
    if early != best[0]:
        beside = f"; it cannot be told that it reads them worse off {called.one(early)}"
    yield (
        f"A logistic probe reads the classes best off {called.one(best[0])} (accuracy "
        f"{_value(ds, 'probe_logistic', best[0])}){beside}."
    )


def _gap_sentences(ds: xr.Dataset) -> Iterator[str]:
    """Say which measures are missing, except where more samples would not change that."""
    gaps: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    for name in LABELS:
        if f"{name}_status" not in ds:
            continue
        status = ds[f"{name}_status"].values.ravel().tolist()
        odd = [word for word in status if word in ("not enough samples", "constant features")]
        failed |= {word: name for word in status if word.startswith((FAILED, TOO_LARGE.status))}
        for word in dict.fromkeys(odd):
            count = f"{odd.count(word)} of {len(status)}"
            gaps.setdefault(word, []).append(f"{name.replace('_', ' ')} ({count})")
    if "not enough samples" in gaps:
        yield f"There are not enough samples for {listed(gaps['not enough samples'])}."
    if "constant features" in gaps:
        yield f"Features are constant, so there is no {listed(gaps['constant features'], 'or')}."
    for word, name in failed.items():
        yield f"{_capital(name.replace('_', ' '))} is not there for some layers: {word}."
    noted = [
        name.replace("_", " ")
        for name in LABELS
        if f"{name}_status" in ds
        and any(ROUNDS.search(word) for word in ds[f"{name}_status"].values.ravel().tolist())
    ]
    if noted:
        yield (
            f"Rounding of the numbers matters to {listed(noted)} in some layers (see their "
            "statuses)."
        )


def _extreme(ds: xr.Dataset, name: str, *, largest: bool) -> list[str]:
    """Return the layer with the largest (or smallest) number, then those that may be it too."""
    sign = 1 if largest else -1
    names = ds["layer"].values
    value = sign * ds[name].values
    ends = np.stack([sign * ds[f"{name}_low"].values, sign * ds[f"{name}_high"].values])
    low = np.where(np.isfinite(ends).all(0), ends.min(0), value)
    high = np.where(np.isfinite(ends).all(0), ends.max(0), value)
    best = int(np.nanargmax(value))
    near = [l for l in np.argsort(-value) if l != best and high[l] >= low[best]]
    return [str(names[best]), *(str(names[l]) for l in near if np.isfinite(value[l]))]


def _value(ds: xr.Dataset, name: str, layer: str) -> str:
    return _number(ds.sel(layer=layer), name)


def _number(part: xr.Dataset, name: str) -> str:
    """Return a number in words, with its interval if it has one."""
    value, low, high = (float(part[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{value:.3g}" if math.isnan(low) else f"{value:.3g} ({low:.3g} to {high:.3g})"


def _width(ds: xr.Dataset, layer: str) -> int:
    return int(ds["width"].sel(layer=layer))


def _reasons(ds: xr.Dataset, name: str) -> str:
    words: Sequence[str] = ds[f"{name}_status"].values.tolist()
    return listed([word for word in dict.fromkeys(words) if word not in ABSENT_BY_NATURE])
