"""Checkpoints: a tree of plain values and tensors in one safetensors file, never pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from loadpath.results import load_tensors, save_tensors

FORMAT = "loadpath-checkpoint-2"
FORMER = "loadpath-checkpoint-1"
"""The format of version 0.1.0, whose files have no digest."""


def write(path: Path, tree: dict[str, Any]) -> None:
    """Write a tree to a file, in place of what was there, in one atomic step.

    Parameters
    ----------
    path : Path
        The file.
    tree : dict
        Dicts, lists, tuples (read back as lists), tensors, and the plain values of JSON.

    Raises
    ------
    OSError
        If it cannot be written; one sentence says why, and what was there is kept.
    """
    tensors: dict[str, torch.Tensor] = {}
    metadata = {"format": FORMAT, "tree": json.dumps(_pack(tree, tensors))}
    save_tensors(tensors, path, metadata=metadata, overwrite=True)


def read(path: Path) -> dict[str, Any]:
    """Read the tree that `write` wrote.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    dict
        The tree.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is not as it was written, of another kind or version, or holds no tree.
    """
    tensors, metadata = load_tensors(path, format=FORMAT, former=FORMER, what="checkpoint")
    try:
        tree = _unpack(json.loads(metadata["tree"]), tensors)
    except (KeyError, IndexError, TypeError, ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise ValueError(f"{str(path)!r} is no checkpoint: its tree cannot be read.")
    return tree


def _pack(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return a tree as JSON has it, with its tensors moved to `tensors`."""
    if isinstance(tree, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = tree.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(tree, dict):
        return {"dict": [[key, _pack(value, tensors)] for key, value in tree.items()]}
    if isinstance(tree, list | tuple):
        return [_pack(value, tensors) for value in tree]
    return tree


def _unpack(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Undo `_pack`."""
    if isinstance(tree, list):
        return [_unpack(value, tensors) for value in tree]
    if isinstance(tree, dict):
        if "tensor" in tree:
            return tensors[tree["tensor"]]
        return {key: _unpack(value, tensors) for key, value in tree["dict"]}
    return tree
