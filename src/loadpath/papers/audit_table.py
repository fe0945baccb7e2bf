"""The audits of Theorem 4 side by side: what the table and the figure of them show."""

from __future__ import annotations

import pandas as pd
import xarray as xr

from loadpath.papers.audit import GAMMA0S, STABILIZERS
from loadpath.papers.comparisons import Results


def lay_out(measured: Results) -> xr.Dataset:
    r"""Lay the audits out over `effective_depth` and `seed`, with what table and figure show.

    Values at the waist are those of the step of least cost of identity, gamma by gamma. The proof
    bounds the dimension at every step by its own speed and momenta, $-(\|dA\| / \tilde L +
    \sqrt\gamma \|B\|)^2 \leq -(2/\tilde L) H - COI \leq \gamma \|B\|^2$, before it replaces them by
    path length and c. `local_lower` and `local_upper` are the best of these over the steps, less
    min COI; they assume that H is constant.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `audit`.

    Returns
    -------
    xr.Dataset
        The audits of all seeds.
    """
    seeds = xr.Variable("seed", [cell["seed"] for cell, _ in measured])
    ds = xr.concat([one.drop_attrs() for _, one in measured], seeds)
    cost, leak = ds["cost_of_identity"], ds["effective_depth"]
    ds["min_cost"] = cost.min("step")
    waist, slowest = {"step": cost.argmin("step")}, {"step": ds["speed"].argmin("step")}
    middle = ds["dimension"] - ds["min_cost"]
    ds["middle"] = middle.isel(waist)
    ds["middle_slowest"] = middle.isel(slowest)
    ds["middle_low"], ds["middle_high"] = middle.min("step"), middle.max("step")
    for name in ("speed", "expected_speed"):
        ds[f"{name}_waist"] = ds[name].isel(waist) / leak
    own = ds["gamma"] * ds["momentum_norm"] ** 2
    ds["local_lower"] = (cost - (ds["speed"] / leak + own**0.5) ** 2).max("step") - ds["min_cost"]
    ds["local_upper"] = (cost + own).min("step") - ds["min_cost"]
    ds["speed_slack"] = ds["speed_slack"] / leak
    ds["relative_length"] = ds["path_length"] / leak
    ds["largest_momentum"] = ds["momentum_norm"].max("step")
    ds["largest_cross_term"] = ds["cross_term"].max("step")
    ds["identity_error"] = ds["identity_error"].max("step")
    ds["speed_vacuous"] = ds["speed_vacuous"].mean("step")
    ds["residual"] = ds["residual"].max("step")
    return ds


def table(measured: Results) -> pd.DataFrame:
    """Return both sides of Theorem 4, a row for each L~ and gamma; means over seeds.

    "H - COI" is -(2/L~)H - min COI at the step of least cost of identity, for which the upper bound
    holds. "at slowest" is the same with the H of the slowest step, for which the lower bound holds.
    The local bounds are those of `lay_out`.

    Speeds are over L~: "speed - expected" lies between -slack and 2 slack. "no bound" is the share
    of the seeds whose lower bound allows a dimension of 0, "slow" the share of the steps whose
    speed bound allows rest. Momenta, cross terms, residuals and identity errors are the worst
    step's.

    Parameters
    ----------
    measured : sequence of tuple
        Cells and their Datasets, from `audit`.

    Returns
    -------
    pandas.DataFrame
        The table.
    """
    ds = lay_out(measured)
    columns = {
        "lower": ds["lower"],
        "at slowest": ds["middle_slowest"],
        "H - COI": ds["middle"],
        "upper": ds["upper"],
        "local lower": ds["local_lower"],
        "local upper": ds["local_upper"],
        "min COI": ds["min_cost"],
        "no bound": ds["vacuous"],
        "speed at waist": ds["speed_waist"],
        "speed - expected": ds["speed_waist"] - ds["expected_speed_waist"],
        "slack": ds["speed_slack"],
        "slow": ds["speed_vacuous"],
        "length / L~": ds["relative_length"],
        "cross": ds["largest_cross_term"],
        "B": ds["largest_momentum"],
        "rank": ds["bottleneck_rank"],
        "residual": ds["residual"],
        "identity": ds["identity_error"],
    }
    means = {name: values.mean("seed") for name, values in columns.items()}
    frame = xr.Dataset(means).to_dataframe(["effective_depth", "stabilizer", "gamma0"])
    order = [(L, kind, g) for L in ds["effective_depth"].values for kind in STABILIZERS
             for g in GAMMA0S]  # fmt: skip
    return frame.reindex(order)[list(columns)]
