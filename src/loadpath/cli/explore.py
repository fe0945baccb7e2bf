"""`loadpath explore`: write the explorer's pages into a folder, and open one in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

from loadpath.cli.options import ExploreOptions
from loadpath.report.explorer import PAGES, read_page
from loadpath.storage import write_page

TELLS = {
    "chain": "blocks on springs: friction, noise, and the load curve they leave",
    "networks": "phase diagrams of trained networks, cell by cell",
    "geodesic": "the path of a Leaky ResNet into its bottleneck and out again",
}
"""What each page shows, for whoever is to choose."""


def run(options: ExploreOptions) -> None:
    """Write the pages, say where they are, and open the one that is asked for.

    Raises
    ------
    FileExistsError
        If another page of that name is in the folder and may not be replaced.
    OSError
        If one is to be opened and there is no browser that could, or if a page cannot be written.
    """
    if options.open is not None:
        check_browser()
    folder = Path(options.out)
    contents = {name: read_page(name) for name in PAGES}
    if not options.overwrite:
        for name in PAGES:
            there = folder / f"{name}.html"
            if there.exists():
                raise FileExistsError(
                    f"{str(there)!r} exists already: --overwrite replaces it, --out names another "
                    "folder."
                )
    for name, content in contents.items():
        page = write_page(folder / f"{name}.html", content, overwrite=options.overwrite)
        print(f"{page}: {TELLS[name]}")
    if options.open is not None:
        webbrowser.open((folder / f"{options.open}.html").resolve().as_uri())


def check_browser() -> None:
    """Refuse to open a page where nothing can show it.

    Raises
    ------
    OSError
        If there is no display, or no browser.
    """
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    blind = sys.platform.startswith("linux") and not any(os.environ.get(one) for one in screens)
    try:
        webbrowser.get()
    except webbrowser.Error:
        blind = True
    if blind:
        raise OSError(
            "--open needs a display and a browser, and there is none here: without it the pages "
            "are written, to be opened elsewhere."
        )
