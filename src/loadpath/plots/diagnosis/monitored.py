"""The layers of a model while it trains: histories of `loadpath.diagnosis.Monitor`."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from loadpath.checks import as_list, check_choice, check_columns, check_dataset
from loadpath.plots.diagnosis.axis import MANY, Names, short_names
from loadpath.plots.style import (
    RED,
    figure_size,
    ink,
    literal,
    paper,
    size_scale,
    styled,
    text_size,
)


@dataclass(frozen=True)
class Panel:
    """How one measure of a history is drawn."""

    title: str
    """What stands over it."""
    dims: str = "look, layer"
    """What the measure is over."""
    scale: Literal["free", "size", "share"] = "free"
    """The y axis: as the values have it, of sizes, or from 0 to 1."""


PANELS = {
    "loss": Panel("loss", "look"),
    "log_separation": Panel("log separation, nats"),
    "load": Panel("load, nats"),
    "concavity": Panel("concavity of the load curve", "look"),
    "participation_ratio": Panel("participation ratio", scale="size"),
    "stable_rank": Panel("stable rank", scale="size"),
    "relative_step": Panel("relative step", scale="size"),
    "growth": Panel("log growth"),
    "spread": Panel("spread of features", scale="share"),
    "dead": Panel("share of dead features", scale="share"),
}
"""The measures that can be drawn, in their order."""
COLUMNS = 3
"""Panels beside each other."""
ALARMS_WRITTEN = 3
"""Alarms that are written over the figure; all are marked in it."""
LETTERS = 42
"""Letters of a line over the figure, for each panel beneath it."""


@styled
def monitor(history: xr.Dataset, *, measures: Sequence[str] | None = None) -> Figure:
    """Draw what a monitor saw: each measure over training steps, a line for each layer.

    Layers are coloured in the order in which they run, from dark to light. At the step of an alarm
    all panels have a dashed red line, and the layers that it was about have a red cross where they
    were last measured. The first alarms are written over the figure.

    Parameters
    ----------
    history : xr.Dataset
        What `loadpath.diagnosis.Monitor.history` returns.
    measures : sequence of str, optional
        What to draw: "loss", "log_separation", "load", "concavity", "participation_ratio",
        "stable_rank", "relative_step", "growth", "spread", "dead". If left out, all of which the
        history has numbers.

    Returns
    -------
    Figure
        The whole figure, with a panel for each measure.

    Raises
    ------
    ValueError
        If `history` is not of a monitor, its steps go back, or it has no numbers to draw; if
        `measures` is empty or has something else.
    """
    check_columns("history", history, "step(look)")
    steps = history["step"].values
    if (np.diff(steps) < 0).any():
        raise ValueError("history must have steps that do not go back, and they do.")
    for name, dims in (("alarm", "look"), ("collapse", "look, layer")):
        if name in history:
            check_dataset("history", history, f"{name}({dims}) in words")
    shown = _measures_shown(history, measures)
    columns = 2 if len(shown) == 4 else min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=figure_size(3.1 * columns + 1.4, 2.1 * rows + 0.9))
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    names = [str(name) for name in history["layer"].values]
    colours = _colours_of_layers(len(names))
    for place, name in zip(places, shown, strict=False):
        _draw_panel(place, history, name, colours)
    for place in places[len(shown) - columns : len(shown)]:
        place.set_xlabel("training step")
    for place in places[len(shown) :]:
        place.remove()
    if any("layer" in PANELS[name].dims for name in shown):
        _layer_bar(figure, names, colours)
    _write_alarms(figure, history, columns)
    return figure


def _measures_shown(history: xr.Dataset, measures: Sequence[str] | None) -> list[str]:
    """Return the measures that are drawn, which the history has numbers of."""
    if measures is None:
        present = [name for name in PANELS if name in history]
        for name in present:
            check_dataset("history", history, f"{name}({PANELS[name].dims})")
        shown = [name for name in present if np.isfinite(history[name].values).any()]
        if not shown:
            raise ValueError(
                f"history must have numbers of one of {', '.join(PANELS)}, and has none."
            )
        return shown
    chosen = as_list("measures", measures, "names of measures", fewest=1)
    for name in chosen:
        check_choice("measures", name, PANELS)
        check_dataset("history", history, f"{name}({PANELS[name].dims})")
    return chosen


def _draw_panel(ax: Axes, history: xr.Dataset, name: str, colours: list[str]) -> None:
    """Draw one measure over the steps, and mark the alarms."""
    panel, steps = PANELS[name], history["step"].values
    told = history["alarm"].values != "" if "alarm" in history else np.zeros(len(steps), bool)
    for step in np.unique(steps[told]):
        ax.axvline(step, color=RED, lw=0.9, ls="--", label="_alarm")
    marker = "o" if len(steps) <= 40 else ""
    if panel.dims == "look":
        lines = history[name].values[None]
        _draw_line(ax, steps, lines[0], ink(), marker)
    else:
        lines = history[name].transpose("layer", "look").values
        kinds = None
        if "collapse" in history:
            kinds = history["collapse"].transpose("layer", "look").values
        for i, values in enumerate(lines):
            _draw_line(ax, steps, values, colours[i], marker)
            if kinds is not None:
                _mark_collapses(ax, steps, values, kinds[i])
    title = panel.title
    if name == "log_separation" and isinstance(history.attrs.get("kind"), str):
        title = f"log separation ({literal(history.attrs['kind'])}), nats"
    ax.set_title(title, loc="left")
    margin = 0.03 * max(float(steps[-1] - steps[0]), 1.0)
    ax.set_xlim(float(steps[0]) - margin, float(steps[-1]) + margin)
    if panel.scale == "share":
        highest = np.nanmax(np.where(np.isfinite(lines), lines, np.nan), initial=1.0)
        ax.set_ylim(-0.03 * highest, 1.05 * highest)
    elif panel.scale == "size":
        size_scale(ax)


def _draw_line(ax: Axes, x: np.ndarray, y: np.ndarray, colour: str, marker: str) -> None:
    """Draw what is known of a measure, so that a value not measured leaves no gap."""
    known = np.isfinite(y)
    ax.plot(x[known], y[known], color=colour, lw=1.2, marker=marker, ms=2.5)


def _mark_collapses(ax: Axes, x: np.ndarray, y: np.ndarray, kinds: np.ndarray) -> None:
    """Mark where a layer was told of: there, or where it was last measured if it was not."""
    for look in np.flatnonzero(kinds != ""):
        known = np.flatnonzero(np.isfinite(y[: look + 1]))
        if len(known):
            ax.plot(x[known[-1]], y[known[-1]], "x", color=RED, ms=6, mew=1.6, zorder=3)


def _colours_of_layers(count: int) -> list[str]:
    """Return a colour for each layer, from dark to light, none of them too near to the ground's."""
    scale = mpl.colormaps["viridis"]
    on_dark = sum(mpl.colors.to_rgb(paper())) < 1.5  # half of white
    ends = (0.25, 1.0) if on_dark else (0.0, 0.9)
    return [mpl.colors.to_hex(scale(at)) for at in np.linspace(*ends, count)]


