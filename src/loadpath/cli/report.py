"""`loadpath report`: write the page about a finished run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from loadpath import report as pages
from loadpath import results
from loadpath.cli import chain, diagnose, laws, surgery, tune
from loadpath.cli.folders import write_report
from loadpath.cli.options import ReportOptions


def run(options: ReportOptions) -> bool:
    """Write the page about the run in the folder, whichever command wrote it.

    Returns
    -------
    bool
        Whether the run may be read.

    Raises
    ------
    FileExistsError
        If the page is there already and may not be replaced.
    FileNotFoundError
        If the folder is not a run's.
    ValueError
        If a file of the run is damaged.
    """
    page = None if options.out is None else Path(options.out)
    folder = Path(options.run_folder)
    write: Callable[..., Path] = write_report
    pages_of = {
        "chain.nc": chain,
        "diagnosis.nc": diagnose,
        "laws.nc": laws,
        "plan.nc": surgery,
        "tuning.nc": tune,
    }
    for name, command in pages_of.items():
        if (folder / name).is_file():
            write = command.write_page
    print(write(folder, page, overwrite=options.overwrite))
    history = folder / "history.nc"
    warned = pages.warning(results.load(history)) if history.is_file() else ""
    if warned:
        print(warned)
    return not warned
