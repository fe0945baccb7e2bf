"""What layer steps gain on teachers that can be learned: the statistics that were registered.

docs/registered/figure-2.md says what counts; nothing here chooses.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from loadpath.papers.comparisons import BOUNDS, Results, interval_text, ratio, student
from loadpath.papers.learnable import CONTROL, DECAYS, DEPTHS, GRADIENT, LEARNABLE

CELL = ("teacher", "effective_depth", "weight_decay", "depth")
"""What makes a cell of the grid, beside the seeds."""
NOT_TRIVIAL = 0.99
"""A net whose training error is above this share of the variance has learned nothing."""


def lay_out(measured: Results) -> xr.Dataset:
    """Lay the cells out over their settings and seeds; what is missing is NaN.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `learnable`.

    Returns
    -------
    xr.Dataset
        What was measured over teacher, effective_depth, weight_decay, seed, depth and rule, without
        the layer steps.
    """
    parts = [
        ds.drop_vars("layer_step").drop_attrs().expand_dims({k: [v] for k, v in cell.items()})
        for cell, ds in measured
    ]
    ds = xr.combine_by_coords(parts, combine_attrs="drop", join="outer")
    assert isinstance(ds, xr.Dataset)  # it would give arrays back for arrays
    order = [teacher for teacher in (*LEARNABLE, CONTROL) if teacher in ds["teacher"]]
    return ds.sel(teacher=order)


def gains(ds: xr.Dataset, error: str = "test_error") -> xr.DataArray:
    """Return what each rule gains over equal steps: 1 - ratio of test errors, with its interval.

    Parameters
    ----------
    ds : xr.Dataset
        From `lay_out`.
    error : {"test_error", "test_error_earlier"}
        Which error.

    Returns
    -------
    xr.DataArray
        Over the cells, the other rules, and `bound` ("mean", "low", "high").
    """
    errors = ds[error]
    ratios = ratio(
        errors.drop_sel(rule="equidistant"), errors.sel(rule="equidistant", drop=True)
    ).sel(bound=["mean", "high", "low"])
    return (1 - ratios).assign_coords(bound=BOUNDS)


def shown(measured: Results) -> xr.Dataset:
    """Return gains and what kernel ridge leaves, for `plots.figure_2_learnable`.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `learnable` and `learnability`; the setting "experiment"
        tells which.

    Returns
    -------
    xr.Dataset
        What that figure takes.
    """
    ds = gains(lay_out(_of(measured, "learnable"))).to_dataset(name="gain")
    ds["unexplained"] = _unexplained(measured).mean("seed").sel(teacher=ds["teacher"])
    return ds


def summarize(measured: Results) -> pd.DataFrame:
    """Return the `table`, with what kernel ridge leaves, and the claims under it.

    A claim's "adaptive" is 1 less the geometric mean of the ratios over its cells and seeds; for
    "fades with depth", of the ratio at the fewest layers over that at the most.

    Parameters
    ----------
    measured : sequence of tuple
        As for `shown`.

    Returns
    -------
    pandas.DataFrame
        A row for each cell, and for each claim.
    """
    cells = _of(measured, "learnable")
    frame = table(cells)
    left = _unexplained(measured).mean("seed")
    frame.insert(1, "left by ridge", [float(left.sel(teacher=at[0])) for at in frame.index])
    for words, found in {
        "claim": claims(cells),
        "where all nets reached the residual": claims(cells, reached=True),
        "at four times the residual": claims(cells, "test_error_earlier"),
    }.items():
        for name, claim in found.iterrows():
            gain = 1 - np.exp(claim[["mean", "high", "low"]].to_numpy(dtype=float))
            text = interval_text(xr.DataArray(gain, {"bound": BOUNDS}, "bound"))
            row = {
                "seeds": int(claim["seeds"]),
                "adaptive": text if claim["seeds"] else "no seed left",
            }
            frame.loc[(f"{words}: {name}", "", "", ""), list(row)] = list(row.values())
    return frame


def _of(measured: Results, experiment: str) -> Results:
    """Return the cells of an experiment, without the setting that says so."""
    return [
        ({name: value for name, value in cell.items() if name != "experiment"}, ds)
        for cell, ds in measured
        if cell["experiment"] == experiment
    ]


def _unexplained(measured: Results) -> xr.DataArray:
    """Return what the best kernel leaves of each teacher, seed by seed."""
    cells = _of(measured, "learnability")
    seeds = xr.Variable("seed", [cell["seed"] for cell, _ in cells])
    left: xr.DataArray = xr.concat([ds["unexplained"].min("kernel") for _, ds in cells], seeds)
    return left


def table(measured: Results) -> pd.DataFrame:
    """Return a row for each cell of the grid: errors, gains, and how training ended.

    "adaptive" and "irregular" are gains with their 95 % intervals, and "p, Holm" is that of the
    adaptive rule's gain among all cells that can be learned.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `learnable`.

    Returns
    -------
    pandas.DataFrame
        The table.
    """
    ds = lay_out(measured)
    gain, logs = gains(ds), _logs(ds)
    known = logs.notnull().sum("seed")
    reached, known_nets = _reached(ds), ds["test_error"].notnull()
    rows = {}
    for at in _cells(logs):
        one = ds.sel(at)
        rows[tuple(at.values())] = {
            "seeds": int(known.sel(at)),
            "test error": float(one["test_error"].sel(rule="equidistant").mean()),
            **{
                rule: interval_text(gain.sel(at).sel(rule=rule))
                for rule in ("adaptive", "irregular")
            },
            "p": _p(logs.sel(at).values),
            "residual reached": float(reached.sel(at).where(known_nets.sel(at)).mean()),
            "trivial": int((one["train_error"] > NOT_TRIVIAL).sum()),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=list(CELL))
    can = frame.index.get_level_values("teacher") != CONTROL
    frame.insert(5, "p, Holm", np.nan)
    frame.loc[can, "p, Holm"] = holm(frame.loc[can, "p"].to_numpy())
    return frame


def claims(measured: Results, error: str = "test_error", *, reached: bool = False) -> pd.DataFrame:
    """Return the registered claims, each a mean of logarithms of ratios over cells.

    Below 0 the adaptive rule has the lower test error. A seed counts in a claim once all of its
    cells are known.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `learnable`.
    error : {"test_error", "test_error_earlier"}
        Which error.
    reached : bool, optional
        Whether to leave out a claim's seeds with a net above the residual asked for, or with one
        that learned nothing.

    Returns
    -------
    pandas.DataFrame
        Mean, 95 % interval and number of seeds of each claim.
    """
    ds = lay_out(measured)
    logs = _logs(ds, error)
    if reached:
        logs = logs.where((_reached(ds) & (ds["train_error"] <= NOT_TRIVIAL)).all("rule"))
    can = logs.sel(teacher=[t for t in logs["teacher"].values if t != CONTROL])
    weak, strong = can.sel(weight_decay=DECAYS[0]), can.sel(weight_decay=DECAYS[1])
    few, many = DEPTHS[0], DEPTHS[-1]
    per_seed = {
        "helps where layers are few": _over_cells(weak.sel(depth=few)),
        "fades with depth": _over_cells(weak.sel(depth=few) - weak.sel(depth=many)),
        "hurts under strong decay": _over_cells(strong.sel(depth=list(DEPTHS[1:]))),
    }
    if CONTROL in logs["teacher"]:
        run = ds["test_error"].sel(teacher=CONTROL).dropna("effective_depth", how="all")
        control = logs.sel(teacher=CONTROL, effective_depth=run["effective_depth"])
        per_seed["gains on the control"] = _over_cells(control.sel(weight_decay=DECAYS[1]))
    rows = {}
    for name, values in per_seed.items():
        x = values.values[np.isfinite(values.values)]
        rows[name] = {**student(x).to_series(), "seeds": len(x)}
    return pd.DataFrame.from_dict(rows, orient="index")


def tabulate_checks(measured: Results, checks: Results) -> pd.DataFrame:
    """Return what the adaptive rule gains in another precision or width, beside what it gained.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `learnable`.
    checks : sequence of tuple
        The same, from "learnable-checks", of seeds that `measured` has.

    Returns
    -------
    pandas.DataFrame
        A row for each width, precision and depth: the gain there, in the grid on the same seeds,
        and their difference, with Student's 95 % intervals over seeds.
    """
    settings = (*CELL[:3], "seed")
    grid = {tuple(cell[name] for name in settings): ds for cell, ds in measured}
    pairs: dict[tuple[int, str, int], list[tuple[float, float]]] = {}
    for cell, ds in checks:
        same = grid[tuple(cell[name] for name in settings)]
        for depth in ds["depth"].values.tolist():
            at = int(cell["width"]), str(cell["dtype"]), depth
            here, there = (_gain(each.sel(depth=depth)) for each in (ds, same))
            pairs.setdefault(at, []).append((here, there))
    rows = {}
    for at, gained in pairs.items():
        check, same_seeds = np.array(gained).T
        columns = {"gain": check, "in the grid": same_seeds, "difference": check - same_seeds}
        said = {name: interval_text(student(x)) for name, x in columns.items()}
        rows[at] = {"seeds": len(gained), **said}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=["width", "dtype", "depth"])
    return frame


def _gain(ds: xr.Dataset) -> float:
    """Return 1 less the ratio of test errors of one seed at one depth."""
    errors = ds["test_error"]
    return 1 - float(errors.sel(rule="adaptive") / errors.sel(rule="equidistant"))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values after Holm's correction for how many there are; NaN stays NaN.

    Parameters
    ----------
    p : numpy.ndarray
        (test,) p-values.

    Returns
    -------
    numpy.ndarray
        (test,) corrected ones, at most 1.

    References
    ----------
    Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    corrected = np.full(p.shape, np.nan)
    known = np.flatnonzero(np.isfinite(p))
    order = known[np.argsort(p[known])]
    worst = np.maximum.accumulate((len(order) - np.arange(len(order))) * p[order])
    corrected[order] = np.minimum(worst, 1)
    return corrected


def _logs(ds: xr.Dataset, error: str = "test_error") -> xr.DataArray:
    """Return the logarithm of the adaptive rule's error over that of equal steps, seed by seed."""
    errors = ds[error]
    logs: xr.DataArray = xr.ufuncs.log(
        errors.sel(rule="adaptive", drop=True) / errors.sel(rule="equidistant", drop=True)
    )
    return logs


def _reached(ds: xr.Dataset) -> xr.DataArray:
    """Return whether each net has the residual asked for."""
    below: xr.DataArray = ds["residual"] * ds["weight_decay"] <= GRADIENT * (1 + 1e-9)
    return below


def _over_cells(logs: xr.DataArray) -> xr.DataArray:
    """Return the mean over all but the seeds; NaN where a cell is not known."""
    return logs.mean([dim for dim in logs.dims if dim != "seed"], skipna=False)


def _cells(logs: xr.DataArray) -> list[dict[str, object]]:
    """Return the cells of the grid that some seed has, in order."""
    known = logs.notnull().any("seed").transpose(*CELL)
    return [
        {name: logs[name].values[i] for name, i in zip(CELL, at, strict=True)}
        for at in np.argwhere(known.values)
    ]


def _p(logs: np.ndarray) -> float:
    """Return the p-value of Student's test of a mean of 0; NaN for fewer than two numbers."""
    x = logs[np.isfinite(logs)]
    return float(stats.ttest_1samp(x, 0).pvalue) if len(x) > 1 else np.nan
