"""One writer a folder: a small file in it says which process writes, and where that runs.

The file is made as a whole by a hard link, which one process alone can succeed with, also over NFS.
It is removed at the end. What a killed process leaves is removed by the next one, once it is
certain that the writer is gone; the remover holds a lock of the same kind on the lock meanwhile,
so that two that find the same dead writer cannot both go on.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadpath.storage.writers import HELD, Writer, this_process
from loadpath.storage.writing import clear_leftovers

LOCK = ".loadpath.lock"
"""The name of the file."""
GUARD = ".breaking"
"""Ending of a lock on a lock: it is held to remove that of a process that is gone."""
TRIES = 500
"""How often a lock that others take and leave is tried, 10 ms apart."""

_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What systems answer that have no hard links, such as FAT."""


class DamagedLockError(BlockingIOError):
    """A lock does not say whose it is."""


class Held:
    """A folder that this process writes to."""

    def __init__(self, folder: Path, writer: Writer) -> None:
        self.folder = folder
        self._writer = writer

    def lost(self) -> bool:
        """Return whether the lock is gone: the folder was deleted, moved or put anew."""
        return _read(self.folder / LOCK) != self._writer

    def retake(self) -> bool:
        """Take the folder again if it was deleted, and return whether it was.

        Raises
        ------
        BlockingIOError
            If another process has taken it since.
        """
        if not self.lost():
            return False
        self.folder.mkdir(parents=True, exist_ok=True)
        _take(self.folder / LOCK, self._writer)
        return True


@contextmanager
def one_writer(folder: Path) -> Iterator[Held]:
    """Hold `folder` as its one writer within the block.

    The folder is made if it is not there, and removed at the end if nothing was put into it. Files
    that killed writers had not finished are removed at the beginning.

    Parameters
    ----------
    folder : Path
        The folder.

    Yields
    ------
    Held
        The folder, which can be asked whether it is still there.

    Raises
    ------
    BlockingIOError
        If another process writes to it, or one of another machine that may.
    OSError
        If the lock cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "run"
    >>> with one_writer(place):
    ...     with one_writer(place):
    ...         pass
    Traceback (most recent call last):
    BlockingIOError: ...run' is being written to by this process; one at a time may.
    >>> place.exists()
    False
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    writer = this_process(token=secrets.token_hex(8))
    HELD.add(writer.token)
    try:
        _take(folder / LOCK, writer)
        _clear_guards(folder)
        clear_leftovers(folder)
        yield Held(folder, writer)
    finally:
        try:
            if os.getpid() == writer.pid:  # and not in a child that was forked within the block
                _leave(folder / LOCK, writer)
                with suppress(OSError):  # the first that something is in, or that is not ours
                    for place in missing:
                        place.rmdir()
        finally:  # also if an interrupt comes just now
            HELD.discard(writer.token)


def _take(path: Path, writer: Writer) -> None:
    """Make the lock at `path`, in place of one whose process is gone."""
    for _ in range(TRIES):
        if _create(path, writer):
            return
        other = _read(path)
        if other is None:  # it was left in between
            time.sleep(0.001)
            continue
        if not other.is_gone():
            raise BlockingIOError(_refusal(path, other))
        _break(path, other)
    raise BlockingIOError(f"{str(path.parent)!r} is taken and left by others all the time.")


def _break(path: Path, other: Writer) -> None:
    """Remove the lock of a process that is gone, unless somebody else has done so."""
    mine, guard = this_process(token=secrets.token_hex(8)), path.with_name(path.name + GUARD)
    HELD.add(mine.token)
    try:
        _take(guard, mine)
        if _read(path) == other:  # and nobody but the holder of the guard may remove it
            path.unlink(missing_ok=True)
    except DamagedLockError:
        raise
    except BlockingIOError:
        time.sleep(0.01)  # somebody is at it
    finally:
        try:
            _leave(guard, mine)
        finally:
            HELD.discard(mine.token)


def _clear_guards(folder: Path) -> None:
    """Remove guards that were left by a kill, in a folder that is held.

    One that is taken anew just now may be hit too. That does no harm: its process wants to remove
    the lock that was here before, and finds another.
    """
    for path in folder.glob(f"{LOCK}{GUARD}*"):
        with suppress(OSError):
            try:
                left = _read(path)
            except DamagedLockError:
                path.unlink()
                continue
            if left is not None and left.is_gone():
                path.unlink()


def _leave(path: Path, writer: Writer) -> None:
    """Remove the lock at `path` if it is the writer's."""
    with suppress(OSError, ValueError):
        if _read(path) == writer:
            path.unlink()


def _create(path: Path, writer: Writer) -> bool:
    """Make a lock, whole or not at all, and return whether there was none."""
    temporary = path.with_name(f".{path.name}.{writer.token}.{writer.pid}.tmp")
    content = writer.as_bytes()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(temporary, content)
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _write(path, content)
    except FileNotFoundError:
        return False  # the folder was removed in between
    except OSError as error:
        if isinstance(error, FileExistsError) and path.parent.is_dir():
            return False
        reason = error.strerror or str(error)
        raise OSError(f"{str(path.parent)!r} cannot be written to ({reason}).") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    return True


def _write(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, down to the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Writer | None:
    """Return whose lock is at `path`; None if there is none."""
    for _ in range(20):  # where there are no hard links, it may be just being written
        try:
            return Writer.from_bytes(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            reason = error.strerror or str(error)
            raise BlockingIOError(f"{str(path)!r} cannot be read ({reason}).") from None
        except ValueError:
            time.sleep(0.01)
    raise DamagedLockError(
        f"{str(path)!r} is damaged and does not say who writes to the folder; remove it if nobody "
        "does."
    )


def _refusal(path: Path, other: Writer) -> str:
    """Say who writes to the folder of a lock."""
    folder = str(path.parent)
    if other.token in HELD:
        return f"{folder!r} is being written to by this process; one at a time may."
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(other.since))
    if other.is_gone() is None:
        return (
            f"{folder!r} is being written to by process {other.pid} of {other.host!r} since "
            f"{when}, and whether that still runs cannot be seen from here; if it does not, remove "
            f"{str(path)!r}."
        )
    return (
        f"{folder!r} is being written to by process {other.pid} of {other.host!r} since {when}; "
        "wait for it, or stop it."
    )
