"""Figure 3 of [LR], Jacot and Kaiser, arXiv:2405.17573, and two of ours in its manner."""

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from loadpath.checks import check_choice, check_dataset, check_levels
from loadpath.plots.papers.bars import draw_with_bars
from loadpath.plots.style import (
    BLUE,
    EFFECTIVE_DEPTH_LABEL,
    GREEN,
    ORANGE,
    RED,
    SKY,
    dimension_scale,
    figure_size,
    legend_above,
    rank_line,
    size_scale,
    styled,
)

TARGETS = {"labels": ("cross-entropy", "-"), "onehot": ("one-hot regression", "--")}
"""What nets on digits are trained on: its name, and how its lines are drawn."""


@styled
def figure_3(ds: xr.Dataset) -> Figure:
    """Draw Figure 3: path length and norms of the momenta against effective depth.

    Points are means over seeds, bars one standard deviation.

    Parameters
    ----------
    ds : xr.Dataset
        path_length, momentum_norm and momentum_activation_norm (the largest over layers), each
        (effective_depth, seed).

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    panels = {
        "path_length": "path length",
        "momentum_norm": r"largest $\|B\|$ along the path",
        "momentum_activation_norm": r"largest $\|B^\top S\|$ along the path",
    }
    check_dataset("ds", ds, *(f"{name}(effective_depth, seed)" for name in panels))
    check_levels("ds", ds, "effective_depth")
    figure = Figure(figsize=figure_size(9.6, 3.3))
    for ax, (name, ylabel) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        values = ds[name].transpose("effective_depth", "seed").values
        draw_with_bars(ax, ds["effective_depth"].values, values, ylabel, BLUE, "o")
        ax.set(xlabel=EFFECTIVE_DEPTH_LABEL, ylabel=ylabel)
        size_scale(ax)
    return figure


@styled
def figure_scale(ds: xr.Dataset) -> Figure:
    """Draw what the size of representations beside the bias does to spectrum and dimension.

    The left panel has s_3 / s_4 in the middle third of the layers: points are means over seeds of
    the median, thin bars the range.

    Parameters
    ----------
    ds : xr.Dataset
        centred_spectrum(scale, seed, layer, mode) and cost_of_identity_by_gamma0(scale, seed,
        gamma0, layer), for a teacher of bottleneck rank 3.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    check_dataset("ds", ds, "centred_spectrum", "cost_of_identity_by_gamma0")
    if ds.sizes.get("effective_depth") == 1:
        ds = ds.squeeze("effective_depth", drop=True)
    check_dataset("ds", ds, "centred_spectrum(scale, seed, layer, mode)")
    check_dataset("ds", ds, "cost_of_identity_by_gamma0(scale, seed, layer, gamma0)")
    if ds.sizes["mode"] < 4:
        raise ValueError(f"ds must hold at least 4 modes of a spectrum, got {ds.sizes['mode']}.")
    check_levels("ds", ds, "scale", "gamma0")
    figure = Figure(figsize=figure_size(9, 3.8))
    left, right = figure.subplots(1, 2)
    x, n = ds["scale"].values, ds.sizes["layer"]
    spectrum = ds["centred_spectrum"].isel(layer=slice(n // 3, n - n // 3))
    ratio = spectrum.isel(mode=2) / spectrum.isel(mode=3)
    left.vlines(x, ratio.min(("seed", "layer")), ratio.max(("seed", "layer")), color=BLUE, lw=1)
    median = ratio.median("layer").transpose("scale", "seed").values
    draw_with_bars(left, x, median, "middle third of the layers", BLUE, "o")
    left.set(yscale="log", ylabel="$s_3 / s_4$ of centred $A$")
    for gamma0, colour in zip(ds["gamma0"].values, (BLUE, SKY, GREEN), strict=False):
        coi = ds["cost_of_identity_by_gamma0"].sel(gamma0=gamma0).min("layer")
        rows = coi.transpose("scale", "seed").values
        draw_with_bars(right, x, rows, rf"$\gamma_0 = {gamma0:g}$", colour, "o")
    rank_line(right, 3, "bottleneck rank of the teacher")
    right.set(ylabel=r"$\min_p\, \mathrm{COI}_\gamma$")
    dimension_scale(right)
    for ax in (left, right):
        ax.set(xscale="log", xlabel="scale of the representations")
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xticks(x, [f"{value:g}" for value in x])
        legend_above(ax)
    return figure


@styled
def figure_digits(ds: xr.Dataset) -> Figure:
    r"""Draw dimension, growth and test error of nets on real digits against weight decay.

    Growth is $\log(\|A_L\| / \|A_0\|)$: by the symmetry $A_p \to e^{-cp} A_p$, a ResNet whose
    output is $e^c$ times larger is one of c more leakage. Points are means over seeds, bars one
    standard deviation.

    Parameters
    ----------
    ds : xr.Dataset
        cost_of_identity and representation_norm over (targets, effective_depth, weight_decay, seed,
        layer), and misclassified without layer.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    nets = "targets, effective_depth, weight_decay, seed"
    check_dataset("ds", ds, "targets")
    check_dataset(
        "ds",
        ds,
        f"cost_of_identity({nets}, layer)",
        f"representation_norm({nets}, layer)",
        f"misclassified({nets})",
    )
    check_levels("ds", ds, "effective_depth", "weight_decay")
    for each in ds["targets"].values:
        check_choice("ds.targets", str(each), TARGETS)
    norm = ds["representation_norm"]
    growth = xr.ufuncs.log(norm.isel(layer=-1) / norm.isel(layer=0))
    panels: dict[str, xr.DataArray] = {
        r"cost of identity, $\min_p\, \mathrm{COI}_\gamma$": ds["cost_of_identity"].min("layer"),
        r"growth, $\log(\|A_1\| / \|A_0\|)$": growth,
        "test error, fraction misclassified": ds["misclassified"],
    }
    colours = dict(zip(ds["effective_depth"].values, (BLUE, ORANGE, GREEN, RED), strict=False))
    figure = Figure(figsize=figure_size(10.4, 3.8))
    for ax, (ylabel, values) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for depth, colour in colours.items():
            for targets in ds["targets"].values:
                name, ls = TARGETS[str(targets)]
                chosen = values.sel(effective_depth=depth, targets=targets)
                rows = chosen.transpose("weight_decay", "seed").values
                label = rf"{name}, $\tilde{{L}}$ = {depth:g}"
                draw_with_bars(ax, ds["weight_decay"].values, rows, label, colour, "o", ls=ls)
        ax.set(xscale="log", xlabel=r"weight decay $\lambda$", ylabel=ylabel)
    handles = ax.get_legend_handles_labels()
    # Long enough to tell dashes from a line.
    figure.legend(*handles, loc="outside upper left", ncols=4, handlelength=3)
    return figure
