"""What commands do before they start: read the data or the user's model, check where to compute."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from loadpath import data as sources
from loadpath.cli.options import NetOptions
from loadpath.data import Data
from loadpath.leaky_resnet import layer_steps
from loadpath.record import Loader, batches_of


def load_data(options: NetOptions) -> Data:
    """Return the samples that the options name."""
    ours: dict[str, Any] = {}
    if options.data == "teacher":  # what other sources would refuse, though it is never unset
        ours = {"dims": options.dims, "kind": options.teacher}
    return sources.load(
        options.data,
        options.folder,
        seed=options.seed,
        image_size=options.image_size,
        targets=None if options.targets == "labels" else options.targets,
        n_train=options.n_train,
        n_test=options.n_test,
        target=options.target,
        task=options.task,
        normalize=options.normalize,
        **ours,
    )


def fixed_steps(options: NetOptions) -> Tensor | None:
    """Return the layer steps to start with; None for equidistant ones."""
    if options.layer_steps != "irregular":
        return None
    return layer_steps.irregular(options.depth, options.irregularity)


def check_device(device: str) -> None:
    """Refuse a device on which torch cannot keep and read float64 numbers here."""
    try:
        torch.zeros(1, dtype=torch.float64, device=device).item()
    except (RuntimeError, AssertionError, TypeError) as error:  # which one is up to the device
        reason = str(error).splitlines()[0].rstrip(".")
        raise ValueError(
            f"device must be one that torch has here, got {device!r}: {reason}."
        ) from None


def load_entry(
    entry: str,
    *,
    seed: int,
    data: str | None = None,
    target: tuple[str, ...] | str | None = None,
    again: str = "",
) -> tuple[nn.Module, Loader]:
    """Return the model and the loader that the entry point returns.

    What goes wrong inside the user's function is shown as it is.

    Parameters
    ----------
    entry : str
        module:function.
    seed : int
        Seed of torch before the function is called.
    data : str, optional
        A file to be read instead of a loader; the function may then return the model alone.
    target : str or tuple of str, optional
        Its column of labels or targets.
    again : str, optional
        Why the loader is read more than once, and what to do if it cannot be; "" if it is not.

    Returns
    -------
    model, loader
        What it returns, or the batches of the file.

    Raises
    ------
    ValueError
        If there is no such function, or if it returns something else.
    """
    try:
        function = function_of(entry)
        torch.manual_seed(seed)
        found = function()
    except SystemExit as error:
        raise ValueError(
            f"entry {entry!r} ends the program, with exit code {error.code!r}, and returns "
            "no model and loader; it is given no words of the command line."
        ) from None
    if data is not None and isinstance(found, nn.Module):
        found = (found, None)
    if not isinstance(found, tuple) or len(found) != 2 or not isinstance(found[0], nn.Module):
        kinds = type(found).__name__
        if isinstance(found, tuple):
            kinds = f"a tuple of {', '.join(type(part).__name__ for part in found)}"
        raise ValueError(
            f"entry {entry!r} must return a model and a loader, and it returns {kinds}."
        )
    model, loader = found
    if data is not None:
        return model, list(batches_of(read_samples(data, target), model))
    if again and isinstance(loader, Iterator):
        raise ValueError(f"the loader of {entry!r} can be read only once, and {again}.")
    return model, loader


def read_samples(path: str, target: tuple[str, ...] | str | None) -> tuple[Tensor, Tensor]:
    """Return inputs as they are in a file, and labels or targets."""
    return sources.load_training(path, target=target, normalize=False)


@contextmanager
def words_of_the_command_line(words: list[str]) -> Iterator[None]:
    """Let `sys.argv` be these words within the block."""
    before, sys.argv = sys.argv, words
    try:
        yield
    finally:
        sys.argv = before


def function_of(entry: str, name: str = "entry", takes: tuple[str, ...] = ()) -> Any:
    """Return the function that an option names, from a module of the user's own.

    Parameters
    ----------
    entry : str
        module:function.
    name : str
        The option, as the user knows it.
    takes : tuple of str
        What the function is given.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    ValueError
        If there is no such function, or if it takes something else.
    """
    module_name, colon, path = entry.partition(":")
    if module_name.endswith(".py"):
        folder, _, file = module_name.removesuffix(".py").rpartition("/")
        where = f" in {folder!r}" if folder.strip("./") else ""
        raise ValueError(
            f"{name} must name a module as import does, without .py, got {entry!r}: did you mean "
            f"{file}:{path or 'load'}{where}?"
        )
    if not (module_name and colon and path):
        raise ValueError(f"{name} must be module:function, such as my_model:load, got {entry!r}.")
    if not all(part.isidentifier() for part in module_name.split(".")):
        raise ValueError(
            f"{name} must name a module as import does, such as my_model:load for my_model.py in "
            f"this folder, got {entry!r}."
        )
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does: the module is the user's own
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a package that the user's module needs
        raise ValueError(
            f"{name} {entry!r} names a module that is not found, neither installed nor in this "
            "folder."
        ) from None
    function: Any = module
    for part in path.split("."):
        function = getattr(function, part, None)
    if not callable(function):
        raise ValueError(f"{name} {entry!r} must name a function, and {module_name} has none such.")
    if inspect.iscoroutinefunction(function):
        raise ValueError(
            f"{name} {entry!r} must not name an async function, which returns nothing."
        )
    wanted = ", ".join(takes) or "no arguments"
    try:
        inspect.signature(function).bind(*takes)
    except TypeError as error:
        raise ValueError(
            f"{name} {entry!r} must name a function that takes {wanted}: {error}."
        ) from None
    except ValueError:  # written in C without a signature
        pass
    return function
