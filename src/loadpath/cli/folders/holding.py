"""The folder that a command writes to: held while it runs, and what is kept there if it stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadpath.cli.folders.run_folder import check_folder, written_files
from loadpath.storage import one_writer


def held_folder(command: str, options: Any) -> Path | None:
    """Return the folder that a command writes its results to; None if it holds none.

    Figures come from sweeps, each of which holds a folder of its own: several may be drawn at once.
    """
    if command == "figures":
        return None
    if command == "report":  # where the page is meant for elsewhere, the folder is only read
        folder = Path(options.run_folder)
        return folder if options.out is None and folder.is_dir() else None
    return Path(options.out)


@contextmanager
def held(command: str, options: Any) -> Iterator[None]:
    """Hold the folder of a command within the block, as its one writer.

    Raises
    ------
    NotADirectoryError
        If the folder is a file, or stands in one.
    BlockingIOError
        If another process writes to it.
    FileNotFoundError
        In the end, if it was deleted meanwhile.
    """
    folder = held_folder(command, options)
    if folder is None:
        yield
        return
    check_folder(folder)
    with one_writer(folder) as lock:
        yield
        if lock.lost():
            raise FileNotFoundError(
                f"{str(folder)!r} was deleted or moved while it was written to: what is there now "
                "was written after that."
            )


def what_is_kept(command: str, options: Any) -> str:
    """Say what is kept of a command that was interrupted, and how to go on."""
    if command == "figures":
        return "the cells that were saved are kept, and the same command goes on with the others"
    folder = held_folder(command, options)
    if folder is None:
        return "the page was not written"
    if (folder / "cells").is_dir():
        return "the cells that were saved are kept, and --resume goes on with the others"
    if (folder / "nets").is_dir():
        return "the networks that were saved are kept, and --resume goes on with the others"
    if command in ("train", "demo") and any(folder.rglob("checkpoint.safetensors")):
        return f"the last checkpoint in {str(folder)!r} is kept, and --resume goes on from it"
    files = written_files(folder)
    if files:
        return f"what was in {str(folder)!r} is whole ({', '.join(files)})"
    return "nothing was saved yet"
