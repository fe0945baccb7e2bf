"""Pictures of spring-block chains: their load curves, and where their blocks are in time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from loadpath.checks import as_list, check_dataset, check_levels, check_type

from .style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    axes_or_new,
    ink,
    legend_above,
    literal,
    styled,
    text_size,
)

COLOURS = (BLUE, RED, GREEN, ORANGE)
"""Colours of several chains."""
SEEN = 0.01
"""Share of a picture's height above which a band is wider than the line that it is around."""
LABELLED = 12
"""The most blocks that have room for a number each."""


@styled
def chain_load_curves(chains: xr.Dataset | Sequence[xr.Dataset], ax: Axes | None = None) -> Axes:
    """Draw load curves at the end of a run: the mean over replicas, and their standard deviation.

    Parameters
    ----------
    chains : xarray.Dataset or sequence of xarray.Dataset
        Runs of `loadpath.spring_block.simulate`; several have a `label` in their attrs. A single
        one may have the exact loads `rest_load` and `mean_load` (spring), which are then drawn too.
    ax : Axes, optional
        Where to draw; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If a variable is missing.
    """
    several = [chains] if isinstance(chains, xr.Dataset) else as_list("chains", chains, "runs")
    for each in several or [None]:
        check_type("chains", each, xr.Dataset, "a run, or a list of runs, one at least")
    ax = axes_or_new(ax)
    for ds, colour in zip(several, _colours(len(several)), strict=True):
        check_dataset("chains", ds, "load(replica, time, spring)")
        load = ds["load"].isel(time=-1).transpose("replica", "spring").values
        curves = np.stack([curve_of(one) for one in load])
        mean, layer = curve_of(load.mean(0)), np.arange(curves.shape[1])
        spread = curves.std(0)
        own = f"mean of {len(load)} chains" if len(load) > 1 else "one chain"
        label = literal(str(ds.attrs.get("label", own))) if len(several) > 1 else own
        ax.plot(layer, mean, "o-", color=colour, label=label, zorder=3)
        if spread.max() > SEEN:
            band = "one standard deviation" if len(several) == 1 else "_band"
            sides = mean - spread, mean + spread
            ax.fill_between(layer, *sides, color=colour, alpha=0.18, lw=0, label=band)
    if len(several) == 1:
        for name, marker, label in (
            ("rest_load", "s", "at rest, exact"),
            ("mean_load", "D", "shaken long enough, exact"),
        ):
            if name in several[0]:
                exact = curve_of(several[0][name].values)
                ax.plot(layer, exact, marker, mfc="none", mec=ink(), ms=7, label=label, zorder=4)
    last = max(ds.sizes["spring"] for ds in several)
    ax.plot([0, last], [1, 0], color=GREY, lw=0.9, ls="--", label="equal loads")
    ax.set(xlabel=r"layer, $\ell$", ylabel=r"load curve, $1 - x_\ell \,/\, x_{n+1}$")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    place: dict[str, Any] = dict(transform=ax.transAxes, color=GREY)
    ax.text(0.985, 0.93, "lazy: deep layers\ndo the work", ha="right", va="top", **place)
    ax.text(0.02, 0.03, "active: shallow layers\ndo the work", va="bottom", **place)
    legend_above(ax, columns=1 if len(several) > 1 else 2)
    return ax


@styled
def chain_trajectories(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw where the blocks and the pulled end are in time.

    Lines are means over replicas, bands their standard deviations.

    Parameters
    ----------
    ds : xarray.Dataset
        A run of `loadpath.spring_block.simulate`.
    ax : Axes, optional
        Where to draw; a new figure if left out.

    Returns
    -------
    Axes
        The axes drawn on.

    Raises
    ------
    ValueError
        If a variable is missing.
    """
    check_dataset("ds", ds, "position(replica, time, block)", "load(replica, time, spring)")
    check_levels("ds", ds, "time")
    ax, time = axes_or_new(ax), ds["time"].values
    position = ds["position"].transpose("replica", "time", "block").values
    mean, spread = position.mean(0), position.std(0)
    shades = block_colours(mean.shape[1])
    banded = spread.max() > SEEN * np.abs(mean).max()
    for block, colour in enumerate(shades):
        ax.plot(time, mean[:, block], color=colour, lw=1.4, label=f"_block {block + 1}")
        if banded:
            sides = (mean[:, block] + sign * spread[:, block] for sign in (-1, 1))
            ax.fill_between(time, *sides, color=colour, alpha=0.2, lw=0)
    pulled = mean[:, -1] + ds["load"].isel(spring=-1).mean("replica").values
    ax.plot(time, pulled, color=ink(), lw=1.4, ls="--", label="_pulled end")
    names = [f"{block + 1}" for block in range(mean.shape[1])]
    names = names if len(names) <= LABELLED else [names[0], *[""] * (len(names) - 2), names[-1]]
    ends = [*mean[-1], pulled[-1]]
    at = _apart(np.array(ends), 0.045 * (max(ends) - min(0, min(ends))))
    for y, name, colour in zip(at, [*names, "pulled end"], [*shades, ink()], strict=True):
        beside: dict[str, Any] = dict(
            xycoords=("axes fraction", "data"), textcoords="offset points"
        )
        ax.annotate(
            name,
            (1, y),
            xytext=(4, 0),
            va="center",
            color=colour,
            fontsize=text_size(0.9),
            **beside,
        )
    ax.set(xlabel="time", ylabel=r"position of blocks, $x_\ell$", xlim=(time[0], time[-1]))
    if len(position) > 1:
        band = ", band of one standard deviation" if banded else ""
        ax.set_title(f"mean of {len(position)} chains{band}", loc="left")
    return ax


def curve_of(load: np.ndarray) -> np.ndarray:
    """Return the load curve 1 - x / x_{n+1} over layers 0 to n + 1, from loads (spring,)."""
    x = np.concatenate([[0.0], np.cumsum(load)])
    return np.asarray(1 - x / x[-1])


def block_colours(count: int) -> np.ndarray:
    """Return colours (block, 4), from dark at the fixed end to light at the pulled one."""
    return np.asarray(colormaps["viridis"](np.linspace(0, 0.85, count)))


def _colours(count: int) -> Sequence[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _apart(values: np.ndarray, gap: float) -> np.ndarray:
    """Return places of labels near `values`, at least `gap` apart, in their order of height."""
    order = np.argsort(values, kind="stable")
    places = values[order].astype(float)
    for _ in range(200):
        short = gap - np.diff(places)
        if (short <= 1e-9).all():
            break
        push = np.maximum(short, 0) / 2
        places[1:] += push
        places[:-1] -= push
    spread = np.empty_like(places)
    spread[order] = places
    return spread
