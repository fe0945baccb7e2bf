"""Digests of what files hold, in one line at their end that other programs do not mind.

HDF5 reads a file up to the end that its first block tells, YAML and HTML skip a comment. So one
line serves them all: `head --bytes=-81 history.nc | sha256sum` shows what stands in it. In
safetensors files, which must end with their tensors, the digest stands in the header instead.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

_LABEL = b"loadpath-sha256 "
DIGEST_BYTES = len(_LABEL) + 64 + 1
"""Length of the line without a comment's marks."""


_NOTED: set[Path] = set()
"""Folders of which it has been said that a file has no digest."""


class DamagedError(ValueError):
    """A file is not what was written."""

    def __init__(self, path: Path, fault: str = "is cut short or damaged") -> None:
        """Say which file it is, and what is wrong with it, in one sentence."""
        super().__init__(f"{str(path)!r} {fault}.")


def digest(content: bytes) -> str:
    """Return the SHA-256 of some bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_line(content: bytes, before: str = "", after: str = "") -> bytes:
    """Return the line with the digest of all that stands before it.

    Parameters
    ----------
    content : bytes
        What stands before it.
    before, after : str, optional
        The marks that make the line a comment.

    Returns
    -------
    bytes
        The line.
    """
    marked = before.encode() + _LABEL + digest(content).encode() + after.encode()
    return marked + b"\n"


def note_without_digest(path: Path) -> None:
    """Say that damage to a file would not show; once for all files of a folder.

    It is logged and not warned about: there is nothing that the caller should have done.
    """
    folder = path.parent.absolute()
    if folder not in _NOTED:
        _NOTED.add(folder)
        logging.getLogger("loadpath").warning(
            "%r has no digest, as files of loadpath 0.1.0 have none: damage to it would not show.",
            str(path),
        )
