"""Which modules of a model are its layers, when nobody says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from loadpath.checks import check_callable, check_count, check_flag, check_type
from loadpath.record.layout import Call, axis_of_shape, watch_calls
from loadpath.record.paths import is_path_net
from loadpath.record.selection import Site, is_scripted, kind_of, path_sites

_IDLE = (nn.Identity, nn.Flatten, nn.Unflatten, nn.modules.dropout._DropoutNd)
# What hands its input on in evaluation, or only in another shape.


@dataclass(frozen=True)
class Blocks:
    """The layers that were found in a model."""

    sites: list[Site]
    """Where they are."""
    words: str
    """How they were found."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Modules of their kind that cannot be recorded, each with why not."""


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
    of a ResNet through all its stages. A chain of another class beside them, as the layers of a
    decoder may be, is left out and named. A model without such chains is plain: its layers are all
    the modules without modules inside, except those that do nothing (dropout in evaluation,
    identity, flatten). A `PathNet` has its representations A_0 to A_L.

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
    check_type("model", model, nn.Module, "an nn.Module")
    check_callable("run", run)
    check_count("count", count, 1)
    check_flag("tokens_first", tokens_first)
    if is_path_net(model):
        found = path_blocks(model)
    else:

        def usable(call: Call) -> bool:
            shapes = (seen.shape for seen in call.out if seen.real and len(seen.shape) > 1)
            return any(axis_of_shape(s, count, tokens_first) in allowed for s in shapes)

        allowed = (0, 1) if tokens_first else (0,)
        found = blocks_in(watch_calls(model, run), usable)
    return found.sites, found.words


def path_blocks(model: Any) -> Blocks:
    """Return the representations of a `PathNet` as blocks."""
    words = f"the representations A_0 to A_L of the {type(model).__name__}"
    return Blocks(path_sites(model, ""), words)


def blocks_in(calls: list[Call], usable: Callable[[Call], bool]) -> Blocks:
    """Find the blocks among the calls of one pass, by the rule of `find_blocks`.

    Parameters
    ----------
    calls : list of Call
        All calls, in the order in which they ended.
    usable : callable
        Whether a call put out real numbers with samples.

    Returns
    -------
    Blocks
        The blocks.

    Raises
    ------
    ValueError
        If there is nothing to record.
    """
    fit = {id(call) for call in calls if usable(call)}
    groups = _chains([call for call in calls if id(call) in fit])
    if groups:
        key = _choose(groups)
        sites = list(dict.fromkeys(call.site for call in groups[key]))
        homes = {_parent(call) for call in groups[key]}
        missing = [
            call
            for call in calls
            if _key(call) == key and _parent(call) in homes and id(call) not in fit
        ]
        return Blocks(
            sites,
            f"all {key[0]} modules that have siblings of their class, or are called again",
            _left_out(missing, sites) | _other_chains(groups, key),
        )
    leaves = [
        call for call in calls if not _parts(call) and not isinstance(call.site.module, _IDLE)
    ]
    sites = []
    for site in dict.fromkeys(call.site for call in leaves if id(call) in fit):
        net = site.module
        sites += path_sites(net, site.name) if is_path_net(net) else [site]
    if not sites:
        raise ValueError(
            "layers cannot be found by themselves: no module inside the model puts out real "
            "numbers, samples along the first axis; name some."
        )
    words = "all modules without modules inside, but dropout, identity and flatten"
    return Blocks(sites, words, _left_out([c for c in leaves if id(c) not in fit], sites))


def _left_out(calls: list[Call], sites: list[Site]) -> dict[str, str]:
    """Return the names of modules that cannot be recorded, each with what it puts out."""
    taken = {site.name for site in sites}
    found = {}
    for call in calls:
        if call.site.name in taken:
            continue
        shapes = " and ".join(str(seen.shape) for seen in call.out if seen.real)
        reason = f"puts out {shapes}, in which no axis is known to have the samples"
        found[call.site.name] = reason if shapes else "puts out no real numbers"
    return found


def _other_chains(groups: dict[Key, list[Call]], key: Key) -> dict[str, str]:
    """Return chains of another class that lie beside the chosen one, by pattern, each with a word.

    Such are the decoder's layers of a model whose encoder has layers of another class, but neither
    what holds chosen blocks nor what is in them, nor what is in such a chain.
    """
    chosen = {id(call) for call in groups[key]}
    holders = {id(outer) for call in groups[key] for outer in call.callers}

    def is_beside(call: Call) -> bool:
        around = {id(outer) for outer in call.callers}
        return not (chosen & around or id(call) in chosen or id(call) in holders)

    beside = {
        other: members
        for other, members in groups.items()
        if other != key and all(map(is_beside, members))
    }
    inner = {id(call) for members in beside.values() for call in members}
    found = {}
    for (kind, _), members in beside.items():
        if any(id(outer) in inner for call in members for outer in call.callers):
            continue
        for home in dict.fromkeys(_parent(call) for call in members):
            names = {call.site.name for call in members if _parent(call) == home}
            found[f"{home}.*".removeprefix(".")] = (
                f"{len(names)} {kind} beside the {key[0]} that are taken, name both with layers="
            )
    return found


def _parts(call: Call) -> int:
    """Return how many modules are inside a call's module, where hooks see them."""
    module = call.site.module
    return 0 if is_scripted(module) else len(module._modules)


Key = tuple[str, int]
"""Name of a class, and depth in the module tree."""


def _chains(calls: list[Call]) -> dict[Key, list[Call]]:
    """Return the calls of candidate modules, by class and depth in the module tree."""
    siblings = defaultdict(list)
    for call in calls:
        if len(call.site.module._modules):
            siblings[_parent(call), _key(call)].append(call)
    groups: dict[Key, list[Call]] = defaultdict(list)
    for (_, key), members in siblings.items():
        if len(members) > 1:
            groups[key] += members
    return groups


def _choose(groups: dict[Key, list[Call]]) -> Key:
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


def _longest_run(members: list[Call]) -> int:
    """Return the largest number of calls among siblings."""
    runs: dict[str, int] = defaultdict(int)
    for call in members:
        runs[_parent(call)] += 1
    return max(runs.values())


def _key(call: Call) -> Key:
    """Return the class of a call's module and its depth in the module tree."""
    return kind_of(call.site.module), call.site.name.count(".")


def _parent(call: Call) -> str:
    """Return the name of the module that holds a call's module."""
    return call.site.name.rpartition(".")[0]
