"""The chain fitted to a network's phase diagram, beside models that know no physics."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath import results
from loadpath.checks import check_count, check_level, check_number
from loadpath.measures.separation import SeparationKind, check_kind
from loadpath.spring_block.phase_diagram.baselines import (
    fit_additive,
    fit_mean_curve,
    fit_one_bend,
    linked_cells,
    split_in_halves,
)
from loadpath.spring_block.phase_diagram.curves import (
    curve_from_loads,
    falling_curves,
    finite_concavity,
    normalized_loads,
)
from loadpath.spring_block.phase_diagram.shared_chain import SharedChain, fit_shared
from loadpath.spring_block.phase_diagram.subsets import Labels, subsets_and_nets
from loadpath.statistics import crossed_variance

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MODELS = ("chain for each slope", "chain", "additive", "one bend", "mean curve")
"""Models that are fitted, which `beside_chain` describes."""
BASELINES = {"additive": fit_additive, "one bend": fit_one_bend, "mean curve": fit_mean_curve}
PARAMETERS = ("friction_right", "friction_left", "noise")
GRID = ("slope", "noise")


def beside_chain(
    ds: xr.Dataset,
    *,
    kind: SeparationKind = "trace_ratio",
    backward: float = 0.1,
    dt: float = 0.01,
    n_steps: int = 10_000,
    level: float = 0.95,
) -> xr.Dataset:
    r"""Fit spring-block chains to a network's diagram, whole and in halves, and score them.

    The loads of every net are divided by their sum and averaged over seeds; the 7 loads of a net
    of depth 8 are the springs of a chain with 6 blocks. Five models are fitted to these means,
    every cell and load counting alike:

    - "chain for each slope": two frictions for each slope, and noises of its own;
    - "chain": two frictions for each slope, and one noise of the chain for each noise of training,
      the same at all slopes;
    - "additive": for each load a share of the slope plus one of the noise, without physics and
      with more parameters than the chain;
    - "one bend": the same with one shape for all changes, with about as many parameters;
    - "mean curve": the same curve in every cell.

    All but the first, which has no noise for cells that it has not seen, are also fitted to half
    of the cells and predict the other half, by four halves (`baselines.split_in_halves`).

    Parameters
    ----------
    ds : xarray.Dataset
        log_separation (slope, noise, seed, kind, layer), as `collect` returns it.
    kind : {"fuzziness", "trace_ratio", "inverse"}
        Convention of the log separation.
    backward : float
        A curve counts if its negative loads sum to at most this share of its total, which is
        positive; chains have no other curves. A cell counts if two seeds and more than half do.
    dt : float
        Time step of the chain, at stiffness 1 and target 1, as of `loadpath.spring_block.fit`.
    n_steps : int
        Number of steps of the chain. Noise and time are one axis: with more time, less noise does
        the same.
    level : float
        Level of the intervals, which are linearized, with errors from what the fit leaves.

    Returns
    -------
    xarray.Dataset
        Measured: load (slope, noise, spring) and the curve (slope, noise, layer) that falls by it
        from 1 to 0, its concavity (slope, noise), each with a standard error over seeds, ..._error,
        and over subsets of the data where nets have several.
        Fitted: fitted_load (model, slope, noise, spring) and predicted_load (model, half, slope,
        noise, spring), NaN where not predicted; frictions (slope), chain_noise (noise) and those
        of each slope's own chain, row_..., each with the ends of its interval, ..._low and
        ..._high, in units of stiffness times target.
        Scores (model,): parameters; misfit and held_out_error, root mean squares over loads;
        chi_square_per_dof, by the seeds' errors pooled over cells; concavity_misfit and
        held_out_concavity_error; and nearer, the share of predictions in which the chain is nearer
        than that model. What means over seeds leave to chance is seed_error and
        concavity_seed_error.

    Raises
    ------
    ValueError
        If fewer than 2 slopes or noises have cells that count, or an argument is out of its range.

    Notes
    -----
    Costs about ten seconds for a diagram of 6 slopes and 9 noises.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.
    """
    check_kind(kind)
    check_number("backward", backward, least=0.0)
    check_number("dt", dt, above=0.0)
    check_count("n_steps", n_steps, 1)
    check_level(level)
    D = ds["log_separation"].sel(kind=kind).transpose(*GRID, "seed", "layer").to_numpy()
    if D.shape[-1] < 4:
        raise ValueError(f"ds must have at least 4 layers, got {D.shape[-1]}.")
    by_seed = normalized_loads(falling_curves(D, kind), backward)
    seeds = np.isfinite(by_seed).all(-1).sum(-1)
    counted: Mask = np.asarray((seeds >= 2) & (2 * seeds > D.shape[2]))
    slopes, noises = int(counted.any(1).sum()), int(counted.any(0).sum())
    if min(slopes, noises) < 2:
        raise ValueError(
            "ds must have cells that count, with two seeds and more whose curves fall, at 2 slopes "
            f"and 2 levels of noise at least, got {slopes} and {noises}."
        )
    groups = subsets_and_nets(ds)
    load, load_error = _mean_over_seeds(by_seed, counted, groups)
    curve, curve_error = _mean_over_seeds(curve_from_loads(by_seed), counted, groups)
    bend, bend_error = (
        part[..., 0] for part in _mean_over_seeds(_concavity(by_seed)[..., None], counted, groups)
    )
    options: dict[str, Any] = dict(dt=dt, n_steps=n_steps, level=level)
    joint = fit_shared(load, counted, **options)
    rows = [
        fit_shared(load[[s]], counted[[s]], **options) if counted[s].any() else None
        for s in range(len(load))
    ]
    fitted, parameters = _fitted_loads(load, counted, joint, rows)
    predicted = _predicted_loads(load, counted, options)
    seed_error = _rms(load_error)
    misfit = _rms(fitted - load, keep=1)
    numbers = int(counted.sum()) * (load.shape[-1] - 1)
    scores: dict[str, Any] = {
        "parameters": parameters,
        "misfit": misfit,
        "chi_square_per_dof": _chi_square_per_dof(misfit / seed_error, numbers, parameters),
        "concavity_misfit": _rms(_concavity(fitted) - bend, keep=1),
        "held_out_error": _rms(predicted - load, keep=1),
        "held_out_concavity_error": _rms(_concavity(predicted) - bend, keep=1),
        "nearer": _share_nearer(predicted, load),
    }
    share = {"units": "1"}
    cells = (*GRID, "spring")
    out = xr.Dataset(
        {
            "load": (cells, load, share),
            "load_error": (cells, load_error, share),
            "curve": ((*GRID, "layer"), curve, share),
            "curve_error": ((*GRID, "layer"), curve_error, share),
            "concavity": (GRID, bend, share),
            "concavity_error": (GRID, bend_error, share),
            "seeds_counted": (GRID, seeds, share),
            "counted": (GRID, counted),
            "fitted_load": (("model", *cells), fitted, share),
            "predicted_load": (("model", "half", *cells), predicted, share),
            **{name: ("model", values, share) for name, values in scores.items()},
            "seed_error": ((), seed_error, share),
            "concavity_seed_error": ((), _rms(bend_error), share),
            **_frictions_and_noises(joint, rows),
        },
        coords={
            **{name: ds[name] for name in GRID},
            "spring": np.arange(1, load.shape[-1] + 1),
            "layer": np.arange(curve.shape[-1]),
            "model": list(MODELS),
        },
    )
    named = ("panel", "data", "network", "noise_scale")
    about = {name: ds.attrs[name] for name in named if name in ds.attrs}
    return results.stamp(out, **about, kind=kind, seeds=D.shape[2], backward=backward, **options)


def draw_from_chain(beside: xr.Dataset, *, seed: int = 0) -> xr.Dataset:
    """Draw the diagram that a network would have were its fitted chain right.

    Parameters
    ----------
    beside : xarray.Dataset
        What `beside_chain` returns.
    seed : int
        Seed of the errors that are drawn.

    Returns
    -------
    xarray.Dataset
        log_separation (slope, noise, seed, kind, layer), for `beside_chain` again: the curves of
        the model "chain" with normal errors for each of as many seeds, of the measured standard
        errors. Cells that do not count in `beside` are NaN.
    """
    load = beside["fitted_load"].sel(model="chain").transpose(*GRID, "spring").to_numpy()
    seeds = int(beside.attrs["seeds"])
    spread = (
        beside["load_error"].to_numpy() * np.sqrt(beside["seeds_counted"].to_numpy())[..., None]
    )
    draw = np.random.default_rng(seed).standard_normal((seeds, *load.shape)) * spread
    draw -= draw.mean(-1, keepdims=True)  # their sum is certain
    draw *= np.sqrt(load.shape[-1] / (load.shape[-1] - 1))
    D = np.moveaxis(curve_from_loads(load + draw), 0, 2)[..., None, :]
    return xr.Dataset(
        {"log_separation": ((*GRID, "seed", "kind", "layer"), D)},
        coords={**{name: beside[name] for name in GRID}, "kind": ["trace_ratio"]},
        attrs=beside.attrs,
    )


def _concavity(loads: Array) -> Array:
    """Return the concavity (...) of the curves that fall by `loads` (..., spring)."""
    return finite_concavity(curve_from_loads(loads))


def _mean_over_seeds(
    values: Array, counted: Mask, groups: tuple[Labels, Labels] | None
) -> tuple[Array, Array]:
    """Return means of (slope, noise, seed, ...) and their standard errors; NaN elsewhere."""
    mean, error = (np.full((*values.shape[:2], values.shape[-1]), np.nan) for _ in range(2))
    for cell in zip(*counted.nonzero(), strict=True):
        known = np.isfinite(values[cell]).all(-1)
        own = values[cell][known]
        mean[cell] = own.mean(0)
        if groups is None:
            error[cell] = own.std(0, ddof=1) / np.sqrt(len(own))
        else:
            error[cell] = np.sqrt(crossed_variance(own, groups[0][known], groups[1][known])[0])
    return mean, error


def _fitted_loads(
    load: Array, counted: Mask, joint: SharedChain, rows: list[SharedChain | None]
) -> tuple[Array, list[int]]:
    """Return what each model says of the cells that count, and how many parameters it has."""
    fitted = np.full((len(MODELS), *load.shape), np.nan)
    fitted[1] = joint.loads
    for s, row in enumerate(rows):
        if row is not None:
            fitted[0, s] = row.loads[0]
    parameters = [sum(row.parameters for row in rows if row is not None), joint.parameters]
    for m, fit_baseline in enumerate(BASELINES.values(), start=2):
        fitted[m], count = fit_baseline(load, counted)
        parameters.append(count)
    fitted[:, ~counted] = np.nan
    return fitted, parameters


def _predicted_loads(load: Array, counted: Mask, options: dict[str, Any]) -> Array:
    """Return what each model says (model, half, slope, noise, spring) of cells not fitted.

    Only where all models can tell.
    """
    halves = split_in_halves(*counted.shape)
    out = np.full((len(MODELS), len(halves), *load.shape), np.nan)
    for half, cells in enumerate(halves):
        use = counted & cells
        left = counted & ~cells & linked_cells(use)
        if not left.any():
            continue
        out[1, half, left] = fit_shared(load, use, **options).loads[left]
        for m, fit_baseline in enumerate(BASELINES.values(), start=2):
            out[m, half, left] = fit_baseline(load, use)[0][left]
    return out


def _chi_square_per_dof(ratio: Array, numbers: int, parameters: list[int]) -> Array:
    """Return chi-square (model,) per degree of freedom from misfits in units of the seeds' error.

    NaN for a model with as many parameters as there are numbers.
    """
    dof = numbers - np.array(parameters)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(dof > 0, ratio**2 * numbers / dof, np.nan)


def _share_nearer(predicted: Array, load: Array) -> Array:
    """Return the share (model,) of predictions in which the chain is nearer; NaN for chains."""
    off = ((predicted - load) ** 2).sum(-1)  # (model, half, slope, noise)
    told = np.isfinite(off[1])
    nearer = [float((off[1] < one)[told].mean()) if told.any() else np.nan for one in off]
    return np.where([False, False, True, True, True], nearer, np.nan)


def _frictions_and_noises(joint: SharedChain, rows: list[SharedChain | None]) -> dict[str, Any]:
    """Return parameters with the ends of their intervals, of the diagram and of each slope."""
    units = {"units": "stiffness * target"}
    out: dict[str, Any] = {}
    nothing = np.full((1, len(joint.noise)), np.nan)
    for name in PARAMETERS:
        wide = name == "noise"
        label = "chain_noise" if wide else name
        values = np.vstack([getattr(joint, name), getattr(joint, f"{name}_interval")])
        own = [
            np.repeat(nothing if wide else nothing[:, :1], 3, axis=0)
            if row is None
            else np.vstack([getattr(row, name), getattr(row, f"{name}_interval")])
            for row in rows
        ]
        stacked = np.stack(own, axis=1)  # (best and ends, slope, level or 1)
        for end, value, each in zip(("", "_low", "_high"), values, stacked, strict=True):
            out[label + end] = ("noise" if wide else "slope", value, units)
            where = GRID if wide else "slope"
            out[f"row_{label}{end}"] = (where, each if wide else each[:, 0], units)
    return out


def _rms(values: Array, keep: int = 0) -> Any:
    """Return the root mean square of finite values, over all axes but the first `keep`."""
    flat = values.reshape(*values.shape[:keep], -1)
    known = np.isfinite(flat)
    with np.errstate(invalid="ignore"):
        return np.sqrt((np.where(known, flat, 0.0) ** 2).sum(-1) / known.sum(-1))
