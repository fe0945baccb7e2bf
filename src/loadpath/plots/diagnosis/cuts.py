"""What models lose against how many of their layers went, for several ways to choose them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from loadpath.checks import check_dataset
from loadpath.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    figure_size,
    ink,
    literal,
    styled,
)

LOOKS = tuple(
    (colour, marker, ls)
    for marker, ls in (("o", "-"), ("s", "--"), ("^", ":"))
    for colour in (BLUE, GREEN, ORANGE, RED, SKY, GREY)
)
"""Colour, marker and line of each method, in order: no two are alike."""
LINEAR = 0.25
"""Largest share of the axis up to which it is linear: small harms, and those below 0, show."""
SPREAD = 0.5
"""Share of the least distance between two places over which methods stand side by side."""


@styled
def figure_cuts(ds: xr.Dataset) -> Figure:
    """Draw harm against the share of layers removed, a panel a model and a line a method.

    Methods stand side by side at each share, so that intervals do not cover each other. The axis of
    harm is linear near 0 and logarithmic beyond.

    Parameters
    ----------
    ds : xr.Dataset
        harm(model, share, method) with its ends harm_low and harm_high, NaN where there is no
        number; the coordinate share is between 0 and 1. The attr `units` names the unit of harm.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable, holds no finite number, or has a harm outside its interval.
    """
    check_cuts(ds)
    models = [m for m in ds["model"].values if np.isfinite(ds["harm"].sel(model=m)).any()]
    columns = min(len(models), 3)
    rows = -(-len(models) // columns)
    figure = Figure(figsize=figure_size(3.3 * columns + 0.6, 2.9 * rows + 1.1))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, model in zip(grid, models, strict=False):
        _panel(ax, ds.sel(model=model), literal(str(model)))
    for ax in grid[len(models) :]:
        ax.remove()
    unit = str(ds.attrs.get("units", ""))
    for place, ax in enumerate(grid[: len(models)]):
        if place % columns == 0:
            ax.set_ylabel(f"rise of the loss{f', {literal(unit)}' if unit else ''}")
        if place + columns >= len(models):
            ax.set_xlabel(literal("layers removed, %"))
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=min(columns + 2, 4))
    return figure


def check_cuts(ds: xr.Dataset) -> None:
    """Refuse what is no comparison of cuts, in one sentence."""
    dims = "(model, share, method)"
    check_dataset("ds", ds, *(f"harm{end}{dims}" for end in ("", "_low", "_high")))
    check_dataset("ds", ds, "model", "share(share)", "method")
    harm, low, high = (ds[f"harm{end}"].values for end in ("", "_low", "_high"))
    if not np.isfinite(harm).any():
        raise ValueError("ds must hold finite numbers of 'harm', got none.")
    if ((low > harm) | (harm > high)).any():
        raise ValueError("ds must have each 'harm' between its 'harm_low' and 'harm_high'.")


def _panel(ax: Axes, ds: xr.Dataset, title: str) -> None:
    """Draw all methods on one model."""
    shares = 100 * ds["share"].values.astype(float)
    methods = [str(name) for name in ds["method"].values]
    apart = np.diff(np.sort(shares)).min() if len(shares) > 1 else 10.0
    aside = SPREAD * apart * (np.arange(len(methods)) / max(len(methods) - 1, 1) - 0.5)
    for place, name in enumerate(methods):
        harm, low, high = (
            ds[f"harm{end}"].sel({"method": name}).transpose("share").values.astype(float)
            for end in ("", "_low", "_high")
        )
        known = np.isfinite(harm)
        reach = np.nan_to_num(np.array([harm - low, high - harm]))[:, known]
        colour, marker, ls = LOOKS[place % len(LOOKS)]
        ax.errorbar(
            shares[known] + aside[place], harm[known], yerr=reach, color=colour, marker=marker,
            ls=ls, lw=1.0, elinewidth=0.9, ms=3.5, label=literal(name),
        )  # fmt: skip
    ax.axhline(0, color=ink(), lw=0.9)
    ax.set_title(title)
    ax.set_xticks(shares, [f"{share:g}" for share in shares])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlim(shares.min() - apart / 2, shares.max() + apart / 2)
    _harm_scale(ax)


def _harm_scale(ax: Axes) -> None:
    """Scale the y axis: linear near 0, logarithmic beyond, with plain numbers."""
    low, high = ax.dataLim.intervaly
    most = max(abs(low), abs(high))
    linear = 10 ** np.floor(np.log10(LINEAR * most)) if most > 0 else 1.0
    ax.set_yscale("symlog", linthresh=linear, linscale=1.0)
    decades = [linear * 10.0**k for k in range(4) if linear * 10.0**k <= most]
    ticks = sorted({0.0, *decades, *(3 * d for d in decades if 3 * d <= most)})
    if low < -0.5 * linear:
        ticks = [-linear, *ticks]
    ax.set_yticks(ticks)
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.set_ylim(min(1.2 * low, -0.15 * linear), 1.25 * high if high > 0 else None)
