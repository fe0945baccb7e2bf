"""From what the pass has kept to columns: a number, an interval and a status for every layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

from loadpath import measures as geometry
from loadpath.diagnosis.profile import numbers
from loadpath.diagnosis.profile.entries import FEW, NO_STEP, Entry, alone, entry_of, missing
from loadpath.diagnosis.profile.intervals import Kept, leave_one_sum_out, of_all
from loadpath.diagnosis.profile.layer_sums import LayerSums, Sums, common_rows
from loadpath.diagnosis.profile.numbers import ENERGIES
from loadpath.measures import LEAST, SAMPLES_PER_RANK
from loadpath.statistics import groups_of
from loadpath.threads import side_by_side

Columns = dict[str, list[Entry]]
"""Cells layer by layer, by the measure's name."""

WIDEST_WITH_INTERVAL = 1024
"""Layers wider than this have energies and separations without intervals: each takes eleven
decompositions of the kept samples, which are seconds here and minutes beyond."""


@dataclass(frozen=True)
class Options:
    """What the numbers depend on beside the samples."""

    gamma0: float
    level: float
    seed: int


def column_entry(sums: Sums, options: Options, value: float, kept: Kept | None, name: str) -> Entry:
    """A number of all samples, with an interval if the kept ones give one."""
    if kept is None:
        return alone(value)
    return of_all(value, kept.draws(name), kept.sizes, n=sums.count, level=options.level)


def energies(sums: Sums, options: Options) -> Columns:
    """Cost of identity, stable ranks and kinetic energy, by the mechanics of [LR]."""
    layers = list(sums.layers)
    following = [*layers[1:], None]
    found = side_by_side(
        lambda pair: _energies(sums, options, *pair), zip(layers, following, strict=True)
    )
    columns = {name: [cells[name] for cells in found] for name in (*ENERGIES, "gamma")}
    # A step belongs to the layer that it leads to.
    columns["kinetic_energy"] = [NO_STEP, *columns["kinetic_energy"][:-1]]
    return columns


def _energies(sums: Sums, options: Options, name: str, following: str | None) -> dict[str, Entry]:
    """Of one layer, and of the step to the one that follows."""
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
    # A cost of identity is no rank: what relu does not give back of A costs 1 / gamma.
    few = sums.count < max(LEAST, SAMPLES_PER_RANK * found["stable_rank_nuclear"])
    cells = {
        measured: FEW if few else column_entry(sums, options, found[measured], kept, measured)
        for measured in ENERGIES
    }
    if step is None:
        cells["kinetic_energy"] = FEW if few else NO_STEP
    return {**cells, "gamma": alone(found["gamma"])}


def steps(sums: Sums, options: Options) -> Columns:
    """Relative step, turn and effective depth."""
    columns: Columns = {"relative_step": [], "turn": [], "effective_depth": []}
    for name, layer in sums.layers.items():
        if layer.step is None:
            cells = [NO_STEP] * 3
        else:
            parts, decay, level = layer.step.parts, sums.mesh.steps[name].decay, options.level
            cells = [
                entry_of(geometry.relative_step(parts, level=level)),
                entry_of(geometry.turn(parts, level=level)),
                entry_of(geometry.effective_depth(parts, decay=decay, level=level))
                if decay > 0
                else missing("the step turns the stream over"),
            ]
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    return columns


def ranks(sums: Sums, options: Options) -> Columns:
    """Participation ratio and effective rank, of the kept samples."""

    def of(layer: LayerSums) -> tuple[Entry, Entry]:
        parts = geometry.self_sums(layer.kept.rows(), seed=options.seed)
        return (
            entry_of(geometry.participation_ratio(parts, level=options.level)),
            entry_of(geometry.effective_rank(parts, level=options.level)),
        )

    ratios, entropies = zip(*side_by_side(of, sums.layers.values()), strict=True)
    return {"participation_ratio": list(ratios), "effective_rank": list(entropies)}


def alignment(sums: Sums, options: Options) -> Columns:
    """Debiased linear CKA with the next layer and with the first, of the kept samples."""
    layers = list(sums.layers.values())

    def of(pair: tuple[LayerSums, LayerSums]) -> Entry:
        X, Y = common_rows(pair)
        return entry_of(geometry.linear_cka(X, Y, seed=options.seed, level=options.level))

    return {
        "cka_next": [*side_by_side(of, pairwise(layers)), missing("no layer follows")],
        "cka_first": side_by_side(of, [(layers[0], layer) for layer in layers]),
    }


def dimension(sums: Sums, options: Options) -> Columns:
    """Intrinsic dimension by TwoNN, of the kept samples."""

    def of(layer: LayerSums) -> Entry:
        return entry_of(geometry.two_nn(layer.kept.rows(), level=options.level))

    return {"intrinsic_dimension": side_by_side(of, sums.layers.values())}


def probes(sums: Sums, options: Options) -> Columns:
    """Accuracy of ridge and logistic probes on samples held out from the kept ones."""
    assert sums.answers is not None
    answers = sums.answers.rows()

    def of(asked: tuple[LayerSums, Literal["ridge", "logistic"]]) -> Entry:
        layer, kind = asked
        rows = layer.kept.rows()
        probe = geometry.class_probe(
            rows, answers[: len(rows)], kind=kind, seed=options.seed, level=options.level
        )
        return entry_of(probe.accuracy)

    layers = sums.layers.values()
    return {
        "probe_ridge": side_by_side(of, [(layer, "ridge") for layer in layers]),
        "probe_logistic": side_by_side(of, [(layer, "logistic") for layer in layers]),
    }
