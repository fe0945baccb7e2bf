"""Checkpoints: a tree of plain values and tensors in one safetensors file, never pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from loadpath.results import load_tensors, save_tensors

FORMAT = "loadpath-checkpoint-1"


def write(path: Path, tree: dict[str, Any]) -> None:
    """Replace the file at `path` by `tree` in one atomic step.

    `tree`: dicts, lists, tuples (read back as lists), tensors, and JSON's plain values.
    """
    tensors: dict[str, torch.Tensor] = {}
    metadata = {"format": FORMAT, "tree": json.dumps(_pack(tree, tensors))}
    save_tensors(tensors, path, metadata=metadata, overwrite=True)


def read(path: Path) -> dict[str, Any]:
    """Read the tree that `write` wrote.

    Raises: FileNotFoundError; ValueError for a file cut short, of another kind or version.
    """
    tensors, metadata = load_tensors(path, format=FORMAT, what="checkpoint")
    tree: dict[str, Any] = _unpack(json.loads(metadata["tree"]), tensors)
    return tree


def _pack(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
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
    if isinstance(tree, list):
        return [_unpack(value, tensors) for value in tree]
    if isinstance(tree, dict):
        if "tensor" in tree:
            return tensors[tree["tensor"]]
        return {key: _unpack(value, tensors) for key, value in tree["dict"]}
    return tree
