"""Every layer of any model: Datasets of `loadpath.diagnose` and `loadpath.diagnosis.skip_layers`.

Bars are the intervals that the Datasets hold; a number without one has none, and a layer without a
number has no mark.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from loadpath.measures.separation import SeparationKind, check_kind

from .style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    axes_or_new,
    dimension_scale,
    legend_above,
    need,
    styled,
)

MANY = 16
"""Layers up to which each has its name on the axis."""


@styled
def layer_load_curve(
    ds: xr.Dataset, ax: Axes | None = None, *, kind: SeparationKind = "fuzziness"
) -> Axes:
    """Draw the log separation D_l over layers, and the straight line from end to end.

    By fuzziness and inverse, the curve starts at the first layer that has as many directions
    between class means as all after it: with fewer, its sums are over fewer. It is turned over for
    the convention "inverse", so that separating is falling.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
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
    need(ds, "log_separation")
    check_kind(kind)
    ax = axes_or_new(ax)
    names = ["log_separation", "log_separation_low", "log_separation_high"]
    part = ds[names].sel(kind=kind)
    sign = -1 if kind == "inverse" else 1
    if kind != "trace_ratio" and "between_rank" in ds:  # sums over so many directions
        part = part.where(_comparable(ds["between_rank"].values))
    D = sign * part["log_separation"].values
    _marks(
        ax, part, "log_separation", BLUE, f"log separation ({kind})", "o", sign=sign, joined=True
    )
    known = np.flatnonzero(np.isfinite(D))
    if len(known) > 1:
        ends = known[[0, -1]]
        ax.plot(ends, D[ends], "--", color=BLACK, lw=0.9, label="equal loads")
    layer_axis(ax, ds, f"{'minus ' if sign < 0 else ''}log separation ({kind}), nats")
    legend_above(ax)
    return ax


