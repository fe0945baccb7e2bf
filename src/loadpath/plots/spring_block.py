"""The spring-block chain: Datasets of `loadpath.spring_block`."""

import math

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from .style import BLACK, GREY, attribute, axes_or_new, need, styled

DIVERGING = "PuOr"
"""Colours of concavity: orange where shallow layers do the work, purple where deep ones do."""
DEEPEST = 0.5
"""The largest concavity of a curve that only falls; convex ones may go past -0.5."""
MINIATURES = 7
"""Small load curves along an axis of a phase diagram."""


@styled
def chain_phase_diagram(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Concavity of the chain's load curves over friction and noise, with the exact boundaries.

    Small load curves stand in every few cells; dots mark the cells that are straight within two
    standard errors. `ds` is that of `loadpath.spring_block.phase_diagram`.
    """
    need(ds, "concavity", "concavity_error", "load", "unpinning_noise", "moves_all", "moves_none")
    ax = axes_or_new(ax)
    noise, friction = ds["noise"].values, ds["friction"].values
    x, y = (_edges(values) for values in (noise, friction))
    C, error = ds["concavity"].values, ds["concavity_error"].values
    limit = min(DEEPEST, float(np.abs(C).max()) or DEEPEST)
    mesh = ax.pcolormesh(
        x, y, C, cmap=DIVERGING, norm=Normalize(-limit, limit), rasterized=True, alpha=0.85
    )
    for axis, edges in ((ax.set_xscale, x), (ax.set_yscale, y)):
        axis("log" if edges[0] > 0 else "linear")
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    _miniatures(ax, ds)
    i, j = np.nonzero(np.abs(C) <= 2 * error)
    ax.plot(noise[j], friction[i], ".", color=BLACK, ms=2.5, mew=0)
    if ds.attrs.get("dynamics") == "overdamped":
        ax.plot(ds["unpinning_noise"].values, friction, color=BLACK, lw=1.6)
    for name in ("moves_all", "moves_none"):
        ax.axhline(float(ds[name]), color=BLACK, lw=1.1, ls="--")
    bar = ax.get_figure().colorbar(mesh, ax=ax, extend="min" if C.min() < -limit else "neither")
    bar.set_label("concavity of the load curve")
    ratio = attribute(ds, "ratio")
    ax.set(
        xlabel=r"noise, $\epsilon$",
        ylabel=rf"friction, $\mu_\rightarrow$ ($\mu_\leftarrow = {ratio:.3g}\,\mu_\rightarrow$)",
    )
    return ax


def _edges(values: np.ndarray) -> np.ndarray:
    """Edges of the cells around ascending values: half-way, by logarithms if none is 0."""
    logarithmic = values[0] > 0 and len(values) > 1
    at = np.log(values) if logarithmic else values
    step = np.diff(at) if len(at) > 1 else np.array([abs(at[0]) or 1.0])
    edges = np.concatenate([[at[0] - step[0] / 2], (at[1:] + at[:-1]) / 2, [at[-1] + step[-1] / 2]])
    return np.exp(edges) if logarithmic else edges


def _miniatures(ax: Axes, ds: xr.Dataset) -> None:
    """Draw the load curves of every few cells, each scaled to its place."""
    rows, columns = ds.sizes["friction"], ds.sizes["noise"]
    to_axes = ax.transData + ax.transAxes.inverted()
    for i in range(*_places(rows)):
        for j in range(*_places(columns)):
            cell = ds.isel(friction=i, noise=j)
            middle = to_axes.transform((float(cell["noise"]), float(cell["friction"])))
            load = cell["load"].values
            D = 1 - np.concatenate([[0], np.cumsum(load)]) / load.sum()
            layer = np.linspace(-0.5, 0.5, len(D))
            size = 0.6 / MINIATURES
            inside = np.where((D > -0.4) & (D < 1.4), D, np.nan)
            ax.plot(
                middle[0] + size * layer,
                middle[1] + size * (inside - 0.5),
                transform=ax.transAxes,
                color=GREY,
                lw=1.0,
            )


def _places(count: int) -> tuple[int, int, int]:
    """Start, stop and step of about `MINIATURES` evenly spaced indices."""
    step = max(1, math.ceil(count / MINIATURES))
    return (count - 1) % step // 2, count, step
