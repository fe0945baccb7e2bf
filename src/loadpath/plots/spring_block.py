"""The spring-block chain: Datasets of `loadpath.spring_block`."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from loadpath.spring_block.chain import CLEAR, turning_noise

from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    attribute,
    axes_or_new,
    figure_of,
    legend_above,
    need,
    styled,
)

DIVERGING = "PuOr"
"""Colours of concavity: orange where shallow layers do the work, purple where deep ones do."""
DEEPEST = 0.5
"""Where these colours end, on both sides; no curve that only falls has a concavity beyond."""
MINIATURES = 7
"""The most small load curves along an axis of a phase diagram."""
COLOURS = (BLUE, RED, GREEN, ORANGE)
SEEN = 0.01
"""Share of a picture's height from which a band is wider than the line that it is around."""
LABELLED = 12
"""Blocks that still have room for a number each."""


@styled
def chain_load_curves(chains: xr.Dataset | Sequence[xr.Dataset], ax: Axes | None = None) -> Axes:
    """Load curves at the end of a run: the mean over replicas, and their standard deviation.

    `chains`: Datasets of `loadpath.spring_block.simulate`, several with attrs `label`. A single one
    may have the exact loads `rest_load` and `mean_load` (spring), which are then drawn too.
    """
    several = [chains] if isinstance(chains, xr.Dataset) else list(chains)
    ax = axes_or_new(ax)
    for ds, colour in zip(several, _colours(len(several)), strict=True):
        need(ds, "load")
        load = ds["load"].isel(time=-1).transpose("replica", "spring").values
        curves = np.stack([curve_of(one) for one in load])
        mean, layer = curve_of(load.mean(0)), np.arange(curves.shape[1])
        spread = curves.std(0)
        own = f"mean of {len(load)} chains" if len(load) > 1 else "one chain"
        label = ds.attrs.get("label", own) if len(several) > 1 else own
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
                ax.plot(layer, exact, marker, mfc="none", mec=BLACK, ms=7, label=label, zorder=4)
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
    """Where the blocks and the wall are in time: means over replicas, and standard deviations."""
    need(ds, "position", "load")
    ax, time = axes_or_new(ax), ds["time"].values
    position = ds["position"].transpose("replica", "time", "block").values
    mean, spread = position.mean(0), position.std(0)
    shades = block_colours(mean.shape[1])
    banded = spread.max() > SEEN * np.abs(mean).max()
    for block, colour in enumerate(shades):
        ax.plot(time, mean[:, block], color=colour, lw=1.4)
        if banded:
            sides = (mean[:, block] + sign * spread[:, block] for sign in (-1, 1))
            ax.fill_between(time, *sides, color=colour, alpha=0.2, lw=0)
    pulled = mean[:, -1] + ds["load"].isel(spring=-1).mean("replica").values
    ax.plot(time, pulled, color=BLACK, lw=1.4, ls="--")
    names = [f"{block + 1}" for block in range(mean.shape[1])]
    names = names if len(names) <= LABELLED else [names[0], *[""] * (len(names) - 2), names[-1]]
    ends = [*mean[-1], pulled[-1]]
    at = _apart(np.array(ends), 0.045 * (max(ends) - min(0, min(ends))))
    for y, name, colour in zip(at, [*names, "pulled end"], [*shades, BLACK], strict=True):
        ax.annotate(name, (1, y), xycoords=("axes fraction", "data"), xytext=(4, 0),
                    textcoords="offset points", va="center", color=colour, fontsize=9)  # fmt: skip
    ax.set(xlabel="time", ylabel=r"position of blocks, $x_\ell$", xlim=(time[0], time[-1]))
    if len(position) > 1:
        band = ", band of one standard deviation" if banded else ""
        ax.set_title(f"mean of {len(position)} chains{band}", loc="left")
    return ax


