"""Tensors in safetensors files; torch is imported where they are read or written."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from loadpath.results.writing import atomic_path

if TYPE_CHECKING:
    from torch import Tensor


def save_tensors(
    tensors: Mapping[str, Tensor],
    path: str | os.PathLike[str],
    *,
    metadata: Mapping[str, str],
    overwrite: bool = False,
) -> Path:
    """Write tensors to one safetensors file, whole or not at all.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        The tensors under their names.
    path : path-like
        The file.
    metadata : mapping of str to str
        What is written beside them; its "format" says what the file is.
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
    from safetensors import torch as safetensors

    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(safetensors.save(plain, metadata=dict(metadata)))
    return Path(path)


def load_tensors(
    path: str | os.PathLike[str], *, format: str, what: str
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read the tensors and the metadata of a file that `save_tensors` wrote.

    Parameters
    ----------
    path : path-like
        The file.
    format : str
        The "format" that its metadata must have.
    what : str
        What the file is in the reader's words, for messages.

    Returns
    -------
    tensors : dict of str to Tensor
        The tensors.
    metadata : dict of str to str
        What was written beside them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is cut short, or of another format.
    """
    from safetensors import SafetensorError
    from safetensors import torch as safetensors

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no {what} {str(path)!r}.")
    # Opened once: safe_open would open it twice, and a running job may replace it in between.
    data = path.read_bytes()
    try:
        tensors = safetensors.load(data)
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is cut short or damaged ({error}).") from None
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != format:
        raise ValueError(
            f"{str(path)!r} has format {metadata.get('format')!r}, but a {what} that this loadpath "
            f"reads has {format!r}."
        )
    return tensors, metadata
