"""A forward pass that leaves no trace: hooks, modes, random state and switches are put back."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from loadpath.record.selection import Site

Receiver = Callable[[Site, Any], None]
"""A function that is handed a site and what it put out, while the pass goes on."""


@contextmanager
def watching(sites: Iterable[Site], receive: Receiver) -> Iterator[None]:
    """Hand what the sites put out to `receive` as it comes, and leave nothing on the model after.

    Parameters
    ----------
    sites : iterable of Site
        Where outputs are recorded.
    receive : callable
        A function of a site and its output. It must copy or reduce what it is given at once, for
        what runs next may act in place. A site that is called again is handed over again.

    Yields
    ------
    None
    """
    paths: dict[nn.Module, list[Site]] = {}
    with ExitStack() as hooks:
        for site in sites:
            if site.node is not None:
                paths.setdefault(site.module, []).append(site)
                continue

            def hook(_: nn.Module, args: Any, output: Any, site: Site = site) -> None:
                receive(site, output)

            # Scripted modules refuse hooks by a method of their own, and run those of nn.Module.
            hooks.callback(nn.Module.register_forward_hook(site.module, hook).remove)
        for net, nodes in paths.items():
            hooks.enter_context(_watching_path(net, nodes, receive))
        yield


def _watching_path(net: Any, nodes: list[Site], receive: Receiver) -> AbstractContextManager[None]:
    """Watch the path of a `PathNet`, whose layers are no modules."""
    path = net.path

    def watched(x: Any) -> Any:
        representations = path(x)
        for site in nodes:
            receive(site, representations[site.node])
        return representations

    return replacing_method(net, "path", watched)


@contextmanager
def replacing_method(owner: nn.Module, method: str, function: Callable[..., Any]) -> Iterator[None]:
    """Put `function` in the place of a method of this one object, within the block.

    Parameters
    ----------
    owner : nn.Module
        The object; others of its class keep their method.
    method : str
        Name of the method.
    function : callable
        What is called in its place, without the object itself.

    Yields
    ------
    None
    """
    attributes = owner.__dict__
    before = attributes.get(method)
    attributes[method] = function  # hides the method of the class
    try:
        yield
    finally:
        del attributes[method]
        if before is not None:
            attributes[method] = before


@contextmanager
def evaluation_mode(model: nn.Module, *, grad: bool = False) -> Iterator[None]:
    """Keep a model in evaluation mode; each module gets its mode back.

    Gradients are off, unless `grad` is True. Then those that its parameters have are kept.
    """
    modes = [(module, module.training) for module in model.modules()]
    with ExitStack() as undo:
        if any(training for _, training in modes):
            undo.callback(_restore, model, model.training, modes)
            model.eval()
        undo.enter_context(torch.set_grad_enabled(grad))
        if grad:
            undo.callback(_restore_gradients, [(p, p.grad) for p in model.parameters()])
        yield


@contextmanager
def unfused_evaluation(model: nn.Module, *, grad: bool = False) -> Iterator[None]:
    """Keep a model in `evaluation_mode`, and make hooks see all that runs.

    Compiled code runs uncompiled, as hooks fire there only; and transformers of torch.nn run layer
    by layer on plain tensors, not in their fused form for inference. Both are switches of the whole
    process, so this is not for several threads at once.

    Parameters
    ----------
    model : nn.Module
        The model.
    grad : bool, optional
        Whether gradients are on, for models that take some as they run.

    Yields
    ------
    None
    """
    with ExitStack() as undo:
        undo.enter_context(evaluation_mode(model, grad=grad))
        if "torch._dynamo" in sys.modules:  # without it nothing was compiled
            undo.enter_context(torch.compiler.set_stance("force_eager"))
        undo.callback(
            torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled()
        )
        torch.backends.mha.set_fastpath_enabled(False)
        yield


def _restore(model: nn.Module, mode: bool, modes: list[tuple[nn.Module, bool]]) -> None:
    """Give the model and every module in it the modes that they had."""
    model.train(mode)  # some modules do more than to set a flag
    for module, training in modes:  # those outside come before those inside
        if module.training != training:
            module.train(training)
    for module, training in modes:
        module.training = training


def _restore_gradients(gradients: list[tuple[nn.Parameter, torch.Tensor | None]]) -> None:
    """Give every parameter the gradient that it had."""
    for parameter, gradient in gradients:
        parameter.grad = gradient


class OwnRandomness:
    """A stream of random numbers that is drawn from without moving the one outside.

    It is that of torch, on the CPU and on one device more, of NumPy and of Python's `random`.

    Between its blocks, the state is whatever it is outside. In them, it goes on where the block
    before ended. So a loader shuffles as it would in a plain loop, and after it all the state is as
    if nothing had been drawn.
    """

    def __init__(self, device: torch.device) -> None:
        """Start from the present state, of the CPU and of `device`."""
        self._device = device
        self._state = self._get()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Draw from our own numbers within."""
        outside = self._get()
        self._set(self._state)
        try:
            yield
        finally:
            self._state = self._get()
            self._set(outside)

    def rewind(self) -> None:
        """Give the state outside what it was when this was made, or where our own numbers are."""
        self._set(self._state)

    def _get(self) -> list[Any]:
        state = [random.getstate(), np.random.get_state(), torch.get_rng_state()]
        if self._device.type not in ("cpu", "meta"):
            state.append(torch.get_device_module(self._device).get_rng_state(self._device))
        return state

    def _set(self, state: list[Any]) -> None:
        random.setstate(state[0])
        np.random.set_state(state[1])
        torch.set_rng_state(state[2])
        if len(state) > 3:
            torch.get_device_module(self._device).set_rng_state(state[3], self._device)
