"""Columns of energies, steps, ranks, alignment, dimension and probes: one entry a layer."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Literal

from loadpath import measures as geometry
from loadpath.diagnosis.profile import numbers
from loadpath.diagnosis.profile.entries import (
    FEW,
    NO_STEP,
    ColumnEntry,
    entry_of_estimate,
    entry_without_interval,
    missing_entry,
)
from loadpath.diagnosis.profile.intervals import GroupedNumbers, leave_one_sum_out, narrowed_entry
from loadpath.diagnosis.profile.layer_sums import LayerSums, PassSums, common_rows
from loadpath.diagnosis.profile.numbers import ENERGIES
from loadpath.diagnosis.profile.options import Options
from loadpath.measures import LEAST, SAMPLES_PER_RANK
from loadpath.statistics import groups_of
from loadpath.threads import side_by_side

Columns = dict[str, list[ColumnEntry]]
"""Entries layer by layer, by the name of the measure."""

WIDEST_WITH_INTERVAL = 1024
"""Layers wider than this have energies and separations without intervals: each interval takes
eleven decompositions of the kept samples, which are seconds at this width and minutes beyond."""


def entry_with_interval(
    sums: PassSums, options: Options, value: float, kept: GroupedNumbers | None, name: str
) -> ColumnEntry:
    """Return a number of all samples, with an interval if the kept samples give one."""
    if kept is None:
        return entry_without_interval(value)
    return narrowed_entry(value, kept.values(name), kept.sizes, n=sums.count, level=options.level)


def energies(sums: PassSums, options: Options) -> Columns:
    """Measure cost of identity, stable ranks and kinetic energy, by the mechanics of [LR]."""
    layers = list(sums.layers)
    following = [*layers[1:], None]
    found = side_by_side(
        lambda pair: _energy_entries(sums, options, *pair), zip(layers, following, strict=True)
    )
    columns = {name: [entries[name] for entries in found] for name in (*ENERGIES, "gamma")}
    # A step belongs to the layer that it leads to.
    columns["kinetic_energy"] = [NO_STEP, *columns["kinetic_energy"][:-1]]
    return columns


def _energy_entries(
    sums: PassSums, options: Options, name: str, following: str | None
) -> dict[str, ColumnEntry]:
    """Return the energies of one layer, and of the step to the layer that follows."""
    layer, node = sums.layers[name], sums.mesh.nodes[name]
    assert layer.moments is not None
    stepped = following if layer.moments.velocity else None
    step = sums.mesh.steps[stepped] if stepped else None
    found = numbers.energies(*layer.moments.rows(), step, options.gamma0)
    kept = None
    if layer.width <= WIDEST_WITH_INTERVAL:
        samples = common_rows([layer, *([sums.layers[stepped]] if stepped else [])])
        kept = leave_one_sum_out(
            samples,
            groups_of(layer.kept.indices()),
            partial(numbers.products, activation=node.activation, bias=node.bias),
            partial(numbers.energies_of_products, step=step, gamma0=options.gamma0),
        )
    # Not the cost of identity, which is no rank: what relu does not give back of A costs 1 / gamma.
    few = sums.count < max(LEAST, SAMPLES_PER_RANK * found["stable_rank_nuclear"])
    entries = {
        measured: FEW
        if few
        else entry_with_interval(sums, options, found[measured], kept, measured)
        for measured in ENERGIES
    }
    if step is None:
        entries["kinetic_energy"] = FEW if few else NO_STEP
    return {**entries, "gamma": entry_without_interval(found["gamma"])}


def steps(sums: PassSums, options: Options) -> Columns:
    """Measure relative step, turn and effective depth."""
    columns: Columns = {"relative_step": [], "turn": [], "effective_depth": []}
    for name, layer in sums.layers.items():
        if layer.step is None:
            entries = [NO_STEP] * 3
        else:
            parts, decay, level = layer.step.parts, sums.mesh.steps[name].decay, options.level
            entries = [
                entry_of_estimate(geometry.relative_step(parts, level=level)),
                entry_of_estimate(geometry.turn(parts, level=level)),
                entry_of_estimate(geometry.effective_depth(parts, decay=decay, level=level))
                if decay > 0
                else missing_entry("the step turns the stream over"),
            ]
        for column, entry in zip(columns.values(), entries, strict=True):
            column.append(entry)
    return columns


def ranks(sums: PassSums, options: Options) -> Columns:
    """Measure participation ratio and effective rank of the kept samples."""

    def ranks_of_layer(layer: LayerSums) -> tuple[ColumnEntry, ColumnEntry]:
        parts = geometry.self_sums(layer.kept.rows(), seed=options.seed)
        return (
            entry_of_estimate(geometry.participation_ratio(parts, level=options.level)),
            entry_of_estimate(geometry.effective_rank(parts, level=options.level)),
        )

    ratios, entropies = zip(*side_by_side(ranks_of_layer, sums.layers.values()), strict=True)
    return {"participation_ratio": list(ratios), "effective_rank": list(entropies)}


def alignment(sums: PassSums, options: Options) -> Columns:
    """Measure debiased linear CKA with the next layer and with the first, of the kept samples."""
    layers = list(sums.layers.values())

    def cka_of_pair(pair: tuple[LayerSums, LayerSums]) -> ColumnEntry:
        X, Y = common_rows(pair)
        return entry_of_estimate(geometry.linear_cka(X, Y, seed=options.seed, level=options.level))

    return {
        "cka_next": [
            *side_by_side(cka_of_pair, pairwise(layers)),
            missing_entry("no layer follows"),
        ],
        "cka_first": side_by_side(cka_of_pair, [(layers[0], layer) for layer in layers]),
    }


def dimension(sums: PassSums, options: Options) -> Columns:
    """Measure the intrinsic dimension of the kept samples by TwoNN."""

    def dimension_of_layer(layer: LayerSums) -> ColumnEntry:
        return entry_of_estimate(geometry.two_nn(layer.kept.rows(), level=options.level))

    return {"intrinsic_dimension": side_by_side(dimension_of_layer, sums.layers.values())}


def probes(sums: PassSums, options: Options) -> Columns:
    """Measure the accuracy of ridge and logistic probes on samples held out from the kept ones."""
    assert sums.answers is not None
    answers = sums.answers.rows()

    def accuracy(asked: tuple[LayerSums, Literal["ridge", "logistic"]]) -> ColumnEntry:
        layer, kind = asked
        rows = layer.kept.rows()
        probe = geometry.class_probe(
            rows, answers[: len(rows)], kind=kind, seed=options.seed, level=options.level
        )
        return entry_of_estimate(probe.accuracy)

    layers = sums.layers.values()
    return {
        "probe_ridge": side_by_side(accuracy, [(layer, "ridge") for layer in layers]),
        "probe_logistic": side_by_side(accuracy, [(layer, "logistic") for layer in layers]),
    }
