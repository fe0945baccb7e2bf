r"""The figures of [LR], Jacot and Kaiser, arXiv:2405.17573, from Datasets over several runs.

Cells of a grid that were not run are NaN and left out of means and bars.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy import stats

from loadpath.plots.path import energies, representation_spectrum, sample_paths, weight_spectrum
from loadpath.plots.style import (
    BLACK,
    BLUE,
    EFFECTIVE_DEPTH_LABEL,
    GREEN,
    GREY,
    ORANGE,
    PATH_LABEL,
    RED,
    SKY,
    attribute,
    dimension_scale,
    legend_above,
    need,
    rank_line,
    size_scale,
    styled,
)

RULES = {"equidistant": (BLUE, "o"), "irregular": (ORANGE, "s"), "adaptive": (GREEN, "D")}


@styled
def figure_1a(ds: xr.Dataset) -> Figure:
    r"""Draw Figure 1a: $-(2/\tilde L) H$ and $\min_p COI_\gamma$ against effective depth.

    A net's dimension is its median over steps. Points are means over seeds, thick bars one standard
    deviation over seeds to either side, and thin bars the quartiles of all steps of all seeds.

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
    figure = Figure(figsize=(6.4, 4.4))
    ax = figure.subplots()
    dimensions(ds, ax)
    dimension_scale(ax)
    legend_above(ax)
    return figure


def dimensions(ds: xr.Dataset, ax: Axes) -> None:
    """Draw what `figure_1a` shows on axes that are not scaled yet."""
    need(ds, "dimension", "symmetric_dimension", "min_cost_of_identity")
    x = ds["effective_depth"].values
    dimension = ds["dimension"].transpose("effective_depth", "seed", "step").values
    symmetric = ds["symmetric_dimension"].transpose("effective_depth", "seed", "step").values
    for at, values in zip(x, dimension, strict=True):
        if np.isfinite(values).any():
            ax.vlines(at, *np.nanquantile(values, [0.25, 0.75]), color=RED, lw=1)
    for gamma0, colour in zip(ds["gamma0"].values, (BLUE, SKY, GREEN), strict=False):
        coi = ds["min_cost_of_identity"].sel(gamma0=gamma0)
        label = rf"$\min_p\, \mathrm{{COI}}_\gamma$, $\gamma_0 = {gamma0:g}$"
        _with_bars(ax, x, coi.transpose("effective_depth", "seed").values, label, colour, "o")
    hamiltonians = {
        r"Hamiltonian, $-(2/\tilde{L})\,H$": (dimension, RED, "s", "-"),
        "the same, symmetric": (symmetric, ORANGE, "D", "--"),
    }
    for label, (values, colour, marker, ls) in hamiltonians.items():
        of_nets = np.array([[_median(net) for net in nets] for nets in values])
        _with_bars(ax, x, of_nets, label, colour, marker, ls=ls)
    rank_line(ax, attribute(ds, "bottleneck_rank"), "bottleneck rank of the teacher")
    ax.set(xlabel=EFFECTIVE_DEPTH_LABEL, ylabel="dimension")


@styled
def figure_1b(profile: xr.Dataset) -> Figure:
    """Draw Figure 1b: the energies along the path.

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
    figure = Figure(figsize=(5.6, 4))
    energies(profile, figure.subplots())
    return figure


@styled
def figure_1c(profile: xr.Dataset) -> Figure:
    """Draw Figure 1c: spectra of the representations and of the weights along the path.

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
    figure = Figure(figsize=(9, 3.8))
    left, right = figure.subplots(1, 2)
    representation_spectrum(profile, left)
    weight_spectrum(profile, right)
    return figure


