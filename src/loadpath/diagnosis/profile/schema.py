"""Names and units of what `loadpath.diagnose` returns, and how columns become a Dataset."""

from __future__ import annotations

import numpy as np
import xarray as xr

from loadpath.diagnosis.profile.columns import Columns
from loadpath.diagnosis.profile.entries import ColumnEntry
from loadpath.measures.separation import KINDS

LABELS: dict[str, tuple[str, str]] = {
    "log_separation": ("log separation D of the classes", "natural logarithm"),
    "load": ("load d, what the step to this layer takes off D", "natural logarithm"),
    "concavity": ("concavity of the load curve, over its fall", "1"),
    "between_rank": ("directions between class means", "1"),
    "nc1": ("NC1, variability within classes", "1"),
    "nc2_equinorm": ("NC2, spread of the norms of class means", "1"),
    "nc2_equiangularity": ("NC2, spread of the cosines between class means", "1"),
    "nc2_angle": ("NC2, distance of these cosines from those of a simplex", "1"),
    "nc3": ("NC3, distance of the classifier from the class means", "1"),
    "nc4": ("NC4, share decided otherwise than by the nearest class mean", "1"),
    "cost_of_identity": ("cost of identity ||A||^2 in the metric of (K + gamma)^-1", "1"),
    "gamma": ("stabilizer gamma of the inverse kernel", "units of K"),
    "kinetic_energy": ("kinetic energy of the step to this layer", "1"),
    "stable_rank_nuclear": ("nuclear stable rank of A", "1"),
    "stable_rank_operator": ("operator stable rank of A", "1"),
    "relative_step": ("relative step ||A_l - A_{l-1}|| / ||A_l|| to this layer", "1"),
    "turn": ("angle between A_{l-1} and A_l", "radian"),
    "log_growth": ("log growth log(|A_l| / |A_{l-1}|) of the stream over the step", "1"),
    "participation_ratio": ("participation ratio of the covariance", "1"),
    "effective_rank": ("effective rank of the covariance", "1"),
    "cka_next": ("debiased linear CKA with the next layer", "1"),
    "cka_first": ("debiased linear CKA with the first layer", "1"),
    "intrinsic_dimension": ("intrinsic dimension by two nearest neighbours", "1"),
    "probe_ridge": ("accuracy of a ridge probe on held-out samples", "1"),
    "probe_logistic": ("accuracy of a logistic probe on held-out samples", "1"),
    "next_token_loss": ("cross-entropy of the next token, read off the layer", "nats"),
    "next_token_gain": ("what the layer takes off the cross-entropy of the next token", "nats"),
    "predicted_harm": ("predicted change of the loss without the layer", "units of the loss"),
    "parameters": ("parameters of the layer", "1"),
    "operations": ("multiply-adds of the layer for one sample", "1"),
    "milliseconds": ("time of the layer on the first batch", "ms"),
}
"""Long name and units of every measure."""
BY_KIND = ("log_separation", "load", "concavity")
"""Measures that have a dimension `kind` besides, the convention of separation."""


def dataset_of_columns(columns: Columns, names: list[str]) -> xr.Dataset:
    """Return all columns over `layer`: each measure with its `_low`, `_high` and `_status`."""
    variables: dict[str, xr.DataArray] = {}
    for name, (long_name, units) in LABELS.items():
        if name in BY_KIND:
            parts = [columns[f"{name}_{kind}"] for kind in KINDS if f"{name}_{kind}" in columns]
            dims: tuple[str, ...] = ("kind", "layer")
        else:
            parts = [columns[name]] if name in columns else []
            dims = ("layer",)
        if not parts:
            continue
        if name == "concavity":
            dims = ("kind",)
        variables |= _variables(name, parts, dims, {"long_name": long_name, "units": units})
    coords: dict[str, object] = {"layer": np.array(names, dtype=object)}
    if any("kind" in variable.dims for variable in variables.values()):
        coords["kind"] = np.array(KINDS, dtype=object)
    return xr.Dataset(variables, coords=coords)


def _variables(
    name: str, parts: list[list[ColumnEntry]], dims: tuple[str, ...], attrs: dict[str, str]
) -> dict[str, xr.DataArray]:
    """Return one measure with its interval and status; `parts` has a column for each kind."""
    long_name = attrs["long_name"]

    def variable(field: str, more: dict[str, str]) -> xr.DataArray:
        values = np.array([[getattr(entry, field) for entry in part] for part in parts])
        if field == "status":
            values = values.astype(object)
        values = values.reshape([len(parts), len(parts[0])] if len(dims) == 2 else -1)
        return xr.DataArray(values, dims=dims, attrs=more)

    return {
        name: variable("value", attrs),
        f"{name}_low": variable("low", {**attrs, "long_name": f"{long_name}: lower end"}),
        f"{name}_high": variable("high", {**attrs, "long_name": f"{long_name}: upper end"}),
        f"{name}_status": variable("status", {"long_name": f"{long_name}: how it is known"}),
    }
