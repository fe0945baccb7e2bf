"""The bytes of netCDF files: a digest behind them, checked before HDF5 reads any of them.

HDF5 believes what stands in a file. Damage makes it loop for ever, or give other numbers. But its
first block tells where the file ends, and nothing behind that is read: there stands the digest. A
program that changes the file cuts it off, and what is left is a file without a digest.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from loadpath.results.plain_netcdf import NotPlainError, read_plain
from loadpath.storage import (
    DIGEST_BYTES,
    DamagedError,
    TooLargeError,
    check_unpacked,
    digest_line,
    note_without_digest,
    read_bytes,
)

BYTES_AT_ONCE = 2**28
"""Bytes of texts that are looked at together: no more than a file may unpack to in any case."""
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ADDRESSES = {0: 24, 1: 28, 2: 12, 3: 12}
"""Where the addresses stand in the first block, by its version; the third is the file's end."""


def with_digest(content: bytes) -> bytes:
    """Return the bytes of a netCDF file with their digest behind them."""
    return content + digest_line(content)


def checked_bytes(path: Path) -> bytes:
    """Return the bytes of a netCDF file, once they are known to be those that were written.

    Parameters
    ----------
    path : Path
        The file. One without a digest, as version 0.1.0 wrote them, is returned with a note.

    Returns
    -------
    bytes
        The file without its digest.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    OSError
        If it cannot be read.
    DamagedError
        If it is no netCDF file, or not the one that was written.
    """
    content = read_bytes(path, "result file")
    if not content.startswith(_SIGNATURE):
        raise DamagedError(path, "is not a netCDF-4 file")
    if _end(content) == len(content):
        note_without_digest(path)
        return content
    body = content[:-DIGEST_BYTES]
    if content[len(body) :] != digest_line(body):
        raise DamagedError(path)
    return body


def has_digest(path: Path) -> bool:
    """Return whether a file has a digest that says it is as it was written.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    bool
        False if it has none, as files of version 0.1.0.

    Raises
    ------
    DamagedError
        If it is not as it was written.
    """
    return len(checked_bytes(path)) < os.path.getsize(path)


def opened(content: bytes, path: Path) -> h5py.File:
    """Return an open HDF5 file that lies in memory, if all its numbers have room there.

    Parameters
    ----------
    content : bytes
        What `checked_bytes` returned.
    path : Path
        Where it was, for messages.

    Returns
    -------
    h5py.File
        The file, open for reading.

    Raises
    ------
    TooLargeError
        If its numbers take far more room than the file: compressed, or never written.
    """
    file = h5py.File(h5py.h5f.open_file_image(content))
    try:
        held = [each for each in file.values() if isinstance(each, h5py.Dataset)]
        unpacked = sum(each.size * each.dtype.itemsize for each in held)
        check_unpacked(path, unpacked)
        for each in held:
            if h5py.check_vlen_dtype(each.dtype) is not None:
                unpacked += _size_of_texts(each, path, unpacked, len(content))
    except BaseException:
        file.close()
        raise
    return file


def _size_of_texts(texts: h5py.Dataset, path: Path, unpacked: int, size: int) -> int:
    """Return the bytes of a variable of texts, of which many may be one and the same in the file.

    Each is at most as long as the file, so that a few at a time are never more than is allowed.
    """
    together = max(1, BYTES_AT_ONCE // size)
    if texts.size <= together:
        return 0
    count = 0
    places = np.ndindex(texts.shape[:-1])
    for place in places:
        for start in range(0, texts.shape[-1], together):
            some = texts[(*place, slice(start, start + together))]
            count += sum(len(each) for each in some)
            check_unpacked(path, unpacked + count)
    return count


def decoded(content: bytes, path: Path) -> xr.Dataset:
    """Return the Dataset that the bytes of a netCDF file hold.

    Parameters
    ----------
    content : bytes
        What `checked_bytes` returned.
    path : Path
        Where they were, for messages.

    Returns
    -------
    Dataset
        What they hold.

    Raises
    ------
    DamagedError
        If HDF5 or xarray cannot read them.
    TooLargeError
        As `opened` does.
    """
    try:
        with opened(content, path) as file:
            try:
                return read_plain(file)
            except NotPlainError:
                pass
        # Times stay numbers: a variable in units of seconds must come back as it was saved.
        return xr.load_dataset(
            io.BytesIO(content), engine="h5netcdf", decode_times=False, decode_timedelta=False
        )
    except TooLargeError:
        raise
    except Exception as error:  # of whatever kind: HDF5 and xarray have many for one fault
        raise DamagedError(path) from error


def _end(content: bytes) -> int | None:
    """Return where HDF5 thinks that a file ends; None if its first block does not tell."""
    start = _ADDRESSES.get(content[8]) if len(content) >= 52 else None
    if start is None:
        return None
    base, _, end = struct.unpack_from("<QQQ", content, start)
    return end if base == 0 else None
