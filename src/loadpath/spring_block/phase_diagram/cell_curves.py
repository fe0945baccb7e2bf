"""The mean load curve of every cell of a diagram: how it bends, and how surely."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath.checks import LARGEST, check_dataset, check_level, check_levels
from loadpath.measures.separation import KINDS, SeparationKind
from loadpath.spring_block.phase_diagram.curves import falling_curves, finite_concavity
from loadpath.spring_block.phase_diagram.subsets import Labels, subsets_and_nets
from loadpath.statistics import Estimate, alone, crossed_jackknife, jackknife_from_values

Array = NDArray[np.float64]
Groups = tuple[Labels, Labels] | None
"""The subset and the seed of each net, or nothing where all have one subset."""
CurveStatus = Literal["falls", "does not fall", "one seed", "no curve"]
"""What the mean curve of a cell is, in words."""
CURVE_STATUSES: tuple[CurveStatus, ...] = get_args(CurveStatus)
"""The words as values."""
CELL = ("slope", "noise", "kind")


def mean_curves(ds: xr.Dataset, *, level: float = 0.95) -> xr.Dataset:
    r"""Measure how the mean load curve of every cell bends, with an interval over its nets.

    The concavity of one net is divided by the fall of its own curve. Where curves hardly fall that
    is a division by next to nothing, and a mean over seeds of such ratios says nothing, however
    many there are. The mean curve falls by the mean of all falls, and says how it bends on the
    whole.

    Parameters
    ----------
    ds : xarray.Dataset
        log_separation (slope, noise, seed, kind, layer), as `collect` returns it; with
        test_accuracy (slope, noise, seed) also how accurate each cell is on the mean.
    level : float
        Confidence level of the intervals, between 0 and 1.

    Returns
    -------
    xarray.Dataset
        Over (slope, noise, kind), of the mean over the seeds whose curve is finite:
        mean_concavity, dimensionless, and mean_total, its fall in nats, each with the ends of its
        interval, ..._low and ..._high; mean_curve_status; and mean_curve_seeds, how many count.

        - "falls": the interval of the fall lies above 0.
        - "does not fall": it does not, so that the concavity may be anything: its interval is
          unbounded.
        - "one seed": there is no interval.
        - "no curve": no seed has a finite curve, and there are no numbers.

        Where accuracies are given, also mean_test_accuracy over (slope, noise), over the nets that
        have one, with the ends of its interval.

    Raises
    ------
    ValueError
        If `ds` lacks the separation, or `level` is not between 0 and 1.

    Notes
    -----
    Intervals are those of the jackknife that leaves out one net at a time,
    `loadpath.statistics.jackknife_from_values`; of means, as the fall is, that is Student's. Where
    nets were trained on several subsets of the data, as the coordinate data_seed says, intervals
    are also about other subsets: nets that share one, or share their seed, are not independent, and
    the jackknife's pseudo-values are taken as a two-way table with random rows and columns,
    `loadpath.statistics.crossed_jackknife`.

    Examples
    --------
    Two nets, of which one hardly falls: its own concavity would be 25.

    >>> D = np.array([[4.0, 2.5, 0.0], [0.0, 0.5, -0.01]])
    >>> dims = ("slope", "noise", "seed", "kind", "layer")
    >>> ds = xr.Dataset(
    ...     {"log_separation": (dims, D[None, None, :, None])},
    ...     coords={"slope": [0.0], "noise": [0.1], "seed": [0, 1], "kind": ["fuzziness"]},
    ... )
    >>> found = mean_curves(ds).squeeze()
    >>> round(found.mean_concavity.item(), 3), found.mean_curve_status.item()
    (0.084, 'does not fall')
    """
    check_level(level)
    check_curves("ds", ds)
    D = ds["log_separation"].transpose(*CELL, "seed", "layer").to_numpy()
    kinds: list[SeparationKind] = ds["kind"].values.tolist()
    shape = D.shape[:3]
    numbers = {
        f"mean_{name}{end}": np.full(shape, np.nan)
        for name in ("concavity", "total")
        for end in ("", "_low", "_high")
    }
    groups = subsets_and_nets(ds)
    status = np.full(shape, "no curve", dtype=object)
    seeds = np.zeros(shape, dtype=np.int64)
    for cell in np.ndindex(*shape):
        curves = falling_curves(D[cell], kinds[cell[2]])
        whole = np.asarray(np.isfinite(curves).all(-1))
        curves, its_groups = curves[whole], _part(groups, whole)
        seeds[cell] = len(curves)
        if not len(curves):
            continue
        bend, total = (
            _over_nets(score, curves, its_groups, level) for score in (finite_concavity, _fall)
        )
        status[cell] = _status(total, len(curves))
        low, high = bend.low, bend.high
        if status[cell] == "does not fall":
            low, high = -np.inf, np.inf
        for name, values in (
            ("concavity", (bend.value, low, high)),
            ("total", (total.value, total.low, total.high)),
        ):
            for end, value in zip(("", "_low", "_high"), values, strict=True):
                numbers[f"mean_{name}{end}"][cell] = value
    units = {"concavity": "1", "total": "nats"}
    found = xr.Dataset(
        {
            **{
                name: (CELL, values, {"units": units[name.split("_")[1]], "level": level})
                for name, values in numbers.items()
            },
            "mean_curve_status": (CELL, status),
            "mean_curve_seeds": (CELL, seeds, {"units": "1"}),
        },
        coords={name: ds[name] for name in CELL},
    )
    if "test_accuracy" not in ds:
        return found
    return found.assign(_accuracies(ds, groups, level))


def _accuracies(ds: xr.Dataset, groups: Groups, level: float) -> dict[str, Any]:
    """Return the mean test accuracy of each cell (slope, noise), and the ends of its interval."""
    check_dataset("ds", ds, "test_accuracy(slope, noise, seed)")
    accuracy = ds["test_accuracy"].transpose(*CELL[:2], "seed").to_numpy()
    ends = np.full((3, *accuracy.shape[:2]), np.nan)
    for cell in np.ndindex(*accuracy.shape[:2]):
        known = np.isfinite(accuracy[cell])
        if known.any():
            each = accuracy[cell][known][:, None]
            mean = _over_nets(_alone, each, _part(groups, known), level)
            ends[(slice(None), *cell)] = mean.value, mean.low, mean.high
    about = {"units": "1", "level": level}
    return {
        f"mean_test_accuracy{end}": (CELL[:2], values, about)
        for end, values in zip(("", "_low", "_high"), ends, strict=True)
    }


def check_curves(name: str, ds: xr.Dataset) -> None:
    """Refuse what has no log separations of a phase diagram, or none that can be measured.

    Parameters
    ----------
    name : str
        The argument's name, as its caller knows it.
    ds : xarray.Dataset
        What was given.

    Raises
    ------
    ValueError
        If it lacks them, their conventions are unknown, or a number is above 1e70 in size.
    """
    check_dataset(name, ds, "log_separation(slope, noise, seed, kind, layer)")
    check_levels(name, ds, "slope", "noise")
    unknown = [kind for kind in ds["kind"].values.tolist() if kind not in KINDS]
    if unknown:
        raise ValueError(f"{name} must have kinds of {', '.join(KINDS)}, got {unknown[0]!r}.")
    D = ds["log_separation"].to_numpy()
    largest = np.abs(D[np.isfinite(D)]).max(initial=0.0)
    if largest > LARGEST:
        raise ValueError(
            f"{name} must hold log_separation of at most {LARGEST:g} in size, got {largest:g}."
        )


def _fall(curves: Array) -> Array:
    """Return the fall (...) of falling curves (..., layer)."""
    return np.asarray(curves[..., 0] - curves[..., -1])


def _alone(values: Array) -> Array:
    """Return the only number (...) of values (..., 1)."""
    return np.asarray(values[..., 0])


def _part(groups: Groups, kept: NDArray[np.bool_]) -> Groups:
    """Return the labels of the nets that are kept."""
    return None if groups is None else (groups[0][kept], groups[1][kept])


def _over_nets(
    score: Callable[[Array], Array], curves: Array, groups: Groups, level: float
) -> Estimate:
    """Return a score of the mean of curves (net, layer), leaving out one at a time."""
    n = len(curves)
    value = float(score(curves.mean(0)))
    if n < 2 or not np.isfinite(value):
        return alone(value, n)
    without = score(np.stack([np.delete(curves, i, axis=0).mean(0) for i in range(n)]))
    if groups is None:
        return jackknife_from_values(value, without, np.ones(n, dtype=np.int64), level=level)
    return crossed_jackknife(value, without, *groups, level=level)


def _status(total: Estimate, seeds: int) -> CurveStatus:
    """Return what a mean curve is, from its fall."""
    if seeds == 1:
        return "one seed"
    return "falls" if total.low > 0 else "does not fall"