@styled
def figure_2a(ds: xr.Dataset) -> Figure:
    """Draw Figure 2a: test error against depth for each rule of layer steps.

    Points are means over seeds, bars Student's 95 % intervals for the mean. Seeds are teachers,
    some harder than others, so the lower row has each net's difference to the equidistant net of
    its seed. A second column shows nets of equal parameters, if there are any.

    Parameters
    ----------
    ds : xr.Dataset
        test_error(rule, depth, seed). With test_error_equal(rule, depth, seed) it also has
        width(depth) and n_parameters(depth).

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    need(ds, "test_error")
    depths = ds["depth"].values
    columns = {"test_error": "depth $L$"}
    if "test_error_equal" in ds:
        need(ds, "width", "n_parameters")
        millions = ds["n_parameters"].values.mean() / 1e6
        columns["test_error_equal"] = f"depth $L$ and width, at {millions:.2g} million parameters"
    figure = Figure(figsize=(4.5 * len(columns) + 0.6, 6.4))
    grid = figure.subplots(2, len(columns), squeeze=False, sharey="row")
    for (upper, lower), (name, xlabel) in zip(grid.T, columns.items(), strict=True):
        errors = ds[name].transpose("rule", "depth", "seed")
        for i, rule in enumerate(ds["rule"].values):
            # Some per cent aside, so that the bars at one depth do not hide each other.
            aside = depths * 1.03 ** (i - (ds.sizes["rule"] - 1) / 2)
            colour, marker = RULES.get(str(rule), (BLACK, "^"))
            values = errors.values[i]
            _with_bars(upper, aside, values, str(rule), colour, marker, interval=True)
            if str(rule) != "equidistant" and "equidistant" in ds["rule"]:
                difference = values - errors.sel(rule="equidistant").values
                _with_bars(lower, aside, difference, str(rule), colour, marker, interval=True)
        labels = [f"{depth}" for depth in depths]
        if name == "test_error_equal":
            labels = [f"{depth}\n{w}" for depth, w in zip(depths, ds["width"].values, strict=True)]
        lower.axhline(0, color=RULES["equidistant"][0], lw=1)
        lower.set_xlabel(xlabel)
        for ax in (upper, lower):
            ax.set_xscale("log")
            ax.xaxis.set_minor_locator(NullLocator())
            ax.set_xticks(depths, labels)
    size_scale(grid[0, 0])
    grid[0, 0].set_ylabel("test error")
    grid[1, 0].set_ylabel("difference to equidistant, same seed")
    legend_above(grid[0, 0], columns=3)
    return figure


@styled
def figure_2b(profile: xr.Dataset) -> Figure:
    """Draw Figure 2b: spectra of the weights along the path, over the lines of the adaptive mesh.

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
    figure = Figure(figsize=(5.6, 4))
    ax = figure.subplots()
    for p in profile["p"].values:
        ax.axvline(p, color=GREY, alpha=0.5, lw=0.6, label="_nodes")
    weight_spectrum(profile, ax)
    return figure


