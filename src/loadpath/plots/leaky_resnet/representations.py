"""What the path of one net looks like: spectra along it, and single samples in the plane."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.lines import Line2D

from loadpath.checks import check_count, check_dataset, check_flag
from loadpath.plots.style import (
    BLUE,
    GREY,
    PATH_LABEL,
    RED,
    axes_or_new,
    figure_of,
    ink,
    legend_above,
    nodes_rug,
    paper,
    path_axis,
    size_scale,
    styled,
)

ALONG = ListedColormap(colormaps["viridis"](np.linspace(0.25, 1, 256)))
"""Colours of places along the path; the darkest of viridis would drown on a dark page."""


@styled
def representation_spectrum(
    profile: xr.Dataset, ax: Axes | None = None, *, centred: bool = True, n_modes: int = 12
) -> Axes:
    """Draw the leading singular values of the representations A against p.

    As many modes as the bottleneck rank are drawn thick. That rank is of the centred A.

    Parameters
    ----------
    profile : xr.Dataset
        What `loadpath.mechanics.profile` or `Geodesic.dataset` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.
    centred : bool, optional
        Whether to subtract the mean over samples first.
    n_modes : int, optional
        The most modes to draw.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `profile` lacks a variable that the figure shows.
    """
    check_flag("centred", centred)
    name = "centred_spectrum" if centred else "representation_spectrum"
    what = "centred representation" if centred else "representation"
    return _spectrum(profile, ax, name, "p", f"singular values of the {what} $A$", n_modes)


@styled
def weight_spectrum(profile: xr.Dataset, ax: Axes | None = None, *, n_modes: int = 12) -> Axes:
    """Draw the leading singular values of the weights W, bias column included, against p.

    Parameters
    ----------
    profile : xr.Dataset
        What `loadpath.mechanics.profile` or `Geodesic.dataset` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.
    n_modes : int, optional
        The most modes to draw.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `profile` lacks a variable that the figure shows.
    """
    label = "singular values of the weights $W$"
    return _spectrum(profile, ax, "weight_spectrum", "p_step", label, n_modes)


def _spectrum(
    profile: xr.Dataset, ax: Axes | None, name: str, position: str, ylabel: str, n_modes: int
) -> Axes:
    """Draw the singular values called `name`, those up to the bottleneck rank thick."""
    along = "layer" if position == "p" else "step"
    check_count("n_modes", n_modes, 1)
    wanted = f"{name}({along}, mode)", f"{position}({along})", "p(layer)"
    check_dataset("profile", profile, *wanted, "bottleneck_rank()")
    ax, x = axes_or_new(ax), profile[position].values
    rank = int(np.nan_to_num(profile["bottleneck_rank"].item()))
    modes = profile[name].transpose(..., "mode").values[:, :n_modes].T
    named: dict[str, Line2D] = {}
    for i, values in enumerate(modes):
        leads = i < rank
        style: dict[str, Any] = dict(color=BLUE, lw=1.8) if leads else dict(color=GREY, lw=0.8)
        # The leading ones are drawn over the lesser.
        (drawn,) = ax.plot(x, values, label=f"_mode {i + 1}", zorder=2 + 0.5 / (i + 1), **style)
        named.setdefault(f"the leading {rank}" if leads else "the next", drawn)
    nodes_rug(ax, profile)
    path_axis(ax, ylabel)
    size_scale(ax, floor=1e-4)
    legend_above(ax, named=named)
    return ax


@styled
def path_2d(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw paths of sample points in the plane of two principal components, coloured by p.

    Parameters
    ----------
    profile : xr.Dataset
        What `loadpath.mechanics.profile` or `Geodesic.dataset` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `profile` lacks a variable that the figure shows.
    """
    check_paths("profile", profile)
    ax = axes_or_new(ax)
    lines = sample_paths(ax, profile)
    figure_of(ax).colorbar(lines, ax=ax, label=PATH_LABEL)
    legend_above(ax)
    return ax


def check_paths(name: str, profile: xr.Dataset) -> None:
    """Refuse a profile without the paths of points in the plane that `path_2d` shows."""
    check_dataset(name, profile, "projection(layer, sample, component)", "p(layer)")
    if profile.sizes["component"] != 2:
        raise ValueError(
            f"{name} must have 2 components of a projection, got {profile.sizes['component']}."
        )


def sample_paths(ax: Axes, profile: xr.Dataset) -> LineCollection:
    """Draw the paths of `path_2d` on `ax`, and return what a colour bar needs."""
    points = profile["projection"].transpose("sample", "layer", "component").values
    segments = np.stack([points[:, :-1], points[:, 1:]], axis=2)  # (sample, step, end, component)
    p = profile["p"].values
    lines = LineCollection(
        list(segments.reshape(-1, 2, 2)),
        array=np.tile((p[:-1] + p[1:]) / 2, len(points)),
        cmap=ALONG,
        clim=(0, 1),
        lw=1.1,
        alpha=0.85,
        rasterized=True,  # a thousand short segments would be most of a page's size
    )
    ax.add_collection(lines)
    for at, face, edge, label in ((0, paper(), ink(), "start"), (-1, RED, paper(), "end")):
        label = f"{label}, $p = {p[at]:g}$"
        x, y = points[:, at].T
        ax.scatter(x, y, fc=face, ec=edge, s=16, linewidths=0.8, zorder=3, label=label)
    ax.set(xlabel="first principal component", ylabel="second principal component")
    ax.set_aspect("equal", adjustable="datalim")
    return lines
