"""Reading files: one sentence for what the system refuses, and bounds on what unpacks."""

from __future__ import annotations

import os
from pathlib import Path

_SMALL = 2**28
"""Bytes (256 MiB) that anything may unpack to."""
_LARGEST_RATIO = 16
"""How many times its own size a file may unpack to, beyond that. Deflate reaches 1,032 times, but
only on data that are nearly constant: MNIST unpacks to 5 times its size, text to 10."""


class TooLargeError(ValueError):
    """A file holds more than it should."""


def read_bytes(path: Path, what: str, *, most: int | None = None) -> bytes:
    """Return all that a file holds.

    Parameters
    ----------
    path : Path
        The file.
    what : str
        What it is in the reader's words, for messages.
    most : int, optional
        The size of the largest file that is read.

    Returns
    -------
    bytes
        Its bytes.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    ValueError
        If it is larger than `most`, or than the memory.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} cannot be read (Is a directory).")
    if not path.is_file():
        raise FileNotFoundError(f"There is no {what} {str(path)!r}.")
    try:
        size = os.path.getsize(path)
        if most is not None and size > most:
            raise ValueError(
                f"{str(path)!r} is too large for a {what}: {size:,} bytes, and at most {most:,} "
                "are read."
            )
        return path.read_bytes()
    except MemoryError:
        raise ValueError(f"{str(path)!r} is larger than the memory: {size:,} bytes.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise type(error)(f"{str(path)!r} cannot be read ({reason}).") from error


def check_unpacked(path: Path, unpacked: int) -> None:
    """Refuse a file that says it unpacks to far more than it is, before memory is asked for.

    Parameters
    ----------
    path : Path
        The file.
    unpacked : int
        The bytes that it says it unpacks to.

    Raises
    ------
    TooLargeError
        If that is more than 256 MiB and more than 16 times its size.
    """
    size = os.path.getsize(path)
    if unpacked > max(_SMALL, _LARGEST_RATIO * size):
        raise TooLargeError(
            f"{str(path)!r} says that its {size:,} bytes unpack to {unpacked:,}, which is more "
            f"than {_LARGEST_RATIO} times its size: it is damaged or made to fill the memory."
        )
