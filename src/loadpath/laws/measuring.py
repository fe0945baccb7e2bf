"""`measure`: every law on one net, with intervals over samples, against its nulls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from loadpath import results
from loadpath.checks import (
    as_list,
    check_callable,
    check_count,
    check_flag,
    check_level,
    check_seed,
    check_type,
)
from loadpath.laws.definitions import DEFINITIONS, Definition, NullName
from loadpath.laws.law import Law, Null
from loadpath.laws.laws import Laws, dataset_of_laws
from loadpath.laws.nulls import Untrained, fresh, same_samples, settle, values_under
from loadpath.laws.recording import record
from loadpath.laws.representations import Array, Representations
from loadpath.record import Layers, Loader, Reduction, Split, unwrapped
from loadpath.statistics import Estimate, alone, groups_of, jackknife_from_values
from loadpath.threads import torch_threads

NEED_NO_NET: tuple[NullName, ...] = ("depth", "labels")
"""The nulls that need no other net."""
N_GROUPS = 10
"""Groups of samples that are left out one at a time for an interval."""


def measure(
    model: nn.Module,
    loader: Loader,
    *,
    untrained: Untrained | None = None,
    n_untrained: int = 19,
    n_orders: int = 99,
    layers: Layers = None,
    reduction: Reduction | None = None,
    kept: int = 500,
    with_input: bool = False,
    level: float = 0.95,
    seed: int = 0,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
    progress: bool | None = None,
) -> Laws:
    r"""Measure every law on a net, with intervals over samples, and hold each against its nulls.

    Parameters
    ----------
    model : nn.Module
        Any module, in the state whose laws are asked for; it is left as it was.
    loader : iterable
        Batches with labels: see `loadpath.laws.record`. It is read once for the model and once for
        each untrained net, twice if that has batch normalizations.
    untrained : callable, optional
        From a seed to an untrained net of the same kind. If left out, copies of the model whose
        modules are reset by their `reset_parameters`, and of a `LeakyResNet` its weights drawn
        anew. Batch normalizations that have seen no data take their statistics from the loader.
    n_untrained : int, default 19
        How many untrained nets; 0 for none. With 19 the least p-value is 0.05.
    n_orders : int, default 99
        How many random orders, of steps and of labels; 0 for none.
    layers, reduction, kept, with_input, device, max_batches, split, pass_labels
        As in `loadpath.laws.record`.
    level : float, default 0.95
        Confidence level of the intervals.
    seed : int
        Seed of the samples kept, of untrained nets and of orders.
    progress : bool, optional
        Whether a bar shows how far the laws are; if left out it does on a terminal and in a
        notebook.

    Returns
    -------
    Laws
        Every law: its statistic, its nulls and a verdict.

    Raises
    ------
    ValueError
        If an option is out of range; if the model has parameters that cannot be reset and
        `untrained` is left out; if untrained nets have other layers; as `loadpath.laws.record`.

    Notes
    -----
    `docs/laws.md` has the laws and the nulls. A statistic costs what its measure costs, 1 + 10 +
    `n_untrained` + 2 `n_orders` times.

    Examples
    --------
    >>> from torch import nn
    >>> net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))
    >>> x, y = torch.randn(60, 4), torch.arange(60) % 2
    >>> found = measure(net, [(x, y)], n_untrained=0, n_orders=19, progress=False)
    >>> found["equal separation"].definition.ideal
    -1.0
    """
    check_count("n_untrained", n_untrained, 0)
    if untrained is not None:
        check_callable("untrained", untrained)
    make = untrained or (fresh(unwrapped(model)) if n_untrained else None)

    def recorded(net: nn.Module) -> Representations:
        return record(
            net,
            loader,
            layers=layers,
            reduction=reduction,
            kept=kept,
            with_input=with_input,
            seed=seed,
            device=device,
            max_batches=max_batches,
            split=split,
            pass_labels=pass_labels,
        )

    _check_options(n_orders, level, seed, progress)
    path = recorded(model)
    others: list[Representations] = []
    for i in range(n_untrained if make is not None else 0):
        assert make is not None
        net = make(seed + 1 + i)
        settle(net, functools.partial(recorded, net))
        others.append(same_samples(path, recorded(net)))
    found = measure_representations(
        path, untrained=others, n_orders=n_orders, level=level, seed=seed, progress=progress
    )
    ds = results.with_parameters(found.dataset, model=type(unwrapped(model)).__name__, kept=kept)
    return Laws(ds)


def measure_representations(
    path: Representations,
    *,
    untrained: Sequence[Representations] = (),
    n_orders: int = 99,
    level: float = 0.95,
    seed: int = 0,
    progress: bool | None = None,
) -> Laws:
    """Measure every law on representations that are at hand.

    Parameters
    ----------
    path : Representations
        Those of the net.
    untrained : sequence of Representations
        Those of untrained nets of its kind, with layers of the same names and widths.
    n_orders : int, default 99
        How many random orders, of steps and of labels; 0 for none.
    level : float, default 0.95
        Confidence level of the intervals.
    seed : int
        Seed of orders, and of the groups of samples.
    progress : bool, optional
        Whether a bar shows how far the laws are.

    Returns
    -------
    Laws
        Every law: its statistic, its nulls and a verdict.

    Raises
    ------
    ValueError
        If an option is out of range, or if untrained nets have other layers.
    """
    check_type("path", path, Representations, "Representations")
    _check_options(n_orders, level, seed, progress)
    others = []
    for other in as_list("untrained", untrained, "Representations"):
        check_type("untrained", other, Representations, "Representations")
        others.append(same_samples(path, other))
    groups = groups_of(path.samples, N_GROUPS, seed=seed)
    rest = [path.taken(groups != g) for g in range(N_GROUPS) if bool((groups == g).any())]
    sizes = np.array([path.count - each.count for each in rest])
    reasons = {each.name: each.missing(path) for each in DEFINITIONS}
    there = [each for each in DEFINITIONS if not reasons[each.name]]
    estimates: dict[str, Estimate | None] = {}
    with (
        torch_threads(1),
        results.progress_bar(progress, total=len(there) + 2, desc="laws", unit="law") as bar,
    ):
        for each in there:
            estimates[each.name] = _estimated(each, path, rest, sizes, level)
            if estimates[each.name] is None:
                reasons[each.name] = "its curve is not finite"
            bar.update()
        there = [each for each in there if not reasons[each.name]]
        curves = {each.name: _placed(each, path) for each in there}
        drawn: dict[NullName, dict[str, Array]] = {"untrained": _untrained(there, others)}
        for null in NEED_NO_NET if n_orders else ():
            held = [each for each in there if null in each.nulls_for(path)]
            drawn[null] = values_under(null, held, path, n_orders, seed)
            bar.update()
    laws = {
        each.name: Law(each, estimates.get(each.name), (), reasons[each.name])
        for each in DEFINITIONS
    }
    for name, law in laws.items():
        if law.estimate is not None:
            nulls = [Null(n, v[name], law.estimate.value) for n, v in drawn.items() if name in v]
            laws[name] = replace(law, nulls=tuple(n for n in nulls if len(n.values)))
    ds = dataset_of_laws(laws, curves, path.names, path.p)
    ds.attrs["labels"] = path.answer_kind
    ds.attrs["layers_left_out"] = "; ".join(f"{n}: {why}" for n, why in path.left_out.items())
    stamped = results.stamp(
        ds,
        n_samples=path.count,
        n_untrained=len(others),
        n_orders=n_orders,
        level=level,
        seed=seed,
        adds_to_a_stream=path.adds_to_a_stream,
    )
    return Laws(stamped)


def _placed(definition: Definition, path: Representations) -> Array:
    """Return the curve of a law over all layers, NaN where it has no number."""
    part = definition.part(path)
    curve, found = part.curve(definition.curve), np.full(len(path.rows), np.nan)
    last = len(part.rows) + (path.first_of_stream if part is not path else 0)
    found[last - len(curve) : last] = curve
    return found


def _check_options(n_orders: int, level: float, seed: int, progress: bool | None) -> None:
    """Refuse options that are out of range."""
    check_count("n_orders", n_orders, 0)
    check_level(level)
    check_seed("seed", seed)
    if progress is not None:
        check_flag("progress", progress)


def _estimated(
    definition: Definition,
    path: Representations,
    rest: Sequence[Representations],
    sizes: NDArray[np.int64],
    level: float,
) -> Estimate | None:
    """Return the statistic with a grouped jackknife's interval; None where it is not finite.

    The jackknife's interval is symmetric, and is cut where it runs past what the statistic can be.
    """
    value = definition.statistic_of(path)
    if not np.isfinite(value):
        return None
    without = np.array([_attempt(definition.statistic_of, each) for each in rest])
    if len(rest) < 2 or not np.isfinite(without).all():
        return alone(value, path.count)
    found = jackknife_from_values(value, without, sizes, level=level)
    low = min(max(found.low, definition.ideal), value)  # which rounding may put just past it
    high = max(min(found.high, definition.most), value)
    return replace(found, low=low, high=high)


def _attempt(statistic: Callable[[Representations], float], path: Representations) -> float:
    """Return a statistic of some of the samples, NaN where they are too few for it."""
    try:
        return statistic(path)
    except ValueError:  # a class has none left, or one
        return float("nan")


def _untrained(
    definitions: Sequence[Definition], others: Sequence[Representations]
) -> dict[str, Array]:
    """Return the statistics of laws in untrained nets."""
    found = {}
    for each in definitions:
        values = np.array([each.statistic_of(other) for other in others])
        found[each.name] = values[np.isfinite(values)]
    return found
