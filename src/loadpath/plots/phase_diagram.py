"""Phase diagrams of networks: Datasets of `loadpath.phase_diagram`."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from loadpath.checks import as_list, check_choice, check_dataset, check_levels, check_type
from loadpath.measures.separation import SeparationKind, check_kind
from loadpath.spring_block.phase_diagram import (
    FORMERLY,
    check_curves,
    correlation,
    mean_curves,
)

from .miniatures import SCALED, key
from .style import (
    BLACK,
    GREY,
    axes_or_new,
    figure_of,
    figure_size,
    ink,
    literal,
    styled,
)

ACCURACY = ListedColormap(mpl.colormaps["YlGnBu"](np.linspace(0, 0.62, 256)))
"""Colours of accuracy: light enough for a black curve on all of them."""
FAR = 1.5
"""Quartile distances beyond the quartiles at which scales end: a dead net would take them all."""
HEIGHT, WIDTH = 0.66, 0.72
"""Height and width of a load curve, in cells."""
SHOWN_CONCAVITY = 0.6
"""Curves that only fall are within 0.5."""
LEVEL_NAMES = {
    "data noise": "data noise, $q$",
    "learning rate": "learning rate of Adam",
    "dropout": "dropout rate",
    "batch size": "batch size",
}
IMAGES = ("digits", "mnist", "fashion-mnist", "cifar10")
"""Data whose inputs are pixels, which were demeaned."""
By = Literal["noise", "slope"]


@styled
def network_phase_diagram(
    ds: xr.Dataset, ax: Axes | None = None, *, kind: SeparationKind = "fuzziness"
) -> Axes:
    """Draw test accuracy over noise and slope, with the load curve of every cell and a key to them.

    Accuracies and curves are means over the seeds whose training gave numbers; a cross marks cells
    where none did. A curve is D_l over the layers between its largest and smallest value, its chord
    thin beside it.

    Parameters
    ----------
    ds : xr.Dataset
        What `loadpath.phase_diagram.collect` returns.
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
    _check_diagram("ds", ds, kind, "log_separation(slope, noise, seed, kind, layer)")
    alone, ax = ax is None, axes_or_new(ax)
    accuracy = _mean_accuracy(ds)
    mesh = _draw_diagram(ds, ax, kind, Normalize(*_scale(accuracy)))
    _accuracy_bar(mesh, [ax], accuracy)
    key(figure_of(ax), title=SCALED) if alone else key(ax, title=SCALED)
    return ax


def _draw_diagram(ds: xr.Dataset, ax: Axes, kind: SeparationKind, norm: Normalize) -> AxesImage:
    """Draw the accuracies and curves of one panel, and return what a bar of colours needs."""
    accuracy = _mean_accuracy(ds)
    rows, columns = accuracy.shape
    mesh = ax.imshow(accuracy, cmap=ACCURACY, norm=norm, origin="lower", aspect="auto")
    curves = _mean_curves(ds, kind)
    for i in range(rows):
        for j in range(columns):
            _cell(ax, j, i, curves[i, j])
    noise, slope = ds["noise"].values, ds["slope"].values
    ax.set_xticks(range(columns), [f"{level:g}" for level in noise])
    ax.set_yticks(range(rows), [f"{value:g}" for value in slope])
    if columns > 10:
        ax.tick_params(axis="x", labelrotation=60)
    ax.set(xlabel=level_name(ds), ylabel="slope below 0 (1 is linear)")
    return mesh


def _accuracy_bar(mesh: AxesImage, places: list[Axes], accuracy: np.ndarray) -> None:
    """Draw the bar of colours beside all `places` that share it."""
    known = accuracy[np.isfinite(accuracy)]
    low = mesh.norm.vmin
    below = bool(known.size) and low is not None and known.min() < low
    figure = figure_of(places[0])
    bar = figure.colorbar(mesh, ax=places, extend="min" if below else "neither", aspect=30)
    bar.set_label("test accuracy")


def _mean_accuracy(ds: xr.Dataset) -> np.ndarray:
    """Return accuracies (slope, noise), means over seeds."""
    return ds["test_accuracy"].mean("seed").transpose("slope", "noise").to_numpy()


