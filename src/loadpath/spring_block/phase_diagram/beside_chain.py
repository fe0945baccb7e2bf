"""A network's phase diagram beside the chain's: does friction and noise describe its curves?"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from loadpath import results
from loadpath.checks import check_count, check_number
from loadpath.measures.separation import SeparationKind, check_kind
from loadpath.spring_block.phase_diagram.baselines import (
    additive,
    halves,
    mean_curve,
    one_bend,
    together,
)
from loadpath.spring_block.phase_diagram.curves import (
    curve_from_loads,
    falling_curves,
    finite_concavity,
    normalized_loads,
)
from loadpath.spring_block.phase_diagram.shared_chain import SharedChain, fit_shared

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MODELS = ("chain for each slope", "chain", "additive", "one bend", "mean curve")
"""What is fitted: see `beside_chain`."""
BASELINES = {"additive": additive, "one bend": one_bend, "mean curve": mean_curve}
PARAMETERS = ("friction_right", "friction_left", "noise")
GRID = ("slope", "noise")


def beside_chain(
    ds: xr.Dataset,
    *,
    kind: SeparationKind = "trace_ratio",
    backward: float = 0.1,
    dt: float = 0.01,
    n_steps: int = 10_000,
    confidence: float = 0.95,
) -> xr.Dataset:
    r"""Fit spring-block chains to a network's diagram, whole and in halves, and score them.

    Loads of every net are divided by their sum and averaged over seeds; 7 loads of a net of depth
    8 are the springs of a chain with 6 blocks. To these means are fitted, every cell and load
    counting alike,

    - "chain for each slope": two frictions for each slope, and noises of its own;
    - "chain": two frictions for each slope, and one noise for each level, the same at all slopes;
    - "additive": of each load a share of the slope plus one of the level, without physics and with
      more parameters than the chain;
    - "one bend": the same with one shape for all changes, with about as many parameters;
    - "mean curve": the same curve in every cell.

    All but the first, which has no noise for cells that it has not seen, are also fitted to half
    of the cells and predict the other half, by four halves (`baselines.halves`).

    Parameters
    ----------
    ds: log_separation (slope, noise, seed, kind, layer), as `collect` returns it.
    kind: convention of the separation.
    backward: a curve counts if its negative loads sum to at most this share of its total, which
        is positive; chains have no other. A cell counts if two seeds and more than half do.
    dt, n_steps: the chain's, at stiffness 1 and target 1; `loadpath.spring_block.fit` has them
        too. Noise and time are one axis: with more time less noise does the same.
    confidence: of intervals, which are linearized, with errors from what the fit leaves.

    Returns a Dataset: load (slope, noise, spring) and the curve (slope, noise, layer) that falls by
    it from 1 to 0, with standard errors over seeds; fitted_load (model, ...) and predicted_load
    (model, half, ...), NaN where not predicted; frictions (slope), chain_noise (noise) and those
    of each slope's own chain, row_..., with ends _low and _high.
    For each model its parameters; misfit and held_out_error, root mean squares over loads;
    chi_square_per_dof, by the seeds' errors pooled over cells; the same errors of the concavity;
    and nearer, the share of predictions in which the chain is nearer than that model. What means
    over seeds leave to chance is seed_error and concavity_seed_error.

    Raises: ValueError if less than 2 slopes or levels have cells that count, or values are out of
    range.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353.
    """
    check_kind(kind)
    check_number("backward", backward, least=0.0)
    check_number("dt", dt, above=0.0)
    check_count("n_steps", n_steps, 1)
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be above 0 and below 1, got {confidence}.")
    D = ds["log_separation"].sel(kind=kind).transpose(*GRID, "seed", "layer").to_numpy()
    if D.shape[-1] < 4:
        raise ValueError(f"ds must have at least 4 layers, got {D.shape[-1]}.")
    curves = normalized_loads(falling_curves(D, kind), backward)
    seeds = np.isfinite(curves).all(-1).sum(-1)
    counted: Mask = np.asarray((seeds >= 2) & (2 * seeds > D.shape[2]))
    slopes, levels = int(counted.any(1).sum()), int(counted.any(0).sum())
    if min(slopes, levels) < 2:
        raise ValueError(
            "ds must have cells that count, with two seeds and more whose curves fall, at 2 slopes "
            f"and 2 levels of noise at least, got {slopes} and {levels}."
        )
    load, load_error = _mean(curves, counted)
    curve, curve_error = _mean(curve_from_loads(curves), counted)
    bend, bend_error = _mean(finite_concavity(curve_from_loads(curves))[..., None], counted)
    options: dict[str, Any] = dict(dt=dt, n_steps=n_steps, confidence=confidence)
    joint = fit_shared(load, counted, **options)
    rows = [
        fit_shared(load[[s]], counted[[s]], **options) if counted[s].any() else None
        for s in range(len(load))
    ]
    fitted = np.full((len(MODELS), *load.shape), np.nan)
    fitted[1] = joint.loads
    for s, row in enumerate(rows):
        if row is not None:
            fitted[0, s] = row.loads[0]
    parameters = [sum(row.parameters for row in rows if row is not None), joint.parameters]
    for m, baseline in enumerate(BASELINES.values(), start=2):
        fitted[m], count = baseline(load, counted)
        parameters.append(count)
    fitted[:, ~counted] = np.nan
    predicted = _predictions(load, counted, options)
    numbers = int(counted.sum()) * (load.shape[-1] - 1)
    seed_error = _rms(load_error)
    misfit = _rms(fitted - load, keep=1)
    dof = numbers - np.array(parameters)
    with np.errstate(divide="ignore", invalid="ignore"):
        chi_square = np.where(dof > 0, (misfit / seed_error) ** 2 * numbers / dof, np.nan)
    off = ((predicted - load) ** 2).sum(-1)  # (model, half, slope, noise)
    told = np.isfinite(off[1])
    nearer = [float((off[1] < one)[told].mean()) if told.any() else np.nan for one in off]
    of_model: dict[str, Any] = {
        "parameters": parameters,
        "misfit": misfit,
        "chi_square_per_dof": chi_square,
        "concavity_misfit": _rms(finite_concavity(curve_from_loads(fitted)) - bend[..., 0], keep=1),
        "held_out_error": _rms(predicted - load, keep=1),
        "held_out_concavity_error": _rms(
            finite_concavity(curve_from_loads(predicted)) - bend[..., 0], keep=1
        ),
        "nearer": np.where([False, False, True, True, True], nearer, np.nan),
    }
    share = {"units": "1"}
    cells = (*GRID, "spring")
    out = xr.Dataset(
        {
            "load": (cells, load, share),
            "load_error": (cells, load_error, share),
            "curve": ((*GRID, "layer"), curve, share),
            "curve_error": ((*GRID, "layer"), curve_error, share),
            "concavity": (GRID, bend[..., 0], share),
            "concavity_error": (GRID, bend_error[..., 0], share),
            "seeds_counted": (GRID, seeds, share),
            "counted": (GRID, counted),
            "fitted_load": (("model", *cells), fitted, share),
            "predicted_load": (("model", "half", *cells), predicted, share),
            **{name: ("model", values, share) for name, values in of_model.items()},
            "seed_error": ((), seed_error, share),
            "concavity_seed_error": ((), _rms(bend_error), share),
            **_parameters(joint, rows),
        },
        coords={
            **{name: ds[name] for name in GRID},
            "spring": np.arange(1, load.shape[-1] + 1),
            "layer": np.arange(curve.shape[-1]),
            "model": list(MODELS),
        },
    )
    about = {name: ds.attrs[name] for name in ("panel", "data", "network") if name in ds.attrs}
    return results.stamp(out, **about, kind=kind, seeds=D.shape[2], backward=backward, **options)


def as_if_chains(beside: xr.Dataset, *, seed: int = 0) -> xr.Dataset:
    """A diagram of chains alone, for `beside_chain`: what it would say were the chain right.

    The curves of `beside`'s "chain" with normal errors for each of as many seeds, that have its
    standard errors; cells that do not count there are NaN.
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


