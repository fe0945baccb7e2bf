"""From what the pass has kept to columns: a number, an interval and a status for every layer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

from loadpath import geometry
from loadpath.diagnosis import numbers
from loadpath.diagnosis.cells import FEW, NO_STEP, Cell, alone, cell_of, missing
from loadpath.diagnosis.intervals import Kept, leave_one_out, of_all
from loadpath.diagnosis.layer_sums import LayerSums, Sums, common_rows
from loadpath.diagnosis.numbers import ENERGIES
from loadpath.geometry import groups_of
from loadpath.geometry.ranks import LEAST, SAMPLES_PER_RANK

Columns = dict[str, list[Cell]]
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


def column_cell(sums: Sums, options: Options, value: float, kept: Kept | None, name: str) -> Cell:
    """A number of all samples, with an interval if the kept ones give one."""
    if kept is None:
        return alone(value)
    return of_all(value, kept.draws(name), kept.sizes, n=sums.count, level=options.level)


def energies(sums: Sums, options: Options) -> Columns:
    """Cost of identity, stable ranks and kinetic energy, by the mechanics of [LR]."""
    layers = list(sums.layers.items())
    columns: Columns = {name: [] for name in (*ENERGIES, "gamma")}
    columns["kinetic_energy"].append(NO_STEP)
    for l, (name, layer) in enumerate(layers):
        assert layer.moments is not None
        after = layers[l + 1] if l + 1 < len(layers) and layer.moments.velocity else None
        step = sums.mesh.steps[after[0]] if after else None
        rows = layer.moments.rows()
        found = numbers.energies(*rows, step, gamma0=options.gamma0)
        kept = None
        if layer.width <= WIDEST_WITH_INTERVAL:
            node = sums.mesh.nodes[name]
            measure = partial(
                numbers.energies_of_samples,
                step=step,
                activation=node.activation,
                bias=node.bias,
                gamma0=options.gamma0,
            )
            samples = common_rows([layer, *([after[1]] if after else [])])
            kept = leave_one_out(samples, groups_of(layer.kept.indices()), measure)
        # A cost of identity is no rank: what relu does not give back of A costs 1 / gamma.
        few = sums.count < max(LEAST, SAMPLES_PER_RANK * found["stable_rank_nuclear"])
        for measured in ENERGIES:
            if measured == "kinetic_energy" and l + 1 == len(layers):
                continue  # a step belongs to the layer that it leads to
            cell = column_cell(sums, options, found[measured], kept, measured)
            if measured == "kinetic_energy" and step is None:
                cell = NO_STEP
            columns[measured].append(FEW if few else cell)
        columns["gamma"].append(alone(found["gamma"]))
    return columns


def steps(sums: Sums, options: Options) -> Columns:
    """Relative step, turn and effective depth."""
    columns: Columns = {"relative_step": [], "turn": [], "effective_depth": []}
    for name, layer in sums.layers.items():
        if layer.step is None:
            cells = [NO_STEP] * 3
        else:
            parts, decay, level = layer.step.parts, sums.mesh.steps[name].decay, options.level
            cells = [
                cell_of(geometry.relative_step(parts, level=level)),
                cell_of(geometry.turn(parts, level=level)),
                cell_of(geometry.effective_depth(parts, decay=decay, level=level))
                if decay > 0
                else missing("the step turns the stream over"),
            ]
        for column, cell in zip(columns.values(), cells, strict=True):
            column.append(cell)
    return columns


def ranks(sums: Sums, options: Options) -> Columns:
    """Participation ratio and effective rank, of the kept samples."""
    columns: Columns = {"participation_ratio": [], "effective_rank": []}
    for layer in sums.layers.values():
        parts = geometry.self_sums(layer.kept.rows(), seed=options.seed)
        columns["participation_ratio"].append(
            cell_of(geometry.participation_ratio(parts, level=options.level))
        )
        columns["effective_rank"].append(
            cell_of(geometry.effective_rank(parts, level=options.level))
        )
    return columns


def alignment(sums: Sums, options: Options) -> Columns:
    """Debiased linear CKA with the next layer and with the first, of the kept samples."""
    layers = list(sums.layers.values())

    def of(first: LayerSums, second: LayerSums) -> Cell:
        X, Y = common_rows([first, second])
        return cell_of(geometry.linear_cka(X, Y, seed=options.seed, level=options.level))

    following = [of(first, second) for first, second in pairwise(layers)]
    return {
        "cka_next": [*following, missing("no layer follows")],
        "cka_first": [of(layers[0], layer) for layer in layers],
    }


def dimension(sums: Sums, options: Options) -> Columns:
    """Intrinsic dimension by TwoNN, of the kept samples."""
    return {
        "intrinsic_dimension": [
            cell_of(geometry.two_nn(layer.kept.rows(), level=options.level))
            for layer in sums.layers.values()
        ]
    }


def probes(sums: Sums, options: Options) -> Columns:
    """Accuracy of ridge and logistic probes on samples held out from the kept ones."""
    assert sums.answers is not None
    columns: Columns = {"probe_ridge": [], "probe_logistic": []}
    for layer in sums.layers.values():
        rows = layer.kept.rows()
        labels = sums.answers.rows()[: len(rows)]
        for kind in ("ridge", "logistic"):
            probe = geometry.class_probe(
                rows, labels, kind=kind, seed=options.seed, level=options.level
            )
            columns[f"probe_{kind}"].append(cell_of(probe.accuracy))
    return columns
