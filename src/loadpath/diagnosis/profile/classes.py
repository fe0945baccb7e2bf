"""Columns that need labels: separation and load curve, and neural collapse."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from loadpath.diagnosis.profile import numbers
from loadpath.diagnosis.profile.entries import FEW, Entry, alone, missing
from loadpath.diagnosis.profile.estimates import (
    WIDEST_WITH_INTERVAL,
    Columns,
    Options,
    column_entry,
)
from loadpath.diagnosis.profile.intervals import Kept, leave_one_out, of_all
from loadpath.diagnosis.profile.labels import present_classes
from loadpath.diagnosis.profile.layer_sums import LayerSums, Sums
from loadpath.diagnosis.profile.numbers import COLLAPSE, log_separation_name
from loadpath.measures import SAMPLES_PER_RANK, wilson
from loadpath.measures.separation import (
    KINDS,
    Array,
    ClassMoments,
    Scatter,
    TargetMoments,
    concavity,
    nc3,
    nc4,
)
from loadpath.statistics import groups_of
from loadpath.threads import side_by_side

NOISE_SHARE = 0.25
"""Share of the scatter between classes that chance may make before there is no separation."""
HEAD_ERROR = 1e-3
"""A classifier reads a layer if it gives the outputs to this share of their size: float32 and an
average in another order stay far below."""
OTHER_RANK = missing("fewer directions between classes before")
NOT_READ = missing("no Linear makes the outputs from this layer")


@dataclass(frozen=True)
class _Measured:
    """A layer's numbers of all samples, with what else they rest on."""

    values: numbers.Numbers
    scatter: Scatter | None
    moments: ClassMoments | TargetMoments
    kept: Kept | None


def separation(sums: Sums, options: Options) -> Columns:
    """Log separation, loads and concavity by three conventions; of classes also NC1 and NC2.

    A load is that of the layer which the step leads to; the concavity, of the whole curve, is a
    column of one cell. Fuzziness and inverse are sums over the directions between class means, so
    that their curves start at the first layer from which on all have as many.
    """
    measured = side_by_side(partial(_measure, sums), sums.layers.values())
    columns: Columns = {}
    for kind in KINDS:
        name = log_separation_name(kind)
        column = columns[name] = []
        for layer in measured:
            why = _unclear(layer, kind, sums.count)
            cell = column_entry(sums, options, layer.values[name], layer.kept, name)
            column.append(missing(why) if why else cell)
        first = 0 if kind == "trace_ratio" else _comparable(measured)
        kept = [layer.kept for layer in measured]
        columns |= _of_curve(sums, options, kind, column, kept, first)
    columns["between_rank"] = [
        alone(layer.scatter.between_rank) if layer.scatter else FEW for layer in measured
    ]
    if sums.labels == "classes":
        for name in COLLAPSE:
            columns[name] = [_collapse(sums, options, layer, name) for layer in measured]
    return columns


def classifier(sums: Sums, options: Options, model: nn.Module) -> Columns:
    """NC3 and NC4, where a Linear of the model makes its outputs from a layer."""

    def of(layer: LayerSums) -> tuple[Entry, Entry]:
        head = None if sums.outputs is None else classifier_of(model, layer, sums.outputs.rows())
        return (NOT_READ, NOT_READ) if head is None else _self_duality(sums, options, layer, head)

    third, fourth = zip(*side_by_side(of, sums.layers.values()), strict=True)
    return {"nc3": list(third), "nc4": list(fourth)}


def classifier_of(model: nn.Module, layer: LayerSums, outputs: Tensor) -> nn.Linear | None:
    """The Linear that makes the model's outputs from a layer, tried on the kept samples."""
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
    sums: Sums, options: Options, layer: LayerSums, head: nn.Linear
) -> tuple[Entry, Entry]:
    """NC3 and NC4 of a layer and the classifier that reads it, on the classes that were seen."""
    assert layer.separations is not None and sums.answers is not None
    given, moments = layer.separations.moments, layer.separations.seen()
    assert isinstance(given, ClassMoments) and isinstance(moments, ClassMoments)
    classes = present_classes(given)
    if int(moments.counts.min()) < 2 or head.out_features <= classes[-1]:
        return FEW, FEW
    weight = head.weight.detach().cpu()[classes]
    bias = None if head.bias is None else head.bias.detach().cpu()[classes]
    rows = layer.kept.rows()
    labels = sums.answers.rows()[: len(rows)]

    def dual(H: Tensor, y: Tensor) -> numbers.Numbers:
        some = ClassMoments(H.shape[1], len(classes))
        some.update(H, torch.searchsorted(torch.tensor(classes), y))
        try:
            return {"nc3": nc3(some, weight)}
        except ValueError:  # a class of fewer than 2 samples
            return {"nc3": math.nan}

    try:
        kept = leave_one_out([rows, labels], groups_of(layer.kept.indices()), dual)
        third = column_entry(sums, options, nc3(moments, weight), kept, "nc3")
        differ = nc4(moments, rows, weight, bias)
    except ValueError:  # class means that agree, or a classifier that is 0
        return FEW, FEW
    low, high = wilson(round(differ * len(rows)), len(rows), level=options.level)
    return third, Entry(differ, low, high, "estimated")


