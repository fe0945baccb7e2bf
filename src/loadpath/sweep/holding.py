"""Hold the folder of a sweep: one run at a time writes there, and sees if it is deleted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadpath.storage import one_writer
from loadpath.sweep.folder import SETTINGS


@contextmanager
def held(folder: Path) -> Iterator[Callable[..., None]]:
    """Hold a folder as its one writer, and yield a function that sees that it is still there.

    That function takes the paths of files that were just written, if any, and removes them if the
    folder was deleted meanwhile: alone in a folder made anew, they would be taken for a stranger's.

    Parameters
    ----------
    folder : Path
        The folder of a sweep. If it cannot be written to, it is not held: it may be complete.

    Yields
    ------
    callable
        The function; it raises FileNotFoundError.

    Raises
    ------
    BlockingIOError
        If another process writes to it.
    """
    if folder.is_dir() and not os.access(folder, os.W_OK):
        yield lambda written=(): None
        return
    with one_writer(folder) as lock:

        def still_there(written: Iterable[Path] = ()) -> None:
            if (folder / SETTINGS).exists() and not lock.lost():
                return
            for path in written:
                path.unlink(missing_ok=True)
            with suppress(OSError):  # another's, or none
                folder.rmdir()
            raise FileNotFoundError(
                f"{str(folder)!r} was deleted or moved while the sweep wrote to it: the sweep "
                "stops, and starts anew when it is run again."
            )

        yield still_there
