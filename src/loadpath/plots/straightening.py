"""The load curve as a guide: concavity against a knob, and a knob that steers by it."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadpath.checks import as_numbers, check_dataset, check_levels

from .style import (
    axes_or_new,
    figure_size,
    ink,
    legend_above,
    literal,
    plain_numbers,
    styled,
)

BLUE, ORANGE = "#0072B2", "#D55E00"


@styled
def tuning(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the concavity of load curves against the level of a knob, and where it is zero.

    Points are mean curves of the nets at a level, with their standard errors over seeds; the line
    is the fit with its confidence band. Where a level was found, it is marked with its interval.

    Parameters
    ----------
    ds : xr.Dataset
        `Tuned.dataset` of `loadpath.tune`.
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
    points = "concavity(level)", "concavity_error(level)"
    fit = (f"{name}(point)" for name in ("fit", "fit_low", "fit_high", "fit_level"))
    check_dataset("ds", ds, *points, *fit)
    as_numbers("ds.concavity_error", ds["concavity_error"].values, least=0.0, missing=True)
    check_levels("ds", ds, "level")
    ax = axes_or_new(ax)
    at, known = ds["fit_level"].values, np.isfinite(ds["concavity"].values)
    if np.isfinite(ds["fit"].values).all():
        ax.fill_between(
            at, ds["fit_low"].values, ds["fit_high"].values, color=BLUE, alpha=0.2, lw=0
        )
        ax.plot(at, ds["fit"].values, color=BLUE, label="fit, and its band")
    ax.errorbar(
        ds["level"].values[known].astype(float),
        ds["concavity"].values[known],
        yerr=ds["concavity_error"].values[known],
        color=ink(),
        marker="o",
        ls="",
        capsize=2.5,
        label="nets, and standard errors",
    )
    ax.axhline(0, color=ink(), lw=0.9, ls="--")
    low, high = (ds.attrs.get(f"level_{end}", np.nan) for end in ("low", "high"))
    if np.isfinite([low, high]).all():
        ax.axvspan(low, high, color=ORANGE, alpha=0.25, lw=0)
        ax.axvline(ds.attrs["level"], color=ORANGE, label="straight, and its interval")
    if ds.attrs.get("spacing") == "log":
        ax.set_xscale("log")
    plain_numbers(ax)
    knob = literal(str(ds.attrs.get("knob", "level")).replace("-", " "))
    ax.set(xlabel=knob, ylabel="concavity of the load curve")
    legend_above(ax)
    return ax


@styled
def steering(ds: xr.Dataset) -> Figure:
    """Draw what a steered training did: the concavity above, and the knobs below, over its steps.

    Parameters
    ----------
    ds : xr.Dataset
        `Steer.history()`.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows, or has no look.
    """
    check_dataset("ds", ds, "step(look)", "concavity(look)", "value(look, knob)")
    if not ds.sizes["look"]:
        raise ValueError("ds must have at least one look, got none.")
    n = ds.sizes["knob"]
    figure = Figure(figsize=figure_size(5.6, 2.0 + 1.7 * n))
    places = figure.subplots(1 + n, 1, sharex=True)
    step, bent = ds["step"].values, ds["concavity"].values
    places[0].plot(step, bent, color=BLUE, marker="o", ms=3)
    places[0].axhline(float(ds.attrs.get("target", 0.0)), color=ink(), lw=0.9, ls="--")
    finite = bent[np.isfinite(bent)]
    if len(finite) and np.abs(finite).max() > 0.5:  # curves that do not fall bend by anything
        places[0].set_ylim(-0.55, 0.55)
    places[0].set(ylabel="concavity")
    for i, ax in enumerate(places[1:]):
        ax.step(step, ds["value"].isel(knob=i).values, where="post", color=ORANGE)
        ax.set(ylabel=literal(str(ds["knob"].values[i])))
    places[-1].set(xlabel="training step")
    return figure
