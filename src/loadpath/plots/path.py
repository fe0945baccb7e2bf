"""What is measured along the path of one net: Dataset "profile" of `loadpath.mechanics`."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from .style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PATH_LABEL,
    RED,
    SKY,
    attribute,
    axes_or_new,
    dimension_scale,
    figure_of,
    legend_above,
    line,
    need,
    nodes_rug,
    path_axis,
    rank_line,
    size_scale,
    styled,
)


@styled
def energies(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    r"""Draw cost of identity, kinetic energy T and both Hamiltonians against p, as dimensions.

    The curves are $COI_\gamma$, $(2/\tilde L) T$, their difference $-(2/\tilde L) H_\gamma$, and
    $-(2/\tilde L) H$, which is constant on a geodesic. At $\tilde L = 0$ a Hamiltonian is no
    dimension: only $COI_\gamma$ and $2T$ are drawn. Markers stand at the nodes of the mesh.

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
        If `profile` lacks a variable that the figure shows, or the attr `effective_depth`.
    """
    need(profile, "cost_of_identity", "kinetic_energy", "stable_hamiltonian", "bottleneck_rank")
    ax, p, p_step = axes_or_new(ax), profile["p"].values, profile["p_step"].values
    leak = attribute(profile, "effective_depth")
    c, factor = (leak, r"(2/\tilde{L})\,") if leak else (1.0, "2")
    kinetic = 2 / c * profile["kinetic_energy"].values
    line(ax, p, profile["cost_of_identity"].values, BLUE, "cost of identity", "o")
    line(ax, p_step, kinetic, ORANGE, rf"kinetic energy, ${factor}T$", "^")
    if leak:
        stable = -2 / c * profile["stable_hamiltonian"].values
        line(ax, p_step, stable, SKY, r"stable Hamiltonian, $-(2/\tilde{L})\,H_\gamma$", "v")
    if "dimension" in profile:
        line(ax, p_step, profile["dimension"].values, RED, r"Hamiltonian, $-(2/\tilde{L})\,H$", "s")
    rank_line(ax, float(profile["bottleneck_rank"]), "bottleneck rank")
    path_axis(ax, "dimension")
    dimension_scale(ax)
    legend_above(ax)
    return ax


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
    need(profile, name, "bottleneck_rank")
    ax, x = axes_or_new(ax), profile[position].values
    rank = int(np.nan_to_num(profile["bottleneck_rank"].item()))
    modes = profile[name].transpose(..., "mode").values[:, :n_modes].T
    # Lesser modes first, so that the leading ones are drawn over them.
    for i, values in reversed(list(enumerate(modes))):
        leads = i < rank
        label = {rank - 1: f"the leading {rank}", len(modes) - 1: "the next"}.get(i, f"_{i + 1}")
        ax.plot(x, values, color=BLUE if leads else GREY, lw=1.8 if leads else 0.8, label=label)
    nodes_rug(ax, profile)
    path_axis(ax, ylabel)
    size_scale(ax, floor=1e-4)
    legend_above(ax)
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
    ax = axes_or_new(ax)
    lines = sample_paths(ax, profile)
    figure_of(ax).colorbar(lines, ax=ax, label=PATH_LABEL)
    legend_above(ax)
    return ax


def sample_paths(ax: Axes, profile: xr.Dataset) -> LineCollection:
    """Draw the paths of `path_2d` on `ax`, and return what a colour bar needs."""
    need(profile, "projection")
    points = profile["projection"].transpose("sample", "layer", "component").values
    segments = np.stack([points[:, :-1], points[:, 1:]], axis=2)  # (sample, step, end, component)
    p = profile["p"].values
    lines = LineCollection(
        list(segments.reshape(-1, 2, 2)),
        array=np.tile((p[:-1] + p[1:]) / 2, len(points)),
        cmap="viridis",
        clim=(0, 1),
        lw=1.1,
        alpha=0.85,
        rasterized=True,  # a thousand short segments would be most of a page's size
    )
    ax.add_collection(lines)
    for at, face, edge, label in ((0, "white", BLACK, "start"), (-1, RED, "white", "end")):
        label = f"{label}, $p = {p[at]:g}$"
        x, y = points[:, at].T
        ax.scatter(x, y, fc=face, ec=edge, s=16, linewidths=0.8, zorder=3, label=label)
    ax.set(xlabel="first principal component", ylabel="second principal component")
    ax.set_aspect("equal", adjustable="datalim")
    return lines


@styled
def mesh(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the layer steps against p, beside those of the equidistant mesh.

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
    need(profile, "layer_step")
    ax, steps = axes_or_new(ax), profile["layer_step"].values
    ax.stairs(steps, profile["p"].values, baseline=None, color=BLUE, lw=1.6, label="layer steps")
    ax.axhline(1 / len(steps), color=GREY, lw=1, ls="--", label="equidistant, $1/L$")
    nodes_rug(ax, profile)
    path_axis(ax, r"layer step $\rho_\ell$")
    ax.set_ylim(0, 1.08 * steps.max())
    legend_above(ax)
    return ax


@styled
def stationarity(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the stationarity residual of each step.

    In the middle of the path, the energies are those of a geodesic where it is below the dashed
    line.

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
    need(profile, "stationarity")
    ax, residual = axes_or_new(ax), profile["stationarity"].values
    line(ax, profile["p_step"].values, residual, BLUE, "stationarity residual", "o")
    ax.axhline(0.1, color=GREY, lw=1, ls="--", label="0.1, small enough in the middle")
    path_axis(ax, r"$\|W - W^\mathrm{stationary}\| \,/\, \|W\|$")
    size_scale(ax)
    legend_above(ax)
    return ax


@styled
def momenta(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the norms of the momenta B and of B^T S against p.

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
    need(profile, "momentum_norm", "momentum_activation_norm")
    ax, p = axes_or_new(ax), profile["p"].values
    line(ax, p, profile["momentum_norm"].values, BLUE, r"momenta, $\|B\|$", "o")
    paired = profile["momentum_activation_norm"].values
    line(ax, p, paired, RED, r"momenta with activations, $\|B^\top S\|$", "s")
    path_axis(ax, "Frobenius norm")
    size_scale(ax)
    legend_above(ax)
    return ax


@styled
def ranks(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw both stable ranks of the representations against p, and the bottleneck rank.

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
    need(profile, "stable_rank_nuclear", "stable_rank_operator", "bottleneck_rank")
    ax, p = axes_or_new(ax), profile["p"].values
    nuclear, operator = profile["stable_rank_nuclear"], profile["stable_rank_operator"]
    line(ax, p, nuclear.values, BLUE, r"nuclear, $(\sum s_i)^2 / \sum s_i^2$", "o")
    line(ax, p, operator.values, RED, r"operator, $\sum s_i^2 / \max s_i^2$", "s")
    rank_line(ax, float(profile["bottleneck_rank"]), "bottleneck rank")
    path_axis(ax, "stable rank")
    dimension_scale(ax)
    legend_above(ax)
    return ax


@styled
def speed(profile: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the relative speed c of the representation in each step, slow stretches shaded.

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
    need(profile, "speed", "slow")
    ax, edges = axes_or_new(ax), profile["p"].values
    label = r"speed, $\|\Delta A\| \,/\, (\rho\,\|A\|)$"
    ax.stairs(profile["speed"].values, edges, baseline=None, color=BLUE, lw=1.6, label=label)
    padded = np.r_[0, profile["slow"].values, 0]
    starts, stops = np.flatnonzero(np.diff(padded) == 1), np.flatnonzero(np.diff(padded) == -1)
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        label = "_slow" if i else "slow stretch"
        ax.axvspan(edges[start], edges[stop], color=SKY, alpha=0.25, lw=0, label=label)
    nodes_rug(ax, profile)
    path_axis(ax, "relative change per unit of $p$")
    size_scale(ax)
    legend_above(ax)
    return ax
