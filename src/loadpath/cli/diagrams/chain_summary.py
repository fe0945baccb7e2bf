"""Load curves of chains in words: which springs carry the load, beside what is known exactly."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath.measures.separation import LoadCurve
from loadpath.spring_block.chain import CLEAR, turning_noise

Array = NDArray[np.float64]

STRAIGHT = 0.001
"""Concavity that no picture shows; what is left of the way to rest at the end of a run is less."""
MOVING = 0.001
"""Motion in the last tenth of a run, in units of the target, that is worth a word."""
MEANING = {
    "concave": "concave: the deep springs carry more (lazy)",
    "convex": "convex: the shallow springs carry more (active)",
    "straight": "straight: all springs carry alike",
}
"""The shapes of a load curve, for those who have not met one."""


def concavity_with_error(ds: xr.Dataset) -> tuple[float, float]:
    """Return the concavity of the mean load curve at the end of a run, and its standard error."""
    loads = ds["load"].isel(time=-1).transpose("replica", "spring").values
    # The concavity is a ratio of means over replicas. Its error is that of its linear part: of
    # D.mean - (1/2 + c) D_0 of each replica, over the mean fall.
    c = LoadCurve.from_loads(loads.mean(0)).concavity
    D = np.pad(np.cumsum(loads[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))
    residual = D.mean(1) - (1 / 2 + c) * D[:, 0]
    return c, _error(residual) / float(loads.sum(1).mean())


def name_shape(c: float, error: float) -> str:
    """Return "concave", "convex" or, within two standard errors of 0, "straight"."""
    if abs(c) <= max(2 * error, STRAIGHT):
        return "straight"
    return "concave" if c > 0 else "convex"


def summary(ds: xr.Dataset) -> str:
    """Say which springs carry the load, beside what is known exactly, in a few lines."""
    loads = ds["load"].isel(time=-1).transpose("replica", "spring").values
    count, springs = loads.shape
    exact = {"rest_load": "at rest", "mean_load": "shaken long"}
    exact = {name: heading for name, heading in exact.items() if name in ds}
    chains = "1 chain" if count == 1 else f"{count} chains"
    lines = [
        f"{chains} of {springs - 1} blocks, {ds.attrs['label']}; after time "
        f"{float(ds['time'][-1]):g}:",
        f"{'spring':>6}  {'load':>16}" + "".join(f"  {name:>12}" for name in exact.values()),
    ]
    for spring, own in enumerate(loads.T):
        load = f"{own.mean():.4f}" + (f" ± {_error(own):.4f}" if count > 1 else "")
        known = "".join(f"  {float(ds[name][spring]):12.4f}" for name in exact)
        lines.append(f"{spring + 1:>6}  {load:>16}{known}")
    c, error = concavity_with_error(ds)
    lines.append(f"The load curve is {MEANING[name_shape(c, error)]}.")
    lines.append(f"Its concavity is {c:+.4f}" + (f" ± {error:.4f}." if count > 1 else "."))
    words = {
        "rest_load": "At rest, without noise or inertia, it would be exactly",
        "mean_load": "Shaken until the start is forgotten, it would on average be exactly",
    }
    for name in exact:
        c = round(LoadCurve.from_loads(ds[name].values).concavity, 6) + 0.0  # no -0
        lines.append(f"{words[name]} {c:+.4f}: {name_shape(c, 0.0)}.")
    if still_moving(ds):
        lines.append("The loads still change: with more steps the curve would be another.")
    return "\n".join(lines)


def still_moving(ds: xr.Dataset) -> bool:
    """Say whether mean positions changed in the last tenth of a run, beyond chance."""
    position = ds["position"].transpose("replica", "time", "block").values
    change = position[:, -1] - position[:, -1 - max(1, position.shape[1] // 10)]
    errors = np.array([_error(own) for own in change.T])
    beyond = np.maximum(4 * errors, MOVING * ds.attrs["target"])
    return bool((np.abs(change.mean(0)) > beyond).any())


def _error(values: Array) -> float:
    """Return the standard error of a mean over replicas; 0 for a single one."""
    return float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def diagram_summary(ds: xr.Dataset) -> str:
    """Say what a phase diagram shows, in a few lines."""
    C, error = ds["concavity"].values, ds["concavity_error"].values
    straight = np.abs(C) <= np.maximum(CLEAR * error, STRAIGHT)
    kinds = (
        ("concave: the deep layers do the work (lazy)", ~straight & (C > 0)),
        ("convex: the shallow layers do (active)", ~straight & (C < 0)),
        ("straight, within three standard errors", straight),
    )
    lines = [f"{C.size} cells, {ds.attrs['n_replicas']} chains in each; how many load curves are"]
    lines += [f"- {what}: {int(cells.sum())}" for what, cells in kinds]
    lines.append(
        f"Pulled without noise, all blocks move at frictions below {float(ds['moves_all']):.3g}, "
        f"and no block moves at frictions above {float(ds['moves_none']):.3g}."
    )
    overdamped = ds.attrs["dynamics"] == "overdamped"
    unit, name = ("unpinning_noise", "unpinning noise") if overdamped else ("friction", "friction")
    with np.errstate(divide="ignore", invalid="ignore"):  # friction may be 0
        ratios = turning_noise(ds) / ds[unit].values
    ratios = ratios[np.isfinite(ratios)]
    if ratios.size:
        lines.append(
            f"Concave turns into convex at {np.median(ratios):.2f} times the {name} "
            f"({ratios.min():.2f} to {ratios.max():.2f}, at {ratios.size} frictions)."
        )
    return "\n".join(lines)
