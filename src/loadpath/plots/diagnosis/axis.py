"""The axis that has the layers of a model by their names, and the marks over it."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, Formatter

from loadpath.checks import check_columns, check_dataset
from loadpath.plots.style import literal


class Names(Formatter):
    """Writes at every whole number the name of what stands there."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._written = [literal(name) for name in names]

    def __call__(self, x: float | np.integer | np.floating, pos: int | None = None) -> str:
        """Return the name at a place, or nothing where nothing stands."""
        at = round(float(x))
        return self._written[at] if 0 <= at < len(self.names) else ""


MANY = 16
"""Layers up to which each has its name on the axis."""


def layer_axis(ax: Axes, ds: xr.Dataset, ylabel: str) -> None:
    """Label the axes of a figure over layers; names that share a beginning or an end lose it."""
    names = [str(name) for name in ds["layer"].values]
    short, pattern = short_names(names)
    every = 1 + (len(names) - 1) // MANY
    ticks = np.arange(0, len(names), every)
    ax.xaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks]))
    ax.xaxis.set_major_formatter(Names(short))
    if max(len(short[i]) for i in ticks) * len(ticks) > 60:
        ax.tick_params(axis="x", labelrotation=40)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.set(xlabel=f"layer{f' ({literal(pattern)})' if pattern else ''}", ylabel=ylabel)


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


def draw_marks(
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
        at[known], values[known], yerr=bar_lengths(ds, name)[:, known], color=colour, label=label,
        marker=marker, ls="-" if joined else "none", lw=1.2, elinewidth=1.2, capsize=0,
    )  # fmt: skip


def draw_columns(
    ax: Axes,
    ds: xr.Dataset,
    shown: Sequence[tuple[str, str, str, str]],
    ylabel: str,
    *,
    joined: bool = True,
    apart: float = 0.0,
) -> None:
    """Draw variables of `ds` over its layers: name, colour, label and marker of each.

    One that `ds` lacks keeps its place in a row of marks `apart`, and is not drawn.
    """
    check_columns("ds", ds)
    check_dataset("ds", ds, *(f"{name}(layer)" for name, *_ in shown if name in ds))
    middle = (len(shown) - 1) / 2
    for i, (name, colour, label, marker) in enumerate(shown):
        if name in ds:
            aside = apart * (i - middle)
            draw_marks(ax, ds, name, colour, label, marker, joined=joined, aside=aside)
    layer_axis(ax, ds, ylabel)


def bar_lengths(ds: xr.Dataset, name: str) -> np.ndarray:
    """Return the lengths of the bars below and above, (2, layer); 0 where there is no interval."""
    for end in ("low", "high"):
        check_dataset("ds", ds, f"{name}_{end}(layer)")
    value = ds[name].values
    low, high = ds[f"{name}_low"].values, ds[f"{name}_high"].values
    return np.clip(np.nan_to_num(np.stack([value - low, high - value])), 0, None)
