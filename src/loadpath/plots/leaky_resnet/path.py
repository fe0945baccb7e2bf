"""What is measured along the path of one net: Dataset "profile" of `loadpath.mechanics`."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from loadpath.checks import as_numbers, check_dataset
from loadpath.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    SKY,
    attribute,
    axes_or_new,
    dimension_scale,
    legend_above,
    line,
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
    check_dataset(
        "profile",
        profile,
        "cost_of_identity(layer)",
        "kinetic_energy(step)",
        "stable_hamiltonian(step)",
        "bottleneck_rank()",
        "p(layer)",
        "p_step(step)",
    )
    ax, p, p_step = axes_or_new(ax), profile["p"].values, profile["p_step"].values
    leak = attribute(profile, "effective_depth", "profile")
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
    check_dataset(
        "profile",
        profile,
        "stable_rank_nuclear(layer)",
        "stable_rank_operator(layer)",
        "bottleneck_rank()",
        "p(layer)",
    )
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
    check_dataset(
        "profile", profile, "momentum_norm(layer)", "momentum_activation_norm(layer)", "p(layer)"
    )
    ax, p = axes_or_new(ax), profile["p"].values
    line(ax, p, profile["momentum_norm"].values, BLUE, r"momenta, $\|B\|$", "o")
    paired = profile["momentum_activation_norm"].values
    line(ax, p, paired, RED, r"momenta with activations, $\|B^\top S\|$", "s")
    path_axis(ax, "Frobenius norm")
    size_scale(ax)
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
    check_dataset("profile", profile, "stationarity(step)", "p(layer)", "p_step(step)")
    ax, residual = axes_or_new(ax), profile["stationarity"].values
    line(ax, profile["p_step"].values, residual, BLUE, "stationarity residual", "o")
    ax.axhline(0.1, color=GREY, lw=1, ls="--", label="0.1, small enough in the middle")
    path_axis(ax, r"$\|W - W^\mathrm{stationary}\| \,/\, \|W\|$")
    size_scale(ax)
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
    check_dataset("profile", profile, "speed(step)", "slow(step)", "p(layer)", "p_step(step)")
    check_nodes(profile)
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
    check_dataset("profile", profile, "layer_step(step)", "p(layer)", "p_step(step)")
    check_nodes(profile)
    as_numbers("profile.layer_step", profile["layer_step"].values)
    ax, steps = axes_or_new(ax), profile["layer_step"].values
    ax.stairs(steps, profile["p"].values, baseline=None, color=BLUE, lw=1.6, label="layer steps")
    ax.axhline(1 / len(steps), color=GREY, lw=1, ls="--", label="equidistant, $1/L$")
    nodes_rug(ax, profile)
    path_axis(ax, r"layer step $\rho_\ell$")
    ax.set_ylim(0, 1.08 * steps.max())
    legend_above(ax)
    return ax


def check_nodes(profile: xr.Dataset) -> None:
    """Refuse a profile that has not one step between every two layers."""
    layers, steps = profile.sizes["layer"], profile.sizes["step"]
    if layers != steps + 1:
        raise ValueError(
            f"profile must have one layer more than steps, got {layers} layers and {steps} steps."
        )
