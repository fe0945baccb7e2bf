"""The page: its sections, and how they are put together."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
import xarray as xr

from loadpath.checks import as_list, as_path, check_flag, check_text, check_type
from loadpath.report import certificate
from loadpath.report.facts import path_facts, training_facts, verdict_facts
from loadpath.report.figures import draw_figures
from loadpath.report.settings import rows, settings
from loadpath.report.verdict import judge
from loadpath.results import Shown
from loadpath.storage import check_ending, write_page


@dataclass(frozen=True, repr=False)
class Section(Shown):
    """One net on the page; at least one of `profile` and `history` is given."""

    title: str
    """Heading, such as the name of the data."""
    profile: xr.Dataset | None = None
    """Dataset over layers, from `loadpath.mechanics.profile` or `Geodesic.dataset`, which adds a
    certificate."""
    history: xr.Dataset | None = None
    """Dataset over records of the training, or over looks at the solving."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """What was asked for, nested or not; becomes a table."""
    notes: Sequence[str] = ()
    """Remarks, a paragraph each, under the summary."""

    def __post_init__(self) -> None:
        """Refuse what the page could not show."""
        check_text("title", self.title)
        for name in ("profile", "history"):
            if getattr(self, name) is not None:
                check_type(name, getattr(self, name), xr.Dataset, "an xarray.Dataset")
        check_type("config", self.config, Mapping, "a mapping of names to values")
        for note in as_list("notes", self.notes, "texts"):
            check_text("notes", note)


def write(
    path: str | os.PathLike[str],
    sections: Sequence[Section],
    *,
    title: str,
    overwrite: bool = False,
) -> Path:
    """Write the page about some Leaky ResNets, whole or not at all.

    The page holds its figures and style itself and asks nothing of the network. Figures are SVG
    images, about 0.7 MB a section. Titles, notes and values of `config` are shown as they are,
    never run.

    Parameters
    ----------
    path : str or path
        Where to write it.
    sections : sequence of Section
        The nets, in the order of the page.
    title : str
        The heading of the page.
    overwrite : bool, optional
        Whether an earlier file may be replaced.

    Returns
    -------
    Path
        The page's path.

    Raises
    ------
    ValueError
        If there is no section, or one without profile and history, or if the ending of `path` is
        that of another format.
    FileExistsError
        If `path` exists and may not be replaced.
    """
    path = as_path("path", path)
    check_ending("path", path, "HTML")
    check_text("title", title)
    check_flag("overwrite", overwrite)
    if not as_list("sections", sections, "sections"):
        raise ValueError("sections must hold at least one section, got 0.")
    for section in sections:
        check_type("sections", section, Section, "Sections")
        if section.profile is None and section.history is None:
            raise ValueError(f"Section {section.title!r} has neither profile nor history.")
    template = environment().get_template("report.html.j2")
    if path.exists() and not overwrite:  # known before the figures are drawn
        raise FileExistsError(f"{str(path)!r} exists already and overwrite is False.")
    page = template.render(title=title, sections=[_content(section) for section in sections])
    return write_page(path, page, overwrite=overwrite)


def environment() -> jinja2.Environment:
    """Return what renders the templates: text is escaped, and a missing name is an error."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("loadpath.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _content(section: Section) -> dict[str, Any]:
    """Return what the template shows of a section."""
    provenance = {
        f"{source}: {name}": value
        for source in ("profile", "history")
        for name, value in getattr(getattr(section, source), "attrs", {}).items()
    }
    profile, history = section.profile, section.history
    verdict = judge(profile, history)
    if verdict is not None and not verdict.readable:
        profile = None  # what must not be read is not shown
    known = profile if profile is not None and "least_norm_residual" in profile else None
    return {
        "title": section.title,
        "warning": "" if verdict is None or verdict.readable else verdict.headline,
        "facts": [
            *verdict_facts(verdict),
            *training_facts(history),
            *path_facts(profile, certified=known is not None),
        ],
        "notes": section.notes,
        "certificate": None if known is None else certificate.content(known),
        "figures": list(draw_figures(profile, history)),
        "settings": settings(section.config, history, section.profile),
        "provenance": list(rows(provenance)),
    }
