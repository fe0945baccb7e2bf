"""What a picture shows, in words: for those who hear a page, made from the numbers drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from loadpath import plots

TOLD = 6
"""The most curves that are each told; of more, the first and the last are."""


def alt_text(panels: Sequence[plots.Panel]) -> str:
    """Return a few sentences about a figure: its axes, and how each curve runs.

    Parameters
    ----------
    panels : sequence of Panel
        What the figure shows.

    Returns
    -------
    str
        The sentences.
    """
    return " ".join(_panel(panel) for panel in panels)


def number(value: float) -> str:
    """Return a number in three digits, or all those before the point."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def place(panel: plots.Panel, x: float) -> str:
    """Return what stands at a place of the x axis: a name, or the number."""
    at = round(x)
    return panel.names[at] if panel.names and 0 <= at < len(panel.names) else number(x)


def _panel(panel: plots.Panel) -> str:
    said = [_map(panel, each) for each in panel.maps]
    curves = [series for series in panel.series if len(series.x)]
    if len(curves) > TOLD:
        values = np.concatenate([series.y for series in curves])
        said.append(
            f"{len(curves)} curves between {number(values.min())} and {number(values.max())}"
        )
        curves = [curves[0], curves[-1]]
    said += [f"{series.label} {_course(panel, series)}" for series in curves]
    said += [f"line at {number(y)}: {label}" for label, y in panel.levels]
    said += [
        f"{label} from {place(panel, start)} to {place(panel, stop)}"
        for label, start, stop in panel.spans
    ]
    head = f"{panel.ylabel} over {panel.xlabel}"
    title = f"{panel.title}. " if panel.title else ""
    return f"{title}{head[:1].upper()}{head[1:]}: {'; '.join(said)}."


def _course(panel: plots.Panel, series: plots.Series) -> str:
    """Say how a curve runs, from left to right."""
    if series.scattered:
        across, up = (f"{number(v.min())} to {number(v.max())}" for v in (series.x, series.y))
        return f"at {len(series.x)} points, {across} across and {up} up"
    order = np.argsort(series.x, kind="stable")
    x, y = series.x[order], series.y[order]
    least, largest, last = int(np.argmin(y)), int(np.argmax(y)), len(y) - 1
    first, end = (f"{number(y[i])} at {place(panel, x[i])}" for i in (0, last))
    if last == 0:
        return f"is {first}"
    if y[largest] - y[least] <= 0.01 * np.abs(y).max():
        return f"stays at {number(float(np.median(y)))}"
    if y[largest] - y[least] <= 0.1 * np.abs(y).max():
        return f"stays between {number(y[least])} and {number(y[largest])}"
    low, high = (f"{number(y[i])} at {place(panel, x[i])}" for i in (least, largest))
    inner = [i for i in (least, largest) if i not in (0, last)]
    if not inner:
        return f"{'falls' if y[0] > y[last] else 'rises'} from {first} to {end}"
    if len(inner) == 2:
        return f"begins with {first}, is least, {low}, and largest, {high}, and ends with {end}"
    turn, verb = (low, "falls") if inner == [least] else (high, "rises")
    return f"{verb} from {first} to {turn} and ends with {end}"


def _map(panel: plots.Panel, shown: plots.ColourMap) -> str:
    """Say where a map of colours is lowest and highest."""
    if not np.isfinite(shown.values).any():
        return f"{shown.label} without a number"
    ends = []
    for pick in (np.nanargmin, np.nanargmax):
        i, j = np.unravel_index(int(pick(shown.values)), shown.values.shape)
        where = f"{panel.ylabel} {shown.y[i]} and {panel.xlabel} {shown.x[j]}"
        ends.append(f"{number(shown.values[i, j])} at {where}")
    return f"{shown.label} from {ends[0]} to {ends[1]}"
