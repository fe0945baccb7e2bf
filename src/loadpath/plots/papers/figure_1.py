r"""Figure 1 of [LR], Jacot and Kaiser, arXiv:2405.17573: dimension, energies and spectra.

Cells of a grid that were not run are NaN and left out of means and bars.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadpath.checks import check_dataset, check_levels
from loadpath.plots.leaky_resnet import energies, representation_spectrum, weight_spectrum
from loadpath.plots.papers.bars import draw_with_bars
from loadpath.plots.style import (
    BLUE,
    EFFECTIVE_DEPTH_LABEL,
    GREEN,
    ORANGE,
    RED,
    SKY,
    attribute,
    dimension_scale,
    figure_size,
    legend_above,
    rank_line,
    styled,
)


@styled
def figure_1a(ds: xr.Dataset) -> Figure:
    r"""Draw Figure 1a: $-(2/\tilde L) H$ and $\min_p COI_\gamma$ against effective depth.

    A net's dimension is its median over steps. Points are means over seeds, thick bars one standard
    deviation over seeds to either side, and thin bars the range over p, of the steps of all seeds.

    Parameters
    ----------
    ds : xr.Dataset
        dimension(effective_depth, seed, step), symmetric_dimension likewise, of the symmetric
        Hamiltonian, and min_cost_of_identity(effective_depth, seed, gamma0), with the attr
        bottleneck_rank, the teacher's.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows, or that attr.
    """
    check_dimensions("ds", ds)
    figure = Figure(figsize=figure_size(6.4, 4.4))
    ax = figure.subplots()
    dimensions(ds, ax)
    dimension_scale(ax)
    legend_above(ax)
    return figure


def check_dimensions(name: str, ds: xr.Dataset) -> None:
    """Refuse what lacks a variable that `dimensions` shows, or an axis of numbers."""
    check_dataset(
        name,
        ds,
        "dimension(effective_depth, seed, step)",
        "symmetric_dimension(effective_depth, seed, step)",
        "min_cost_of_identity(effective_depth, seed, gamma0)",
    )
    check_levels(name, ds, "effective_depth", "gamma0")
    attribute(ds, "bottleneck_rank", name)


def dimensions(ds: xr.Dataset, ax: Axes) -> None:
    """Draw what `figure_1a` shows on axes that are not scaled yet."""
    x = ds["effective_depth"].values
    dimension = ds["dimension"].transpose("effective_depth", "seed", "step").values
    symmetric = ds["symmetric_dimension"].transpose("effective_depth", "seed", "step").values
    for at, values in zip(x, dimension, strict=True):
        if np.isfinite(values).any():
            ax.vlines(at, np.nanmin(values), np.nanmax(values), color=RED, lw=1)
    for gamma0, colour in zip(ds["gamma0"].values, (BLUE, SKY, GREEN), strict=False):
        coi = ds["min_cost_of_identity"].sel(gamma0=gamma0)
        label = rf"$\min_p\, \mathrm{{COI}}_\gamma$, $\gamma_0 = {gamma0:g}$"
        draw_with_bars(ax, x, coi.transpose("effective_depth", "seed").values, label, colour, "o")
    hamiltonians = {
        r"Hamiltonian, $-(2/\tilde{L})\,H$": (dimension, RED, "s", "-"),
        "the same, symmetric": (symmetric, ORANGE, "D", "--"),
    }
    for label, (values, colour, marker, ls) in hamiltonians.items():
        of_nets = np.array([[_median(net) for net in nets] for nets in values])
        draw_with_bars(ax, x, of_nets, label, colour, marker, ls=ls)
    rank_line(ax, attribute(ds, "bottleneck_rank"), "bottleneck rank of the teacher")
    ax.set(xlabel=EFFECTIVE_DEPTH_LABEL, ylabel="dimension")


@styled
def figure_1b(profile: xr.Dataset) -> Figure:
    """Draw Figure 1b: spectra of the representations and of the weights along the path.

    Parameters
    ----------
    profile : xr.Dataset
        What `loadpath.mechanics.profile` or `Geodesic.dataset` returns.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `profile` lacks a variable that the figure shows.
    """
    figure = Figure(figsize=figure_size(9, 3.8))
    left, right = figure.subplots(1, 2)
    representation_spectrum(profile, left)
    weight_spectrum(profile, right)
    return figure


@styled
def figure_1c(profile: xr.Dataset) -> Figure:
    """Draw Figure 1c: the energies along the path.

    Parameters
    ----------
    profile : xr.Dataset
        What `loadpath.mechanics.profile` or `Geodesic.dataset` returns.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `profile` lacks a variable that the figure shows, or the attr `effective_depth`.
    """
    figure = Figure(figsize=figure_size(5.6, 4))
    energies(profile, figure.subplots())
    return figure


def _median(values: np.ndarray) -> float:
    """Return the median of the finite values; NaN if there is none."""
    return float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan
