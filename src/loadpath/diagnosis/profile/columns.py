"""Columns of energies, steps, ranks, alignment, dimension and probes: one entry a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Literal

from loadpath import measures as geometry
from loadpath.diagnosis.profile import numbers
from loadpath.diagnosis.profile.entries import (
    FAILURES,
    FEW,
    NEAR_ROUNDING,
    NO_STEP,
    TOO_LARGE,
    ColumnEntry,
    entry_of_estimate,
    entry_without_interval,
    failed_entry,
    missing_entry,
    noted_entry,
)
from loadpath.diagnosis.profile.intervals import GroupedNumbers, leave_one_sum_out, narrowed_entry
from loadpath.diagnosis.profile.numbers import ENERGIES
from loadpath.diagnosis.profile.options import Measure, Options
from loadpath.diagnosis.profile.sums import LayerSums, PassSums, common_rows
from loadpath.measures import LEAST, SAMPLES_PER_RANK
from loadpath.measures.separation import SEEN, noise_floor
from loadpath.statistics import groups_of
from loadpath.threads import side_by_side

Columns = dict[str, list[ColumnEntry]]
"""Entries layer by layer, by the name of the measure."""

WIDEST_WITH_INTERVAL = 1024
"""Layers wider than this have energies and separations without intervals: each interval takes
eleven decompositions of the kept samples, which are seconds at this width and minutes beyond."""

RUNS: dict[Measure, int] = dict(
    energies=1,
    steps=1,
    ranks=1,
    alignment=2,
    dimension=1,
    probes=2,
    separation=1,
    collapse=1,
    costs=0,
    next_token=0,
)
"""How often each layer is measured for each of the measures."""


def entry_with_interval(
    n: int, options: Options, value: float, kept: GroupedNumbers | None, name: str
) -> ColumnEntry:
    """Return a number of all n samples, with an interval if the kept samples give one."""
    if kept is None:
        return entry_without_interval(value)
    return narrowed_entry(value, kept.values(name), kept.sizes, n=n, level=options.level)


def every_layer(
    measure: Callable[[LayerSums], Sequence[ColumnEntry]],
    n: int,
    layers: Iterable[LayerSums],
    options: Options,
) -> list[Sequence[ColumnEntry]]:
    """Return n entries of each layer, side by side; a layer that fails does not lose the others.

    Parameters
    ----------
    measure : callable
        A function of a layer.
    n : int
        How many entries it returns.
    layers : iterable of LayerSums
        The layers.
    options : Options
        Whose `done` is called after each layer.

    Returns
    -------
    list of sequence of ColumnEntry
        Where `measure` fails, or numbers are too large to be squared twice, entries without a
        number, with the reason.
    """

    def attempt(layer: LayerSums) -> Sequence[ColumnEntry]:
        try:
            return [TOO_LARGE] * n if layer.beyond else measure(layer)
        except FAILURES as error:
            return [failed_entry(error)] * n
        finally:
            options.done()

    return side_by_side(attempt, layers)


def energies(sums: PassSums, options: Options) -> Columns:
    """Measure cost of identity, stable ranks and kinetic energy, by the mechanics of [LR]."""
    layers = list(sums.layers)
    following = dict(zip(layers, [*layers[1:], None], strict=True))
    names = (*ENERGIES, "gamma")

    def measure(layer: LayerSums) -> Sequence[ColumnEntry]:
        entries = _energy_entries(sums, options, layer.name, following[layer.name])
        return [entries[name] for name in names]

    found = every_layer(measure, len(names), sums.layers.values(), options)
    columns = dict(zip(names, map(list, zip(*found, strict=True)), strict=True))
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
    too_far = stepped is not None and sums.layers[stepped].beyond
    if too_far:
        stepped = None
    step = sums.mesh.steps[stepped] if stepped else None
    S, A, dA = layer.moments.rows()
    found = numbers.energies(S, A, None if step is None else dA, step, options.gamma0)
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
        else entry_with_interval(sums.count, options, found[measured], kept, measured)
        for measured in ENERGIES
    }
    if step is None:
        entries["kinetic_energy"] = FEW if few else TOO_LARGE if too_far else NO_STEP
    return {**entries, "gamma": entry_without_interval(found["gamma"])}


def steps(sums: PassSums, options: Options) -> Columns:
    """Measure relative step, turn and log growth."""
    before = dict(zip(list(sums.layers)[1:], sums.layers, strict=False))

    def measure(layer: LayerSums) -> Sequence[ColumnEntry]:
        if layer.name in before and sums.layers[before[layer.name]].beyond:
            return [TOO_LARGE] * 3
        if layer.step is None:
            return [NO_STEP] * 3
        parts, level = layer.step.parts, options.level
        decay = sums.mesh.steps[layer.name].decay
        entries = [
            entry_of_estimate(geometry.relative_step(parts, level=level)),
            entry_of_estimate(geometry.turn(parts, level=level)),
            entry_of_estimate(geometry.log_growth(parts, decay=decay, level=level))
            if decay > 0
            else missing_entry("the step turns the stream over"),
        ]
        # Both ends round, by their size; a tenth of a distance is 1 % of its square.
        rounds = 2**0.5 * noise_floor(layer.epsilon, 1.0)
        if rounds**2 > SEEN * entries[0].value ** 2:
            entries = [noted_entry(entry, NEAR_ROUNDING) for entry in entries]
        return entries

    found = every_layer(measure, 3, sums.layers.values(), options)
    names = ("relative_step", "turn", "log_growth")
    return dict(zip(names, map(list, zip(*found, strict=True)), strict=True))


def ranks(sums: PassSums, options: Options) -> Columns:
    """Measure participation ratio and effective rank of the kept samples."""

    def ranks_of_layer(layer: LayerSums) -> tuple[ColumnEntry, ColumnEntry]:
        parts = geometry.self_sums(layer.kept.rows(), seed=options.seed)
        return (
            entry_of_estimate(geometry.participation_ratio(parts, level=options.level)),
            entry_of_estimate(geometry.effective_rank(parts, level=options.level)),
        )

    found = every_layer(ranks_of_layer, 2, sums.layers.values(), options)
    ratios, entropies = zip(*found, strict=True)
    return {"participation_ratio": list(ratios), "effective_rank": list(entropies)}


def alignment(sums: PassSums, options: Options) -> Columns:
    """Measure debiased linear CKA with the next layer and with the first, of the kept samples."""
    layers = list(sums.layers.values())
    after = dict(zip(sums.layers, layers[1:], strict=False))

    def cka_of_pair(pair: tuple[LayerSums, LayerSums]) -> ColumnEntry:
        if pair[0].beyond or pair[1].beyond:
            return TOO_LARGE
        X, Y = common_rows(pair)
        return entry_of_estimate(geometry.linear_cka(X, Y, seed=options.seed, level=options.level))

    def cka_with_next(layer: LayerSums) -> Sequence[ColumnEntry]:
        if layer.name not in after:
            return [missing_entry("no layer follows")]
        return [cka_of_pair((layer, after[layer.name]))]

    def cka_with_first(layer: LayerSums) -> Sequence[ColumnEntry]:
        return [cka_of_pair((layers[0], layer))]

    return {
        "cka_next": [entry for (entry,) in every_layer(cka_with_next, 1, layers, options)],
        "cka_first": [entry for (entry,) in every_layer(cka_with_first, 1, layers, options)],
    }


def dimension(sums: PassSums, options: Options) -> Columns:
    """Measure the intrinsic dimension of the kept samples by TwoNN."""

    def dimension_of_layer(layer: LayerSums) -> Sequence[ColumnEntry]:
        return [entry_of_estimate(geometry.two_nn(layer.kept.rows(), level=options.level))]

    found = every_layer(dimension_of_layer, 1, sums.layers.values(), options)
    return {"intrinsic_dimension": [entry for (entry,) in found]}


def probes(sums: PassSums, options: Options) -> Columns:
    """Measure the accuracy of ridge and logistic probes on samples held out from the kept ones."""

    def accuracy(kind: Literal["ridge", "logistic"], layer: LayerSums) -> Sequence[ColumnEntry]:
        rows, labels, _ = sums.labelled_samples(layer)
        if len(rows) == 0:
            return [FEW]
        # By their place: class numbers may be larger than the number of kept samples.
        classes = labels.unique(return_inverse=True)[1]
        probe = geometry.class_probe(
            rows, classes, kind=kind, seed=options.seed, level=options.level
        )
        return [entry_of_estimate(probe.accuracy)]

    kinds: tuple[Literal["ridge", "logistic"], ...] = ("ridge", "logistic")
    return {
        f"probe_{kind}": [
            entry
            for (entry,) in every_layer(partial(accuracy, kind), 1, sums.layers.values(), options)
        ]
        for kind in kinds
    }
