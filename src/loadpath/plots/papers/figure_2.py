"""Figure 2 of [LR], Jacot and Kaiser, arXiv:2405.17573: rules of layer steps."""

from collections.abc import Mapping

import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from loadpath.checks import check_dataset, check_levels, check_text, check_type
from loadpath.plots.leaky_resnet import check_paths, sample_paths, weight_spectrum
from loadpath.plots.papers.bars import draw_with_bars
from loadpath.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PATH_LABEL,
    figure_size,
    ink,
    legend_above,
    literal,
    size_scale,
    styled,
)

RULES = {"equidistant": (BLUE, "o"), "irregular": (ORANGE, "s"), "adaptive": (GREEN, "D")}
"""Colour and marker of every rule."""


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
    check_dataset("ds", ds, "test_error(rule, depth, seed)")
    check_levels("ds", ds, "depth")
    depths = ds["depth"].values
    columns = {"test_error": "depth $L$"}
    if "test_error_equal" in ds:
        check_dataset("ds", ds, "test_error_equal(rule, depth, seed)")
        check_dataset("ds", ds, "width(depth)", "n_parameters(depth)")
        millions = ds["n_parameters"].values.mean() / 1e6
        columns["test_error_equal"] = f"depth $L$ and width, at {millions:.2g} million parameters"
    figure = Figure(figsize=figure_size(4.5 * len(columns) + 0.6, 6.4))
    grid = figure.subplots(2, len(columns), squeeze=False, sharey="row")
    for (upper, lower), (name, xlabel) in zip(grid.T, columns.items(), strict=True):
        errors = ds[name].transpose("rule", "depth", "seed")
        for i, rule in enumerate(ds["rule"].values):
            # Some per cent aside, so that the bars at one depth do not hide each other.
            aside = depths * 1.03 ** (i - (ds.sizes["rule"] - 1) / 2)
            colour, marker = RULES.get(str(rule), (ink(), "^"))
            values = errors.values[i]
            draw_with_bars(upper, aside, values, literal(str(rule)), colour, marker, interval=True)
            if str(rule) != "equidistant" and "equidistant" in ds["rule"]:
                difference = values - errors.sel(rule="equidistant").values
                draw_with_bars(
                    lower, aside, difference, literal(str(rule)), colour, marker, interval=True
                )
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
    check_dataset("profile", profile, "p(layer)")
    figure = Figure(figsize=figure_size(5.6, 4))
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
    check_type("profiles", profiles, Mapping, "a mapping of rules to Datasets")
    if not profiles:
        raise ValueError("profiles must hold at least one Dataset, got none.")
    for rule, profile in profiles.items():
        check_text("profiles' rule", rule)
        check_paths(f"profiles[{rule!r}]", profile)
    figure = Figure(figsize=figure_size(3.2 * len(profiles) + 0.8, 3.8))
    grid = figure.subplots(1, len(profiles), squeeze=False)[0]
    for ax, (rule, profile) in zip(grid, profiles.items(), strict=True):
        lines = sample_paths(ax, profile)
        # Every net has principal components of its own, hence no shared axes.
        ax.set(title=literal(rule), ylabel=ax.get_ylabel() if ax is grid[0] else "")
    figure.colorbar(lines, ax=grid, label=PATH_LABEL)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower left", ncols=2)
    return figure
