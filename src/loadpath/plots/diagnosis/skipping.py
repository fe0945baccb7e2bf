"""What a model loses without each of its layers: Datasets of `loadpath.diagnosis.skip_layers`."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from loadpath.checks import (
    HoldsDataset,
    as_dataset,
    check_choice,
    check_columns,
    check_dataset,
    check_text,
)
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

CHANGES = {
    "loss_change": "change in loss",
    "accuracy_change": "change in accuracy, points of 100",
    "output_change": "change of the output",
}
"""What skipping a layer may change, and how its axis is called."""


@styled
def layers_skipped(
    skipped: xr.Dataset, ax: Axes | None = None, *, change: str | None = None
) -> Axes:
    """Draw what skipping each layer changes: the loss, or the output where there is no loss.

    Parameters
    ----------
    skipped : xr.Dataset
        What `loadpath.diagnosis.skip_layers` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.
    change : {"loss_change", "accuracy_change", "output_change"}, optional
        What to draw, such as the accuracy, in points of 100.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `skipped` lacks a variable that the figure shows, or there is no such change.
    """
    skipped, name = _changes(skipped, change)
    ax = axes_or_new(ax)
    known = np.isfinite(skipped[name].values)
    if known.any():  # the others were left in
        skipped = skipped.isel(layer=known)
    draw_marks(ax, skipped, name, RED, "one layer skipped", "o")
    ax.axhline(0, color=ink(), lw=0.9, ls="--", label="all layers in place")
    layer_axis(ax, skipped, _label(skipped, name))
    legend_above(ax)
    return ax


@styled
def movement_and_harm(
    ds: xr.Dataset | HoldsDataset,
    skipped: xr.Dataset,
    ax: Axes | None = None,
    *,
    by: str = "relative_step",
    change: str | None = None,
) -> Axes:
    """Draw how far each layer moves the data against what skipping it changes.

    Both have their intervals.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
    skipped : xr.Dataset
        What `loadpath.diagnosis.skip_layers` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.
    by : str, optional
        The variable of `ds` that says how far a layer moves the data.
    change : {"loss_change", "accuracy_change", "output_change"}, optional
        What skipping changes: the loss if left out, or the output where there is no loss.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If one of the Datasets lacks a variable that the figure shows.
    """
    ds = as_dataset("ds", ds)
    check_text("by", by)
    skipped, name = _changes(skipped, change)
    check_columns("ds", ds, f"{by}(layer)")
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
    ax.set(xlabel=literal(by.replace("_", " ")), ylabel=f"{_label(skipped, name)}, when skipped")
    return ax


def _changes(skipped: xr.Dataset, change: str | None) -> tuple[xr.Dataset, str]:
    """Return what skipping did and which change is drawn; accuracy becomes points of 100."""
    check_columns("skipped", skipped)
    if change is not None:
        check_choice("change", change, tuple(CHANGES))
    name = change or ("loss_change" if "loss_change" in skipped else "output_change")
    check_dataset("skipped", skipped, f"{name}(layer)")
    if name == "accuracy_change":
        parts = [each for each in (name, f"{name}_low", f"{name}_high") if each in skipped]
        skipped = skipped.assign({each: 100 * skipped[each] for each in parts})
    return skipped, name


def _label(skipped: xr.Dataset, name: str) -> str:
    """Return what an axis of changes says, with the units of the loss."""
    units = str(skipped[name].attrs.get("units", "1")) if name == "loss_change" else "1"
    return CHANGES[name] if units == "1" else f"{CHANGES[name]}, {literal(units)}"