@styled
def accuracy_against_concavity(
    ds: xr.Dataset, ax: Axes | None = None, *, kind: SeparationKind = "fuzziness", by: By = "noise"
) -> Axes:
    """Draw the test accuracy of every net over the concavity of its load curve.

    Dots are nets. Squares are cells: the mean accuracy over the concavity of the mean curve, each
    with its 95 % interval as of `loadpath.phase_diagram.mean_curves`, where the Dataset has the log
    separation. Cells whose mean curve does not surely fall have none, as it may bend in any way.

    The title has Spearman's coefficient of accuracy with -|concavity| over nets, and its 95 %
    interval over seeds, and over subsets of the data where there are several. There is no title
    where there is no coefficient, as without a second seed or where all nets are equally good. Nets
    outside the axes are counted at the edge.

    Parameters
    ----------
    ds : xr.Dataset
        What `loadpath.phase_diagram.collect` returns.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.
    kind : {"fuzziness", "trace_ratio", "inverse"}, optional
        The convention of the separation.
    by : {"noise", "slope"}, optional
        What the colours are.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows, or if `kind` or `by` is not one of its
        words.
    """
    _check_diagram("ds", ds, kind, "concavity(slope, noise, seed, kind)")
    check_choice("by", by, ("noise", "slope"))
    ax = axes_or_new(ax)
    order = (by, "slope" if by == "noise" else "noise", "seed")
    C = ds["concavity"].sel(kind=kind).transpose(*order).to_numpy()
    accuracy = ds["test_accuracy"].transpose(*order).to_numpy()
    known = np.isfinite(C) & np.isfinite(accuracy)
    levels = ds[by].values
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.92, len(levels)))
    for level, colour in enumerate(colours):
        here = known[level]
        ax.plot(
            C[level][here],
            accuracy[level][here],
            "o",
            color=colour,
            ms=3,
            mew=0,
            alpha=0.55,
            rasterized=True,
        )
    ax.axvline(0, color=GREY, lw=0.9, ls="--", zorder=0)
    if "log_separation" in ds:
        _draw_cells(ax, ds, kind, by, colours)
    low, high = _scale(accuracy[known])
    pad = 0.04 * (high - low) or 0.01
    ax.set(ylim=(low - pad, high + pad), xlim=_concavity_limits(C[known]))
    (x0, x1), (y0, _) = ax.get_xlim(), ax.get_ylim()
    outside = int(((accuracy < y0) | (C < x0) | (C > x1))[known].sum())
    if outside:
        nets = "net" if outside == 1 else "nets"
        ax.annotate(f"{outside} {nets} outside", (0.02, 0.02), xycoords="axes fraction", color=GREY)
    ax.set(xlabel=f"concavity of the load curve ({literal(kind)})", ylabel="test accuracy")
    ticks = np.unique(np.linspace(0, len(levels) - 1, min(len(levels), 6)).round()).astype(int)
    scalar = mpl.cm.ScalarMappable(Normalize(-0.5, len(levels) - 0.5), ListedColormap(colours))
    bar = figure_of(ax).colorbar(scalar, ax=ax)
    bar.set_ticks(list(ticks), labels=[f"{levels[t]:g}" for t in ticks])
    bar.set_label(level_name(ds) if by == "noise" else "slope below 0")
    with suppress(ValueError):  # there may be too few nets to say
        found = correlation(ds, kind=kind)
        ax.set_title(
            rf"accuracy with $-|$concavity$|$: $\rho$ = {found.value:.2f} "
            f"[{found.low:.2f}, {found.high:.2f}]"
        )
    return ax


@styled
def figure_phase_diagrams(
    panels: Iterable[xr.Dataset], *, kind: SeparationKind = "fuzziness"
) -> Figure:
    """Draw `network_phase_diagram` of several panels on one page, all in the same colours.

    Parameters
    ----------
    panels : iterable of xr.Dataset
        What `loadpath.phase_diagram.collect` returns, a Dataset a panel.
    kind : {"fuzziness", "trace_ratio", "inverse"}, optional
        The convention of the separation.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If there is no panel, if one lacks a variable that the figure shows, or if `kind` is not a
        convention.
    """
    panels = _panels(panels)
    for i, ds in enumerate(panels):
        wanted = "log_separation(slope, noise, seed, kind, layer)"
        _check_diagram(f"panels[{i}]", ds, kind, wanted)
    every = np.concatenate([_mean_accuracy(ds).ravel() for ds in panels])
    norm = Normalize(*_scale(every))
    figure = _page(panels, lambda ds, ax: _draw_diagram(ds, ax, kind, norm), (6.6, 3.9))
    _accuracy_bar(figure.axes[0].images[0], figure.axes, every)
    key(figure, title=SCALED, columns=2)
    return figure


@styled
def figure_accuracy(
    panels: Iterable[xr.Dataset], *, kind: SeparationKind = "fuzziness", by: By = "noise"
) -> Figure:
    """Draw `accuracy_against_concavity` of several panels on one page.

    Parameters
    ----------
    panels : iterable of xr.Dataset
        What `loadpath.phase_diagram.collect` returns, a Dataset a panel.
    kind : {"fuzziness", "trace_ratio", "inverse"}, optional
        The convention of the separation.
    by : {"noise", "slope"}, optional
        What the colours are.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If there is no panel, if one lacks a variable that the figure shows, or if `kind` is not a
        convention.
    """
    check_choice("by", by, ("noise", "slope"))
    panels = _panels(panels)
    for i, ds in enumerate(panels):
        _check_diagram(f"panels[{i}]", ds, kind, "concavity(slope, noise, seed, kind)")
        if "log_separation" in ds:
            check_curves(f"panels[{i}]", ds)
    return _page(
        panels, lambda ds, ax: accuracy_against_concavity(ds, ax, kind=kind, by=by), (5.6, 3.9)
    )


