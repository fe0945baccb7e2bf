"""Tensors in safetensors files; torch is imported where they are read or written.

The digest of the whole file stands among its metadata, as the format's readers allow and
https://github.com/safetensors/safetensors/issues/220 proposes: 64 zeros stand in its place while it
is computed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from loadpath.checks import as_path, check_flag, check_text, check_type, shown
from loadpath.storage import (
    DamagedError,
    check_ending,
    digest,
    note_without_digest,
    read_bytes,
    write_atomic,
)

if TYPE_CHECKING:
    from torch import Tensor

_KEY = "loadpath-sha256"
# Inside a text of the header quotation marks have a backslash, so this is the key and no text.
_FIELD = re.compile(f'"{_KEY}":"([0-9a-f]{{64}})"'.encode())
_ZEROS = f'"{_KEY}":"{"0" * 64}"'.encode()


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
    OSError
        If it cannot be written; one sentence says why.
    ValueError
        If a tensor is sparse, complex or without numbers, or if the ending of `path` is that of
        another format.
    """
    from safetensors import torch as safetensors
    from torch import Tensor, strided

    path = as_path("path", path)
    check_ending("path", path, "safetensors")
    check_flag("overwrite", overwrite)
    check_type("tensors", tensors, Mapping, "a mapping of names to tensors")
    check_type("metadata", metadata, Mapping, "a mapping of texts to texts")
    for name, tensor in tensors.items():
        check_text("tensors", name)
        check_type("tensors", tensor, Tensor, "a mapping of names to tensors")
        if tensor.is_meta or tensor.layout != strided or tensor.is_complex():
            raise ValueError(
                f"tensors must be dense and of real numbers, and {name!r} is {shown(tensor)}."
            )
    for each in (*metadata.keys(), *metadata.values()):
        check_text("metadata", each)
    # A copy each: safetensors refuses tensors that share memory.
    plain = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    blank = _in_order(safetensors.save(plain, metadata={**metadata, _KEY: "0" * 64}))
    field = _ZEROS.replace(b"0" * 64, digest(blank).encode())
    return write_atomic(path, blank.replace(_ZEROS, field, 1), overwrite=overwrite)


def load_tensors(
    path: str | os.PathLike[str], *, format: str, what: str, former: str | None = None
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
    former : str, optional
        The "format" of such files from before they had a digest; these are read with a note.

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
        If it is not as it was written, or of another format.
    """
    from safetensors import torch as safetensors

    path = as_path("path", path)
    check_text("format", format)
    check_text("what", what)
    # Opened once: safe_open would open it twice, and a running job may replace it in between.
    data = read_bytes(path, what)
    has_digest = _check_digest(data, path)
    try:
        tensors = safetensors.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        metadata = dict(header.get("__metadata__", {}))
    except Exception as error:  # of whatever kind: the file is at fault
        raise DamagedError(path) from error
    metadata.pop(_KEY, None)
    if metadata.get("format") not in (format, *filter(None, [former])):
        raise ValueError(
            f"{str(path)!r} has format {metadata.get('format')!r}, but a {what} that this loadpath "
            f"reads has {format!r}."
        )
    if not has_digest:
        if metadata["format"] != former:  # it had one when it was written
            raise DamagedError(path)
        note_without_digest(path)
    return tensors, metadata


def _in_order(data: bytes) -> bytes:
    """Return a safetensors file with its metadata in the order of their names.

    The library writes them in another order each time; the same run shall give the same file.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # as the library aligns what follows
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def _check_digest(data: bytes, path: Path) -> bool:
    """Refuse a file that is not what its digest says; return whether it has one."""
    length = int.from_bytes(data[:8], "little")
    if length > len(data) - 8:
        raise DamagedError(path)
    field = _FIELD.search(data, 8, 8 + length)
    if field is None:
        return False
    blank = data[: field.start()] + _ZEROS + data[field.end() :]
    if digest(blank).encode() != field[1]:
        raise DamagedError(path)
    return True
