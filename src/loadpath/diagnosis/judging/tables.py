"""The table of the layers: what each takes to run beside what the model loses without it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from loadpath.checks import HoldsDataset, as_dataset, check_dataset, check_number
from loadpath.diagnosis.judging.candidates import candidates_of
from loadpath.diagnosis.judging.columns import column_of, layer_names
from loadpath.diagnosis.judging.wording import as_number, as_points, level_of

if TYPE_CHECKING:
    import pandas as pd

COSTS = ("parameters", "operations", "milliseconds")
"""What a layer takes to run, as `diagnose` measures it."""
WORK = ("next_token_gain", "next_token_gain_low", "next_token_gain_high")
"""What a layer of a language model adds to the next token, as `diagnose` measures it."""
HARMS = ("loss_change", "accuracy_change", "output_change")
"""What skipping a layer changes, each with its ends."""


def layer_table(
    profile: xr.Dataset | HoldsDataset,
    skipped: xr.Dataset | None = None,
    *,
    tolerated: float | None = None,
) -> pd.DataFrame:
    """Return a table of the layers, those to try without on top.

    Parameters
    ----------
    profile : Diagnosis or xarray.Dataset
        What `loadpath.diagnose` measured.
    skipped : xarray.Dataset, optional
        What `skip_layers` returned. Without it there is no harm in the table, and layers stand in
        the order in which they run.
    tolerated : float, optional
        As in `verdict`: the most that a layer to try without may add to the loss.

    Returns
    -------
    pandas.DataFrame
        A row a layer, by name: `parameters`, `operations` (multiply-adds for one sample) and
        `milliseconds` (on the first batch), and of language models `next_token_gain` with its ends,
        where they were measured; `try_without`; and
        `loss_change`, `accuracy_change` and `output_change` with their ends `_low` and `_high`,
        where there are such. Candidates come first, then the other layers by the change of the
        loss, or else of the output, and last those that were not skipped.

    Raises
    ------
    ValueError
        If one of the two has no coordinate `layer`, or they have no layer in common.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> import loadpath as lp
    >>> model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    >>> for layer, scale in zip(model, (3.0, 1.0)):
    ...     _ = layer.weight.data.copy_(scale * torch.eye(4))
    >>> x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    >>> ds = lp.diagnose(model, [x], layers="?", measures=["costs"])
    >>> skipped = lp.diagnosis.skip_layers(model, [(x, 3 * x)], layers="?")
    >>> table = lp.diagnosis.layer_table(ds, skipped)
    >>> table.index.tolist(), table["try_without"].tolist(), table["operations"].tolist()
    (['1', '0'], [True, False], [16.0, 16.0])
    """
    profile = as_dataset("profile", profile)
    names = layer_names("profile", profile)
    if tolerated is not None:
        check_number("tolerated", tolerated, least=0)
    parts = xr.Dataset(coords={"layer": np.array(names, dtype=object)})
    for name in (*COSTS, *WORK):
        if name in profile:
            check_dataset("profile", profile, f"{name}(layer)")
            parts[name] = profile[name].drop_attrs()
    if skipped is None:
        return parts.to_dataframe()
    harmed = layer_names("skipped", skipped)
    if not set(harmed) & set(names):
        raise ValueError("profile and skipped must have layers in common, and they have none.")
    parts = parts.reindex(layer=harmed)
    for name in HARMS:
        if name in skipped:
            column = column_of("skipped", skipped, name, level_of(skipped))
            for end, values in (("", column.value), ("_low", column.low), ("_high", column.high)):
                parts[name + end] = ("layer", values)
    if "loss_change" not in parts and "output_change" not in parts:
        raise ValueError("skipped must have a loss_change or an output_change, and has neither.")
    candidates = candidates_of(parts, tolerated)
    parts = parts.assign(try_without=("layer", [name in candidates for name in harmed]))
    change = next(parts[name].values for name in HARMS if name in parts)
    places = {name: place for place, name in enumerate(candidates)}
    last = np.nan_to_num(change, nan=math.inf)
    order = sorted(
        range(len(harmed)), key=lambda l: (places.get(harmed[l], len(places)), last[l], l)
    )
    return parts.isel(layer=order).to_dataframe()


HEADINGS = {
    "parameters": "parameters",
    "operations": "multiply-adds",
    "milliseconds": "ms",
    "next_token_gain": "next token, nats",
    "loss_change": "change of loss",
    "accuracy_change": "accuracy, points",
    "output_change": "change of output",
}
"""How the columns of the table are called where people read them."""


def shown_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns that people read: of the output only where there is no loss."""
    columns = [column for column in HEADINGS if column in table]
    if "loss_change" in columns:
        return [column for column in columns if column != "output_change"]
    return columns


def table_cells(table: pd.DataFrame) -> list[list[tuple[str, str]]]:
    """Return the cells of a table that people read, each with the interval of its number.

    Parameters
    ----------
    table : pandas.DataFrame
        What `layer_table` returned.

    Returns
    -------
    list of list
        A row a layer, with a cell for each of `shown_columns`: the number, "–" where
        there is none, and its interval, "" where there is none. Changes of the accuracy are in
        points of 100, with their sign.
    """
    return [
        [_cell(table, layer, column) for column in shown_columns(table)] for layer in table.index
    ]


def _cell(table: pd.DataFrame, layer: str, column: str) -> tuple[str, str]:
    value = float(table.at[layer, column])
    if math.isnan(value):
        return "–", ""
    if column in ("parameters", "operations"):
        return f"{value:,.0f}", ""
    if column == "milliseconds":
        return as_number(value), ""
    word = as_points if column == "accuracy_change" else as_number
    low, high = (float(table.at[layer, f"{column}_{end}"]) for end in ("low", "high"))
    return word(value), "" if math.isnan(low) else f"{word(low)} to {word(high)}"


def table_lines(table: pd.DataFrame) -> list[str]:
    """Return a table as lines of a terminal, its candidates marked by a star.

    Parameters
    ----------
    table : pandas.DataFrame
        What `layer_table` returned.

    Returns
    -------
    list of str
        The headings, a line a layer, and what the star means where there is one.
    """
    stars = [bool(star) for star in table.get("try_without", [False] * len(table))]
    rows = [["layer", *(HEADINGS[column] for column in shown_columns(table))]]
    for layer, star, cells in zip(table.index, stars, table_cells(table), strict=True):
        texts = [f"{text} ({reach})" if reach else text for text, reach in cells]
        rows.append([f"{layer}{' *' if star else ''}", *texts])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in rows
    ]
    return [*(line.rstrip() for line in lines), *(["* try without"] if any(stars) else [])]
