"""How load curves of networks form while they train: Datasets of `loadpath.phase_diagram`."""

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from loadpath.checks import check_dataset, check_levels
from loadpath.measures.separation import SeparationKind, check_kind

from .phase_diagram import LEVEL_NAMES
from .style import (
    axes_or_new,
    figure_size,
    ink,
    literal,
    styled,
    text_size,
)

EPOCHS = mpl.colormaps["viridis_r"]
SHOWN = 4
"""The most slopes and levels of noise of a figure."""


@styled
def curves_along_training(
    ds: xr.Dataset, ax: Axes | None = None, *, kind: SeparationKind = "fuzziness"
) -> Axes:
    """Draw the log separation D_l over layers, from the initial weights to the trained ones.

    Lines are means over the seeds that are still training at that epoch, coloured by it on a
    logarithmic scale. Black is where training ended.

    Parameters
    ----------
    ds : xr.Dataset
        One cell of what `loadpath.phase_diagram.collect` returns with `record_every`.
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
    check_kind(kind)
    curves = "log_separation(seed, kind, layer)"
    recorded_curves = "log_separation_recorded(seed, kind, recorded_epoch, layer)"
    check_dataset("ds", ds, curves, recorded_curves, kind=kind)
    ax = axes_or_new(ax)
    recorded = ds["log_separation_recorded"].sel(kind=kind).transpose("recorded_epoch", "seed", ...)
    norm = _norm(ds)
    for epoch, curves in zip(ds["recorded_epoch"].values, recorded.to_numpy(), strict=True):
        mean = _mean(curves)
        if mean is not None:
            colour = EPOCHS(norm(max(epoch, norm.vmin)))
            ax.plot(ds["layer"].values, mean, "-", color=colour, lw=1.0)
    last = _mean(ds["log_separation"].sel(kind=kind).transpose("seed", "layer").to_numpy())
    if last is not None:
        ax.plot(ds["layer"].values, last, "-", color=ink(), lw=1.6)
    ax.set(xlabel="layer", ylabel=f"log separation ({literal(kind)}), nats")
    return ax


@styled
def figure_along_training(ds: xr.Dataset, *, kind: SeparationKind = "fuzziness") -> Figure:
    """Draw `curves_along_training` over some slopes and levels of noise.

    There are at most 4 of each, the ends among them.

    Parameters
    ----------
    ds : xr.Dataset
        What `loadpath.phase_diagram.collect` returns with `record_every`.
    kind : {"fuzziness", "trace_ratio", "inverse"}, optional
        The convention of the separation.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows, or if `kind` is not a convention.
    """
    check_kind(kind)
    curve = "slope, noise, seed, kind, layer"
    check_dataset("ds", ds, f"log_separation({curve})")
    check_dataset("ds", ds, f"log_separation_recorded({curve}, recorded_epoch)")
    check_levels("ds", ds, "slope", "noise")
    slopes, levels = (_some(ds[name].values) for name in ("slope", "noise"))
    figure = Figure(figsize=figure_size(2.5 * len(levels) + 1.6, 2.0 * len(slopes) + 1.4))
    places = figure.subplots(len(slopes), len(levels), squeeze=False, sharex=True, sharey="row")
    name = LEVEL_NAMES.get(str(ds.attrs.get("panel", "")), "noise")
    for i, slope in enumerate(slopes):
        for j, level in enumerate(levels):
            ax = curves_along_training(ds.sel(slope=slope, noise=level), places[i, j], kind=kind)
            if i == 0:
                ax.set_title(f"{name} = {level:g}" if j == 0 else f"{level:g}")
            if i < len(slopes) - 1:
                ax.set_xlabel("")
            ax.set_ylabel(f"slope {slope:g}" if j == 0 else "")
    figure.supylabel(f"log separation ({literal(kind)}), nats", fontsize=text_size(1))
    scalar = mpl.cm.ScalarMappable(_norm(ds), EPOCHS)
    bar = figure.colorbar(scalar, ax=list(places.ravel()), aspect=30)
    bar.set_label("epoch (lightest: 0; thick line: end)")
    return figure


def _norm(ds: xr.Dataset) -> LogNorm:
    """Scale the epochs to colours; the initial weights, at 0, stand before the first."""
    at = np.asarray(ds["recorded_epoch"].values, dtype=float)
    later = at[at > 0]
    first = float(later.min()) / 2 if later.size else 0.5
    return LogNorm(first, float(later.max()) if later.size else 1.0)


def _mean(curves: np.ndarray) -> np.ndarray | None:
    """Return the mean of the curves (seed, layer) that are finite; None if none is."""
    finite = curves[np.isfinite(curves).all(-1)]
    return finite.mean(0) if len(finite) else None


def _some(values: np.ndarray) -> np.ndarray:
    """Return at most `SHOWN` of the values, evenly spaced, the ends among them."""
    at = np.linspace(0, len(values) - 1, min(SHOWN, len(values))).round().astype(int)
    return np.asarray(values[at])
