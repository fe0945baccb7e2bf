"""Nets compared within a seed: ratios to a reference, with intervals over the seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from loadpath.sweep import Cell

Results = Sequence[tuple[Cell, xr.Dataset]]
BOUNDS = ["mean", "low", "high"]


def ratio(values: xr.DataArray, reference: xr.DataArray) -> xr.DataArray:
    """Return the geometric mean over `seed` of values / reference, with Student's 95 % interval.

    The interval is Student's for the mean of the logarithms, so that a ratio and its inverse agree.

    Parameters
    ----------
    values, reference : xr.DataArray
        Positive numbers over `seed` and whatever else.

    Returns
    -------
    xr.DataArray
        Over `bound`: "mean", "low", "high"; the interval is NaN where fewer than two seeds are
        known.
    """
    logs: xr.DataArray = xr.ufuncs.log(values / reference)
    n = logs.notnull().sum("seed")
    mean = logs.mean("seed")
    quantile = xr.apply_ufunc(lambda n: stats.t.ppf(0.975, np.maximum(n - 1, 1)), n)
    half = (quantile * logs.std("seed", ddof=1) / np.sqrt(n)).where(n > 1)
    bounds = xr.concat([mean, mean - half, mean + half], xr.Variable("bound", BOUNDS))
    return xr.ufuncs.exp(bounds)


def lay_out(measured: Results) -> xr.Dataset:
    """Lay out the cells' Datasets over their settings; what is missing is NaN."""
    settings = list(measured[0][0])
    parts = []
    for cell, ds in measured:
        # Curves differ in length, and only what has coordinates can be filled up.
        ds = ds.assign_coords({dim: ds[dim] for dim in ds.dims}).assign_coords(dict(cell))
        parts.append(ds.drop_attrs())
    cells = xr.concat(parts, "cell", data_vars="all", coords=settings, join="outer")
    return cells.set_index(cell=settings).unstack("cell")


def surgery_ratios(measured: Results) -> xr.Dataset:
    """Return test losses over that of the net trained from scratch, for `plots.figure_surgery`.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets.

    Returns
    -------
    xr.Dataset
        What that figure takes.
    """
    ds = lay_out(measured)
    loss = ds["test_loss"]
    ratios = ratio(loss, loss.sel(net="scratch", drop=True))
    kept = [net for net in measured[0][1]["net"].values if net != "scratch"]
    return ratios.sel(net=kept, task=_tasks(measured)).to_dataset(name="test_loss")


def tabulate_halvings(measured: Results) -> pd.DataFrame:
    """Return what halved nets are worth, a row a task, stage and net; means over seeds.

    "/ scratch" and "/ equidistant" are ratios of test losses within a seed, with their 95 %
    intervals.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets.

    Returns
    -------
    pandas.DataFrame
        The table.
    """
    ds = lay_out(measured)
    loss, first = ds["test_loss"], measured[0][1]
    ratios = {
        f"/ {net}": ratio(loss, loss.sel(net=net, drop=True)) for net in ("scratch", "equidistant")
    }
    index: list[dict[str, object]] = [
        {"task": task, "stage": stage, "net": net}
        for task in _tasks(measured)
        for stage in first["stage"].values
        for net in first["net"].values
    ]
    return _table(ds[["objective", "residual", "test_loss", "misclassified"]], ratios, index)


def growth_ratios(measured: Results) -> xr.Dataset:
    """Return curves and ratios to the net of full depth, for `plots.figure_growth`.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets.

    Returns
    -------
    xr.Dataset
        What that figure takes.
    """
    ds = lay_out(measured).sel(task=_tasks(measured), net=_nets(measured))
    final = _final(ds["objective"])
    curve = (ds["objective"] / final.min("net")).mean("seed")
    return xr.Dataset(
        {
            "objective": curve,
            "layer_iterations": ds["layer_iterations"].mean("seed"),
            "final_objective": ratio(final, final.sel(net="full", drop=True)),
            "test_loss": ratio(ds["test_loss"], ds["test_loss"].sel(net="full", drop=True)),
        }
    )


def tabulate_growths(measured: Results) -> pd.DataFrame:
    """Return what grown nets are worth, a row a task and net; means over seeds.

    "objective / full" and "test / full" are ratios within a seed, with their 95 % intervals, and
    "test / evenly" are ratios to the net with evenly inserted layers.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets.

    Returns
    -------
    pandas.DataFrame
        The table.
    """
    ds = lay_out(measured)
    ds["objective"] = _final(ds["objective"])
    ds["layer_iterations"] = ds["layer_iterations"].max("record")
    ratios = {
        f"{short} / {of}": ratio(ds[name], ds[name].sel(net=net, drop=True))
        for short, name, of, net in (
            ("objective", "objective", "full", "full"),
            ("test", "test_loss", "full", "full"),
            ("test", "test_loss", "evenly", "inserted evenly"),
        )
    }
    columns = ["layer_iterations", "objective", "residual", "residual_worst"]
    index = [{"task": task, "net": net} for task in _tasks(measured) for net in _nets(measured)]
    return _table(ds[[*columns, "test_loss", "misclassified"]], ratios, index)


def _table(
    ds: xr.Dataset, ratios: dict[str, xr.DataArray], index: list[dict[str, object]]
) -> pd.DataFrame:
    """Return means over seeds of the variables of `ds`, then the ratios in words.

    There is a row for each index.
    """
    rows = [
        {str(name): float(values.sel(at).mean("seed")) for name, values in ds.items()}
        | {name: interval_text(bounds.sel(at)) for name, bounds in ratios.items()}
        for at in index
    ]
    labels = pd.MultiIndex.from_tuples([tuple(at.values()) for at in index], names=list(index[0]))
    return pd.DataFrame(rows, labels)


def student(values: np.ndarray) -> xr.DataArray:
    """Return a mean over seeds with Student's 95 % interval.

    Parameters
    ----------
    values : numpy.ndarray
        (seed,) finite numbers.

    Returns
    -------
    xr.DataArray
        Over `bound` ("mean", "low", "high"); NaN where there are too few numbers for it.
    """
    n = len(values)
    mean = values.mean() if n else np.nan
    half = stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return xr.DataArray([mean, mean - half, mean + half], {"bound": BOUNDS}, "bound")


def interval_text(bounds: xr.DataArray) -> str:
    """Return a number with its interval in words, such as "1.02 (0.98 to 1.06)"."""
    mean, low, high = (float(bounds.sel(bound=bound)) for bound in BOUNDS)
    return f"{mean:.3g} ({low:.3g} to {high:.3g})" if np.isfinite(low) else f"{mean:.3g}"


def _final(curve: xr.DataArray) -> xr.DataArray:
    """Return the last value that is known of each curve over `record`."""
    return curve.isel(record=curve.notnull().sum("record") - 1)


def _tasks(measured: Results) -> list[object]:
    """Return the tasks in the order of the cells."""
    return list(dict.fromkeys(cell["task"] for cell, _ in measured))


def _nets(measured: Results) -> list[object]:
    """Return the nets in the order of the cells."""
    return list(dict.fromkeys(cell["net"] for cell, _ in measured))
