"""The key to the small load curves that stand in the cells of phase diagrams."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.legend_handler import HandlerBase
from matplotlib.lines import Line2D
from matplotlib.transforms import Transform

from .style import BLACK, ink

MEANINGS = {
    0.3: "bent up: deep layers do the work",
    -0.3: "bent down: shallow layers do the work",
}
"""What small curves say, by how far they bend from their chord."""
SCALED = "in each cell its load curve, scaled to the cell"
"""What the curves of networks share, which are in different units."""


class Miniature(Line2D):
    """A small load curve with its chord, as a legend shows it."""

    def __init__(self, bend: float) -> None:
        super().__init__([], [], color=BLACK)
        self.bend = bend


class _Drawn(HandlerBase):
    """Draws a `Miniature` in a legend."""

    def create_artists(
        self,
        legend: Legend,
        orig_handle: Artist,
        xdescent: float,
        ydescent: float,
        width: float,
        height: float,
        fontsize: float,
        trans: Transform,
    ) -> Sequence[Artist]:
        """Return the chord and the curve, from the upper left to the lower right."""
        assert isinstance(orig_handle, Miniature)
        share = np.linspace(0, 1, 16)
        x, chord = width * share - xdescent, 1 - share
        curve = chord + orig_handle.bend * np.sin(np.pi * share)
        top = 1.25 * height
        style: dict[str, Any] = dict(color=orig_handle.get_color(), transform=trans)
        return [
            Line2D(x, top * chord - ydescent, lw=0.5, **style),
            Line2D(x, top * curve - ydescent, lw=1.3, **style),
        ]


def key(place: Axes | Figure, *, title: str = "", columns: int = 1) -> Legend:
    """Put the key to the small curves above axes, or above all axes of a figure.

    Above a figure it may be wider than axes that have a bar of colours beside them; above axes it
    would push these together. What has a label on the axes stands in the key too. On the ground of
    a dark style it has a light ground of its own, as the maps of colours have, so that black lines
    are seen on it.
    """
    handles: dict[str, Artist] = {}
    for ax in place.axes if isinstance(place, Figure) else [place]:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    handles |= {meaning: Miniature(bend) for bend, meaning in MEANINGS.items()}
    style: dict[str, Any] = dict(title=title or None, alignment="left", ncols=columns)
    style |= dict(handler_map={Miniature: _Drawn()}, handlelength=2.2)
    if ink() != BLACK:
        style |= dict(frameon=True, facecolor="white", labelcolor=BLACK, framealpha=1)
    if isinstance(place, Figure):
        legend = place.legend(handles.values(), handles.keys(), loc="outside upper left", **style)
    else:
        style |= dict(loc="lower left", bbox_to_anchor=(0, 1))
        legend = place.legend(handles.values(), handles.keys(), **style)
    if ink() != BLACK:
        legend.get_title().set_color(BLACK)
    return legend
