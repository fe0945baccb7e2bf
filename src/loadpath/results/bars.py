"""Progress bars, on terminals and in notebooks."""

from __future__ import annotations

import sys
import warnings
from typing import Any


def in_notebook() -> bool:
    """Return whether this Python answers a notebook, which shows what is printed on its page."""
    # Loaded by whoever runs the notebook; nobody else needs IPython.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(shell, "kernel", None) is not None


def bar_shows(progress: bool | None) -> bool:
    """Return whether a bar shows: as the user says, else on a terminal and in a notebook."""
    if progress is not None:
        return bool(progress)
    return in_notebook() or bool(getattr(sys.stderr, "isatty", lambda: False)())


def progress_bar(progress: bool | None, **options: Any) -> Any:
    """Return a bar that shows how far a piece of work is.

    In a notebook it is a widget where ipywidgets is installed, and else a line of text.

    Parameters
    ----------
    progress : bool or None
        Whether it shows; None shows it on a terminal and in a notebook.
    **options
        As for `tqdm.tqdm`: total, unit, desc.

    Returns
    -------
    tqdm
        The bar, to be used in a `with` statement.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks for ipywidgets, and a line of text will do
        from tqdm.auto import tqdm
    return tqdm(**options, disable=not bar_shows(progress))
