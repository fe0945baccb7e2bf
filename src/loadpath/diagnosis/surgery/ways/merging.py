r"""One layer made of neighbours: parameters averaged, but summed where they write to the stream.

In a residual block $A + \sum_w h_w(A)$ the maps w that write to the stream are found by running it:
with what the later ones write held fixed, one that puts out 0 takes from the output just what it
wrote. Averages of the other parameters and sums of theirs give a block whose step is the sum of the
steps, to first order in what the blocks differ by. A block that is not of this form, as one that
ends in a norm, has the averages of all its parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

EXACT = 1e-4
"""Relative distance up to which an output counts as what it should be, in single precision."""

Call = Callable[[nn.Module], tuple[Tensor, Tensor]]
"""A function that runs a block on some samples, and returns what it was given and put out."""


def why_not_merged(blocks: Sequence[nn.Module]) -> str | None:
    """Return why blocks cannot be merged, in words; None if they can be."""
    first = blocks[0]
    shapes = {name: p.shape for name, p in first.named_parameters()}
    for block in blocks[1:]:
        if type(block) is not type(first):
            return f"they are a {type(first).__name__} and a {type(block).__name__}"
        if {name: p.shape for name, p in block.named_parameters()} != shapes:
            return "their parameters have other shapes"
    return None if shapes else "they have no parameters"


@torch.no_grad()
def merged(blocks: Sequence[nn.Module], call: Call) -> nn.Module:
    """Return one block made of several.

    Parameters
    ----------
    blocks : sequence of nn.Module
        Blocks of one class with parameters of the same shapes; they are left as they are.
    call : callable
        Runs one of them on some samples.

    Returns
    -------
    nn.Module
        A copy of the first with other parameters.
    """
    made = copy.deepcopy(blocks[0])
    summed = set.intersection(*(set(writers(block, call)) for block in blocks))
    parameters = [dict(block.named_parameters()) for block in blocks]
    for name, parameter in made.named_parameters():
        together = torch.stack([each[name].double() for each in parameters])
        owner = name.rpartition(".")[0]
        new = together.sum(0) if owner in summed else together.mean(0)
        parameter.copy_(new.to(parameter))
    buffers = [dict(block.named_buffers()) for block in blocks]
    for name, buffer in made.named_buffers():
        if buffer.is_floating_point() and all(name in each for each in buffers):
            buffer.copy_(torch.stack([each[name].double() for each in buffers]).mean(0).to(buffer))
    return made


@torch.no_grad()
def writers(block: nn.Module, call: Call) -> list[str]:
    """Return the names of the modules inside a block that write to its stream; none if unclear.

    Parameters
    ----------
    block : nn.Module
        The block.
    call : callable
        Runs it on some samples.

    Returns
    -------
    list of str
        Names of modules whose outputs add up to the step of the block.
    """
    wrote: dict[str, Tensor] = {}
    order: list[str] = []

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, args: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                order.append(name)
                wrote[name] = output.detach().clone()

        return hook

    parts = {
        name: part
        for name, part in block.named_modules()
        if name and not part._modules and any(True for _ in part.parameters(recurse=False))
    }
    with ExitStack() as hooks:
        for name, part in parts.items():
            hooks.callback(part.register_forward_hook(keep(name)).remove)
        given, out = call(block)
    if len(set(order)) < len(order):  # one that runs twice writes twice
        return []
    held: dict[str, Tensor] = {}
    for name in reversed(order):
        if wrote[name].shape != out.shape or wrote[name].norm() == 0:
            continue
        now = _output_with(block, parts, {**held, name: torch.zeros_like(wrote[name])}, call)
        if _near(out - now, wrote[name]):
            held[name] = wrote[name]
    return (
        list(held) if held and _near(out - given, torch.stack(list(held.values())).sum(0)) else []
    )


def _output_with(
    block: nn.Module, parts: dict[str, nn.Module], fixed: dict[str, Tensor], call: Call
) -> Tensor:
    """Return what a block puts out with the outputs of some modules inside fixed."""

    def put(value: Tensor) -> Callable[..., Tensor]:
        return lambda module, args, output: value

    with ExitStack() as hooks:
        for name, value in fixed.items():
            hooks.callback(parts[name].register_forward_hook(put(value)).remove)
        return call(block)[1]


def _near(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).norm() <= EXACT * b.norm())
