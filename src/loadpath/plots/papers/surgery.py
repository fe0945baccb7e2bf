"""Figures of mesh surgery: nets compared by ratios to a reference of the same data and seed."""

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from loadpath.checks import check_dataset
from loadpath.plots.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    RED,
    figure_size,
    ink,
    literal,
    styled,
)

COLOURS = {
    "inserted where fast": GREEN,
    "inserted evenly": BLUE,
    "full, adaptive": ORANGE,
}

TASKS = {
    "teacher": r"30-6-3-30, $\tilde{L}$ = 3",
    "bottleneck": r"30-3-30, $\tilde{L}$ = 7",
    "digits": "digits, cross-entropy",
    "onehot": "digits, one-hot",
}


@styled
def figure_surgery(ds: xr.Dataset) -> Figure:
    r"""Draw the test loss of nets of halved depth over that of one trained from scratch.

    Parameters
    ----------
    ds : xr.Dataset
        test_loss(task, net, stage, bound): the mean ratio over seeds and Student's 95 % interval
        (bound "mean", "low", "high"), with stage "before" and "after" the retraining.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    check_dataset("ds", ds, "test_loss(task, net, stage, bound)", "task", "net")
    for stage in ("before", "after"):
        check_dataset("ds", ds, stage=stage)
    check_bounds(ds)
    figure = Figure(figsize=figure_size(2.9 * ds.sizes["task"] + 1.2, 3.4))
    row = figure.subplots(1, ds.sizes["task"], sharey=True, squeeze=False)[0]
    for ax, task in zip(row, ds["task"].values, strict=True):
        ratios = ds["test_loss"].sel(task=task)
        for stage, colour, aside in (("before", ORANGE, -0.14), ("after", BLUE, 0.14)):
            label = f"{stage} retraining"
            _intervals(ax, ratios.sel(stage=stage), np.full(ds.sizes["net"], colour), aside, label)
        _name_nets(ax, ds["net"].values)
        _ratio_axis(ax, TASKS.get(str(task), literal(str(task))), "test loss / from scratch")
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside upper left", ncols=2)
    return figure


@styled
def figure_growth(ds: xr.Dataset) -> Figure:
    """Draw the objective while nets grow, and what they end with beside the full net.

    Parameters
    ----------
    ds : xr.Dataset
        objective(task, net, record), over the least that a net of its task and seed ended with, a
        mean over seeds, at layer_iterations(task, net, record); final_objective and test_loss(task,
        net, bound), ratios to the full net as in `figure_surgery`.

    Returns
    -------
    Figure
        The whole figure.

    Raises
    ------
    ValueError
        If `ds` lacks a variable that the figure shows.
    """
    check_dataset("ds", ds, "objective(task, net, record)", "layer_iterations(task, net, record)")
    check_dataset("ds", ds, "final_objective(task, net, bound)", "test_loss(task, net, bound)")
    check_dataset("ds", ds, "task", "net")
    check_bounds(ds)
    if not np.isfinite(ds["objective"]).any():
        raise ValueError("ds must hold finite numbers of 'objective', got none.")
    figure = Figure(figsize=figure_size(3.1 * ds.sizes["task"] + 1.4, 6.2))
    grid = figure.subplots(2, ds.sizes["task"], squeeze=False, sharey="row", height_ratios=(3, 2))
    for (upper, lower), task in zip(grid.T, ds["task"].values, strict=True):
        of_task = ds.sel(task=task)
        for net in ds["net"].values:
            one = of_task.sel(net=net)
            work, objective = one["layer_iterations"].values, one["objective"].values
            colour = _colour(net)
            # Points: between two records a line says nothing.
            upper.plot(work / 1000, objective, ".-", color=colour, label=str(net))
        upper.set(
            yscale="log",
            title=TASKS.get(str(task), literal(str(task))),
            xlabel="layers × iterations, thousands",
        )
        others = of_task.sel(net=[net for net in ds["net"].values if net != "full"])
        colours = np.array([_colour(net) for net in others["net"].values])
        for name, aside, marker in (("final_objective", -0.14, "s"), ("test_loss", 0.14, "o")):
            _intervals(lower, others[name], colours, aside, "", marker)
        _name_nets(lower, others["net"].values)
        _ratio_axis(lower, "", "ratio to the full net")
    grid[0, 0].set_ylabel("objective / least at the end")
    low = float(ds["objective"].min())
    grid[0, 0].set_ylim(0.98 * low, min(10.0, 1.1 * float(ds["objective"].max())))
    grid[0, 0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    grid[0, 0].yaxis.set_major_formatter(FuncFormatter(_plain))
    grid[0, 0].yaxis.set_minor_formatter(NullFormatter())
    handles, labels = grid[0, 0].get_legend_handles_labels()
    for marker, label in (("s", "objective at the end"), ("o", "test loss")):
        handles.append(Line2D([], [], color=GREY, marker=marker, ls=""))
        labels.append(label)
    figure.legend(handles, labels, loc="outside upper left", ncols=4)
    return figure


def check_bounds(ds: xr.Dataset) -> None:
    """Refuse ratios without their mean or an end of their interval, or beyond such an end."""
    for bound in ("mean", "low", "high"):
        check_dataset("ds", ds, bound=bound)
    for name in (name for name, ratios in ds.data_vars.items() if "bound" in ratios.dims):
        mean, low, high = (ds[name].sel(bound=bound) for bound in ("mean", "low", "high"))
        if bool(((low > mean) | (mean > high)).any()):
            raise ValueError(f"ds must have the mean of {name!r} between its 'low' and 'high'.")


def _intervals(
    ax: Axes,
    ratios: xr.DataArray,
    colours: np.ndarray,
    aside: float,
    label: str,
    marker: str = "o",
) -> None:
    """Draw ratios (net, bound) as points with bars, one line of the y axis a net."""
    for y, (net, colour) in enumerate(zip(ratios["net"].values, colours, strict=True)):
        mean, low, high = (float(ratios.sel(net=net, bound=b)) for b in ("mean", "low", "high"))
        if not np.isfinite(mean):
            continue
        bar = [[mean - low], [high - mean]] if np.isfinite(low) else None
        ax.errorbar(
            mean,
            y + aside,
            xerr=bar,
            color=colour,
            marker=marker,
            ls="",
            elinewidth=1.4,
            capsize=2.5,
            label=label if label not in ax.get_legend_handles_labels()[1] else "_again",
        )


def _name_nets(ax: Axes, nets: np.ndarray) -> None:
    """Write the names of the nets along the y axis, the first at the top."""
    ax.set_yticks(range(len(nets)), [literal(str(net)) for net in nets])
    ax.set_ylim(len(nets) - 0.5, -0.5)


def _colour(net: object) -> Any:
    """Return the colour of a kind of net."""
    return ink() if str(net) == "full" else COLOURS.get(str(net), RED)


def _ratio_axis(ax: Axes, title: str, xlabel: str) -> None:
    """Scale a logarithmic axis of ratios, with plain numbers that do not touch."""
    ax.axvline(1, color=ink(), lw=0.9, ls="--")
    ax.set(xscale="log", title=title, xlabel=xlabel)
    low, high = np.log(ax.get_xlim())
    # In the order in which they are wanted; 1 first.
    wanted = [1, 2, 10, 0.5, 5, 1.5, 3, 20, 0.2, 0.7, 1.2, 0.9, 1.1, 0.8, 0.95, 1.05, 0.98, 1.02]
    ticks: list[float] = []
    for tick in wanted:
        apart = min((abs(np.log(tick / other)) for other in ticks), default=np.inf)
        if low <= np.log(tick) <= high and apart > 0.17 * (high - low):
            ticks.append(tick)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])


def _plain(value: float, _: int | None = None) -> str:
    """Write a tick in plain digits."""
    return f"{value:g}"