def _layer_bar(figure: Figure, names: list[str], colours: list[str]) -> None:
    """Draw the key: the colours of the layers with their names, the first on top."""
    short, pattern = short_names(names)
    edges = np.arange(len(names) + 1) - 0.5
    norm = BoundaryNorm(edges, len(names))
    bar = figure.colorbar(
        ScalarMappable(norm, ListedColormap(colours)),
        ax=figure.axes,
        aspect=40,
        fraction=0.05,
        pad=0.02,
    )
    every = 1 + (len(names) - 1) // MANY
    bar.ax.yaxis.set_major_locator(FixedLocator(np.arange(0.0, len(names), every).tolist()))
    bar.ax.yaxis.set_major_formatter(Names(short))
    bar.ax.minorticks_off()
    bar.ax.invert_yaxis()
    bar.set_label(f"layer ({literal(pattern)})" if pattern else "layer")


def _write_alarms(figure: Figure, history: xr.Dataset, columns: int) -> None:
    """Write over the figure what was told, or that nothing was."""
    looks, steps = history.sizes["look"], history["step"].values
    sentences: list[str] = []
    if "alarm" in history:
        for words in history["alarm"].values:
            sentences += [line for line in str(words).split("\n") if line]
    if not sentences:
        seen = f"steps {steps[0]} to {steps[-1]}" if looks > 1 else f"step {steps[0]}"
        written = [f"{looks} look{'s' if looks > 1 else ''}, {seen}: no alarm"]
    else:
        written = sentences[:ALARMS_WRITTEN]
        if len(sentences) > ALARMS_WRITTEN:
            written += [f"and {len(sentences) - ALARMS_WRITTEN} more alarms"]
    lines = [part for each in written for part in textwrap.wrap(each, LETTERS * columns)]
    figure.suptitle(
        "\n".join(literal(each) for each in lines),
        x=0.01,
        ha="left",
        color=RED if sentences else ink(),
        fontsize=text_size(0.95),
    )
