"""What a figure shows, read back from it: its curves as numbers, for tables and for words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

from .style import figure_of

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Series:
    """A curve of a figure, or a group of its marks."""

    label: str
    x: Numbers
    y: Numbers
    low: Numbers | None = None
    """Lower ends of its bars, NaN where there is no bar."""
    high: Numbers | None = None
    """Upper ends of its bars."""
    scattered: bool = False
    """Whether these are points in a plane, which no one follows from left to right."""


@dataclass(frozen=True, eq=False, repr=False)
class ColourMap:
    """A map of colours over a grid."""

    label: str
    x: tuple[str, ...]
    y: tuple[str, ...]
    values: Numbers
    """(y, x)."""


@dataclass(frozen=True, eq=False, repr=False)
class Panel:
    """What one of a figure's axes shows."""

    title: str
    xlabel: str
    ylabel: str
    series: tuple[Series, ...]
    levels: tuple[tuple[str, float], ...] = ()
    """Labelled horizontal lines, and where they are."""
    spans: tuple[tuple[str, float, float], ...] = ()
    """Labelled shaded stretches of x."""
    maps: tuple[ColourMap, ...] = ()
    names: tuple[str, ...] = ()
    """What stands at the whole numbers of x, where these are no numbers."""


def panels_of(drawing: Axes | Figure) -> list[Panel]:
    """Return what is shown on each of a figure's axes, but for its bars of colours.

    Parameters
    ----------
    drawing : Axes or Figure
        The figure, or some axes of it.

    Returns
    -------
    list of Panel
        The axes that show something.
    """
    axes = figure_of(drawing).axes if isinstance(drawing, Figure) else [drawing]
    found = [_panel(ax) for ax in axes if ax.get_label() != "<colorbar>"]
    return [panel for panel in found if panel.series or panel.maps]


def _panel(ax: Axes) -> Panel:
    names = getattr(ax.xaxis.get_major_formatter(), "names", ())
    maps = tuple(_maps(ax))
    series = [*_with_bars(ax), *_lines(ax), *_steps(ax), *_points(ax)]
    return Panel(
        title=plain(ax.get_title() or ax.get_title("left")),
        xlabel=plain(ax.get_xlabel()),
        ylabel=plain(ax.get_ylabel()),
        # Small curves in the cells of a map are in no units.
        series=tuple(series) if not maps else (),
        levels=tuple(_levels(ax)),
        spans=tuple(_spans(ax)),
        maps=maps,
        names=tuple(names),
    )


def _with_bars(ax: Axes) -> Iterator[Series]:
    """Yield the curves that have bars."""
    for container in ax.containers:
        if not isinstance(container, ErrorbarContainer):
            continue
        line, _, bars = container.lines
        x, y = _ends(line)
        low, high = np.full((2, len(y)), np.nan)
        if container.has_yerr and bars:
            for i, segment in enumerate(bars[-1].get_segments()[: len(y)]):
                if len(segment) == 2 and segment[0][1] != segment[1][1]:
                    low[i], high[i] = sorted(end[1] for end in segment)
        yield Series(_name(container, "marks"), x, y, low, high)


def _lines(ax: Axes) -> Iterator[Series]:
    """Yield the curves that are plain lines."""
    drawn = {id(c.lines[0]) for c in ax.containers if isinstance(c, ErrorbarContainer)}
    lines = [each for each in ax.lines if id(each) not in drawn and _in_data(ax, each)]
    for i, line in enumerate(lines):
        if line.get_label() == "_nolegend_" or not len(_ends(line)[0]):
            continue
        yield Series(_name(line, f"line {i + 1}"), *_ends(line))


def _steps(ax: Axes) -> Iterator[Series]:
    for patch in ax.patches:
        if isinstance(patch, StepPatch):
            values, edges, _ = patch.get_data()
            yield Series(_name(patch, "steps"), _floats(edges)[:-1], _floats(values))


def _points(ax: Axes) -> Iterator[Series]:
    for part in ax.collections:
        if isinstance(part, PathCollection):
            x, y = np.ma.filled(np.ma.asarray(part.get_offsets(), dtype=float), np.nan).T
            yield Series(_name(part, "points"), x, y, scattered=True)


def _maps(ax: Axes) -> Iterator[ColourMap]:
    for part in (*ax.images, *ax.collections):
        if not isinstance(part, AxesImage | QuadMesh) or part.get_array() is None:
            continue
        values: Numbers = np.ma.filled(np.ma.asarray(part.get_array(), dtype=float), np.nan)
        bar = part.colorbar
        label = "" if bar is None else plain(bar.ax.get_ylabel())
        if isinstance(part, QuadMesh):
            corners = _floats(part.get_coordinates())
            x, y = _written(_middles(corners[0, :, 0])), _written(_middles(corners[:, 0, 1]))
            yield ColourMap(label, x, y, values.reshape(len(y), len(x)))
        else:
            x, y = (
                _tick_names(ax, which, n) for which, n in zip("xy", values.shape[::-1], strict=True)
            )
            yield ColourMap(label, x, y, values)