@styled
def figure_2c(profiles: Mapping[str, xr.Dataset]) -> Figure:
    """Draw Figure 2c: paths of sample points in the plane, a panel for each rule of layer steps.

    Parameters
    ----------
    profiles : mapping of str to xr.Dataset
        The profile of a net for each rule.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If a profile lacks a variable that the figure shows.
    """
    figure = Figure(figsize=(3.2 * len(profiles) + 0.8, 3.8))
    grid = figure.subplots(1, len(profiles), squeeze=False)[0]
    for ax, (rule, profile) in zip(grid, profiles.items(), strict=True):
        lines = sample_paths(ax, profile)
        # Every net has principal components of its own, hence no shared axes.
        ax.set(title=rule, ylabel=ax.get_ylabel() if ax is grid[0] else "")
    figure.colorbar(lines, ax=grid, label=PATH_LABEL)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure


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
    need(ds, *panels)
    figure = Figure(figsize=(9.6, 3.3))
    for ax, (name, ylabel) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        values = ds[name].transpose("effective_depth", "seed").values
        _with_bars(ax, ds["effective_depth"].values, values, ylabel, BLUE, "o")
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
    need(ds, "centred_spectrum", "cost_of_identity_by_gamma0")
    ds = ds.squeeze("effective_depth", drop=True) if "effective_depth" in ds.dims else ds
    figure = Figure(figsize=(9, 3.8))
    left, right = figure.subplots(1, 2)
    x, n = ds["scale"].values, ds.sizes["layer"]
    spectrum = ds["centred_spectrum"].isel(layer=slice(n // 3, n - n // 3))
    ratio = spectrum.isel(mode=2) / spectrum.isel(mode=3)
    left.vlines(x, ratio.min(("seed", "layer")), ratio.max(("seed", "layer")), color=BLUE, lw=1)
    median = ratio.median("layer").transpose("scale", "seed").values
    _with_bars(left, x, median, "middle third of the layers", BLUE, "o")
    left.set(yscale="log", ylabel="$s_3 / s_4$ of centred $A$")
    for gamma0, colour in zip(ds["gamma0"].values, (BLUE, SKY, GREEN), strict=False):
        coi = ds["cost_of_identity_by_gamma0"].sel(gamma0=gamma0).min("layer")
        rows = coi.transpose("scale", "seed").values
        _with_bars(right, x, rows, rf"$\gamma_0 = {gamma0:g}$", colour, "o")
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
    need(ds, "cost_of_identity", "representation_norm", "misclassified")
    norm = ds["representation_norm"]
    growth = xr.ufuncs.log(norm.isel(layer=-1) / norm.isel(layer=0))
    panels: dict[str, xr.DataArray] = {
        r"cost of identity, $\min_p\, \mathrm{COI}_\gamma$": ds["cost_of_identity"].min("layer"),
        r"growth, $\log(\|A_1\| / \|A_0\|)$": growth,
        "test error, fraction misclassified": ds["misclassified"],
    }
    names = {"labels": ("cross-entropy", "-"), "onehot": ("one-hot regression", "--")}
    colours = dict(zip(ds["effective_depth"].values, (BLUE, ORANGE, GREEN, RED), strict=False))
    figure = Figure(figsize=(10.4, 3.8))
    for ax, (ylabel, values) in zip(figure.subplots(1, 3), panels.items(), strict=True):
        for depth, colour in colours.items():
            for targets in ds["targets"].values:
                name, ls = names[str(targets)]
                chosen = values.sel(effective_depth=depth, targets=targets)
                rows = chosen.transpose("weight_decay", "seed").values
                label = rf"{name}, $\tilde{{L}}$ = {depth:g}"
                _with_bars(ax, ds["weight_decay"].values, rows, label, colour, "o", ls=ls)
        ax.set(xscale="log", xlabel=r"weight decay $\lambda$", ylabel=ylabel)
    handles = ax.get_legend_handles_labels()
    # Long enough to tell dashes from a line.
    figure.legend(*handles, loc="outside upper left", ncols=4, handlelength=3)
    return figure


def _with_bars(
    ax: Axes,
    x: np.ndarray,
    values: np.ndarray,
    label: str,
    colour: str,
    marker: str,
    *,
    interval: bool = False,
    ls: str = "-",
) -> None:
    """Draw means over the seeds of `values` (x, seed), with bars where two seeds or more are known.

    Bars are one standard deviation, or with `interval` Student's 95 % interval for the mean.
    """
    known = [row[np.isfinite(row)] for row in values]
    mean = np.array([row.mean() if len(row) else np.nan for row in known])
    bar = np.array([row.std(ddof=1) if len(row) > 1 else np.nan for row in known])
    if interval:
        n = np.array([len(row) for row in known])
        bar *= stats.t.ppf(0.975, np.maximum(n - 1, 1)) / np.sqrt(np.maximum(n, 1))
    width, cap = (1.4, 2.5) if interval else (3.2, 0)
    ax.errorbar(
        x, mean, bar, label=label, color=colour, marker=marker, ls=ls, elinewidth=width, capsize=cap
    )


def _median(values: np.ndarray) -> float:
    """Return the median of the finite values; NaN if there is none."""
    return float(np.nanmedian(values)) if np.isfinite(values).any() else np.nan
