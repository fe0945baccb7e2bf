"""What happens during training: Dataset "history" of `loadpath.training`."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from loadpath.checks import check_dataset
from loadpath.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    RED,
    SKY,
    axes_or_new,
    ink,
    legend_above,
    line,
    literal,
    size_scale,
    styled,
)


@styled
def learning_curves(history: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the objective, its two terms as they enter it, and errors against iteration.

    Parameters
    ----------
    history : xr.Dataset
        The `history` of a training run.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `history` lacks a variable that the figure shows.
    """
    check_dataset(
        "history",
        history,
        "objective(record)",
        "data_term(record)",
        "regularizer(record)",
        "weight_decay(record)",
        "iteration(record)",
        "stage(record) in words",
    )
    ax, x = axes_or_new(ax), history["iteration"].values
    weighted = (history["weight_decay"] * history["regularizer"]).values
    line(ax, x, history["objective"].values, ink(), "objective")
    line(ax, x, history["data_term"].values, BLUE, "data term")
    line(ax, x, weighted, ORANGE, r"$\lambda\,\times$ regularizer")
    for name, colour in (("train_error", SKY), ("test_error", RED)):
        if name not in history:
            continue
        check_dataset("history", history, f"{name}(record)")
        if np.isfinite(history[name]).any():
            line(ax, x, history[name].values, colour, name.replace("_", " "), ls="--")
    iteration_axis(ax, history, "loss or error")
    size_scale(ax, floor=1e-6)
    legend_above(ax, columns=3)
    return ax


@styled
def convergence(history: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw how the stationarity residual and the spread of the Hamiltonian fall in training.

    The residual is that of the median step and of the worst one.

    Parameters
    ----------
    history : xr.Dataset
        The `history` of a training run.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `history` lacks a variable that the figure shows.
    """
    check_dataset(
        "history",
        history,
        "stationarity(record)",
        "stationarity_worst(record)",
        "hamiltonian_spread(record)",
        "iteration(record)",
        "stage(record) in words",
    )
    ax, x = axes_or_new(ax), history["iteration"].values
    line(ax, x, history["stationarity"].values, BLUE, "residual, median step")
    line(ax, x, history["stationarity_worst"].values, SKY, "residual, worst step")
    line(ax, x, history["hamiltonian_spread"].values, RED, "spread of the Hamiltonian")
    iteration_axis(ax, history, "relative size")
    size_scale(ax, floor=1e-6)
    legend_above(ax)
    return ax


@styled
def mesh_history(history: xr.Dataset, ax: Axes | None = None) -> Axes:
    """Draw the positions of the inner nodes of the mesh against iteration.

    Parameters
    ----------
    history : xr.Dataset
        The `history` of a training run.
    ax : Axes, optional
        Where to draw; the only axes of a new figure if left out.

    Returns
    -------
    Axes
        The axes that were drawn on.

    Raises
    ------
    ValueError
        If `history` lacks a variable that the figure shows.
    """
    check_dataset(
        "history",
        history,
        "layer_steps(record, step)",
        "iteration(record)",
        "stage(record) in words",
    )
    ax = axes_or_new(ax)
    nodes = np.cumsum(history["layer_steps"].transpose("record", "step").values, axis=1)
    names = [f"_layer {l + 1}" for l in range(nodes.shape[1] - 1)]
    ax.plot(history["iteration"].values, nodes[:, :-1], color=BLUE, lw=0.9, label=names)
    iteration_axis(ax, history, r"positions of the layers, $p_\ell$")
    ax.set_ylim(0, 1)
    return ax


def iteration_axis(ax: Axes, history: xr.Dataset, ylabel: str) -> None:
    """Label the axes, and mark where one stage of training (optimizer) hands over to the next."""
    stages, iterations = history["stage"].values, history["iteration"].values
    starts = [0, *(np.flatnonzero(stages[1:] != stages[:-1]) + 1)]
    for start in starts[1:]:
        ax.axvline(iterations[start], color=GREY, lw=0.9, ls=":", label="_stage")
    names = ", then ".join(literal(str(stages[start])) for start in starts)
    ax.set(xlabel=f"iteration ({names})", ylabel=ylabel)
