"""What a model loses without each of its layers: Datasets of `loadpath.diagnosis.skip_layers`."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from loadpath.checks import check_columns, check_dataset, check_text
from loadpath.plots.diagnosis.axis import bar_lengths, draw_marks, layer_axis, short_names
from loadpath.plots.style import (
    BLUE,
    GREY,
    RED,
    axes_or_new,
    ink,
    legend_above,
    literal,
    styled,
    text_size,
)


@styled
def layers_skipped(skipped: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw what skipping each layer changes: the loss, or the output where there is no loss.

    Parameters
    ----------
    skipped : xr.Dataset
        What `loadpath.diagnosis.skip_layers` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `skipped` lacks a variable that the figure shows.
    """
    check_columns("skipped", skipped)
    name = "loss_change" if "loss_change" in skipped else "output_change"
    check_dataset("skipped", skipped, name)
    ax = axes_or_new(ax)
    known = np.isfinite(skipped[name].values)
    if known.any():  # the others were left in
        skipped = skipped.isel(layer=known)
    draw_marks(ax, skipped, name, RED, "one layer skipped", "o")
    ax.axhline(0, color=ink(), lw=0.9, ls="--", label="all layers in place")
    units = skipped[name].attrs.get("units", "1")
    label = "change in loss" if name == "loss_change" else "change of the output"
    layer_axis(ax, skipped, label if units == "1" else f"{label}, {literal(units)}")
    legend_above(ax)
    return ax


@styled
def movement_and_harm(
    ds: xr.Dataset, skipped: xr.Dataset, ax: Axes | None = None, *, by: str = "relative_step"
) -> Axes:
    """Draw how far each layer moves the data against what skipping it changes.

    Both have their intervals.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
    skipped : xr.Dataset
        What `loadpath.diagnosis.skip_layers` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.
    by : str, optional
        The variable of `ds` that says how far a layer moves the data.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If one of the Datasets lacks a variable that the figure shows.
    """
    check_columns("skipped", skipped)
    check_text("by", by)
    name = "loss_change" if "loss_change" in skipped else "output_change"
    check_dataset("ds", ds, by)
    check_dataset("skipped", skipped, name)
    ax = axes_or_new(ax)
    both = [layer for layer in skipped["layer"].values if layer in set(ds["layer"].values)]
    known = np.isfinite(ds[by].sel(layer=both).values * skipped[name].sel(layer=both).values)
    both = [layer for layer, has in zip(both, known, strict=True) if has]
    part, gone = ds.sel(layer=both), skipped.sel(layer=both)
    x, y = part[by].values, gone[name].values
    ax.errorbar(
        x, y, xerr=bar_lengths(part, by), yerr=bar_lengths(gone, name), fmt="o", color=BLUE,
        ecolor=GREY, elinewidth=1, capsize=0,
    )  # fmt: skip
    short, _ = short_names(both)
    # Above and below in turn along x, so that labels of neighbours do not cover each other.
    below = np.argsort(np.argsort(x)) % 2
    for at, up, text, low in zip(x, y, map(literal, short), below, strict=True):
        offset = (5, -11 if low else 4)
        ax.annotate(
            text, (at, up), xytext=offset, textcoords="offset points", fontsize=text_size(0.9)
        )
    ax.axhline(0, color=ink(), lw=0.9, ls="--")
    change = "change in loss when skipped" if name == "loss_change" else "change of the output"
    ax.set(xlabel=literal(by.replace("_", " ")), ylabel=change)
    return ax