@styled
def layer_steps_taken(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how far each layer moves the representation, turns it, and makes it grow.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
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
    need(ds, "relative_step", "turn", "effective_depth")
    ax = axes_or_new(ax)
    for i, (name, colour, label, marker) in enumerate(
        (
            ("relative_step", BLUE, "relative step", "o"),
            ("turn", ORANGE, "turn, radians", "^"),
            ("effective_depth", GREEN, "effective depth", "s"),
        )
    ):
        _marks(ax, ds, name, colour, label, marker, aside=0.16 * (i - 1))
    ax.axhline(0, color=GREY, lw=0.8)
    layer_axis(ax, ds, "size of the step to the layer")
    legend_above(ax, 3)
    return ax


@styled
def layer_dimensions(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how many directions each layer uses, by counts that weigh weak ones differently.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.
    """
    ax = axes_or_new(ax)
    shown = [
        ("effective_rank", BLUE, "effective rank", "o"),
        ("participation_ratio", ORANGE, "participation ratio", "^"),
        ("intrinsic_dimension", GREEN, "intrinsic dimension (TwoNN)", "s"),
        ("stable_rank_nuclear", SKY, "stable rank, with the mean", "v"),
    ]
    for i, (name, colour, label, marker) in enumerate(shown):
        if name in ds:
            _marks(ax, ds, name, colour, label, marker, joined=True, aside=0.1 * (i - 1.5))
    layer_axis(ax, ds, "dimension")
    dimension_scale(ax)
    legend_above(ax)
    return ax


@styled
def layer_energies(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the cost of identity of each layer and the kinetic energy of the step to it.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
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
    need(ds, "cost_of_identity", "kinetic_energy")
    ax = axes_or_new(ax)
    _marks(ax, ds, "cost_of_identity", BLUE, "cost of identity", "o", joined=True)
    _marks(ax, ds, "kinetic_energy", ORANGE, "kinetic energy", "^", joined=True)
    layer_axis(ax, ds, "energy")
    dimension_scale(ax)
    legend_above(ax)
    return ax


@styled
def layer_alignment(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the likeness (debiased CKA) of each layer with the next and with the first.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
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
    need(ds, "cka_next", "cka_first")
    ax = axes_or_new(ax)
    _marks(ax, ds, "cka_next", BLUE, "CKA with the next layer", "o", joined=True)
    _marks(ax, ds, "cka_first", ORANGE, "CKA with the first layer", "^", joined=True)
    layer_axis(ax, ds, "debiased linear CKA")
    ax.set_ylim(min(0, ax.get_ylim()[0]), 1.03)
    legend_above(ax)
    return ax


@styled
def layer_probes(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how well linear classifiers read the classes off each layer, beside the model.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
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
    need(ds, "probe_ridge", "probe_logistic")
    ax = axes_or_new(ax)
    _marks(ax, ds, "probe_logistic", BLUE, "logistic probe", "o", joined=True, aside=-0.06)
    _marks(ax, ds, "probe_ridge", ORANGE, "ridge probe", "^", joined=True, aside=0.06)
    if "accuracy" in ds:
        ax.axhline(float(ds["accuracy"]), color=BLACK, lw=0.9, ls="--", label="the model itself")
    layer_axis(ax, ds, "accuracy on held-out samples")
    legend_above(ax, 3)
    return ax


@styled
def layer_collapse(ds: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw neural collapse 1 to 4 on a logarithmic axis; all fall as collapse completes.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
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
    need(ds, "nc1", "nc2_angle")
    ax = axes_or_new(ax)
    shown = [
        ("nc1", BLUE, "NC1, within classes", "o"),
        ("nc2_equinorm", ORANGE, "NC2, norms", "^"),
        ("nc2_angle", GREEN, "NC2, angles", "s"),
        ("nc3", RED, "NC3, classifier", "D"),
        ("nc4", SKY, "NC4, decisions", "v"),
    ]
    for name, colour, label, marker in shown:
        if name in ds and np.isfinite(ds[name]).any():
            _marks(ax, ds, name, colour, label, marker, joined=True)
    layer_axis(ax, ds, "distance from collapse")
    ax.set_yscale("log", nonpositive="mask")
    legend_above(ax, 3)
    return ax


@styled
def layers_skipped(skipped: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw what skipping each layer changes: the loss, or the output where there is no loss.

    Parameters
    ----------
    skipped : xr.Dataset
        What `loadpath.diagnosis.skip_layers` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `skipped` lacks a variable that the figure shows.
    """
    name = "loss_change" if "loss_change" in skipped else "output_change"
    need(skipped, name)
    ax = axes_or_new(ax)
    known = np.isfinite(skipped[name].values)
    if known.any():  # the others were left in
        skipped = skipped.isel(layer=known)
    _marks(ax, skipped, name, RED, "one layer skipped", "o")
    ax.axhline(0, color=BLACK, lw=0.9, ls="--", label="all layers in place")
    units = skipped[name].attrs.get("units", "1")
    label = "change in loss" if name == "loss_change" else "change of the output"
    layer_axis(ax, skipped, label if units == "1" else f"{label}, {units}")
    legend_above(ax)
    return ax


@styled
def movement_and_harm(
    ds: xr.Dataset, skipped: xr.Dataset, ax: Axes | None = None, *, by: str = "relative_step"
) -> Axes:
    """Draw how far each layer moves the data against what skipping it changes.

    Both have their intervals.

    Parameters
    ----------
    ds : xr.Dataset
        The `dataset` of what `loadpath.diagnose` returns.
    skipped : xr.Dataset
        What `loadpath.diagnosis.skip_layers` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.
    by : str, optional
        The variable of `ds` that says how far a layer moves the data.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If one of the Datasets lacks a variable that the figure shows.
    """
    name = "loss_change" if "loss_change" in skipped else "output_change"
    need(ds, by)
    need(skipped, name)
    ax = axes_or_new(ax)
    both = [layer for layer in skipped["layer"].values if layer in set(ds["layer"].values)]
    known = np.isfinite(ds[by].sel(layer=both).values * skipped[name].sel(layer=both).values)
    both = [layer for layer, has in zip(both, known, strict=True) if has]
    part, gone = ds.sel(layer=both), skipped.sel(layer=both)
    x, y = part[by].values, gone[name].values
    ax.errorbar(
        x, y, xerr=_reach(part, by), yerr=_reach(gone, name), fmt="o", color=BLUE,
        ecolor=GREY, elinewidth=1, capsize=0,
    )  # fmt: skip
    short, _ = short_names(both)
    # Above and below in turn along x, so that labels of neighbours do not cover each other.
    below = np.argsort(np.argsort(x)) % 2
    for at, up, text, low in zip(x, y, short, below, strict=True):
        offset = (5, -11 if low else 4)
        ax.annotate(text, (at, up), xytext=offset, textcoords="offset points", fontsize=9)
    ax.axhline(0, color=BLACK, lw=0.9, ls="--")
    change = "change in loss when skipped" if name == "loss_change" else "change of the output"
    ax.set(xlabel=by.replace("_", " "), ylabel=change)
    return ax


def _comparable(ranks: np.ndarray) -> xr.DataArray:
    """Tell, layer by layer, whether it and all after it have the same rank between classes."""
    other = np.flatnonzero(ranks != ranks[-1])
    first = other[-1] + 1 if len(other) else 0
    return xr.DataArray(np.arange(len(ranks)) >= first, dims="layer")


def layer_axis(ax: Axes, ds: xr.Dataset, ylabel: str) -> None:
    """Label the axes of a figure over layers; names that share a beginning or an end lose it."""
    names = [str(name) for name in ds["layer"].values]
    short, pattern = short_names(names)
    every = 1 + (len(names) - 1) // MANY
    ticks = np.arange(0, len(names), every)
    ax.set_xticks(ticks, [short[i] for i in ticks])
    if max(len(short[i]) for i in ticks) * len(ticks) > 60:
        ax.tick_params(axis="x", labelrotation=40)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set(xlabel=f"layer{f' ({pattern})' if pattern else ''}", ylabel=ylabel)


def short_names(names: list[str]) -> tuple[list[str], str]:
    """Shorten the names of layers by the dotted parts that all but "input" share.

    Parameters
    ----------
    names : list of str
        Names as the model has them.

    Returns
    -------
    list of str
        The names without those parts.
    str
        The pattern of the parts that went, such as `encoder.*.output`; empty if none did.
    """
    parts = [name.split(".") for name in names if name != "input"]
    if len(parts) < 2:
        return names, ""
    head = _shared(parts)
    tail = _shared([part[head:][::-1] for part in parts])
    tail = min(tail, min(len(part) for part in parts) - head - 1)
    if head <= 0 and tail <= 0:
        return names, ""
    kept = {}
    for part in parts:
        kept[".".join(part)] = ".".join(part[head : len(part) - max(tail, 0)])
    first = parts[0]
    pattern = ".".join([*first[:head], "*", *(first[len(first) - tail :] if tail > 0 else [])])
    return [kept.get(name, name) for name in names], pattern


def _shared(parts: list[list[str]]) -> int:
    """Return how many leading parts all names share, leaving each at least one of its own."""
    count = 0
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        count += 1
    return min(count, min(len(part) for part in parts) - 1)


def _marks(
    ax: Axes,
    ds: xr.Dataset,
    name: str,
    colour: str,
    label: str,
    marker: str,
    *,
    sign: int = 1,
    joined: bool = False,
    aside: float = 0.0,
) -> None:
    """Draw a variable over the layers with its intervals; layers without a number have no mark."""
    values = sign * ds[name].values
    at = np.arange(len(values)) + aside
    known = np.isfinite(values)
    ax.errorbar(
        at[known], values[known], yerr=_reach(ds, name)[:, known], color=colour, label=label,
        marker=marker, ls="-" if joined else "none", lw=1.2, elinewidth=1.2, capsize=0,
    )  # fmt: skip


def _reach(ds: xr.Dataset, name: str) -> np.ndarray:
    """Return the lengths of the bars below and above, (2, layer); 0 where there is no interval."""
    value = ds[name].values
    low, high = ds[f"{name}_low"].values, ds[f"{name}_high"].values
    return np.clip(np.nan_to_num(np.stack([value - low, high - value])), 0, None)