def _mean(values: Array, counted: Mask) -> tuple[Array, Array]:
    """Means over seeds of (slope, noise, seed, ...) and their standard errors; NaN elsewhere."""
    mean, error = (np.full((*values.shape[:2], values.shape[-1]), np.nan) for _ in range(2))
    for cell in zip(*counted.nonzero(), strict=True):
        own = values[cell]
        own = own[np.isfinite(own).all(-1)]
        mean[cell], error[cell] = own.mean(0), own.std(0, ddof=1) / np.sqrt(len(own))
    return mean, error


def _predictions(load: Array, counted: Mask, options: dict[str, Any]) -> Array:
    """What each model says (model, half, slope, noise, spring) of cells that it was not fitted to.

    Only where all models can tell.
    """
    chosen = halves(*counted.shape)
    out = np.full((len(MODELS), len(chosen), *load.shape), np.nan)
    for half, cells in enumerate(chosen):
        use = counted & cells
        left = counted & ~cells & together(use)
        if not left.any():
            continue
        out[1, half, left] = fit_shared(load, use, **options).loads[left]
        for m, baseline in enumerate(BASELINES.values(), start=2):
            out[m, half, left] = baseline(load, use)[0][left]
    return out


def _parameters(joint: SharedChain, rows: list[SharedChain | None]) -> dict[str, Any]:
    """Frictions and noises with the ends of their intervals, of the diagram and of each slope."""
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
    """Root mean square of the finite values, over all axes but the first `keep`."""
    flat = values.reshape(*values.shape[:keep], -1)
    known = np.isfinite(flat)
    with np.errstate(invalid="ignore"):
        return np.sqrt((np.where(known, flat, 0.0) ** 2).sum(-1) / known.sum(-1))
