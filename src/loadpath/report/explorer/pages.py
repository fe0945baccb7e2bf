"""The built pages, as they stand beside this file: each is whole and asks nothing of a network."""

from __future__ import annotations

from importlib.resources import files

PAGES = ("chain", "networks", "geodesic")
"""Their names: NAME.html is a page, which leads to the others where they lie in one folder."""


def read_page(name: str) -> str:
    """Return one of the pages.

    Parameters
    ----------
    name : {"chain", "networks", "geodesic"}
        Which one: the spring-block chain, the phase diagrams of networks, or the geodesics.

    Returns
    -------
    str
        The HTML, a few hundred kB.

    Raises
    ------
    FileNotFoundError
        If it is not there, which `make explorer` builds in a checkout.
    """
    page = files("loadpath.report.explorer") / f"{name}.html"
    if not page.is_file():
        raise FileNotFoundError(
            f"This installation lacks the explorer's page {name}.html: `make explorer` builds it."
        )
    return page.read_text(encoding="utf-8")
