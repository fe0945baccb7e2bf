"""Columns that need labels: separation and load curve, and neural collapse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from loadpath.diagnosis.profile import numbers
from loadpath.diagnosis.profile.columns import (
    WIDEST_WITH_INTERVAL,
    Columns,
    entry_with_interval,
    every_layer,
)
from loadpath.diagnosis.profile.entries import (
    FAILURES,
    FEW,
    LEFT_OUT,
    NEAR_ROUNDING,
    TOO_LARGE,
    ColumnEntry,
    entry_without_interval,
    failed_entry,
    missing_entry,
    noted_entry,
)
from loadpath.diagnosis.profile.intervals import GroupedNumbers, leave_one_out, narrowed_entry
from loadpath.diagnosis.profile.numbers import COLLAPSE, log_separation_name
from loadpath.diagnosis.profile.options import Options
from loadpath.diagnosis.profile.sums import LayerSums, PassSums
from loadpath.measures import SAMPLES_PER_RANK
from loadpath.measures.separation import (
    KINDS,
    SEEN,
    Array,
    ClassMoments,
    Scatter,
    SeparationKind,
    TargetMoments,
    concavity,
    nc3,
    nc4,
)
from loadpath.statistics import groups_of, wilson
from loadpath.threads import side_by_side

NOISE_SHARE = 0.25
"""Share of the scatter between classes that chance may make: beyond it there is no separation."""
HEAD_ERROR = 1e-3
"""Largest error, relative to the size of the outputs, at which a classifier is taken to make them
from a layer: float32 and an average in another order stay far below."""
IF_SCORES = "only if outputs are class scores"
"""Note on NC3 and NC4 where outputs are not taken for class scores."""
OTHER_RANK = missing_entry("fewer directions between classes before")
NOT_READ = missing_entry("no Linear makes the outputs from this layer")


@dataclass(frozen=True)
class _Measured:
    """The separation of one layer, and what it rests on."""

    values: numbers.Numbers
    """Numbers of all samples."""
    scatter: Scatter | None
    """Scatter within and between; None where there are too few samples."""
    moments: ClassMoments | TargetMoments | None
    """What the scatter comes from; None where it failed."""
    kept: GroupedNumbers | None
    """Numbers of the kept samples, where there are to be intervals."""
    why: str = FEW.status
    """Why there is no scatter, where there is none."""


def separation(sums: PassSums, options: Options) -> Columns:
    """Measure log separation, loads and concavity by three conventions, and NC1 and NC2 of classes.

    A load belongs to the layer that the step leads to. The concavity is that of the whole curve, a
    column of one entry. Fuzziness and inverse are sums over the directions between class means;
    their curves start at the first layer from which on all layers have as many directions.
    """
    measured = side_by_side(partial(_attempt, sums, options), sums.layers.values())
    columns: Columns = {}
    for kind in KINDS:
        name = log_separation_name(kind)
        column = columns[name] = []
        for layer in measured:
            why = _why_unclear(layer, kind, sums.labelled)
            entry = entry_with_interval(
                sums.labelled, options, layer.values[name], layer.kept, name
            )
            column.append(missing_entry(why) if why else noted_entry(entry, *_notes(layer, kind)))
        first = 0 if kind == "trace_ratio" else _first_comparable(measured)
        columns |= _curve_columns(sums, options, kind, column, measured, first)
    columns["between_rank"] = [
        entry_without_interval(layer.scatter.between_rank)
        if layer.scatter
        else missing_entry(layer.why)
        for layer in measured
    ]
    if sums.labels == "classes":
        for name in COLLAPSE:
            columns[name] = [_collapse_entry(sums, options, layer, name) for layer in measured]
    return columns


def classifier(sums: PassSums, options: Options, model: nn.Module) -> Columns:
    """Measure NC3 and NC4, where a Linear of the model makes its outputs from a layer."""

    def entries_of_layer(layer: LayerSums) -> tuple[ColumnEntry, ColumnEntry]:
        head = None if sums.outputs is None else classifier_of(model, layer, sums.outputs.rows())
        if head is None:
            return NOT_READ, NOT_READ
        third, fourth = _self_duality(sums, options, layer, head)
        doubted = sums.scores is not None and sums.scores.doubt
        notes = [IF_SCORES] if doubted else []
        return noted_entry(third, *notes), noted_entry(fourth, *notes)

    third, fourth = zip(
        *every_layer(entries_of_layer, 2, sums.layers.values(), options), strict=True
    )
    return {"nc3": list(third), "nc4": list(fourth)}


def classifier_of(model: nn.Module, layer: LayerSums, outputs: Tensor) -> nn.Linear | None:
    """Return the Linear that makes the model's outputs from a layer, as the kept samples show.

    Parameters
    ----------
    model : nn.Module
        The model.
    layer : LayerSums
        The layer; its kept rows are (sample, width).
    outputs : Tensor
        What the model put out for the same samples, (sample, output).

    Returns
    -------
    nn.Linear or None
        The first such module; None if there is none.
    """
    rows = layer.kept.rows()[: len(outputs)]
    outputs = outputs[: len(rows)].double()
    for module in model.modules():
        if not isinstance(module, nn.Linear):
            continue
        if (module.out_features, module.in_features) != (outputs.shape[1], layer.width):
            continue
        made = rows.double() @ module.weight.detach().cpu().double().T
        if module.bias is not None:
            made = made + module.bias.detach().cpu().double()
        if float((made - outputs).norm()) <= HEAD_ERROR * float(outputs.norm()):
            return module
    return None


def _self_duality(
    sums: PassSums, options: Options, layer: LayerSums, head: nn.Linear
) -> tuple[ColumnEntry, ColumnEntry]:
    """Return NC3 and NC4 of a layer and its classifier, on the classes that were seen."""
    assert layer.labelled is not None and sums.answers is not None
    moments = layer.labelled.without_empty_classes()
    assert isinstance(moments, ClassMoments)
    places = layer.labelled.classes
    classes = list(places)
    if int(moments.counts.min()) < 2 or head.out_features <= max(classes):
        return FEW, FEW
    weight = head.weight.detach().cpu()[classes]
    bias = None if head.bias is None else head.bias.detach().cpu()[classes]
    rows, labels, indices = sums.labelled_samples(layer)
    labels = torch.tensor([places[name] for name in labels.tolist()], dtype=torch.int64)

    def nc3_of_samples(H: Tensor, y: Tensor) -> numbers.Numbers:
        some = ClassMoments(H.shape[1], len(classes))
        some.update(H, y)
        try:
            return {"nc3": nc3(some, weight)}
        except ValueError:  # a class of fewer than 2 samples
            return {"nc3": math.nan}

    try:
        kept = leave_one_out([rows, labels], groups_of(indices), nc3_of_samples)
        third = entry_with_interval(sums.labelled, options, nc3(moments, weight), kept, "nc3")
        differ = nc4(moments, rows, weight, bias)
    except ValueError:  # class means that agree, or a classifier that is 0
        return FEW, FEW
    # NC4 is a share of samples: Wilson's interval, for a jackknife of a share near 0 is too short.
    low, high = wilson(round(differ * len(rows)), len(rows), level=options.level)
    return third, ColumnEntry(differ, low, high, "estimated")


def _attempt(sums: PassSums, options: Options, layer: LayerSums) -> _Measured:
    """Return the separation of one layer, or the reason why there is none."""
    nothing = partial(_Measured, numbers.no_separations(), None, None, None)
    try:
        return nothing(TOO_LARGE.status) if layer.beyond else _measure(sums, layer)
    except FAILURES as error:
        return nothing(failed_entry(error).status)
    finally:
        options.done()


def _measure(sums: PassSums, layer: LayerSums) -> _Measured:
    """Return the separation of one layer."""
    assert layer.labelled is not None and sums.answers is not None
    moments = layer.labelled.without_empty_classes()
    values, scatter = numbers.separations(moments)
    kept = None
    if layer.width <= WIDEST_WITH_INTERVAL:
        rows, labels, indices = sums.labelled_samples(layer)
        if len(rows):
            groups = groups_of(indices)
            kept = leave_one_out([rows, labels], groups, numbers.separations_of_samples)
    return _Measured(values, scatter, moments, kept)


def _why_unclear(layer: _Measured, kind: SeparationKind, n: int) -> str | None:
    """Return why there is no log separation of a layer; None if there is one."""
    scatter = layer.scatter
    if scatter is None or layer.moments is None:
        return layer.why
    if scatter.status in ("collapsed", "not separated"):
        return scatter.status
    # Means of n_k samples differ by chance: the scatter between them holds (K - 1) / n of the
    # scatter within, and where classes are hardly apart that is too much of it.
    within, between = (float(F.square().sum()) for F in (scatter.within, scatter.between))
    noise = scatter.between_limit / n * within / between
    few = noise > NOISE_SHARE
    if kind == "inverse":  # its pseudo-inverse needs the scatter within in all directions
        few |= n < SAMPLES_PER_RANK * layer.moments.width
    return FEW.status if few else None


def _collapse_entry(sums: PassSums, options: Options, layer: _Measured, name: str) -> ColumnEntry:
    """Return one number of neural collapse."""
    value, why = layer.values[name], _why_unclear(layer, "fuzziness", sums.labelled)
    if why and why != "collapsed":
        return missing_entry(why)
    if why and name == "nc1":  # 0 is its limit, and all that is known of it
        return replace(entry_without_interval(value), status=why)
    if not math.isfinite(value):
        return missing_entry("a class mean is that of all samples")
    entry = entry_with_interval(sums.labelled, options, value, layer.kept, name)
    return noted_entry(entry, *_notes(layer, "fuzziness")) if name == "nc1" else entry


def _notes(layer: _Measured, kind: SeparationKind) -> list[str]:
    """Return what is to be known of a log separation beside its number."""
    notes: list[str] = []
    scatter = layer.scatter
    if scatter is None:
        return notes
    if scatter.left_out(kind):
        notes.append(LEFT_OUT)
    if scatter.rounding_share(kind) > SEEN:
        notes.append(NEAR_ROUNDING)
    if kind == "inverse" and scatter.status == "partly collapsed":
        notes.append(scatter.status)
    return notes


def _first_comparable(measured: list[_Measured]) -> int:
    """Return the first layer from which on the scatter between classes keeps its rank."""
    ranks = [layer.scatter.between_rank if layer.scatter else 0 for layer in measured]
    return max((l + 1 for l, rank in enumerate(ranks) if rank != ranks[-1]), default=0)


def _curve_columns(
    sums: PassSums,
    options: Options,
    kind: SeparationKind,
    column: list[ColumnEntry],
    measured: list[_Measured],
    first: int,
) -> Columns:
    """Return loads and concavity of one convention."""
    name = log_separation_name(kind)
    sign = -1.0 if kind == "inverse" else 1.0  # so that all curves fall as classes come apart
    D = sign * np.array([entry.value for entry in column])
    whole, without, sizes = _curves_of_kept([layer.kept for layer in measured], name)
    notes = [_notes(layer, kind) for layer in measured]

    def entry_of_curve(
        value: float, measure: Callable[[Array], Array], points: list[ColumnEntry]
    ) -> ColumnEntry:
        if math.isnan(value):
            why = next((point.status for point in points if math.isnan(point.value)), FEW.status)
            return missing_entry(why)
        if sizes is None:
            return entry_without_interval(value)
        kept_values = (float(measure(sign * whole)), measure(sign * without))
        return narrowed_entry(value, kept_values, sizes, n=sums.labelled, level=options.level)

    load = [missing_entry("no layer before"), *[OTHER_RANK] * first]
    for l in range(first + 1, len(D)):

        def fall(curve: Array, l: int = l) -> Array:
            return np.asarray(curve[..., l - 1] - curve[..., l])

        load.append(
            noted_entry(
                entry_of_curve(float(fall(D)), fall, column[l - 1 : l + 1]),
                *notes[l - 1],
                *notes[l],
            )
        )

    def bend(curve: Array) -> Array:
        return concavity(curve[..., first:])

    known = len(D) - first > 2 and np.isfinite(D[first:]).all()
    whole_bend = float(bend(D)) if known else math.nan
    bent = noted_entry(entry_of_curve(whole_bend, bend, column[first:]), *sum(notes[first:], []))
    return {f"load_{kind}": load[: len(D)], f"concavity_{kind}": [bent]}


def _curves_of_kept(
    kept: list[GroupedNumbers | None], name: str
) -> tuple[Array, Array, NDArray[np.int64] | None]:
    """Return curves (layer,) of the kept samples, (group, layer) without each group, and the sizes.

    There are no sizes, None, where a layer has no numbers of kept samples, or has them of other
    samples than the rest.
    """
    known = [each for each in kept if each is not None]
    if len(known) < len(kept) or any(len(each.sizes) != len(known[0].sizes) for each in known):
        return np.empty(0), np.empty((0, 0)), None
    values = [each.values(name) for each in known]
    whole = np.array([theta for theta, _ in values])
    return whole, np.stack([without for _, without in values], axis=-1), known[0].sizes
