"""Folding: linear maps of a cut model taken up by the weights beside them, where that is exact."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.checks import check_type
from loadpath.diagnosis.answers import AnswerRule
from loadpath.diagnosis.skipping import Reading
from loadpath.diagnosis.surgery.cutting import difference
from loadpath.diagnosis.surgery.planning import Plan
from loadpath.diagnosis.surgery.search import Calling, batches_in_memory, own_memory
from loadpath.diagnosis.surgery.ways import (
    Gap,
    GapForm,
    Side,
    absorb,
    number_in_list,
    recipe_of,
    remember,
    take_out,
    why_not_absorbed,
)
from loadpath.record import Batch, Loader, OwnRandomness, tensor_of, unwrapped, visit
from loadpath.results import Shown

BETWEEN = (
    "what stands between, or a sum such as that of a skip connection, would see another "
    "representation"
)
"""Why a neighbour does not take a map up although it could by its form."""
APART = "does not stand directly beside it"
"""The same in short."""


ONE_PLACE = "only maps of one place are folded"
"""Why a convolution stays."""


@dataclass(frozen=True, eq=False, repr=False)
class Folded(Shown):
    """A cut model with its linear maps folded into the weights beside them, as far as that goes."""

    model: nn.Module
    """The folded copy. Its answers are those of what was given, to rounding."""
    into: dict[str, str] = field(default_factory=dict)
    """For each map that was folded, by the first layer it stands for: the module that took it up,
    by its name in what was given."""
    left: dict[str, str] = field(default_factory=dict)
    """For each map that stays: why, in words."""

    def sentences(self) -> list[str]:
        """Return what was done, in words."""
        found = [
            f"The linear map in the place of {name} was folded into {into!r}, and takes no time "
            "or parameters of its own."
            for name, into in self.into.items()
        ]
        found += [
            f"The {'convolution' if why == ONE_PLACE else 'linear map'} in the place of {name} "
            f"stays: {why}."
            for name, why in self.left.items()
        ]
        return found or ["The smaller model has no linear maps to fold."]


def fold(smaller: nn.Module, plan: Plan | None = None, *, loader: Loader | None = None) -> Folded:
    r"""Fold the linear maps of a cut model into the weights of the module before or behind them.

    The modules that run directly before and behind a map are tried. A Linear or a convolution takes
    it up from either side, an embedding if it runs before the map. It can be folded where nothing
    but that module's output goes into the map, or nothing but the map's output into that module:
    not across a nonlinearity or a norm, and not between residual blocks, whose input also goes past
    them. In residual nets that leaves the ends: a map right behind the first map or embedding of
    the model, or right before its head if that has no norm.

    Parameters
    ----------
    smaller : nn.Module
        What `cut` made, healed or not; it is left as it is.
    plan : Plan, optional
        The plan of the cut, which knows how the model is called, and has a batch.
    loader : iterable, optional
        Batches, of which the first is used, where there is no plan.

    Returns
    -------
    Folded
        A copy, which modules took maps up, and why others did not.

    Raises
    ------
    ValueError
        If no cut made `smaller`, or neither a plan nor a loader is given.

    Notes
    -----
    Whether a fold is exact is tried, with a map drawn at random in the place of the fitted one: the
    model answers the same with and without the fold (to 1e-9 of its size in float64, 1e-4 in
    float32), or it is not made. A map near the identity cannot hide a second use of its input that
    way. Takes some passes of one batch for each map. Where nothing is left of a layer in a list, it
    is taken out of the list.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> generator = torch.Generator().manual_seed(0)
    >>> x = torch.randn(40, 4, generator=generator)
    >>> model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)), nn.Linear(4, 2))
    >>> plan = lp.surgery.plan(model, list(x.split(10)), drop=3, ways="linear", layers="[123]")
    >>> smaller = lp.surgery.cut(model, plan)
    >>> folded = lp.surgery.fold(smaller, plan)
    >>> len(model), len(smaller), len(folded.model)
    (5, 3, 2)
    >>> bool(torch.allclose(folded.model(x), smaller(x), atol=1e-5))
    True
    """
    check_type("smaller", smaller, nn.Module, "an nn.Module")
    if plan is not None:
        check_type("plan", plan, Plan, "a Plan")
    inner = unwrapped(smaller)
    recipe_of(inner)  # or it was not made by a cut
    calling = Calling() if plan is None else plan.calling
    if plan is not None:
        example = plan.example
    elif loader is not None:
        example = batches_in_memory(inner, loader, replace(calling, max_batches=1))[0]
    else:
        raise ValueError("plan or loader must be given: a plan, or a list of one batch.")
    caller = _Caller(calling, example)
    made = copy.deepcopy(inner)
    gaps = {
        name: gap
        for name, gap in made.named_modules()
        if isinstance(gap, Gap) and gap.linear is not None
    }
    into, left, biased = dict[str, str](), dict[str, str](), list[str]()
    for name, gap in gaps.items():
        if gap.window.axes:
            left[gap.stands_for] = ONE_PLACE
            continue
        found, reasons = _taker(made, name, caller)
        if found is None:
            left[gap.stands_for] = "; ".join(reasons) or "no module with weights runs beside it"
            continue
        if _absorb(made, name, *found):
            biased.append(found[0])
        into[gap.stands_for] = found[0]
    empty = [name for name, gap in gaps.items() if gap.stands_for in into]
    return Folded(_without_gaps(made, empty, biased, caller), into, left)


@dataclass
class _Caller:
    """Runs models on one batch."""

    calling: Calling
    """How they are called."""
    example: Any
    """The batch."""

    def answer(self, model: nn.Module, begin: Callable[[], None] = lambda: None) -> Tensor:
        """Return what a model answers; `begin` is called right before it runs for that."""
        device = self.calling.where(model)
        reading = Reading(AnswerRule(self.calling.answer), self.calling.class_scores)

        def run(batch: Batch, first: int) -> Tensor:
            begin()
            with OwnRandomness(device)():
                output = own_memory(batch).run(model)
            answer = reading.answer(output)
            answer = tensor_of(output) if answer is None else answer
            if answer is None:
                raise ValueError("smaller must return a tensor to be compared by, and has none.")
            return answer

        (found,) = visit(model, [self.example], run, **self.calling.visiting(device))
        return found


def _taker(
    model: nn.Module, gap: str, caller: _Caller
) -> tuple[tuple[str, Side] | None, list[str]]:
    """Return the module that can take up the map in a gap, or why there is none."""
    reasons: list[str] = []
    found = _neighbours(model, gap, caller)
    # One that has a bias stays of the form that it was, so that others can load it.
    found.sort(key=lambda each: getattr(model.get_submodule(each[0]), "bias", 0) is None)
    for name, side in found:
        stays = why_not_here(model, gap, name, side, caller)
        if not stays:
            return (name, side), []
        reasons.append(f"{name!r}, which runs {side} it, {stays}")
    if any(reason.endswith(APART) for reason in reasons):
        reasons[-1] += f" ({BETWEEN})"
    return None, reasons


def why_not_here(model: nn.Module, gap: str, name: str, side: Side, caller: _Caller) -> str:
    """Return why a module cannot take up the map in a gap, in words; empty if it can."""
    part, linear = model.get_submodule(name), _map_in(model, gap)
    reason = why_not_absorbed(part, side, linear.in_features)
    if reason:
        return reason
    shared = [id(p) for _, p in model.named_parameters(remove_duplicate=False)].count
    if any(shared(id(p)) > 1 for p in part.parameters()):
        return "shares its weights with another module"
    trial = copy.deepcopy(model)
    drawn = _map_in(trial, gap)
    generator = torch.Generator().manual_seed(0)
    width = drawn.in_features
    with torch.no_grad():
        noise = torch.randn(width, width + 1, generator=generator).to(drawn.weight)
        drawn.weight.copy_(torch.eye(width).to(noise) + noise[:, :-1] / width**0.5)
        drawn.bias.copy_(noise[:, -1])
    expected = caller.answer(trial)
    _absorb(trial, gap, name, side)
    if difference(caller.answer(trial), expected):
        return APART
    return ""


def _map_in(model: nn.Module, gap: str) -> nn.Linear:
    linear = model.get_submodule(gap).linear
    assert isinstance(linear, nn.Linear)
    return linear


def _absorb(model: nn.Module, gap: str, name: str, side: Side) -> bool:
    """Move the map of a gap into a module; return whether that was given a bias for it."""
    linear = _map_in(model, gap)
    added = absorb(model.get_submodule(name), side, linear.weight, linear.bias)
    place: Any = model.get_submodule(gap)
    place.linear = None
    return added


def _without_gaps(
    model: nn.Module, gaps: list[str], biased: list[str], caller: _Caller
) -> nn.Module:
    """Return a model without empty gaps, where lists can do without, and with its recipe.

    Parameters
    ----------
    model : nn.Module
        The model.
    gaps : list of str
        Names of gaps whose maps were folded.
    biased : list of str
        Names of modules that were given a bias for that.
    caller : _Caller
        Runs it.
    """
    recipe = recipe_of(model)
    forms = dict(recipe.gaps)
    for gap in reversed(gaps):  # the names of those before stay as they are
        stands_for = str(model.get_submodule(gap).stands_for)
        form = forms.pop(stands_for)
        without = _without(model, gap, biased, caller)
        if without is None:
            forms[stands_for] = GapForm(form.given, form.length, None, form.axis)
        else:
            model, biased = without
    remember(
        model,
        replace(
            recipe,
            gaps=forms,
            biased=(*recipe.biased, *biased),
            folded=recipe.folded + len(gaps),
        ),
    )
    return model


def _without(
    model: nn.Module, gap: str, names: list[str], caller: _Caller
) -> tuple[nn.Module, list[str]] | None:
    """Return a copy without an empty gap, and what some modules are called in it.

    None where the gap is in no list, or the list cannot do without.
    """
    if number_in_list(model, gap) is None:
        return None
    made = copy.deepcopy(model)
    parts = [made.get_submodule(name) for name in names]
    take_out(made, [gap], {})
    try:
        apart = difference(caller.answer(made), caller.answer(model))
    except Exception:  # of whatever kind: the model's code did not expect the change
        return None
    called = {module: name for name, module in made.named_modules()}
    return None if apart else (made, [called[part] for part in parts])


def _neighbours(model: nn.Module, gap: str, caller: _Caller) -> list[tuple[str, Side]]:
    """Return the modules with weights that run directly before and behind a gap."""
    order: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda module, args, output: order.append(name)

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            own = any(True for _ in module.parameters(recurse=False))
            if name == gap or (own and not _is_inside_gap(model, name)):
                hooks.callback(module.register_forward_hook(note(name)).remove)
        caller.answer(model, order.clear)
    if order.count(gap) != 1:
        return []
    place = order.index(gap)
    found: list[tuple[str, Side]] = []
    if place:
        found.append((order[place - 1], "before"))
    if place + 1 < len(order):
        found.append((order[place + 1], "behind"))
    return [(name, side) for name, side in found if order.count(name) == 1]


def _is_inside_gap(model: nn.Module, name: str) -> bool:
    return isinstance(model.get_submodule(name.rpartition(".")[0]), Gap)
