"""Results that take the place of older ones: nothing old is removed before all of the new is whole.

New results are written into a folder of their own inside that of the run. When they are whole it is
renamed, in one step, and from then on they are the run's: what is left to move is moved by this
process, or if that is killed by the next command that comes to the folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from loadpath.storage import clear_leftovers

UNFINISHED = ".new"
"""Folder of results that are being written, inside that of the results which they will replace."""
WHOLE = ".new-whole"
"""Its name when they are whole."""
_GONE = ".gone"
"""Ending of an empty file that says which old file has none to replace it."""


@contextmanager
def place_for(out: Path, present: Collection[str], *, resume: bool = False) -> Iterator[Path]:
    """Yield the folder where results are to be written, and put them in place in the end.

    If the block raises, the older results stand, and what there is of the new is kept beside them
    until the next command that replaces results: it may have taken hours.

    Parameters
    ----------
    out : Path
        The folder of the run.
    present : collection of str
        Names of the older results in it, which are to be replaced.
    resume : bool, optional
        Whether to go on with what an earlier block left; older results are then replaced only if it
        was to replace them.

    Yields
    ------
    Path
        `out` itself where nothing is to be replaced.
    """
    place = out / UNFINISHED
    if not resume:
        shutil.rmtree(place, ignore_errors=True)
    if not (place.is_dir() if resume else present):
        yield out
        return
    place.mkdir(parents=True, exist_ok=True)
    clear_leftovers(place)
    try:
        yield place
    except (ValueError, OSError) as error:
        if any(place.iterdir()):
            error.add_note(f"The older results stand, and what there is of the new is in {place}.")
        raise
    for name in present:
        if not (place / name).exists():
            (place / f"{name}{_GONE}").touch()
    os.replace(place, out / WHOLE)
    finish_replacing(out)


def finish_replacing(out: Path) -> None:
    """Move results that are whole to where they belong, if any wait for that.

    Parameters
    ----------
    out : Path
        The folder of the run.
    """
    whole = out / WHOLE
    for path in sorted(whole.iterdir()) if whole.is_dir() else []:
        if path.name.endswith(_GONE):
            (out / path.name.removesuffix(_GONE)).unlink(missing_ok=True)
            path.unlink()
        else:
            os.replace(path, out / path.name)
    if whole.is_dir():
        whole.rmdir()


def final_folder(place: Path) -> Path:
    """Return the folder of the run whose results are written to `place`."""
    return place.parent if place.name == UNFINISHED else place
