"""Every layer of any model: Datasets of `loadpath.diagnose`.

Bars are the intervals that the Datasets hold; a number without one has none, and a layer without a
number has no mark.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from loadpath.checks import HoldsDataset, as_dataset, check_columns, check_dataset
from loadpath.measures.separation import SeparationKind, check_kind
from loadpath.plots.diagnosis.axis import draw_columns, draw_marks, layer_axis
from loadpath.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    axes_or_new,
    dimension_scale,
    ink,
    legend_above,
    literal,
    styled,
)
from loadpath.results import with_present_names


@styled
def layer_load_curve(
    ds: xr.Dataset | HoldsDataset, ax: Axes | None = None, *, kind: SeparationKind = "fuzziness"
) -> Axes:
    """Draw the log separation D_l over layers, and the straight line from end to end.

    By fuzziness and inverse, the curve starts at the first layer that has as many directions
    between class means as all after it: with fewer, its sums are over fewer. It is turned over for
    the convention "inverse", so that separating is falling.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.
    kind : {"fuzziness", "trace_ratio", "inverse"}, optional
        The convention of the separation.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows, or if `kind` is not a convention.
    """
    ds = as_dataset("ds", ds)
    check_kind(kind)
    check_dataset("ds", ds, "log_separation(kind, layer)", kind=kind)
    ax = axes_or_new(ax)
    names = ["log_separation", "log_separation_low", "log_separation_high"]
    part = ds[names].sel(kind=kind)
    sign = -1 if kind == "inverse" else 1
    if kind != "trace_ratio" and "between_rank" in ds:  # sums over so many directions
        part = part.where(_comparable(ds["between_rank"].values))
    D = sign * part["log_separation"].values
    draw_marks(
        ax,
        part,
        "log_separation",
        BLUE,
        f"log separation ({literal(kind)})",
        "o",
        sign=sign,
        joined=True,
    )
    known = np.flatnonzero(np.isfinite(D))
    if len(known) > 1:
        ends = known[[0, -1]]
        ax.plot(ends, D[ends], "--", color=ink(), lw=0.9, label="equal loads")
    layer_axis(ax, ds, f"{'minus ' if sign < 0 else ''}log separation ({literal(kind)}), nats")
    legend_above(ax)
    return ax


@styled
def layer_steps_taken(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw how far each layer moves the representation, turns it, and makes it grow.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
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
    ds = as_dataset("ds", ds)
    check_columns("ds", ds)
    ds = with_present_names(ds)
    check_dataset("ds", ds, "relative_step(layer)", "turn(layer)", "log_growth(layer)")
    ax = axes_or_new(ax)
    shown = [
        ("relative_step", BLUE, "relative step", "o"),
        ("turn", ORANGE, "turn, radians", "^"),
        ("log_growth", GREEN, "log growth", "s"),
    ]
    draw_columns(ax, ds, shown, "size of the step to the layer", joined=False, apart=0.16)
    ax.axhline(0, color=GREY, lw=0.8)
    legend_above(ax, 3)
    return ax


@styled
def layer_dimensions(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw how many directions each layer uses, by counts that weigh weak ones differently.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.
    """
    ds = as_dataset("ds", ds)
    ax = axes_or_new(ax)
    shown = [
        ("effective_rank", BLUE, "effective rank", "o"),
        ("participation_ratio", ORANGE, "participation ratio", "^"),
        ("intrinsic_dimension", GREEN, "intrinsic dimension (TwoNN)", "s"),
        ("stable_rank_nuclear", SKY, "stable rank, with the mean", "v"),
    ]
    draw_columns(ax, ds, shown, "dimension", apart=0.1)
    dimension_scale(ax)
    legend_above(ax)
    return ax


@styled
def layer_energies(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw the cost of identity of each layer and the kinetic energy of the step to it.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
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
    ds = as_dataset("ds", ds)
    check_dataset("ds", ds, "cost_of_identity(layer)", "kinetic_energy(layer)")
    ax = axes_or_new(ax)
    shown = [
        ("cost_of_identity", BLUE, "cost of identity", "o"),
        ("kinetic_energy", ORANGE, "kinetic energy", "^"),
    ]
    draw_columns(ax, ds, shown, "energy")
    dimension_scale(ax)
    legend_above(ax)
    return ax


@styled
def layer_alignment(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw the likeness (debiased CKA) of each layer with the next and with the first.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
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
    ds = as_dataset("ds", ds)
    check_dataset("ds", ds, "cka_next(layer)", "cka_first(layer)")
    ax = axes_or_new(ax)
    shown = [
        ("cka_next", BLUE, "CKA with the next layer", "o"),
        ("cka_first", ORANGE, "CKA with the first layer", "^"),
    ]
    draw_columns(ax, ds, shown, "debiased linear CKA")
    ax.set_ylim(min(0, ax.get_ylim()[0]), 1.03)
    legend_above(ax)
    return ax


@styled
def layer_probes(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw how well linear classifiers read the classes off each layer, beside the model.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
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
    ds = as_dataset("ds", ds)
    check_dataset("ds", ds, "probe_ridge(layer)", "probe_logistic(layer)")
    ax = axes_or_new(ax)
    shown = [
        ("probe_logistic", BLUE, "logistic probe", "o"),
        ("probe_ridge", ORANGE, "ridge probe", "^"),
    ]
    draw_columns(ax, ds, shown, "accuracy on held-out samples", apart=0.12)
    if "accuracy" in ds:
        ax.axhline(float(ds["accuracy"]), color=ink(), lw=0.9, ls="--", label="the model itself")
    legend_above(ax, 3)
    return ax


@styled
def layer_next_token(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw what each layer of a language model takes off the cross-entropy of the next token.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
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
    ds = as_dataset("ds", ds)
    check_dataset("ds", ds, "next_token_gain(layer)")
    ax = axes_or_new(ax)
    shown = [("next_token_gain", BLUE, "taken off by the layer", "o")]
    draw_columns(ax, ds, shown, "cross-entropy of the next token, nats", joined=False)
    ax.axhline(0, color=ink(), lw=0.9, ls="--")
    legend_above(ax)
    return ax


@styled
def layer_collapse(ds: xr.Dataset | HoldsDataset, ax: Axes | None = None) -> Axes:
    """Draw neural collapse 1 to 4 on a logarithmic axis; all fall as collapse completes.

    Parameters
    ----------
    ds : xr.Dataset or Diagnosis
        What `loadpath.diagnose` returns, or its `dataset`.
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
    ds = as_dataset("ds", ds)
    check_dataset("ds", ds, "nc1(layer)", "nc2_angle(layer)")
    ax = axes_or_new(ax)
    shown = [
        ("nc1", BLUE, "NC1, within classes", "o"),
        ("nc2_equinorm", ORANGE, "NC2, norms", "^"),
        ("nc2_angle", GREEN, "NC2, angles", "s"),
        ("nc3", RED, "NC3, classifier", "D"),
        ("nc4", SKY, "NC4, decisions", "v"),
    ]
    measured = [each for each in shown if each[0] in ds and np.isfinite(ds[each[0]]).any()]
    draw_columns(ax, ds, measured, "distance from collapse")
    ax.set_yscale("log", nonpositive="mask")
    legend_above(ax, 3)
    return ax


def _comparable(ranks: np.ndarray) -> xr.DataArray:
    """Tell, layer by layer, whether it and all after it have the same rank between classes."""
    other = np.flatnonzero(ranks != ranks[-1])
    first = other[-1] + 1 if len(other) else 0
    return xr.DataArray(np.arange(len(ranks)) >= first, dims="layer")
