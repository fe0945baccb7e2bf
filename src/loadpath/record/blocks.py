"""Which modules of a model are its layers, when nobody says so."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from loadpath.record.paths import is_path_net
from loadpath.record.selection import Site, is_scripted, path_sites, sites_of
from loadpath.record.structures import tensor_of

_IDLE = (nn.Identity, nn.Flatten, nn.Unflatten, nn.modules.dropout._DropoutNd)
# What hands its input on in evaluation, or only in another shape.


class _Same:
    """A tensor's identity, which does not keep it alive and ends when the tensor is written to."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor, self.version = weakref.ref(tensor), _version(tensor)

    def __call__(self, other: Tensor | None) -> bool:
        return other is not None and self.tensor() is other and self.version == _version(other)


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was written to; 0 for inference tensors, which do not count."""
    return 0 if tensor.is_inference() else tensor._version  # which those do not count


@dataclass
class _Call:
    """One call of a module in the pass that is watched."""

    site: Site
    given: _Same | None
    caller: _Call | None
    serial: bool = True
    """Whether, so far, each call inside ran on what the one before it gave, and nothing else."""
    last: _Same | None = None
    """What the last call inside gave."""
    inside: int = 0
    usable: bool = False
    """Whether it put out real numbers, samples first."""
    callers: list[_Call] = field(default_factory=list)


def find_blocks(
    model: nn.Module, run: Callable[[], Any], *, count: int, tokens_first: bool = False
) -> tuple[list[Site], str]:
    """Find the blocks that a model is a chain of, by watching one forward pass.

    Candidates are modules that have modules inside, are called twice or more among siblings of
    their class (several siblings, or one called again), and put out real numbers, samples first.
    From all such classes, each at one depth of the module tree, the outermost with the most calls
    is taken. It is left for a class that lies inside of it in two cases:

    - Its modules are only stages: what runs inside runs one after the other, each on what the one
      before gave, and the last one's output is theirs.
    - Some module has more siblings of that inner class than there are calls of the outer.

    So one gets the layers of a transformer, of encoder and decoder alike, and the residual blocks
    of a ResNet through all its stages. A model without such chains is plain: its layers are all the
    modules without modules inside, except those that do nothing (dropout in evaluation, identity,
    flatten). A `PathNet` has its representations A_0 to A_L.

    Parameters
    ----------
    model : nn.Module
        The model, inside its wrappers.
    run : callable
        One forward pass.
    count : int
        Number of samples in that pass.
    tokens_first : bool, optional
        Whether sequences come as (token, sample, width).

    Returns
    -------
    sites : list of Site
        The blocks.
    words : str
        How they were found.

    Raises
    ------
    ValueError
        If there is nothing to record.
    """
    if is_path_net(model):
        return path_sites(
            model, ""
        ), f"the representations A_0 to A_L of the {type(model).__name__}"
    calls = _watch(model, run, count, tokens_first)
    groups = _chains(calls)
    if groups:
        key = _choose(groups, calls)
        sites = list(dict.fromkeys(call.site for call in groups[key]))
        return sites, (
            f"all {key[0].__name__} modules that have siblings of their class, or are called again"
        )
    leaves = [
        call.site
        for call in calls
        if call.usable and not len(call.site.module._modules)
        if not isinstance(call.site.module, _IDLE)
    ]
    sites = []
    for site in dict.fromkeys(leaves):
        net = site.module
        sites += path_sites(net, site.name) if is_path_net(net) else [site]
    if not sites:
        raise ValueError(
            "layers cannot be found by themselves: no module inside the model puts out real "
            "numbers, samples along the first axis; name some."
        )
    return sites, "all modules without modules inside, but dropout, identity and flatten"


Key = tuple[type[nn.Module], int]


def _chains(calls: list[_Call]) -> dict[Key, list[_Call]]:
    """Return the calls of candidate modules, by class and depth in the module tree."""
    siblings = defaultdict(list)
    for call in calls:
        if call.usable and len(call.site.module._modules):
            siblings[_parent(call), _key(call)].append(call)
    groups: dict[Key, list[_Call]] = defaultdict(list)
    for (_, key), members in siblings.items():
        if len(members) > 1:
            groups[key] += members
    return groups


def _choose(groups: dict[Key, list[_Call]], calls: list[_Call]) -> Key:
    """Return the class and depth of the blocks, by the rule of `find_blocks`."""
    inside: dict[Key, set[Key]] = {
        key: {_key(outer) for call in members for outer in call.callers} & groups.keys() - {key}
        for key, members in groups.items()
    }
    candidates = [key for key in groups if not inside[key]]
    while True:
        best = max(candidates, key=lambda key: len(groups[key]))
        candidates = [key for key in groups if best in inside[key]]
        # Only the next level: what lies in what lies inside comes up in its turn.
        candidates = [k for k in candidates if not inside[k] & set(candidates)]
        stages = all(call.serial for call in groups[best])
        longest = {key: _longest_run(groups[key]) for key in candidates}
        candidates = [k for k in candidates if stages or longest[k] > len(groups[best])]
        if not candidates:
            return best


def _longest_run(members: list[_Call]) -> int:
    """Return the largest number of calls among siblings."""
    runs: dict[str, int] = defaultdict(int)
    for call in members:
        runs[_parent(call)] += 1
    return max(runs.values())


def _key(call: _Call) -> Key:
    """Return the class of a call's module and its depth in the module tree."""
    return type(call.site.module), call.site.name.count(".")


def _parent(call: _Call) -> str:
    """Return the name of the module that holds a call's module."""
    return call.site.name.rpartition(".")[0]


def _watch(model: nn.Module, run: Callable[[], Any], count: int, tokens_first: bool) -> list[_Call]:
    """Return all calls of one pass in the order in which they ended."""
    ended: list[_Call] = []
    stack: list[_Call] = []

    def before(site: Site, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = tensor_of([*args, *kwargs.values()])
        caller = stack[-1] if stack else None
        if caller is not None:
            expected = caller.last if caller.inside else caller.given
            caller.serial &= expected is not None and expected(given)
            caller.inside += 1
        start = None if given is None else _Same(given)
        stack.append(_Call(site, start, caller, callers=list(stack)))

    def after(output: Any) -> None:
        call = stack.pop()
        out = tensor_of(output)
        call.serial &= call.last is not None and call.last(out)
        if call.caller is not None:
            call.caller.last = None if out is None else _Same(out)
        if out is not None and out.is_floating_point() and out.ndim > 1:
            axis = 1 if tokens_first and out.ndim == 3 else 0
            call.usable = out.shape[axis] == count
        ended.append(call)

    with ExitStack() as hooks:
        for site in {id(s.module): s for s in sites_of(model).values() if s.node is None}.values():

            def enter(_: nn.Module, args: Any, kwargs: Any, site: Site = site) -> None:
                before(site, args, kwargs)

            def leave(_: nn.Module, args: Any, output: Any) -> None:
                after(output)

            module = site.module
            if is_scripted(module):
                continue
            hooks.callback(module.register_forward_pre_hook(enter, with_kwargs=True).remove)
            hooks.callback(module.register_forward_hook(leave).remove)
        run()
    return ended
