"""Figures as files: SVG, PDF and PNG, the same for the same data, with text that stays text."""

import io
import itertools
import os
import re
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadpath.checks import as_path, check_flag
from loadpath.storage import write_atomic

from .style import figure_of, parameters

_WITHOUT_DATES: dict[str, tuple[str, ...]] = {
    "pdf": ("CreationDate", "Creator", "Producer"),
    "png": ("Software",),
    "svg": ("Date", "Creator", "Format", "Type"),
}
"""What matplotlib would write of times and versions, for each format."""
_LETTERS = re.compile(r"(?<=<text>)\s*(?:<tspan [^>]*>[^<]*</tspan>\s*)+(?=</text>)")
_LETTER = re.compile(r'<tspan x="([^"]*)" y="([^"]*)" style="([^"]*)">([^<]*)</tspan>')


def svg(drawing: Axes | Figure) -> str:
    """Return the figure of `drawing` as SVG text, the same for the same data.

    Text in the figure stays text, drawn in the fonts of whoever looks at it.

    Parameters
    ----------
    drawing : Axes or Figure
        What to draw, or some axes of it.

    Returns
    -------
    str
        The SVG document.
    """
    return _LETTERS.sub(_joined, _saved(drawing, "svg").decode())


def pdf(drawing: Axes | Figure) -> bytes:
    """Return the figure of `drawing` as a PDF file, the same for the same data.

    Text in the figure stays text, in TrueType fonts that the file holds.

    Parameters
    ----------
    drawing : Axes or Figure
        What to draw, or some axes of it.

    Returns
    -------
    bytes
        The contents of the file.
    """
    return _saved(drawing, "pdf")


def png(drawing: Axes | Figure) -> bytes:
    """Return the figure of `drawing` as a PNG file, 200 dots an inch.

    Parameters
    ----------
    drawing : Axes or Figure
        What to draw, or some axes of it.

    Returns
    -------
    bytes
        The contents of the file.
    """
    return _saved(drawing, "png")


def save(drawing: Axes | Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the figure of `drawing` as PDF, SVG or PNG, as the ending of `path` says.

    The same data give the same file. In PDF and SVG text stays text.

    Parameters
    ----------
    drawing : Axes or Figure
        What to draw, or some axes of it.
    path : str or path
        Where to write it; ends in `.pdf`, `.svg` or `.png`.
    overwrite : bool, optional
        Whether an earlier file may be replaced.

    Returns
    -------
    Path
        The path of the file.

    Raises
    ------
    FileExistsError
        If `path` exists and may not be replaced.
    ValueError
        If `path` ends otherwise.
    """
    path = as_path("path", path)
    check_flag("overwrite", overwrite)
    figure_of(drawing)
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _WITHOUT_DATES:
        raise ValueError(f"path must end in .pdf, .svg or .png, got {str(path)!r}.")
    if path.exists() and not overwrite:  # known before anything is drawn
        raise FileExistsError(f"{str(path)!r} exists already and overwrite is False.")
    content = svg(drawing).encode() if kind == "svg" else _saved(drawing, kind)
    return write_atomic(path, content, overwrite=overwrite)


def _saved(drawing: Axes | Figure, kind: str) -> bytes:
    """Return the contents of a file of this kind."""
    figure, buffer = figure_of(drawing), io.BytesIO()
    with mpl.rc_context(parameters()):
        figure.savefig(buffer, format=kind, metadata=dict.fromkeys(_WITHOUT_DATES[kind]))
    return buffer.getvalue()


def _joined(letters: re.Match[str]) -> str:
    """Join the letters of a text with a formula in it, which matplotlib writes one by one.

    Words can then be searched for, and the file is a third as large. The font gets the same
    substitutes as other text; where it is missing a browser would take one with serifs.
    """
    found = [(float(x), x, y, style, said) for x, y, style, said in _LETTER.findall(letters[0])]
    found.sort(key=lambda letter: letter[0])  # matplotlib writes upright letters first
    runs = []
    for (y, style), run in itertools.groupby(found, key=lambda letter: letter[2:4]):
        places, said = zip(*((x, said) for _, x, _, _, said in run), strict=True)
        style = re.sub(r"font-family: ('[^']*')$", r"font-family: \1, Verdana, sans-serif", style)
        runs.append(
            f'<tspan x="{" ".join(places)}" y="{y}" style="{style}">{"".join(said)}</tspan>'
        )
    return "".join(runs)
