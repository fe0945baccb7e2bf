"""Figure 2 of [LR] on teachers that can be learned: what rules of layer steps gain."""

import numpy as np
import xarray as xr
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from loadpath.checks import check_dataset, check_levels
from loadpath.plots.papers.surgery import check_bounds
from loadpath.plots.style import BLUE, GREEN, GREY, ORANGE, RED, SKY, figure_size, literal, styled

GRID = "teacher, effective_depth, weight_decay, depth"
COLOURS = {"adaptive": (GREEN, BLUE), "irregular": (ORANGE, SKY)}
"""Colours of a rule, one for each weight decay."""
MARKERS = {"adaptive": "D", "irregular": "s"}


@styled
def figure_2_learnable(ds: xr.Dataset) -> Figure:
    r"""Draw what rules of layer steps gain in test error over equal steps, against depth.

    Columns are teachers, from what kernel ridge can learn to what it can not, and rows effective
    depths. Points are 1 less the geometric mean of the ratios of test errors within a seed, bars
    their 95 % intervals; above 0 the rule is better. Panels without a number are left out.

    Parameters
    ----------
    ds : xr.Dataset
        gain(teacher, effective_depth, weight_decay, depth, rule, bound), with the bounds "mean",
        "low" and "high", and unexplained(teacher), the share of the variance that the best kernel
        ridge leaves.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows, or holds no number.
    """
    check_dataset("ds", ds, f"gain({GRID}, rule, bound)", "unexplained(teacher)", "teacher", "rule")
    check_bounds(ds)
    check_levels("ds", ds, "effective_depth", "weight_decay", "depth")
    gain = ds["gain"]
    if not np.isfinite(gain).any():
        raise ValueError("ds must hold finite numbers of 'gain', got none.")
    teachers, leaks = ds["teacher"].values, ds["effective_depth"].values
    figure = Figure(figsize=figure_size(2.6 * len(teachers) + 1.2, 2.6 * len(leaks) + 1.2))
    grid = figure.subplots(len(leaks), len(teachers), squeeze=False, sharey=True, sharex=True)
    handles: dict[str, Artist] = {}
    for row, leak in zip(grid, leaks, strict=True):
        for ax, teacher in zip(row, teachers, strict=True):
            one = gain.sel(teacher=teacher, effective_depth=leak)
            if not np.isfinite(one).any():
                ax.set_axis_off()
                continue
            _panel(ax, one)
            shown, labels = ax.get_legend_handles_labels()
            handles |= dict(zip(labels, shown, strict=True))
            left = float(ds["unexplained"].sel(teacher=teacher))
            said = literal(f"{teacher}, {100 * left:.0f} % left by ridge")
            ax.set_title(f"{said}\n" + rf"$\tilde{{L}}$ = {leak:g}")
        row[0].set_ylabel(literal("gain in test error, %"))
    for column in grid.T:
        drawn = [ax for ax in column if ax.axison]
        if drawn:
            drawn[-1].set_xlabel("depth $L$")
            drawn[-1].tick_params(labelbottom=True)
    figure.legend(list(handles.values()), list(handles), loc="outside upper left", ncols=2)
    return figure


def _panel(ax: Axes, gain: xr.DataArray) -> None:
    """Draw the gains on one teacher at one effective depth."""
    depths = gain["depth"].values
    series = [(r, d) for r in gain["rule"].values for d in gain["weight_decay"].values]
    for i, (rule, decay) in enumerate(series):
        one = 100 * gain.sel(rule=rule, weight_decay=decay)
        mean, low, high = (one.sel(bound=bound).values for bound in ("mean", "low", "high"))
        if not np.isfinite(mean).any():
            continue
        colours = COLOURS.get(str(rule), (RED, GREY))
        which = int(np.searchsorted(np.sort(gain["weight_decay"].values), decay))
        # Some per cent aside, so that the bars at one depth do not hide each other.
        aside = depths * 1.05 ** (i - (len(series) - 1) / 2)
        ax.errorbar(
            aside,
            mean,
            np.stack([mean - low, high - mean]),
            color=colours[which % 2],
            marker=MARKERS.get(str(rule), "^"),
            ls="-" if str(rule) == "adaptive" else ":",
            elinewidth=1.4,
            capsize=2.5,
            label=literal(f"{rule}, weight decay {decay:g}"),
        )
    ax.axhline(0, color=GREY, lw=0.8)
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(depths, [f"{depth}" for depth in depths])
