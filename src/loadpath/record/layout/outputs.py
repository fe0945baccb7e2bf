"""Which tensor of what a block puts out is its output, and which of those it is given its input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from loadpath.record.layout.trial import Call, Seen
from loadpath.record.selection import kind_of
from loadpath.record.structures import FIRST_CHOICES, OutputPath, at, is_real, leaves, values_of

Output = str | int | Callable[[Any], Any] | None
"""A key or an index of what a layer puts out, or a function of that."""

_FIRST_COUNTS = (nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)
# Modules of torch.nn that put out a state or attention weights beside their output.


def check_output(output: object) -> None:
    """Refuse an `output` that is no key, index or function."""
    known = isinstance(output, str | int) and not isinstance(output, bool)
    if output is not None and not known and not callable(output):
        raise ValueError(
            "output must be a key or an index of what a layer puts out, or a function of it, got "
            f"{output!r}."
        )


def put_out(output: Any, rule: Output) -> tuple[Any, bool]:
    """Return the part of what a layer put out that a rule takes, and whether it takes one.

    A key is for what has it, an index for tuples and lists that are long enough, a function for
    all but plain tensors.
    """
    if rule is None or isinstance(output, Tensor | PackedSequence):
        return output, False
    if callable(rule):
        return rule(output), True
    try:
        return at(output, (rule,)), True
    except (LookupError, TypeError):
        return output, False


def only_path(module: nn.Module, output: Any) -> OutputPath | None:
    """Return the path to the output where no other call need be looked at; None if there are more.

    That is where there is one tensor of real numbers, in the order of `tensor_of` for entries whose
    names say that they stand for all, and the first of torch's own recurrent nets and attention.
    """
    real = [(path, leaf) for path, leaf in leaves(output) if is_real(values_of(leaf))]
    distinct = {id(values_of(leaf)) for _, leaf in real}
    if len(distinct) == 1 or (real and isinstance(module, _FIRST_COUNTS)):
        return real[0][0]
    return real[0][0] if real and _is_named(real[0][0]) else None


def _is_named(path: OutputPath) -> bool:
    """Return whether a path has a name that stands for all but logits, which attention has too."""
    return any(step in FIRST_CHOICES[:-1] for step in path)


def choose_output(
    call: Call, calls: list[Call], chosen: set[nn.Module], usable: Callable[[Seen], bool]
) -> OutputPath:
    """Return the path to a block's output, by what the rest of the model does with it.

    Parameters
    ----------
    call : Call
        A call of the block.
    calls : list of Call
        All calls of the pass.
    chosen : set of nn.Module
        The modules that are layers.
    usable : callable
        Whether a tensor has samples.

    Returns
    -------
    tuple
        The path, as `loadpath.record.structures.at` takes it.

    Raises
    ------
    ValueError
        If none of the rules decides.
    """
    path = _decided(call, calls, chosen, usable)
    if path is None:
        # Blocks of one class go by those of them for which the next block settles it.
        alike = [other for other in calls if _alike(call, other) and other is not call]
        known = {_by_next(other, calls, chosen, usable) for other in alike} - {None}
        own = {seen.path for seen in _candidates(call, usable)}
        path = known.pop() if len(known) == 1 and known <= own else None
    path = path if path is not None else _by_shape(call, usable)
    path = path if path is not None else _by_any(call, calls, usable)
    if path is None:
        found = ", ".join(f"{_words(seen.path)} {seen.shape}" for seen in _candidates(call, usable))
        raise ValueError(
            f"layer {call.site.name!r} ({kind_of(call.site.module)}) puts out several tensors, and "
            f"which of them is its output cannot be told ({found}): pass output, the key or index "
            "of it, or a function of what the layer puts out."
        )
    return path


def choose_given(call: Call, shape: tuple[int, ...], earlier: list[Seen]) -> OutputPath | None:
    """Return the path to the tensor that goes on in a block's place where the block is left out.

    That is the first tensor of real numbers that the block was given; but one of its output's
    shape, if the first has another, and of several of that shape the one that an earlier block put
    out.

    Parameters
    ----------
    call : Call
        A call of the block.
    shape : tuple of int
        Shape of its output.
    earlier : list of Seen
        Outputs of the blocks that ran before.

    Returns
    -------
    tuple or None
        The path into (positional arguments, named arguments); None if it is given no tensor.
    """
    real = [seen for seen in call.given if seen.real]
    fitting = [seen for seen in real if seen.shape == shape]
    if len(fitting) > 1:
        fitting = [s for s in fitting if any(s.is_same(e) for e in earlier)] or fitting
    first = next(iter(fitting or real or call.given), None)
    return None if first is None else first.path


def _candidates(call: Call, usable: Callable[[Seen], bool]) -> list[Seen]:
    """Return what may be the output: real numbers with samples, each once, no input handed on."""
    found: list[Seen] = []
    for seen in call.out:
        if seen.real and not any(seen.is_same(other) for other in found):
            found.append(seen)
    for keep in (usable, lambda seen: not any(seen.is_same(given) for given in call.given)):
        found = [seen for seen in found if keep(seen)] or found
    return found


def _decided(
    call: Call, calls: list[Call], chosen: set[nn.Module], usable: Callable[[Seen], bool]
) -> OutputPath | None:
    """Return the path if there is but one candidate, or one is named or given to the next block."""
    found = _candidates(call, usable)
    if len(found) == 1 or (found and isinstance(call.site.module, _FIRST_COUNTS)):
        return found[0].path
    named = next((seen.path for seen in found if _is_named(seen.path)), None)
    return named if named is not None else _by_next(call, calls, chosen, usable)


def _by_next(
    call: Call, calls: list[Call], chosen: set[nn.Module], usable: Callable[[Seen], bool]
) -> OutputPath | None:
    """Return the path of what the next of the chosen modules, or of the same class, is given."""
    following = [
        other
        for other in calls
        if other.started > call.ended
        if other.site.module in chosen or type(other.site.module) is type(call.site.module)
    ]
    return _handed_on(call, following, usable)


def _by_any(call: Call, calls: list[Call], usable: Callable[[Seen], bool]) -> OutputPath | None:
    """Return the path of what stands for scores by its name, or of what any module is given."""
    for seen in _candidates(call, usable):
        if FIRST_CHOICES[-1] in seen.path:
            return seen.path
    return _handed_on(call, [other for other in calls if other.started > call.ended], usable)


def _handed_on(
    call: Call, following: list[Call], usable: Callable[[Seen], bool]
) -> OutputPath | None:
    """Return the path of the one candidate that the first call with any of them is given."""
    candidates = _candidates(call, usable)
    for other in sorted(following, key=lambda other: other.started):
        for is_it in (Seen.is_same, Seen.shares_memory):
            found = [c for c in candidates if any(is_it(c, given) for given in other.given)]
            if len(found) == 1:
                return found[0].path
            if found:  # several: the one that goes on as it came in
                return _of_shape(call, found)
    return None


def _by_shape(call: Call, usable: Callable[[Seen], bool]) -> OutputPath | None:
    """Return the path of the one candidate that has the shape of the block's input."""
    return _of_shape(call, _candidates(call, usable))


def _of_shape(call: Call, candidates: list[Seen]) -> OutputPath | None:
    main = call.main
    fitting = [seen for seen in candidates if main is not None and seen.shape == main.shape]
    return fitting[0].path if len(fitting) == 1 else None


def _alike(call: Call, other: Call) -> bool:
    """Return whether two calls are of one class, and put out the like at the same places."""
    same = type(call.site.module) is type(other.site.module)
    return same and _kinds(call) == _kinds(other)


def _kinds(call: Call) -> list[tuple[OutputPath, bool, int]]:
    return [(seen.path, seen.real, len(seen.shape)) for seen in call.out]


def _words(path: OutputPath) -> str:
    """Return a path as one would write it."""
    return "".join(f"[{step!r}]" for step in path) or "the tensor"
