"""Networks' diagrams beside the chain's: Datasets of `loadpath.phase_diagram.beside_chain`."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from loadpath.checks import as_numbers, check_dataset, check_levels

from .miniatures import key
from .phase_diagram import HEIGHT, WIDTH, level_name
from .style import (
    BLUE,
    GREY,
    RED,
    axes_or_new,
    figure_size,
    ink,
    legend_above,
    paper,
    styled,
)

BAND = 0.13
"""How far apart the marks of one slope stand, in slopes."""


@styled
def curves_beside_chain(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw load curves of networks, with standard errors, and of the fitted chain, cell by cell.

    Each curve goes from its largest separation to its least; the chord is thin. A key says what a
    bend means. A cross marks cells that do not count.

    Parameters
    ----------
    ds : xr.Dataset
        What `loadpath.phase_diagram.beside_chain` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    check_dataset(
        "ds",
        ds,
        "curve(slope, noise, layer)",
        "curve_error(slope, noise, layer)",
        "fitted_load(model, slope, noise, spring)",
        "counted(slope, noise)",
        model="chain",
    )
    if ds.sizes["layer"] != ds.sizes["spring"] + 1:
        raise ValueError(
            "ds must have a layer more than springs, got "
            f"{ds.sizes['layer']} and {ds.sizes['spring']}."
        )
    check_levels("ds", ds, "slope", "noise")
    as_numbers("ds.curve_error", ds["curve_error"].values, least=0.0, missing=True)
    ax = axes_or_new(ax)
    grid = ("slope", "noise")
    curve, error = (ds[name].transpose(*grid, "layer").values for name in ("curve", "curve_error"))
    load = ds["fitted_load"].sel(model="chain").transpose(*grid, "spring").values
    rows, columns = ds.sizes["slope"], ds.sizes["noise"]
    across = WIDTH * np.linspace(-0.5, 0.5, curve.shape[-1])
    for i, j in np.ndindex(rows, columns):
        if not np.isfinite(curve[i, j]).all():
            ax.plot(j, i, "x", color=GREY, ms=6, label="not counted")
            continue
        chain = 1 - np.concatenate([[0.0], np.cumsum(load[i, j])])
        up = [i + HEIGHT * (D - 0.5) for D in (curve[i, j], chain)]
        ax.plot(j + across[[0, -1]], up[0][[0, -1]], color=GREY, lw=0.5)
        ax.plot(j + across, up[1], color=RED, lw=1.3, label="chain")
        bars = HEIGHT * error[i, j]
        style: dict[str, Any] = dict(color=ink(), ms=2, elinewidth=0.8)
        ax.errorbar(j + across, up[0], yerr=bars, fmt="o", label="networks", **style)
    ax.set_xticks(range(columns), [f"{level:g}" for level in ds["noise"].values])
    ax.set_yticks(range(rows), [f"{slope:g}" for slope in ds["slope"].values])
    ax.set(
        xlim=(-0.5, columns - 0.5),
        ylim=(-0.5, rows - 0.5),
        xlabel=level_name(ds),
        ylabel="slope below 0 (1 is linear)",
    )
    key(ax, columns=2)
    return ax


@styled
def frictions_of_slopes(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the frictions of each slope, by the fit to all slopes and by the fit to it alone.

    Marks are filled where all slopes share their noises, and hollow where the slope has a chain of
    its own. They have intervals where curves bound a friction from both sides. A triangle points
    down or up where curves only say that it is at most or at least so large.

    Parameters
    ----------
    ds : xr.Dataset
        What `loadpath.phase_diagram.beside_chain` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    check_dataset(
        "ds",
        ds,
        "friction_right(slope)",
        "friction_left(slope)",
        "row_friction_right(slope)",
        "row_friction_left(slope)",
    )
    check_levels("ds", ds, "slope")
    ax = axes_or_new(ax)
    at = np.arange(ds.sizes["slope"])
    for side, colour, place in (("left", BLUE, -0.5), ("right", RED, 0.5)):
        name = f"friction_{side}"
        _estimates(ax, at + BAND * (place - 0.5), ds, name, colour, label=f"to the {side}")
        _estimates(ax, at + BAND * (place + 1), ds, f"row_{name}", colour, hollow=True)
    ax.set_xticks(at, [f"{slope:g}" for slope in ds["slope"].values])
    ax.set(xlabel="slope below 0", ylabel=r"friction, $\mu / kT$", xlim=(-0.5, len(at) - 0.5))
    _logarithmic(ax)
    legend_above(ax)
    return ax


@styled
def noise_of_levels(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the chain's noise at each level, shared by all slopes or of each slope alone.

    The shared noise is black and has intervals and triangles as in `frictions_of_slopes`. The noise
    of each slope alone is grey, and left out where curves bound it on one side only.

    Parameters
    ----------
    ds : xr.Dataset
        What `loadpath.phase_diagram.beside_chain` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    check_dataset("ds", ds, "chain_noise(noise)")
    check_dataset("ds", ds, *(f"row_chain_noise{e}(slope, noise)" for e in ("", "_low", "_high")))
    check_levels("ds", ds, "noise")
    ax = axes_or_new(ax)
    at = np.arange(ds.sizes["noise"])
    own, low, high = (
        ds[f"row_chain_noise{end}"].transpose("slope", "noise").values
        for end in ("", "_low", "_high")
    )
    for row in np.where((low > 0) & np.isfinite(high), own, np.nan):
        ax.plot(at + BAND, row, "o", color=GREY, ms=3, mew=0, label="each slope alone")
    _estimates(ax, at, ds, "chain_noise", ink(), label="all slopes")
    ax.set_xticks(at, [f"{level:g}" for level in ds["noise"].values], rotation=60)
    ax.set(xlabel=level_name(ds), ylabel=r"noise, $\epsilon / kT$", xlim=(-0.5, len(at) - 0.5))
    _logarithmic(ax)
    handles, labels = ax.get_legend_handles_labels()
    first = dict(zip(labels, handles, strict=True))
    ax.legend(first.values(), first.keys(), loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return ax


@styled
def figure_beside_chain(ds: xr.Dataset) -> Figure:
    """Draw a network's diagram beside the chain's: curves, frictions and noise.

    Parameters
    ----------
    ds : xr.Dataset
        What `loadpath.phase_diagram.beside_chain` returns.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    figure = Figure(figsize=figure_size(11.4, 5.6))
    places = figure.subplot_mosaic([["curves", "friction"], ["curves", "noise"]],
                                   width_ratios=(2.1, 1))  # fmt: skip
    curves_beside_chain(ds, places["curves"])
    frictions_of_slopes(ds, places["friction"])
    noise_of_levels(ds, places["noise"])
    return figure


def _estimates(
    ax: Axes,
    at: np.ndarray,
    ds: xr.Dataset,
    name: str,
    colour: str,
    *,
    hollow: bool = False,
    label: str | None = None,
) -> None:
    """Draw best values with their intervals, or the only bounds that there are."""
    for end in ("", "_low", "_high"):
        check_dataset("ds", ds, f"{name}{end}({', '.join(map(str, ds[name].dims))})")
    value, low, high = (ds[name + end].values for end in ("", "_low", "_high"))
    style: dict[str, Any] = dict(color=colour, mfc=paper() if hollow else colour, ms=4)
    both = (low > 0) & np.isfinite(high)
    bars = np.clip([value - low, high - value], 0, None)[:, both]
    ax.errorbar(at[both], value[both], yerr=bars, fmt="o", elinewidth=0.9, label=label, **style)
    for here, bound, marker in (
        (~both & np.isfinite(high), high, "v"),
        (~both & (low > 0), low, "^"),
    ):
        ax.plot(at[here], bound[here], marker, **style)


def _logarithmic(ax: Axes) -> None:
    """Make the y axis logarithmic; it writes 0.1 and not a power of ten."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