def _measure(sums: Sums, layer: LayerSums) -> _Measured:
    assert layer.separations is not None and sums.answers is not None
    moments = layer.separations.seen()
    values, scatter = numbers.separations(moments)
    kept = None
    if layer.width <= WIDEST_WITH_INTERVAL:
        rows = layer.kept.rows()
        labels = sums.answers.rows()[: len(rows)]
        groups = groups_of(layer.kept.indices())
        kept = leave_one_out([rows, labels], groups, numbers.separations_of_samples)
    return _Measured(values, scatter, moments, kept)


def _unclear(layer: _Measured, kind: str, n: int) -> str | None:
    """Why there is no log separation of a layer, if there is none."""
    scatter = layer.scatter
    if scatter is None:
        return FEW.status
    if scatter.status in ("collapsed", "not separated"):
        return scatter.status
    # Means of n_k samples differ by chance: the scatter between them has (K - 1) / n of that
    # within, too much of it if classes are hardly apart.
    within, between = (float(F.square().sum()) for F in (scatter.within, scatter.between))
    noise = scatter.between_limit / n * within / between
    few = noise > NOISE_SHARE
    if kind == "inverse":  # its pseudo-inverse asks for the scatter within in all directions
        few |= n < SAMPLES_PER_RANK * layer.moments.width
    return FEW.status if few else None


def _collapse(sums: Sums, options: Options, layer: _Measured, name: str) -> Entry:
    value, why = layer.values[name], _unclear(layer, "fuzziness", sums.count)
    if why in (FEW.status, "not separated"):
        return missing(why)
    if not math.isfinite(value):
        return missing("a class mean is that of all samples")
    return column_entry(sums, options, value, layer.kept, name)


def _comparable(measured: list[_Measured]) -> int:
    """The first layer from which on the scatter between classes keeps its rank."""
    ranks = [layer.scatter.between_rank if layer.scatter else 0 for layer in measured]
    return max((l + 1 for l, rank in enumerate(ranks) if rank != ranks[-1]), default=0)


def _of_curve(
    sums: Sums,
    options: Options,
    kind: str,
    column: list[Entry],
    kept: list[Kept | None],
    first: int,
) -> Columns:
    """Loads and concavity of one convention."""
    name = log_separation_name(kind)
    sign = -1.0 if kind == "inverse" else 1.0  # falling for all kinds
    D = sign * np.array([cell.value for cell in column])
    whole, without, sizes = _curves_of_kept(kept, name)

    def cell(value: float, of: Callable[[Array], Array]) -> Entry:
        if math.isnan(value):
            return FEW
        if sizes is None:
            return alone(value)
        drawn = (float(of(sign * whole)), of(sign * without))
        return of_all(value, drawn, sizes, n=sums.count, level=options.level)

    load = [missing("no layer before"), *[OTHER_RANK] * first]
    for l in range(first + 1, len(D)):

        def fall(curve: Array, l: int = l) -> Array:
            return curve[..., l - 1] - curve[..., l]

        load.append(cell(float(fall(D)), fall))

    def bend(curve: Array) -> Array:
        return concavity(curve[..., first:])

    known = len(D) - first > 2 and np.isfinite(D[first:]).all()
    whole_bend = float(bend(D)) if known else math.nan
    return {f"load_{kind}": load[: len(D)], f"concavity_{kind}": [cell(whole_bend, bend)]}


def _curves_of_kept(
    kept: list[Kept | None], name: str
) -> tuple[Array, Array, NDArray[np.int64] | None]:
    """Curves (layer,) of the kept samples, (group, layer) without each group, and group sizes.

    No sizes where a layer has none of these, or of other samples than the rest.
    """
    known = [each for each in kept if each is not None]
    if len(known) < len(kept) or any(len(each.sizes) != len(known[0].sizes) for each in known):
        return np.empty(0), np.empty((0, 0)), None
    draws = [each.draws(name) for each in known]
    whole = np.array([theta for theta, _ in draws])
    return whole, np.stack([without for _, without in draws], axis=-1), known[0].sizes
