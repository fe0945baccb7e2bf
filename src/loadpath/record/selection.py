"""Which modules of a model are its layers, when they are named."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from typing import Any

import torch
from torch import nn

from loadpath.checks import as_list
from loadpath.record.paths import is_path_net

Layers = str | type[nn.Module] | Iterable[str | type[nn.Module]] | None
"""Patterns of names, classes of modules, or None for all blocks found by themselves."""

_COMPILED = "_orig_mod"  # where torch.compile puts the module that it wraps


@dataclass(frozen=True)
class Site:
    """A place in a model whose output can be recorded."""

    name: str
    """The module's path, such as encoder.layer.0; its first, if it has several."""
    module: nn.Module
    """The module."""
    node: int | None = None
    """The index l of a representation A_l of a `PathNet`; None for a module's output."""

    @property
    def meaning(self) -> str:
        """What is recorded here, in words."""
        if self.node is not None:
            return f"representation A_{self.node} of the {kind_of(self.module)}"
        return f"output of {self.name} ({kind_of(self.module)})"

    def called(self, times: int) -> str:
        """Return the name of the layer that its call number `times` in a pass is, from 1."""
        return self.name if times == 1 else f"{self.name}#{times}"


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside DataParallel, DistributedDataParallel and torch.compile.

    Parameters
    ----------
    model : nn.Module
        The model.

    Returns
    -------
    nn.Module
        What is inside.

    Raises
    ------
    ValueError
        If it is no module, scripted or exported, or has its weights nowhere.
    """
    if isinstance(model, torch.export.ExportedProgram):
        raise ValueError(_NO_MODULES.format("ExportedProgram"))
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be an nn.Module, and it is a {type(model).__name__}.")
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif _COMPILED in model._modules:
            model = model.get_submodule(_COMPILED)
        else:
            break
    if is_scripted(model):
        raise ValueError(_NO_HOOKS.format("model"))
    # What torch.export gives back has functions of its own that refuse train() and eval().
    if isinstance(model, torch.fx.GraphModule) and "train" in vars(model):
        raise ValueError(_NO_MODULES.format("exported program"))
    _check_weights(model)
    return model


def _check_weights(model: nn.Module) -> None:
    """Refuse weights on the meta device, which have a shape and no numbers."""
    for prefix, module in model.named_modules():
        if hasattr(module, "_hf_hook"):  # accelerate brings such weights in before each call
            return
        own = chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))
        name = next((name for name, tensor in own if tensor.is_meta), None)
        if name is not None:
            whole = f"{prefix}.{name}" if prefix else name
            raise ValueError(
                f"model must have its weights in memory, and {whole!r} is on the meta device: load "
                "them first."
            )


_NO_MODULES = (
    "model must be the module that was exported, because an {} has no layers left to look into."
)


_NO_HOOKS = (
    "{} must not be a ScriptModule, inside which no hook fires: pass the module that it was "
    "scripted or traced from."
)


def is_scripted(module: nn.Module) -> bool:
    """Return whether torch.jit scripted or traced the module."""
    return type(module).__module__.startswith("torch.jit")


def kind_of(module: nn.Module) -> str:
    """Return the name of a module's class; of a scripted one, that of what it was made from."""
    return str(module.original_name) if is_scripted(module) else type(module).__name__


def inside_scripted(model: nn.Module) -> set[nn.Module]:
    """Return the modules inside scripted ones, where no hook fires.

    A scripted module itself is called from Python, and is recorded as any other.
    """
    scripted = [module for module in model.modules() if is_scripted(module)]
    return {part for module in scripted for part in module.modules() if part is not module}


def sites_of(model: nn.Module) -> dict[str, Site]:
    """Return every place in the model by every name that leads to it, in order of registration.

    What torch.compile wraps has the name of its wrapper. A `PathNet` has, besides its output, its
    representations path.0 to path.L.

    Parameters
    ----------
    model : nn.Module
        The model, inside its wrappers.

    Returns
    -------
    dict of str to Site
        The places.
    """
    first: dict[int, str] = {}
    found: dict[str, Site] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if _COMPILED in module._modules:
            continue
        name = ".".join(part for part in path.split(".") if part != _COMPILED)
        canonical = first.setdefault(id(module), name)
        if name:
            found[name] = Site(canonical, module)
        if is_path_net(module):
            for node, site in enumerate(path_sites(module, canonical)):
                found[f"{name}.path.{node}".removeprefix(".")] = site
    return found


def path_sites(net: Any, name: str) -> list[Site]:
    """Return the representations A_0, ..., A_L of a `PathNet` that is called `name`."""
    prefix = f"{name}." if name else ""
    return [Site(f"{prefix}path.{node}", net, node) for node in range(net.depth + 1)]


def select(model: nn.Module, layers: Layers) -> tuple[list[Site], str]:
    """Return the sites that patterns and classes ask for, in order of registration.

    Patterns are matched part by part of the dotted name: `*` stands for (part of) one part, so that
    "encoder.layer.*" has the layers and not what is in them, and `**` for any number of parts. A
    class stands for all modules of it.

    Parameters
    ----------
    model : nn.Module
        The model, inside its wrappers.
    layers : str, type, or iterable of these
        Patterns and classes.

    Returns
    -------
    sites : list of Site
        The places.
    words : str
        How they were chosen.

    Raises
    ------
    ValueError
        For a pattern or class that matches nothing, with the nearest names; and for scripted
        modules.
    """
    known = sites_of(model)
    wanted = [layers] if isinstance(layers, str | type) else as_list("layers", layers, "patterns")
    if not wanted:
        raise ValueError("layers must have at least one pattern or class, got none.")
    chosen: dict[Site, None] = {}
    for each in wanted:
        if isinstance(each, str):
            pattern = each.split(".")
            hits = [site for name, site in known.items() if _matches(name.split("."), pattern)]
        elif isinstance(each, type) and issubclass(each, nn.Module):
            hits = [s for s in known.values() if s.node is None and isinstance(s.module, each)]
        else:
            raise ValueError(f"layers must be patterns or classes of modules, got {each!r}.")
        if not hits:
            raise ValueError(_no_match(each, list(known)))
        chosen |= dict.fromkeys(hits)
    unseen = inside_scripted(model)
    for site in chosen:
        if site.module in unseen:
            raise ValueError(_NO_HOOKS.format(site.name))
    words = ", ".join(e if isinstance(e, str) else f"every {e.__name__}" for e in wanted)
    return [site for site in dict.fromkeys(known.values()) if site in chosen], words


def _matches(name: list[str], pattern: list[str]) -> bool:
    """Return whether the parts of a name match those of a pattern."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(_matches(name[skip:], pattern[1:]) for skip in range(len(name) + 1))
    return bool(name) and fnmatchcase(name[0], pattern[0]) and _matches(name[1:], pattern[1:])


def _no_match(each: str | type, names: list[str]) -> str:
    """Return the sentence about a pattern or class that matches nothing."""
    if not isinstance(each, str):
        return f"layers asks for {each.__name__}, and the model has no module of that class."
    near = difflib.get_close_matches(each, names, n=3, cutoff=0.5) or names[:3]
    words = ", ".join(map(repr, near)) or "no modules"
    return f"layers has the pattern {each!r}, which matches no module; the nearest are {words}."
