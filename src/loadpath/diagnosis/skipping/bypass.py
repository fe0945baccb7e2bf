"""One call of one layer: watched, or left out, so that what it was given goes on in its place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.record import (
    Layout,
    Site,
    is_path_net,
    kind_of,
    leaves,
    mapped,
    replacing_method,
    values_of,
)


def module_kind(module: nn.Module) -> str:
    """Return what a module is in words: a block, which has modules inside, or a single one."""
    kind = kind_of(module)
    return f"block ({kind})" if len(module._modules) else f"single module ({kind})"


@dataclass(frozen=True)
class Call:
    """One of the calls of a site in a pass."""

    site: Site
    """The site that is called."""
    times: int
    """Which of its calls it is, from 1."""

    @property
    def name(self) -> str:
        """The name of the layer, as `loadpath.record.stream` has it."""
        return self.site.called(self.times)

    @property
    def kind(self) -> str:
        """What is skipped, in words that say no more than can be told from outside."""
        if self.site.node is not None:
            return f"step of the path of a {kind_of(self.site.module)}"
        return module_kind(self.site.module)


CallWatcher = Callable[[Call, Tensor | None, Tensor | None], None]
"""A function that is handed a call, its input as it was before the call, and its output; None
stands for no tensor."""


@contextmanager
def watching_calls(
    sites: Iterable[Site], watch: CallWatcher, layout: Layout, count: int
) -> Iterator[None]:
    """Hand every call of the sites to `watch` as it ends, with what went in and what came out.

    Which tensors are a layer's input and output is known to the layout, from a trial pass; A_l of a
    `PathNet` is given A_{l-1}.
    """
    counts: Counter[Site] = Counter()
    paths: dict[nn.Module, list[Site]] = {}

    def report(site: Site, before: Tensor | None, output: Any) -> None:
        counts[site] += 1
        call = Call(site, counts[site])
        there = [values_of(leaf) for _, leaf in leaves(output)]
        known = layout.knows_place(site, call.times, output, count)
        # The pass is made again when more is known.
        first = there[0] if there else None
        watch(call, before, _replaceable(call, output, layout) if known else first)

    with ExitStack() as hooks:
        for site in sites:
            if site.node is not None:
                paths.setdefault(site.module, []).append(site)
                continue

            def report_call(
                given: Any, before: Tensor | None, output: Any, site: Site = site
            ) -> None:
                report(site, before, output)

            hooks.enter_context(_calling_after(site, report_call, layout))
        for net, nodes in paths.items():

            def path(x: Any, path: Any = net.path, nodes: list[Site] = nodes) -> Any:
                A = path(x)
                for site in nodes:
                    report(site, A[site.node - 1] if site.node else None, A[site.node or 0])
                return A

            hooks.enter_context(replacing_method(net, "path", path))
        yield


def _replaceable(call: Call, output: Any, layout: Layout) -> Tensor | None:
    """Return the output of a call, a tensor that is there to be replaced; None if there is none."""
    there = [values_of(leaf) for _, leaf in leaves(output)]
    if not there:
        return None
    found = values_of(layout.select(call.site, call.times, output))
    if not any(tensor is found for tensor in there):
        raise ValueError(
            f"output makes a new tensor of what layer {call.name!r} puts out, which nothing can be "
            "put in place of: pass a key or an index."
        )
    return found


def reason_to_keep(call: Call, before: Tensor | None, output: Tensor | None) -> str | None:
    """Return why a call cannot be left out, in words; None if it can be.

    It can be where input and output are real numbers of one shape, because what comes after is then
    given what it can work with. Whether the layer adds to its input cannot be told from outside.

    Parameters
    ----------
    call : Call
        The call.
    before : Tensor or None
        What it was given, as it was before the call.
    output : Tensor or None
        What it put out.

    Returns
    -------
    str or None
        The reason, to stand behind the name of the layer.
    """
    if call.site.node == 0:
        return "the path starts here"
    if before is None:
        return "it is given no tensor"
    if output is None:
        return "it puts out no tensor"
    for what, tensor in (("input", before), ("output", output)):
        if not tensor.is_floating_point():
            return f"its {what} is {tensor.dtype}, not real numbers"
    if before.shape != output.shape:
        return f"its input is {_sizes(before)} and its output {_sizes(output)}"
    return None


@contextmanager
def bypassing(
    call: Call,
    layout: Layout,
    *,
    fill: float | None = None,
    through: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[None]:
    """Put, within the block, what a call was given in place of its output.

    The output keeps its structure. The layer runs all the same, and what it puts out besides
    (attention weights, position biases, caches) stays. What it wrote into its input is undone.
    Other calls of the module are as ever.

    Parameters
    ----------
    call : Call
        The call that is left out.
    layout : Layout
        Which tensors are its input and output.
    fill : float, optional
        A number to put in place of the output, instead of the input.
    through : callable, optional
        What the input goes through before it takes the place of the output of a module, such as a
        linear map that stands for the layer.

    Raises
    ------
    ValueError
        At the end of a pass in which there was no such call, or one with another shape.
    """
    calls = 0

    def input_in_place(given: Tensor | None, before: Tensor | None, output: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != call.times:
            return None
        new = _replaceable(call, output, layout)
        if given is None or before is None or new is None or before.shape != new.shape:
            raise ValueError(f"layer {call.name!r} {_NOT_SAME}")
        if fill is not None:
            filled = torch.full_like(new, fill)
            return mapped(output, lambda tensor: filled if tensor is new else tensor)
        if through is not None:
            moved = through(before).to(new.dtype)
            return mapped(output, lambda tensor: moved if tensor is new else tensor)
        if not torch.equal(given, before):
            with torch.no_grad():
                given.copy_(before)
        # A layer that acts in place hands the memory of its input on, and then so does the bypass:
        # what else reads that memory must find what the rest of the model was given.
        shared = given.untyped_storage().data_ptr() == new.untyped_storage().data_ptr()
        hand_on = (given if shared else before).to(new.dtype)
        return mapped(output, lambda tensor: hand_on if tensor is new else tensor)

    def path_without_step(x: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls != call.times:
            return whole_path(x)
        with replacing_method(
            call.site.module, "coefficients", lambda: _without_step(coefficients(), call.site.node)
        ):
            return whole_path(x)

    net = call.site.module
    if call.site.node is not None and is_path_net(net):  # each of its steps is read by the next
        whole_path, coefficients = net.path, net.coefficients
        bypass = replacing_method(call.site.module, "path", path_without_step)
    else:
        bypass = _calling_after(call.site, input_in_place, layout)
    with bypass:
        yield
    if calls < call.times:
        raise ValueError(f"layer {call.name!r} {_NOT_SAME}")


_NOT_SAME = (
    "must do the same whenever the model runs on a batch, and it did not: it cannot be skipped."
)


def _without_step(coefficients: tuple[Tensor, Tensor], node: int | None) -> tuple[Tensor, Tensor]:
    """Return coefficients with decay 1 and gain 0 in the step to a node: A_l = A_{l-1}, exactly."""
    assert node is not None and node > 0
    # Copies, because a gain may be the layer steps of the net itself.
    decay, gain = (c.clone() for c in coefficients)
    decay[node - 1], gain[node - 1] = 1, 0
    return decay, gain


@contextmanager
def _calling_after(
    site: Site, receive: Callable[[Tensor | None, Tensor | None, Any], Any], layout: Layout
) -> Iterator[None]:
    """Call `receive` with a module's input, what that was before the call, and the output.

    What `receive` returns takes the place of the output, unless it is None.
    """
    running: list[tuple[Tensor | None, Tensor | None]] = []
    times = 0

    def enter(_: nn.Module, args: Any, kwargs: Any) -> None:
        nonlocal times
        times += 1
        given = layout.given_to(site, times, args, kwargs)
        # A copy, because the module may write to its input.
        running.append((given, None if given is None else given.clone()))

    def leave(_: nn.Module, args: Any, output: Any) -> Any:
        return receive(*running.pop(), output)

    with ExitStack() as hooks:
        # Scripted modules refuse hooks by a method of their own, and run those of nn.Module.
        start = nn.Module.register_forward_pre_hook(site.module, enter, with_kwargs=True)
        hooks.callback(start.remove)
        hooks.callback(nn.Module.register_forward_hook(site.module, leave).remove)
        yield


def _sizes(tensor: Tensor) -> str:
    """Return a shape in words, whatever the number of samples."""
    return f"({', '.join(['sample', *map(str, tensor.shape[1:])])})"
