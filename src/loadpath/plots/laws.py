"""The laws of one net: their curves over each other, and each statistic beside its nulls."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from loadpath.checks import HoldsDataset, as_dataset, check_dataset
from loadpath.plots.diagnosis import Names, layer_axis
from loadpath.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    axes_or_new,
    figure_size,
    ink,
    legend_above,
    styled,
)

CURVES = (
    ("equal separation", "log separation", BLUE, "o", "-"),
    ("monotone collapse", "NC1", SKY, "s", "-"),
    ("equal readout", "missed by a readout, log", GREEN, "^", "-"),
    ("bottleneck rank", "stable rank", RED, "D", "-"),
    ("geometric growth", "log growth", GREY, "v", "-"),
    ("slow middle", "relative speed", ORANGE, "o", "--"),
    ("slow middle, metric", "speed in the metric", RED, "s", "--"),
    ("equal spacing", "step length", GREY, "^", "--"),
)
"""The law that has each curve, what the curve is, and how it is drawn: dashed over steps."""
NULLS = (
    ("untrained", "untrained nets", ORANGE),
    ("depth", "other orders of the steps", SKY),
    ("labels", "other labels", GREEN),
)
"""The nulls, in words, with their colours."""
FARTHEST = 4.0
"""Distances from the law beyond this are drawn here: twice what most draws have, and more."""


@styled
def laws_curves(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw the curves of the laws of one net over each other, each scaled to its own range.

    Parameters
    ----------
    ds : xr.Dataset or Laws
        What `loadpath.laws.measure` returns, or its `dataset`.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on. A curve that is the same in all layers is drawn at one half.

    Raises
    ------
    ValueError
        If `ds` lacks the curves.
    """
    ds = _checked(ds, "curve(law, layer)")
    ax = axes_or_new(ax)
    names = [str(name) for name in ds["law"].values]
    for law, label, colour, marker, style in CURVES:
        if law not in names:
            continue
        curve = ds["curve"].sel(law=law).values
        known = np.isfinite(curve)
        if not known.any():
            continue
        low, span = curve[known].min(), np.ptp(curve[known])
        scaled = (curve[known] - low) / span if span > 0 else np.full(known.sum(), 0.5)
        ax.plot(np.flatnonzero(known), scaled, color=colour, marker=marker, ls=style, label=label)
    layer_axis(ax, ds, "each curve, from its least to its largest")
    legend_above(ax, columns=2)
    return ax


@styled
def laws_against_nulls(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw how far a net is from each law, with its interval, beside the draws of the nulls.

    Parameters
    ----------
    ds : xr.Dataset or Laws
        What `loadpath.laws.measure` returns, or its `dataset`.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on. A distance is in units of the median over all draws of the
        law; those beyond 4 are drawn at 4.

    Raises
    ------
    ValueError
        If `ds` lacks the statistics, or has no law with a null.
    """
    ds = _checked(
        ds,
        *("statistic(law)", "statistic_low(law)", "statistic_high(law)", "ideal(law)"),
        "null_statistic(law, null, draw)",
    )
    ds = ds.transpose("law", "null", "draw", ...)
    ax = axes_or_new(ax)
    draws = ds["null_statistic"].values
    measured = np.isfinite(ds["statistic"].values) & np.isfinite(draws).any((1, 2))
    if not measured.any():
        raise ValueError("ds must have a law with draws of a null to be drawn, and has none.")
    ds, draws = ds.isel(law=measured), draws[measured]
    names = [str(name) for name in ds["law"].values]
    ideal = ds["ideal"].values
    distance = draws - ideal[:, None, None]
    unit = np.array([_median(each) for each in np.abs(distance).reshape(len(names), -1)])
    at = np.arange(len(names), dtype=float)
    drawn = [str(name) for name in ds["null"].values]
    for i, (null, label, colour) in enumerate(NULLS):
        if null in drawn:
            x = distance[:, drawn.index(null)] / unit[:, None]
            y = np.broadcast_to(at[:, None] + 0.22 * (i - 1), x.shape)
            known = np.isfinite(x)
            x = np.clip(x, -FARTHEST, FARTHEST)
            ax.plot(
                x[known], y[known], ls="none", marker="|", ms=7, mew=0.8, color=colour, label=label
            )
    value = (ds["statistic"].values - ideal) / unit
    ends = [(ds[f"statistic_{end}"].values - ideal) / unit for end in ("low", "high")]
    bars = np.nan_to_num(np.clip([value - ends[0], ends[1] - value], 0, FARTHEST))
    ax.errorbar(
        np.clip(value, -FARTHEST, FARTHEST), at, xerr=bars, ls="none", marker="o", ms=5,
        color=ink(), elinewidth=1.2, capsize=0, label="this net",
    )  # fmt: skip
    ax.axvline(0, color=ink(), lw=0.9, ls="--")
    ax.yaxis.set_major_locator(FixedLocator([*map(float, range(len(names)))]))
    ax.yaxis.set_major_formatter(Names(names))
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(-1.0, FARTHEST + 0.2)
    ax.set(xlabel="distance from the law, in medians of its nulls", ylabel="")
    legend_above(ax, columns=2)
    return ax


@styled
def figure_laws(ds: xr.Dataset | HoldsDataset) -> Figure:
    """Draw the laws of one net: their curves, and how far it is from each beside the nulls.

    Parameters
    ----------
    ds : xr.Dataset or Laws
        What `loadpath.laws.measure` returns, or its `dataset`.

    Returns
    -------
    Figure
        The figure.

    Raises
    ------
    ValueError
        If `ds` lacks the curves or the statistics.
    """
    figure = Figure(figsize=figure_size(11.2, 5.2))
    left, right = figure.subplots(1, 2)
    laws_curves(ds, left)
    laws_against_nulls(ds, right)
    return figure


def _checked(ds: xr.Dataset | HoldsDataset, *variables: str) -> xr.Dataset:
    """Return the Dataset, once it has the variables."""
    found = as_dataset("ds", ds)
    check_dataset("ds", found, "law(law) in words", "layer(layer) in words", *variables)
    return found


def _median(distances: np.ndarray) -> float:
    """Return the median of what is finite; 1 where that is 0."""
    middle = float(np.median(distances[np.isfinite(distances)]))
    return middle if middle > 0 else 1.0