@styled
def chain_phase_diagram(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Concavity of the chain's load curves over friction and noise, with the exact boundaries.

    `ds` is that of `loadpath.spring_block.phase_diagram`. Small load curves stand in some cells;
    dots mark the cells that are straight within three standard errors.
    """
    need(ds, "concavity", "concavity_error", "load", "unpinning_noise", "moves_all", "moves_none")
    if ax is None:
        ax = Figure(figsize=(6.4, 5.2)).subplots()
    noise, friction = ds["noise"].values, ds["friction"].values
    x, y = (_edges(values) for values in (noise, friction))
    C, error = ds["concavity"].values, ds["concavity_error"].values
    colours: dict[str, Any] = dict(cmap=DIVERGING, norm=Normalize(-DEEPEST, DEEPEST))
    mesh = ax.pcolormesh(x, y, C, rasterized=True, alpha=0.8, **colours)
    ax.set_xscale("log" if x[0] > 0 else "linear")
    ax.set_yscale("log" if y[0] > 0 else "linear")
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    _miniatures(ax, ds)
    i, j = np.nonzero(np.abs(C) <= CLEAR * error)
    ax.plot(
        noise[j],
        friction[i],
        ".",
        color=BLACK,
        ms=2.5,
        mew=0,
        label=f"straight within {CLEAR} s.e.",
    )
    turns = turning_noise(ds)
    if np.isfinite(turns).any():
        ax.plot(turns, friction, ".-", color=BLACK, lw=1.1, label="concavity 0, measured")
    if ds.attrs.get("dynamics") == "overdamped":
        unpinning = ds["unpinning_noise"].values
        ax.plot(unpinning, friction, color=RED, lw=2.0, label="unpinning noise")
    for name, ls, label in (
        ("moves_none", "--", "no noise: none move above"),
        ("moves_all", ":", "no noise: all move below"),
    ):
        if y[0] < float(ds[name]) < y[-1]:
            ax.axhline(float(ds[name]), color=BLACK, lw=1.4, ls=ls, label=label)
    below = C.min() < -DEEPEST
    bar = figure_of(ax).colorbar(mesh, ax=ax, extend="min" if below else "neither", pad=0.02)
    bar.set_label("concavity of the load curve")
    words: dict[str, Any] = dict(xycoords="axes fraction", textcoords="offset points", ha="center")
    bar.ax.annotate("lazy", (0.5, 1), (0, 6), annotation_clip=False, **words)
    bar.ax.annotate("active", (0.5, 0), (0, -16 - 12 * below), annotation_clip=False, **words)
    ratio = attribute(ds, "ratio")
    ax.set(
        xlabel=r"noise, $\epsilon$",
        ylabel=rf"friction, $\mu_\rightarrow$    ($\mu_\leftarrow = {ratio:.3g}\,\mu_\rightarrow$)",
    )
    _plain_numbers(ax)
    legend_above(ax)
    return ax


@styled
def figure_chain_fit(ds: xr.Dataset, region: xr.Dataset) -> Figure:
    """Measured load curves with the fitted chain's, and the confidence region of both frictions.

    `ds` and `region` are `Fit.dataset()` and `Fit.region()` of `loadpath.spring_block.fit`.
    """
    need(ds, "load", "load_error", "fitted_load", "value", "low", "high", "noise")
    need(region, "rise", "inside")
    figure = Figure(figsize=(9.2, 3.9))
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
    rise, limit = region["rise"].transpose("friction_left", "friction_right"), region.attrs["limit"]
    inside = [0, limit, np.inf]
    right.contourf(x, y, np.maximum(rise.values, 1e-12), levels=inside, colors=["#CFE3F1", "white"])
    right.contour(x, y, rise.values, levels=[limit], colors=BLUE, linewidths=1.4)
    best = [float(ds["value"][1]), float(ds["value"][2])]
    right.plot(*best, "o", color=BLUE, ms=5)
    ends = [max(x[0], y[0]), min(x[-1], y[-1])]
    if ends[0] < ends[1]:
        right.plot(ends, ends, color=GREY, lw=0.9, ls="--")
        right.annotate("equal", (ends[1], ends[1]), (-6, 0), textcoords="offset points",
                       ha="right", va="bottom", color=GREY, fontsize=9)  # fmt: skip
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
    _plain_numbers(right)
    # Files of version 0.1.0 have the level under its older name.
    level = 100 * attribute(region, "confidence" if "confidence" in region.attrs else "level")
    right.set_title(f"best, and region of {level:g} % confidence", loc="left")
    return figure


def curve_of(load: np.ndarray) -> np.ndarray:
    """Load curve 1 - x / x_{n+1} over layers 0 to n + 1, of loads (spring,)."""
    x = np.concatenate([[0.0], np.cumsum(load)])
    return np.asarray(1 - x / x[-1])


def block_colours(count: int) -> np.ndarray:
    """Colours of blocks, from dark at the fixed end to light at the pulled one; (block, 4)."""
    return np.asarray(colormaps["viridis"](np.linspace(0, 0.85, count)))


def _estimate(ds: xr.Dataset, level: int) -> str:
    """Fitted noise of a level, or the only bound that its curve sets."""
    row = 3 + level
    low, high = (float(ds[name][row]) for name in ("low", "high"))
    if math.isfinite(high) and low > 0:
        return f"{float(ds['noise'][level]):.2g}"
    if math.isfinite(high):
        return rf"$\leq$ {high:.2g}"
    return rf"$\geq$ {low:.2g}" if low > 0 else "any"


def _plain_numbers(ax: Axes) -> None:
    """Write 0.1 and not a power of ten where an axis is logarithmic."""
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def _colours(count: int) -> Sequence[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(count)]


def _apart(values: np.ndarray, gap: float) -> np.ndarray:
    """Places of labels near `values`, at least `gap` apart, in their order of height."""
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


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of the cells around ascending values: half-way, by logarithms if none is 0."""
    logarithmic = values[0] > 0 and len(values) > 1
    at = np.log(values) if logarithmic else values
    step = np.diff(at) if len(at) > 1 else np.array([abs(at[0]) or 1.0])
    edges = np.concatenate([[at[0] - step[0] / 2], (at[1:] + at[:-1]) / 2, [at[-1] + step[-1] / 2]])
    return np.exp(edges) if logarithmic else edges


def _miniatures(ax: Axes, ds: xr.Dataset) -> None:
    """Draw the load curves of every few cells, each scaled to its place, with its chord."""
    to_axes = ax.transData + ax.transAxes.inverted()
    width, height = 0.55 / MINIATURES, 0.55 / MINIATURES
    for i in _places(ds.sizes["friction"]):
        for j in _places(ds.sizes["noise"]):
            cell = ds.isel(friction=i, noise=j)
            x, y = to_axes.transform((float(cell["noise"]), float(cell["friction"])))
            D = curve_of(cell["load"].values)
            across = x + width * np.linspace(-0.5, 0.5, len(D))
            up = y + height * (np.where(np.abs(D - 0.5) < 1.0, D, np.nan) - 0.5)
            style: dict[str, Any] = dict(transform=ax.transAxes, color=BLACK)
            ax.plot(across[[0, -1]], y + height * np.array([0.5, -0.5]), lw=0.4, **style)
            ax.plot(across, up, lw=1.3, **style)


def _places(count: int) -> range:
    """Evenly spaced indices of cells for miniatures, centred."""
    step = max(1, math.ceil(count / MINIATURES))
    return range((count - 1) % step // 2, count, step)
