"""The numbers of a figure as a table, for those who want to read them and not the curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from loadpath import plots
from loadpath.report.pictures import number, place

CELLS, ROWS, COLUMNS = 600, 50, 24
"""The most cells, rows and curves of a table; of more rows or curves, evenly spaced ones are kept,
the ends among them."""


class Cell(NamedTuple):
    """One cell of a table."""

    text: str
    value: str = ""
    """What it is sorted by, empty where that is the text."""
    interval: str = ""


class Table(NamedTuple):
    """The numbers of one panel."""

    caption: str
    headings: list[str]
    lines: list[list[Cell]]


def tables_of(panels: Sequence[plots.Panel]) -> list[Table]:
    """Return the tables of a figure, one or more a panel.

    Parameters
    ----------
    panels : sequence of Panel
        What the figure shows.

    Returns
    -------
    list of Table
        The tables, with texts as a page shows them.
    """
    return [table for panel in panels for table in _tables(panel)]


def _tables(panel: plots.Panel) -> Iterator[Table]:
    for shown in panel.maps:
        lines = [
            [Cell(y), *(_cell(value) for value in row)]
            for y, row in zip(shown.y, shown.values, strict=True)
        ]
        caption = f"{shown.label}: {panel.ylabel} (down), {panel.xlabel} (across)"
        yield Table(caption, ["", *shown.x], lines)
    followed = [each for each in panel.series if len(each.x) and not each.scattered]
    if followed:
        yield _beside(panel, [followed[i] for i in _some(len(followed), COLUMNS)])
    scattered = [each for each in panel.series if each.scattered]
    if scattered:
        yield _below(panel, scattered)


def _beside(panel: plots.Panel, series: Sequence[plots.Series]) -> Table:
    """Lay curves out as columns over their common x."""
    # Marks of one layer stand a little beside each other, so as not to hide each other.
    at = [np.round(each.x) if panel.names else each.x for each in series]
    every = np.unique(np.concatenate(at))
    kept = _some(len(every), min(ROWS, CELLS // len(series)))
    found = [
        {x: _cell(each.y[i], *_bar(each, i)) for i, x in enumerate(xs)}
        for each, xs in zip(series, at, strict=True)
    ]
    lines = [
        [Cell(place(panel, x), f"{x:.10g}"), *(one.get(x, Cell("–")) for one in found)]
        for x in every[kept]
    ]
    caption = panel.ylabel + _thinned(len(every), len(kept))
    return Table(caption, [panel.xlabel, *(each.label for each in series)], lines)


def _below(panel: plots.Panel, series: Sequence[plots.Series]) -> Table:
    """Lay groups of points out one below the other."""
    total = sum(len(each.x) for each in series)
    rows = [(each, i) for each in series for i in range(len(each.x))]
    kept = _some(total, ROWS)
    lines = [
        [Cell(each.label), Cell(place(panel, each.x[i]), f"{each.x[i]:.10g}"), _cell(each.y[i])]
        for each, i in (rows[k] for k in kept)
    ]
    return Table(_thinned(total, len(kept)).strip(), ["", panel.xlabel, panel.ylabel], lines)


def _some(count: int, most: int) -> list[int]:
    """Return at most so many places, evenly spaced, the ends among them."""
    kept = np.unique(np.linspace(0, count - 1, min(count, most)).round()).astype(int)
    return [int(place) for place in kept]


def _thinned(count: int, kept: int) -> str:
    return "" if kept == count else f" ({kept} of {count} places)"


def _bar(series: plots.Series, i: int) -> tuple[float, float]:
    if series.low is None or series.high is None:
        return np.nan, np.nan
    return float(series.low[i]), float(series.high[i])


def _cell(value: float, low: float = np.nan, high: float = np.nan) -> Cell:
    if not np.isfinite(value):
        return Cell("–")
    interval = f"{number(low)} to {number(high)}" if np.isfinite([low, high]).all() else ""
    return Cell(number(value), f"{value:.10g}", interval)
