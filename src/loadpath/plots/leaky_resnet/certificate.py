"""How near a net is to a geodesic: Dataset of `loadpath.geodesic`, and how it was solved."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from loadpath.checks import check_dataset
from loadpath.plots.leaky_resnet.training import iteration_axis
from loadpath.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    SKY,
    attribute,
    axes_or_new,
    ink,
    legend_above,
    line,
    path_axis,
    size_scale,
    styled,
)


@styled
def residuals(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the residual of every step: the plain gradient's, and the smallest subgradient's.

    Parameters
    ----------
    ds : xr.Dataset
        What `Geodesic.dataset` returns.
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
    check_dataset("ds", ds, "gradient_residual(step)", "least_norm_residual(step)", "p_step(step)")
    ax, p = axes_or_new(ax), ds["p_step"].values
    least = ds["least_norm_residual"]
    line(ax, p, ds["gradient_residual"].values, ORANGE, "plain gradient", "^")
    line(ax, p, least.values, BLUE, "smallest subgradient", "o")
    tolerance = attribute(least, "tolerance", "ds.least_norm_residual")
    ax.axhline(tolerance, color=ink(), lw=0.9, ls="--", label=f"tolerance, {tolerance:g}")
    path_axis(ax, r"residual, $\|W - c\,B^\top S\| \,/\, \|W\|$")
    size_scale(ax, floor=1e-9)
    legend_above(ax)
    return ax


@styled
def hamiltonians(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    r"""Draw the Hamiltonian of every step beside what the mesh lets one expect.

    It is that of the smallest subgradient's momenta. Both curves are the dimension $-(2/\tilde L)
    H$, and at $\tilde L = 0$ H itself.

    Parameters
    ----------
    ds : xr.Dataset
        What `Geodesic.dataset` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows, or the attr `effective_depth`.
    """
    check_dataset(
        "ds", ds, "least_norm_hamiltonian(step)", "predicted_hamiltonian(step)", "p_step(step)"
    )
    ax, p = axes_or_new(ax), ds["p_step"].values
    leak = attribute(ds, "effective_depth")
    factor, label = (-2 / leak, r"$-(2/\tilde{L})\,H$, a dimension") if leak else (1.0, "$H$")
    found, predicted = (
        factor * ds[name].values for name in ("least_norm_hamiltonian", "predicted_hamiltonian")
    )
    line(ax, p, predicted, GREY, "predicted for this mesh", ls="--")
    line(ax, p, found, RED, "Hamiltonian", "s")
    path_axis(ax, label)
    low, high = ax.dataLim.intervaly
    if 0 <= low <= high:  # without a number the ends are infinite, in the other order
        ax.set_ylim(0, 1.06 * high or 1)
    legend_above(ax)
    return ax


@styled
def descent(history: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw residuals with rounded kinks, and how wide these are rounded, against iteration.

    Parameters
    ----------
    history : xr.Dataset
        The `history` of a solved geodesic.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `history` lacks a variable that the figure shows.
    """
    check_dataset(
        "history",
        history,
        "residual(look)",
        "residual_worst(look)",
        "width(look)",
        "iteration(look)",
        "stage(look) in words",
    )
    ax, x = axes_or_new(ax), history["iteration"].values
    line(ax, x, history["residual_worst"].values, BLUE, "residual, worst layer")
    line(ax, x, history["residual"].values, SKY, "residual, median layer")
    width = history["width"].values
    if (width > 0).any():
        line(ax, x, np.where(width > 0, width, np.nan), GREY, "rounding of the kinks", ls="--")
    iteration_axis(ax, history, "relative size")
    size_scale(ax, floor=1e-9)
    legend_above(ax)
    return ax
