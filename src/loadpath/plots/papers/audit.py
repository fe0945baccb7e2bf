"""Figures of solved geodesics: Theorem 4 on them, and Figure 1a of them beside trained nets."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from loadpath.checks import as_numbers, check_dataset, check_levels, check_text, check_type
from loadpath.plots.papers.figure_1 import check_dimensions, dimensions
from loadpath.plots.style import (
    BLUE,
    EFFECTIVE_DEPTH_LABEL,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    dimension_scale,
    figure_size,
    ink,
    literal,
    size_scale,
    styled,
)

AUDITED = (
    "lower",
    "upper",
    "local_lower",
    "local_upper",
    "middle",
    "middle_low",
    "middle_high",
    "min_cost",
    "speed_waist",
    "expected_speed_waist",
    "speed_slack",
    "relative_length",
    "largest_cross_term",
    "largest_momentum",
)


@styled
def figure_1a_certified(of_kind: Mapping[str, xr.Dataset]) -> Figure:
    """Draw Figure 1a once for each kind of net, on the same axes, over its residuals.

    Residuals are the worst step's, a point a seed. Effective depths that span a factor of 12 or
    more are on a logarithmic axis.

    Parameters
    ----------
    of_kind : mapping of str to xr.Dataset
        What `figure_1a` takes for each kind of net, with stationarity(effective_depth, seed, step).

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If a Dataset lacks a variable that the figure shows.
    """
    check_type("of_kind", of_kind, Mapping, "a mapping of kinds to Datasets")
    if not of_kind:
        raise ValueError("of_kind must hold at least one Dataset, got none.")
    for kind, ds in of_kind.items():
        check_text("of_kind's kind", kind)
        check_dimensions(f"of_kind[{kind!r}]", ds)
        check_dataset(f"of_kind[{kind!r}]", ds, "stationarity(effective_depth, seed, step)")
    figure = Figure(figsize=figure_size(4.6 * max(len(of_kind), 1.3) + 0.4, 5.8))
    grid = figure.subplots(
        2, len(of_kind), squeeze=False, sharex=True, sharey="row", height_ratios=(3, 1)
    )
    for (upper, lower), (kind, ds) in zip(grid.T, of_kind.items(), strict=True):
        dimensions(ds, upper)
        upper.set(title=literal(kind), xlabel="")
        worst = ds["stationarity"].max("step").transpose("effective_depth", "seed")
        lower.plot(ds["effective_depth"], worst, "o", color=ink())
        lower.axhline(0.01, color=GREY, lw=0.9, ls="--")
        lower.set_xlabel(EFFECTIVE_DEPTH_LABEL)
    first = grid[0, 0]
    for other in grid[0, 1:]:
        first.update_datalim(other.dataLim.get_points())
        other.set_ylabel("")
    dimension_scale(first)
    grid[1, 0].set_ylabel("worst residual")
    size_scale(grid[1, 0])
    _depth_scale(grid[1, 0], np.concatenate([ds["effective_depth"] for ds in of_kind.values()]))
    columns = 3 if len(of_kind) > 1 else 2
    figure.legend(*first.get_legend_handles_labels(), loc="outside upper left", ncols=columns)
    return figure


@styled
def figure_audit(ds: xr.Dataset) -> Figure:
    r"""Draw Theorem 4 against effective depth: both bounds for each gamma0, and what makes them.

    First row: $-(2/\tilde L) H - \min COI$ and its bounds; where the lower bound is below $-\min
    COI$ it allows any dimension. Beside them are the best step's own bounds. Second row: the speed
    where the cost of identity is least, over $\tilde L$, and its bounds; where they include 0 the
    path may be at rest. Third row: the largest momentum, the path length over $\tilde L$ and the
    largest cross term. Points are seeds, bars the range over the steps; lines and bands are means
    over seeds.

    Parameters
    ----------
    ds : xr.Dataset
        What `lay_out` of `loadpath.papers.audit_table` returns: over effective_depth, stabilizer
        ("constant" gamma, "per layer"), gamma0 and seed.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    check_dataset("ds", ds, "effective_depth", "stabilizer", "gamma0", *AUDITED)
    for stabilizer in ("constant", "per layer"):
        check_dataset("ds", ds, stabilizer=stabilizer)
    every = "effective_depth, stabilizer, gamma0, seed"
    for name in AUDITED:
        least = "effective_depth, seed" if name == "largest_momentum" else every
        check_dataset("ds", ds, f"{name}({least})")
    check_levels("ds", ds, "effective_depth", "gamma0")
    for name in ("lower", "upper"):  # the ends of the first row's axis
        if not np.isfinite(as_numbers(f"ds.{name}", ds[name].values, missing=True)).any():
            raise ValueError(f"ds must hold finite numbers of {name!r}, got none.")
    gamma0s = ds["gamma0"].values
    figure = Figure(figsize=figure_size(3.4 * max(len(gamma0s), 3) + 0.6, 8.6))
    grid = figure.subplots(3, max(len(gamma0s), 3), squeeze=False, sharex=True)
    for (upper, lower, _), gamma0 in zip(grid.T, gamma0s, strict=False):
        one = ds.sel(gamma0=gamma0)
        _dimension(upper, one)
        upper.set_title(rf"$\gamma_0 = {gamma0:g}$")
        _speed(lower, one)
    for row in grid[:2]:
        for ax in row[1:]:
            ax.sharey(row[0])
            ax.tick_params(labelleft=False)
    low = float(ds["lower"].min())
    grid[0, 0].set_yscale("symlog", linthresh=1, linscale=0.6)
    grid[0, 0].set_ylim(1.5 * low, 3 * float(ds["upper"].max()))
    grid[0, 0].set_ylabel(r"$-(2/\tilde{L})\,H - \min_p \mathrm{COI}_\gamma$")
    grid[1, 0].set_yscale("symlog", linthresh=1, linscale=1.2)
    grid[1, 0].set_ylabel(r"speed where COI is least, $/\tilde{L}$")
    _sizes(grid[2], ds)
    for ax in grid[2]:
        ax.set_xlabel(EFFECTIVE_DEPTH_LABEL)
    _depth_scale(grid[0, 0], ds["effective_depth"].values, span=1)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    more, others = grid[1, 0].get_legend_handles_labels()
    kept = [i for i, label in enumerate(others) if label not in labels]
    figure.legend(
        handles + [more[i] for i in kept],
        labels + [others[i] for i in kept],
        loc="outside upper left",
        ncols=3,
    )
    return figure


