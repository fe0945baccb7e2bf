"""Streamed sums that meet: those of processes of one run, and halves that lay on disk."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from loadpath.checks import as_path, check_flag, check_text, check_type
from loadpath.record.sums.streamed import Streamed
from loadpath.results import load_tensors, save_tensors

FORMAT = "loadpath-sums-2"
FORMER = "loadpath-sums-1"
"""The format of version 0.1.0, whose files have no digest."""

S = TypeVar("S", bound=Streamed)


def all_merge(sums: S, group: Any = None) -> S:
    """Merge the sums of all processes; each gets the whole, with the same bits, as a new object.

    Factors travel, never samples: O(w^2) numbers from each process. Without torch.distributed there
    is one process, and its sums are returned as they are.

    Parameters
    ----------
    sums : Streamed
        The sums of this process. Every process calls with its own, all set up alike.
    group : ProcessGroup, optional
        The processes; all of them if left out.

    Returns
    -------
    Streamed
        Sums over the samples of all processes.

    Raises
    ------
    ValueError
        In every process, if some sums were set up otherwise.
    """
    check_type("sums", sums, Streamed, "sums such as Moments")
    if not (dist.is_available() and dist.is_initialized()):
        return sums
    settings, state = sums.settings(), sums.state()
    words = json.dumps([type(sums).__name__, settings], sort_keys=True)
    mark = int.from_bytes(hashlib.sha256(words.encode()).digest()[:7], "big")
    heads = _gathered(torch.tensor([mark, len(state["factor"])]), group)
    strangers = [rank for rank, head in enumerate(heads) if int(head[0]) != int(heads[0][0])]
    if strangers:
        raise ValueError(
            "sums must be set up alike in all processes, and those of process "
            f"{strangers[0]} are not as those of process 0; here they are {words}."
        )
    lengths = [int(head[1]) for head in heads]
    # Collectives want equal shapes: rows of zeros add nothing and are cut off again.
    missing = max(lengths) - len(state["factor"])
    state["factor"] = torch.nn.functional.pad(state["factor"], (0, 0, 0, missing))
    columns = {name: _gathered(tensor, group) for name, tensor in state.items()}
    parts = []
    for rank, length in enumerate(lengths):
        its = {name: tensors[rank] for name, tensors in columns.items()}
        its["factor"] = its["factor"][:length]
        parts.append(type(sums).restored(settings, its))
    return reduce(lambda left, right: left.merge(right), parts)


def _gathered(tensor: Tensor, group: Any) -> list[Tensor]:
    """Return the tensor of every process, on the CPU; NCCL takes and gives them on the GPU."""
    nccl = dist.get_backend(group) == "nccl"
    mine = tensor.contiguous().to("cuda" if nccl else "cpu")
    theirs = [torch.empty_like(mine) for _ in range(dist.get_world_size(group))]
    dist.all_gather(theirs, mine, group=group)
    return [its.cpu() for its in theirs]


def save_sums(
    sums: Mapping[str, Streamed], path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write sums, such as those of every layer, to one safetensors file, whole or not at all.

    Parameters
    ----------
    sums : mapping of str to Streamed
        The sums under their names.
    path : path-like
        The file.
    overwrite : bool, optional
        Whether an earlier file is replaced.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileExistsError
        If `path` exists and `overwrite` is False.
    """
    path = as_path("path", path)
    check_flag("overwrite", overwrite)
    check_type("sums", sums, Mapping, "a mapping of names to sums")
    for name, each in sums.items():
        check_text("sums", name)
        check_type("sums", each, Streamed, "sums such as Moments")
    tensors: dict[str, Tensor] = {}
    contents = []
    for number, (name, each) in enumerate(sums.items()):
        contents.append([name, type(each).__name__, each.settings()])
        for key, tensor in each.state().items():
            tensors[f"{number}.{key}"] = tensor
    metadata = {"format": FORMAT, "contents": json.dumps(contents)}
    return save_tensors(tensors, path, metadata=metadata, overwrite=overwrite)


def load_sums(path: str | os.PathLike[str], *kinds: type[Streamed]) -> dict[str, Streamed]:
    """Read the sums that `save_sums` wrote; nothing in the file is executed.

    Parameters
    ----------
    path : path-like
        The file.
    *kinds : type
        The classes of sums that may be in it, such as `Moments`.

    Returns
    -------
    dict of str to Streamed
        The sums under their names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is cut short, of another kind or version, or holds sums of a class that is not
        among `kinds`.
    """
    path = as_path("path", path)
    tensors, metadata = load_tensors(path, format=FORMAT, former=FORMER, what="file of sums")
    known = {kind.__name__: kind for kind in kinds}
    found: dict[str, Streamed] = {}
    for number, (name, kind, settings) in enumerate(_contents(metadata, path)):
        if kind not in known:
            asked = ", ".join(known) or "none"
            raise ValueError(
                f"{str(path)!r} holds {kind} under {name!r}, and kinds has {asked}: pass it."
            )
        prefix = f"{number}."
        state = {k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}
        try:
            found[name] = known[kind].restored(settings, state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{str(path)!r} is damaged at {name!r} ({error}).") from None
    return found


def _contents(metadata: Mapping[str, str], path: Path) -> list[tuple[str, str, dict[str, Any]]]:
    """Return name, class and settings of all sums of a file."""
    kinds = (str, str, dict)
    try:
        contents = json.loads(metadata["contents"])
    except (KeyError, ValueError, RecursionError):
        contents = None
    if isinstance(contents, list) and all(
        isinstance(each, list) and len(each) == len(kinds) and all(map(isinstance, each, kinds))
        for each in contents
    ):
        return [(name, kind, settings) for name, kind, settings in contents]
    raise ValueError(f"{str(path)!r} is no file of sums: its contents cannot be read.")
