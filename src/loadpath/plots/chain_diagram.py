"""The phase diagram of the spring-block chain: concavity over friction and noise."""

import math
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from loadpath.checks import check_dataset, check_levels
from loadpath.spring_block.chain import CLEAR, turning_noise

from .miniatures import key
from .spring_block import curve_of
from .style import (
    BLACK,
    RED,
    attribute,
    figure_of,
    figure_size,
    plain_numbers,
    styled,
)

DIVERGING = "PuOr"
"""Colours of concavity: orange where shallow layers do the work, purple where deep ones do."""
DEEPEST = 0.5
"""Concavity at which these colours end, on both sides; a curve that only falls has none beyond."""
MINIATURES = 7
"""The most small load curves along an axis of a phase diagram."""


@styled
def chain_phase_diagram(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the concavity of the chain's load curves over friction and noise, with its boundaries.

    Small load curves stand in some cells, with a key to them; dots mark the cells that are straight
    within three standard errors.

    Parameters
    ----------
    ds : xarray.Dataset
        A diagram of `loadpath.spring_block.chain_phase_diagram`.
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
    cells = "friction, noise"
    check_dataset("ds", ds, f"concavity({cells})", f"concavity_error({cells})")
    check_dataset("ds", ds, f"load({cells}, spring)", "unpinning_noise(friction)")
    check_dataset("ds", ds, "moves_all", "moves_none", "friction", "noise")
    check_levels("ds", ds, "friction", "noise")
    alone = ax is None
    if ax is None:
        ax = Figure(figsize=figure_size(6.4, 5.2)).subplots()
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
    plain_numbers(ax)
    ax.set_facecolor("white")  # the map lets through some of it, and lines on it are black
    key(figure_of(ax), columns=2) if alone else key(ax)
    return ax


def _edges(values: np.ndarray) -> np.ndarray:
    """Return edges of the cells around ascending values: half-way, in logarithms if none is 0."""
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
    """Return evenly spaced indices of cells for miniatures, centred."""
    step = max(1, math.ceil(count / MINIATURES))
    return range((count - 1) % step // 2, count, step)
