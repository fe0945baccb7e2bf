"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from contextlib import suppress
from pathlib import Path

import psutil

from loadpath.checks import as_path
from loadpath.storage.digests import digest_line
from loadpath.storage.endings import check_ending

_TEMPORARY = re.compile(r"\..+\.(\d+)\.tmp")
"""Names of files that are being written, with the process that writes them."""


def write_page(path: str | os.PathLike[str], page: str, *, overwrite: bool = False) -> Path:
    """Write a page of HTML, with its digest in a comment at its end, whole or not at all.

    Parameters
    ----------
    path : path-like
        The file.
    page : str
        The page.
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
        If it cannot be written.
    ValueError
        If the ending of `path` is that of another format.
    """
    path = as_path("path", path)
    check_ending("path", path, "HTML")
    content = (page.rstrip("\n") + "\n").encode()
    line = digest_line(content, "<!-- ", " -->")
    return write_atomic(path, content + line, overwrite=overwrite)


def write_atomic(path: str | os.PathLike[str], content: bytes, *, overwrite: bool = False) -> Path:
    """Write a file whole or not at all; missing folders are made.

    The bytes are written beside `path` and reach the disk before the name does, so that a crash or
    a full disk leaves the old file or the new one, never a part.

    Parameters
    ----------
    path : path-like
        The file.
    content : bytes
        What it is to hold.
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
    """
    path = as_path("path", path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        there = path.exists()
        if overwrite or not there:
            _make_folder(path.parent)
            _write(temporary, content)
            os.replace(temporary, path)
            _flush_folder(path.parent)
            return path
    except OSError as error:
        reason = error.strerror or str(error)
        worded = type(error)(f"{str(path)!r} cannot be written ({reason}).")
        worded.errno = error.errno
        raise worded from error
    finally:
        with suppress(OSError):  # what went wrong before is what is to be said
            temporary.unlink(missing_ok=True)
    raise FileExistsError(f"{str(path)!r} exists already and overwrite is False.")


def clear_leftovers(folder: Path) -> list[Path]:
    """Remove what writers left in a folder that were killed while they wrote.

    Parameters
    ----------
    folder : Path
        The folder; the caller is the only one that runs in it.

    Returns
    -------
    list of Path
        What was removed.
    """
    removed = []
    for path in sorted(folder.glob(".*.tmp")):
        name = _TEMPORARY.fullmatch(path.name)
        if name is not None and path.is_file() and not _is_being_written(path, int(name[1])):
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _is_being_written(path: Path, process: int) -> bool:
    """Return whether the process that began a file is alive, and no other with its number."""
    try:
        return bool(psutil.Process(process).create_time() <= path.stat().st_mtime)
    except (psutil.NoSuchProcess, FileNotFoundError):
        return False
    except psutil.AccessDenied:
        return True


def _make_folder(folder: Path) -> None:
    """Make a folder, with those that it stands in."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # by a file of that name
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def _write(path: Path, content: bytes) -> None:
    """Write a file, and wait until its bytes are on the disk."""
    with path.open("wb") as file:  # its mode follows the umask
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can tell."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks cannot
            raise
    finally:
        os.close(descriptor)