def _draw_cells(
    ax: Axes, ds: xr.Dataset, kind: SeparationKind, by: By, colours: np.ndarray
) -> None:
    """Draw a square for each cell whose mean curve falls, with the interval of its concavity."""
    curves = mean_curves(ds.sel(kind=[kind])).sel(kind=kind)
    falls = curves["mean_curve_status"] == "falls"
    for level, colour in zip(ds[by].values, colours, strict=True):
        here = {by: level}
        kept = falls.sel(here).values
        (bend, *bend_ends), (mean, *mean_ends) = (
            [curves[f"{name}{end}"].sel(here).values[kept] for end in ("", "_low", "_high")]
            for name in ("mean_concavity", "mean_test_accuracy")
        )
        ax.errorbar(
            bend,
            mean,
            xerr=[bend - bend_ends[0], bend_ends[1] - bend],
            yerr=[mean - mean_ends[0], mean_ends[1] - mean],
            fmt="s",
            color=colour,
            ms=4.5,
            mec=ink(),
            mew=0.6,
            elinewidth=1.0,
            ecolor=ink(),
            zorder=3,
        )


def _check_diagram(name: str, ds: xr.Dataset, kind: SeparationKind, measured: str) -> None:
    """Refuse what is no phase diagram with accuracies and what else is measured there."""
    check_kind(kind)
    check_dataset(name, ds, "test_accuracy(slope, noise, seed)", measured, kind=kind)
    check_levels(name, ds, "slope", "noise")


def _panels(panels: Iterable[xr.Dataset]) -> list[xr.Dataset]:
    """Return the Datasets of a page, one at least."""
    found = as_list("panels", panels, "Datasets")
    if not found:
        raise ValueError("panels must hold at least one Dataset, got none.")
    for ds in found:
        check_type("panels", ds, xr.Dataset, "Datasets of phase diagrams")
    return found


def _page(
    panels: Sequence[xr.Dataset],
    draw: Callable[[xr.Dataset, Axes], Any],
    size: tuple[float, float],
) -> Figure:
    """Draw several panels of the same `size`, in inches, in two columns."""
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=figure_size(columns * size[0], rows * size[1]))
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for ds, ax in zip(panels, places, strict=False):
        draw(ds, ax)
    for ax in places[len(panels) :]:
        ax.remove()
    return figure


def _mean_curves(ds: xr.Dataset, kind: SeparationKind) -> np.ndarray:
    """Return curves (slope, noise, layer), means over seeds whose curve is finite; else NaN."""
    D = ds["log_separation"].sel(kind=kind).transpose("slope", "noise", "seed", "layer").to_numpy()
    whole = np.isfinite(D).all(-1, keepdims=True)
    count = whole.sum(2)
    total = np.where(whole, D, 0.0).sum(2)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return -mean if kind == "inverse" else mean


def _cell(ax: Axes, x: float, y: float, D: np.ndarray) -> None:
    """Draw one load curve, chord first, around the middle of its cell."""
    if not np.isfinite(D).all():
        ax.plot(x, y, "x", color=ink(), ms=6, label="no net gave numbers")
        return
    at = x + WIDTH * np.linspace(-0.5, 0.5, len(D))
    extent = np.ptp(D)
    heights = y + HEIGHT * ((D - D.min()) / extent - 0.5 if extent > 0 else np.zeros(len(D)))
    ax.plot(at[[0, -1]], heights[[0, -1]], color=BLACK, lw=0.5, alpha=0.6)
    ax.plot(at, heights, color=BLACK, lw=1.3)


def _scale(accuracy: np.ndarray) -> tuple[float, float]:
    """Return the ends of the scale of accuracy; the worst may lie below."""
    known = accuracy[np.isfinite(accuracy)]
    if not known.size:
        return 0.0, 1.0
    low, high = max(float(known.min()), -_far(-known)), float(known.max())
    return (low, high) if high > low else (high - 0.01, high)


def _concavity_limits(C: np.ndarray) -> tuple[float, float]:
    """Return the ends of the axis of concavity; outliers may lie beyond."""
    size = np.abs(C) if C.size else np.zeros(1)
    widest = 1.08 * min(float(size.max()), _far(size)) or SHOWN_CONCAVITY
    return -min(widest, SHOWN_CONCAVITY), min(widest, SHOWN_CONCAVITY)


def _far(values: np.ndarray) -> float:
    """Return the value from which on others are far above the rest."""
    low, high = np.quantile(values, [0.25, 0.75])
    return float(high + FAR * (high - low))


def level_name(ds: xr.Dataset) -> str:
    """Return what the levels of a diagram's noise are, as an axis says it."""
    panel = str(ds.attrs.get("panel", ""))
    name = LEVEL_NAMES.get(panel, "noise")
    if panel == "data noise" and ds.attrs.get("data") in IMAGES:
        scale = ds.attrs.get("noise_scale", FORMERLY["noise_scale"])
        name += f" (in deviations of {scale} pixels)"
    return name
