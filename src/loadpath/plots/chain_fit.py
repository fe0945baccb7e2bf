"""A chain fitted to load curves: the curves, and what they say of both frictions."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from loadpath.checks import as_numbers, check_dataset, check_levels

from .style import (
    BLUE,
    GREY,
    attribute,
    figure_size,
    literal,
    plain_numbers,
    styled,
    text_size,
)


@styled
def figure_chain_fit(ds: xr.Dataset, region: xr.Dataset) -> Figure:
    """Draw measured load curves with the fitted chain's, and the region of both frictions.

    Parameters
    ----------
    ds : xarray.Dataset
        `Fit.dataset()` of `loadpath.spring_block.fit`.
    region : xarray.Dataset
        `Fit.region()` of the same fit.

    Returns
    -------
    Figure
        The curves on the left, the region on the right.

    Raises
    ------
    ValueError
        If a variable is missing.
    """
    check_dataset(
        "ds",
        ds,
        "load(level, spring)",
        "load_error(level, spring)",
        "fitted_load(level, spring)",
        "value(parameter)",
        "low(parameter)",
        "high(parameter)",
        "noise(level)",
    )
    check_dataset(
        "region",
        region,
        "rise(friction_right, friction_left)",
        "inside(friction_right, friction_left)",
    )
    check_levels("region", region, "friction_right", "friction_left")
    if "level" in ds.coords:
        check_levels("ds", ds, "level")
    as_numbers("ds.load_error", ds["load_error"].values, least=0.0, missing=True)
    sizes = [region.sizes[name] for name in ("friction_right", "friction_left")]
    if min(sizes) < 2:
        raise ValueError(f"region must have at least 2 frictions to each side, got {sizes}.")
    if ds.sizes["parameter"] < 3 + ds.sizes["level"]:
        raise ValueError(
            f"ds must have 3 parameters and one for each level, got {ds.sizes['parameter']}."
        )
    limit = attribute(region, "limit", "region")
    if limit <= 0:
        raise ValueError(f"region.attrs['limit'] must be above 0, got {limit}.")
    figure = Figure(figsize=figure_size(9.2, 3.9))
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    springs = ds["spring"].values
    level_colours = colormaps["viridis"](np.linspace(0, 0.85, ds.sizes["level"]))
    for level, colour in zip(ds["level"].values, level_colours, strict=True):
        one = ds.sel(level=level)
        measured = one["load"].values, one["load_error"].values
        style: dict[str, Any] = dict(color=colour, marker="o", ls="", capsize=2.5, elinewidth=1.2)
        left.errorbar(springs, measured[0], yerr=measured[1], **style)
        fitted = one["fitted_load"].values
        left.plot(springs, fitted, color=colour, label=_estimate(ds, int(level)))
    left.set(xlabel=r"layer, $\ell$", ylabel=r"load, $d_\ell$")
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    title = r"fitted $\epsilon$"
    if ds.attrs.get("errors") != "residuals":
        title += "; bars: standard errors"
    left.legend(title=title, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, alignment="left")
    x, y = region["friction_right"].values, region["friction_left"].values
    rise = region["rise"].transpose("friction_left", "friction_right")
    inside = [0, limit, np.inf]
    right.contourf(
        x, y, np.maximum(rise.values, 1e-12), levels=inside, colors=[(BLUE, 0.2), "none"]
    )
    right.contour(x, y, rise.values, levels=[limit], colors=BLUE, linewidths=1.4)
    best = [float(ds["value"][1]), float(ds["value"][2])]
    right.plot(*best, "o", color=BLUE, ms=5)
    ends = [max(x[0], y[0]), min(x[-1], y[-1])]
    if ends[0] < ends[1]:
        right.plot(ends, ends, color=GREY, lw=0.9, ls="--")
        right.annotate("equal", (ends[1], ends[1]), (-6, 0), textcoords="offset points",
                       ha="right", va="bottom", color=GREY, fontsize=text_size(0.9))  # fmt: skip
    per = " / k" if "/" in str(ds["parameter"].values[1]) else ""
    right.set(
        xlabel=rf"friction to the right, $\mu_\rightarrow{per}$",
        ylabel=rf"friction to the left, $\mu_\leftarrow{per}$",
        xlim=(x[0], x[-1]),
        ylim=(y[0], y[-1]),
    )
    for axis, values in (("x", x), ("y", y)):
        if values[-1] > 5 * values[0]:  # friction of which little is known but its order
            right.set(**{f"{axis}scale": "log"})
    plain_numbers(right)
    # Files of version 0.1.0 have the level under its older name.
    level = 100 * attribute(
        region, "confidence" if "confidence" in region.attrs else "level", "region"
    )
    right.set_title(f"best, and region of {level:g} {literal('%')} confidence", loc="left")
    return figure


def _estimate(ds: xr.Dataset, level: int) -> str:
    """Return the fitted noise of a level, or the only bound that its curve sets."""
    row = 3 + level
    low, high = (float(ds[name][row]) for name in ("low", "high"))
    if math.isfinite(high) and low > 0:
        return f"{float(ds['noise'][level]):.2g}"
    if math.isfinite(high):
        return rf"$\leq$ {high:.2g}"
    return rf"$\geq$ {low:.2g}" if low > 0 else "any"
