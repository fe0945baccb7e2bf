"""Draw the regrets of `tuning_study.py`: every method at its own compute, with its interval."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tuning_report import SETTINGS, by_method, drawn, regrets_by_setting

import loadpath as lp
from loadpath.plots.style import BLUE, GREY, ORANGE, styled

NETS = {
    "select 24": 24.0,
    "select 8": 8.0,
    "twin": 8.0,
    "fixed 0.1, best of 8 seeds": 9.0,
    **{f"validation {n}": 9.0 for n in (100, 500, 1000)},
    "largest validation": 9.0,
}
"""Nets that a method trains, the last one on all samples; those that are not here train one."""
OURS = ("steer", "select 8", "select 24")
LEFT_OUT = ("fixed 0.1, same engine", "validation 500", "validation 1000")
"""Not drawn: the same method again, or one that most sets are too small for."""


PROPER = {"twin": "Twin", "tempbalance": "TempBalance"}


def draw(kept: Path, path: Path) -> None:
    """Draw a panel for each kind of nets."""
    lp.plots.save(figure(kept), path, overwrite=True)


@styled
def figure(kept: Path) -> Figure:
    """Return the figure."""
    made = Figure(figsize=(9.6, 4.6))
    panels = made.subplots(1, 2, sharex=True)
    for ax, (norm, words) in zip(panels, SETTINGS, strict=True):
        _panel(ax, by_method(regrets_by_setting(kept, norm)))
        ax.set_title(f"MLPs {words}", loc="left")
        ax.set_xlabel("points of accuracy lost to the best level")
    return made


def _panel(ax: Axes, methods: dict) -> None:
    """Methods from the least regret at the top, with what they cost."""
    found = {
        method: drawn(regrets, lambda r, m=method: r[m])
        for method, regrets in methods.items()
        if method not in LEFT_OUT
    }
    order = sorted(found, key=lambda method: -found[method][0])
    for place, method in enumerate(order):
        value, low, high = found[method]
        ours = method in OURS
        colour = ORANGE if ours else BLUE if NETS.get(method, 1) > 1 else GREY
        ax.plot([low, high], [place, place], color=colour)
        ax.plot(value, place, "s" if ours else "o", color=colour)
    names = [f"{PROPER.get(m, m)} ({NETS.get(m, 1):g})" for m in order]
    ax.set_yticks(range(len(order)), names)
    ax.axvline(0, color=GREY, linewidth=0.8)