def _depth_scale(ax: Axes, depths: np.ndarray, span: float = 12) -> None:
    """Scale an x axis of effective depths: logarithmic if they span a factor of `span`."""
    depths = np.unique(depths)
    if depths[0] <= 0 or depths[-1] < span * depths[0]:
        return
    ax.set_xscale("log", base=2)
    ax.set_xticks(depths, [f"{depth:g}" for depth in depths])
    ax.xaxis.set_minor_locator(NullLocator())


def _dimension(ax: Axes, ds: xr.Dataset) -> None:
    """Draw the dimension of every seed and its bounds, for one gamma0."""
    x, one = ds["effective_depth"].values, ds.sel(stabilizer="constant")
    _bands(ax, ds, ds["lower"], ds["upper"])
    ax.plot(x, -_mean(one["min_cost"]), color=ORANGE, ls="--", label="dimension 0, or rest")
    for name, label in (("local_lower", "at the best step, one gamma"), ("local_upper", "_again")):
        values = _mean(one[name])
        ax.plot(x, values, color=GREEN, label=label)
    for seed in one["seed"].values:
        of_seed = one.sel(seed=seed)
        ax.vlines(x, of_seed["middle_low"], of_seed["middle_high"], color=GREY, lw=0.8)
    labels = ["geodesics"] + ["_again"] * (one.sizes["seed"] - 1)
    ax.plot(x, _by_seed(one["middle"]), "o", color=ink(), label=labels)
    ax.axhline(0, color=GREY, lw=0.6)


def _speed(ax: Axes, ds: xr.Dataset) -> None:
    """Draw the speed where the cost of identity is least and its bounds, for one gamma0."""
    x, one = ds["effective_depth"].values, ds.sel(stabilizer="constant")
    expected, slack = ds["expected_speed_waist"], ds["speed_slack"]
    _bands(ax, ds, expected - slack, expected + 2 * slack)
    label = r"$\sqrt{\mathrm{COI}_\gamma + (2/\tilde{L})H}$"
    ax.plot(x, _mean(one["expected_speed_waist"]), color=RED, label=label)
    ax.plot(x, _by_seed(one["speed_waist"]), "o", color=ink())
    ax.axhline(0, color=ORANGE, lw=1.2, ls="--")


def _bands(ax: Axes, ds: xr.Dataset, low: xr.DataArray, high: xr.DataArray) -> None:
    """Shade what constant gamma allows, and outline what gamma by layer does."""
    x = ds["effective_depth"].values
    bottom, top = (_mean(values.sel(stabilizer="constant")) for values in (low, high))
    ax.fill_between(x, bottom, top, color=SKY, alpha=0.35, lw=0, label="Theorem 4, one gamma")
    label = "Theorem 4, gamma by layer"
    for values in (low, high):
        ax.plot(x, _mean(values.sel(stabilizer="per layer")), color=BLUE, ls=":", label=label)
        label = "_again"


def _sizes(row: np.ndarray, ds: xr.Dataset) -> None:
    """Draw the momenta, the path length and the cross term, an axes each."""
    x = ds["effective_depth"].values
    momentum, length, cross = row[:3]
    momentum.plot(x, _by_seed(ds["largest_momentum"]), "o", color=ink())
    momentum.plot(x, _mean(ds["largest_momentum"]), color=ink())
    momentum.set_ylabel(r"$\max_p \Vert B_p \Vert$")
    for ax, name, said in (
        (length, "relative_length", r"path length $/\tilde{L}$"),
        (
            cross,
            "largest_cross_term",
            r"$\max_p\, |\langle \dot{A}, A \rangle| / \Vert \dot{A} \Vert \Vert A \Vert$",
        ),
    ):
        for gamma0, colour in zip(ds["gamma0"].values, (BLUE, SKY, GREEN), strict=False):
            for stabilizer, ls in (("constant", "-"), ("per layer", ":")):
                values = ds[name].sel(gamma0=gamma0, stabilizer=stabilizer)
                label = rf"$\gamma_0 = {gamma0:g}$" if ls == "-" else "_again"
                ax.plot(x, _mean(values), color=colour, ls=ls, marker="o", label=label)
        ax.set_ylabel(said)
    length.legend()
    momentum.set_ylim(0, None)
    cross.set_ylim(0, 1.05)
    size_scale(length)


def _mean(values: xr.DataArray) -> np.ndarray:
    """Return means over seeds."""
    return values.mean("seed").values


def _by_seed(values: xr.DataArray) -> np.ndarray:
    """Return values (effective_depth, seed)."""
    return values.transpose("effective_depth", "seed").values