def _levels(ax: Axes) -> Iterator[tuple[str, float]]:
    for line in ax.lines:
        if line.get_transform() == ax.get_yaxis_transform(which="grid") and _is_named(line):
            yield _name(line, ""), float(np.asarray(line.get_ydata(), dtype=float)[0])


def _spans(ax: Axes) -> Iterator[tuple[str, float, float]]:
    label = ""
    for patch in ax.patches:
        across = ax.get_xaxis_transform(which="grid")
        if isinstance(patch, Rectangle) and patch.get_data_transform() == across:
            # The first of several stretches has the label, for the legend.
            label = _name(patch, label) if _is_named(patch) else label
            yield label, patch.get_x(), patch.get_x() + patch.get_width()


def _in_data(ax: Axes, line: Line2D) -> bool:
    """Tell whether a line's places are numbers of both axes."""
    return bool(line.get_transform() == ax.transData)


def _ends(line: Line2D) -> tuple[Numbers, Numbers]:
    """Return x and y of a line where both are finite."""
    x, y = _floats(line.get_xdata()), _floats(line.get_ydata())
    known = np.isfinite(x) & np.isfinite(y)
    return x[known], y[known]


def _floats(values: Any) -> Numbers:
    return np.asarray(values, dtype=np.float64)


def _middles(edges: Any) -> Numbers:
    """Return the middles of cells, in logarithms where the cells grow by a factor."""
    at = _floats(edges)
    steps = np.diff(at)
    if len(steps) > 1 and (at > 0).all() and not np.allclose(steps, steps[0]):
        return np.sqrt(at[1:] * at[:-1])
    return (at[1:] + at[:-1]) / 2


def _tick_names(ax: Axes, which: str, count: int) -> tuple[str, ...]:
    """Return what the axis calls the cells of an image, or their numbers."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    if isinstance(axis.get_major_formatter(), ScalarFormatter):  # none were set
        return tuple(f"{i}" for i in range(count))
    ticks = [float(at) for at in axis.get_majorticklocs()]
    texts = axis.get_major_formatter().format_ticks(ticks)
    said = {at: text for at, text in zip(ticks, texts, strict=True)}  # whole ones are cells
    return tuple(plain(said.get(i, "")) or f"{i}" for i in range(count))


def _written(values: Numbers) -> tuple[str, ...]:
    return tuple(f"{value:.3g}" for value in values)


def _is_named(artist: Artist) -> bool:
    return not str(artist.get_label()).startswith("_")


def _name(artist: Any, otherwise: str) -> str:
    """Return an artist's label; an underscore at its start only keeps it out of the legend."""
    label = str(artist.get_label() or "")
    if not label or re.match(r"_((child|container)\d+|nolegend_)$", label):
        return otherwise
    return plain(label.removeprefix("_"))


_SIGNS = {
    **{"gamma": "γ", "rho": "ρ", "mu": "μ", "epsilon": "ε", "lambda": "λ", "Delta": "Δ"},
    **{"ell": "ℓ", "rightarrow": "→", "leftarrow": "←", "times": "×", "leq": "≤", "geq": "≥"},
    **{"sum": "Σ", "|": "‖", "Vert": "‖", "langle": "⟨", "rangle": "⟩", "top": "T", "cdot": "·"},
    **{",": " ", "%": "%", "_": "_", "&": "&", "#": "#", "$": "$", "{": "{", "}": "}"},
}
"""What commands of TeX stand for, as far as labels use them."""


def plain(text: str) -> str:
    r"""Return a label without its formulas' marks: "$2\,T$" becomes "2 T"."""
    text = re.sub(
        r"\\tilde\{(\w)\}|\\tilde (\w)", lambda m: f"{m[1] or m[2]}\N{COMBINING TILDE}", text
    )
    text = re.sub(r"\\dot\{(\w)\}", lambda m: f"{m[1]}\N{COMBINING DOT ABOVE}", text)
    text = re.sub(r"\\(?:mathrm|mathcal|sqrt)\s*", "", text)
    text = re.sub(
        r"\\([A-Za-z]+|.)", lambda m: _SIGNS.get(m[1], m[1]), re.sub(r"(?<!\\)[{}$]", "", text)
    )
    return " ".join(text.split())
