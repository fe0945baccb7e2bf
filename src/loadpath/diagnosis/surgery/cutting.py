"""The cut itself: a smaller model, which does by itself what the search measured under hooks."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
from torch import Tensor, nn

from loadpath.checks import check_type
from loadpath.diagnosis.surgery.cuts import MAPPED, Cut, LinearMap, Way, runs_of
from loadpath.diagnosis.surgery.planning import Plan
from loadpath.diagnosis.surgery.search import Calling, Subject, batches_in_memory, lacking
from loadpath.diagnosis.surgery.ways import (
    Gap,
    Recipe,
    Standing,
    number_in_list,
    remember,
    take_out,
)
from loadpath.leaky_resnet import layer_steps
from loadpath.record import Batch, Loader, OwnRandomness, evaluation_mode, leaves, unwrapped

TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}
"""How far the cut model's answer may be from the one under hooks, relative to its size; 2e-2 for
half precision."""


def cut(model: nn.Module, what: Plan | Cut, loader: Loader | None = None) -> nn.Module:
    """Return a smaller copy of a model, without the layers that a plan names.

    A layer in a `Sequential` or a `ModuleList` is taken out of it, and those behind it move up. Its
    place among the layers, as the caches of attention know it, and the counts in configs follow.
    Where a model works with its layers by name or number, a gap is left that hands on its input,
    which has no parameters.

    Parameters
    ----------
    model : nn.Module
        The model; it is left as it is.
    what : Plan or Cut
        What goes.
    loader : iterable, optional
        Batches for a `Cut` that was made by hand; the first shows how the layers are called, and
        checks the cut model. A plan has one.

    Returns
    -------
    nn.Module
        A copy that is really smaller: the layers and their parameters are gone.

    Raises
    ------
    ValueError
        For layers that there are not, or that cannot go; and if the model without them does not do
        what it does when they are skipped.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> model = nn.Sequential(*(nn.Linear(3, 3) for _ in range(4)))
    >>> x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    >>> smaller = lp.surgery.cut(model, lp.surgery.Cut(("1", "2")), [x])
    >>> len(smaller), bool(torch.equal(smaller(x), model[3](model[0](x))))
    (2, True)
    """
    check_type("what", what, Plan | Cut, "a Plan or a Cut")
    inner = unwrapped(model)
    if isinstance(what, Plan):
        what.check_model(inner)
        calling, batches, wanted = what.calling, [what.example], what.cut
    elif loader is None:
        raise ValueError("loader must be given with a Cut that no plan made: a list of one batch.")
    else:
        calling, wanted = Calling(_siblings(inner, what), max_batches=1), what
        batches = batches_in_memory(inner, loader, calling)[:1]
    subject = Subject(inner, replace(calling, max_batches=1), batches)
    chosen = [_number(subject, name) for name in wanted.layers]
    if not chosen:
        return copy.deepcopy(model)
    if subject.calls[0].site.node is not None:
        return _shorter_path(subject, chosen, wanted)
    return _checked(subject, tuple(sorted(chosen)), wanted)


def _siblings(model: nn.Module, what: Cut) -> list[str]:
    """Return patterns of the layers that go, and of those beside them."""
    found: dict[str, None] = {}
    for name in lacking(model, what.layers):
        raise ValueError(f"layers must be modules of the model, and it has no {name!r}.")
    for name in what.layers:
        parent, _, key = name.rpartition(".")
        if key.isdigit():
            found[f"{parent}.*".removeprefix(".")] = None
        found[name] = None
    return list(found)


def _number(subject: Subject, name: str) -> int:
    """Return the number of a layer among those that may go."""
    if name in subject.names:
        return subject.names.index(name)
    if name in subject.kept:
        raise ValueError(f"layers must not have {name!r}, which cannot go: {subject.kept[name]}.")
    told = ", ".join(subject.names[:3])
    raise ValueError(f"layers has no {name!r} among those that can go, which are {told}, ....")


def _shorter_path(subject: Subject, chosen: list[int], what: Cut) -> nn.Module:
    """Return a Leaky ResNet without some of its layers."""
    net = subject.model
    if subject.calls[0].site.module is not net or not isinstance(net, layer_steps.Layered):
        raise ValueError("model must be a whole Leaky ResNet, so that layers of its path can go.")
    shorter: nn.Module
    if what.way == "merge":
        shorter = Standing(subject).remeshed(tuple(chosen))
    else:
        nodes = [subject.calls[layer].site.node or 0 for layer in chosen]
        shorter = layer_steps.without(net, [node - 1 for node in nodes])
    remember(shorter, Recipe(what.layers, what.way))
    return shorter


def _checked(subject: Subject, chosen: tuple[int, ...], what: Cut) -> nn.Module:
    """Return the first of the ways to take layers out that does what hooks do."""
    held = {frozenset(each.run): each for each in what.maps}

    def map_of(run: tuple[int, ...], _: Way) -> LinearMap:
        names = frozenset(subject.names[layer] for layer in run)
        if names not in held:
            raise ValueError(f"maps must have one for the run {sorted(names)}, and has none.")
        return held[names]

    standing = Standing(subject, map_of)
    if what.way == "merge":
        reason = standing.why_not_merged(chosen)
        if reason is not None:
            raise ValueError(f"way must not be 'merge' for {', '.join(what.layers)}: {reason}.")
        for group in standing.groups(chosen):
            standing.merged(group)

    def under_hooks(batch: Batch) -> tuple[Tensor | None, bool]:
        hooks, _ = standing((chosen, what.way))
        answer = subject.reading.answer(subject.run(batch, OwnRandomness(subject.device), hooks))
        return answer, True

    ((expected, _),) = subject.passes([0], under_hooks)
    complaint = ""
    for in_list in (True, False):
        made = copy.deepcopy(subject.model)
        if not _take_out(subject, made, standing, chosen, what, in_list=in_list):
            continue
        complaint = _difference(subject, made, expected)
        if not complaint:
            return made
    raise ValueError(
        f"layers {', '.join(what.layers)} cannot be removed: the model without them does not do "
        f"what it does when they are skipped ({complaint or 'nothing can take their place'})."
    )


def _take_out(
    subject: Subject,
    made: nn.Module,
    standing: Standing,
    chosen: tuple[int, ...],
    what: Cut,
    *,
    in_list: bool,
) -> bool:
    """Take layers out of a copy, out of their lists or leaving gaps; return whether that can be."""
    names = {id(module): name for name, module in subject.model.named_modules()}
    where = {layer: names[id(call.site.module)] for layer, call in enumerate(subject.calls)}
    listed = all(number_in_list(subject.model, where[layer]) is not None for layer in chosen)
    if in_list and not listed:
        return False
    put: dict[str, nn.Module] = {}
    if what.way == "merge":
        for group in standing.groups(chosen):
            put[where[group[0]]] = copy.deepcopy(standing.merged(group))
        chosen = tuple(l for group in standing.groups(chosen) for l in group[1:])
    if what.way in MAPPED and standing.map_of is not None:
        like = next((p for p in subject.model.parameters() if p.is_floating_point()), None)
        for run in runs_of(chosen, subject.before):
            gap = _gap(subject, run[0], standing.map_of(run, what.way), like)
            if gap is None:
                return False
            put[where[run[0]]] = gap
    if not in_list:
        for layer in chosen:
            gap = _gap(subject, layer, None, None)
            if gap is None:
                return False
            put.setdefault(where[layer], gap)
    out = [where[layer] for layer in chosen]
    take_out(made, out, put)
    remember(made, Recipe.of(what, out, put))
    return True


def _gap(subject: Subject, layer: int, map: LinearMap | None, like: Tensor | None) -> Gap | None:
    """Return what stands in the place of a layer; None where its output is of another form."""
    call = subject.calls[layer]
    seen: list[tuple[object, object, object]] = []

    def keep(_: nn.Module, args: object, kwargs: object, output: object) -> None:
        seen.append((args, kwargs, output))

    def run(batch: Batch) -> None:
        hook = call.site.module.register_forward_hook(keep, with_kwargs=True)
        try:
            subject.run(batch, OwnRandomness(subject.device))
        finally:
            hook.remove()

    for _ in subject.passes([0], run):
        pass
    args, kwargs, output = seen[0]
    given = subject.layout.given_to(call.site, 1, args, kwargs)
    paths = [path for path, leaf in leaves((args, kwargs)) if leaf is given]
    selected = subject.layout.select(call.site, 1, output)
    if not paths:
        return None
    if isinstance(output, Tensor):
        return Gap(paths[0], None, map, like)
    if type(output) is tuple and output and output[0] is selected:
        return Gap(paths[0], len(output), map, like)
    return None


def _difference(subject: Subject, made: nn.Module, expected: Tensor | None) -> str:
    """Return how a cut model differs from the one under hooks, in words; empty if it does not."""

    def run(batch: Batch) -> Tensor | None:
        with evaluation_mode(made):
            start = OwnRandomness(subject.device)
            return subject.reading.answer(subject.run(batch, start, (), made))

    try:
        (found,) = subject.passes([0], run)
    except Exception as error:  # of whatever kind: the model's code did not expect the change
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no words'}"
    return difference(found, expected)


def difference(found: Tensor | None, expected: Tensor | None) -> str:
    """Return how one answer differs from another, in words; empty if it is the same to rounding."""
    if found is None or expected is None or found.shape != expected.shape:
        shapes = [None if t is None else tuple(t.shape) for t in (found, expected)]
        return f"its answer has shape {shapes[0]}, and {shapes[1]} when they are skipped"
    a, b = found.double(), expected.double()
    apart = float((a - b).norm() / b.norm().clamp_min(1e-300))
    if apart <= TOLERANCE.get(found.dtype, 2e-2):
        return ""
    return f"its answer is off by {apart:.2g} of its size"
