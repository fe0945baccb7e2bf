"""Checkpoints: a tree of plain values and tensors in one safetensors file, never pickled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from loadpath.results import atomic_path

FORMAT = "loadpath-checkpoint-1"


def write(path: Path, tree: dict[str, Any]) -> None:
    """Replace the file at `path` by `tree` in one atomic step.

    `tree`: dicts, lists, tuples (read back as lists), tensors, and JSON's plain values.
    """
    tensors: dict[str, torch.Tensor] = {}
    skeleton = json.dumps(_pack(tree, tensors))
    with atomic_path(path, overwrite=True) as temporary:
        temporary.write_bytes(save(tensors, metadata={"format": FORMAT, "tree": skeleton}))


def read(path: Path) -> dict[str, Any]:
    """Read the tree that `write` wrote.

    Raises: FileNotFoundError; ValueError for a file cut short, of another kind or version.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint at {path}.")
    # Opened once: safe_open would open it twice, and a running job may replace it in between.
    data = path.read_bytes()
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a whole checkpoint file ({error}).") from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} is a checkpoint of format {metadata.get('format')!r}, not {FORMAT!r}."
        )
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
