"""Numbers of layers with their intervals, and the mean of the ranks that several of them give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from loadpath.checks import as_array, as_numbers, check_level, check_seed, check_type
from loadpath.results import Shown

Array = NDArray[np.float64]

N_REDRAWN = 2_000
"""How many times columns are drawn anew within their intervals."""


@dataclass(frozen=True, repr=False)
class Column(Shown):
    """One number for each layer, with an interval."""

    value: Array
    """The numbers, (layer,)."""
    low: Array
    """Lower ends of the intervals, (layer,); NaN where there is none."""
    high: Array
    """Upper ends of the intervals, (layer,)."""
    level: float = 0.95
    """Confidence level of the intervals."""

    def __post_init__(self) -> None:
        """Make arrays of the three, once they are known to be numbers of one length."""
        value = as_numbers("value", self.value, missing=True)
        if value.ndim != 1:
            raise ValueError(f"value must be a list of numbers, got shape {value.shape}.")
        object.__setattr__(self, "value", value)
        for name in ("low", "high"):
            ends = as_array(name, getattr(self, name))
            if ends.shape != value.shape:
                raise ValueError(
                    f"{name} must be of the shape of value, {value.shape}, got {ends.shape}."
                )
            object.__setattr__(self, name, ends)
        check_level(self.level)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Column:
        return Column(self.value[which], self.low[which], self.high[which], self.level)

    @property
    def deviation(self) -> Array:
        """Standard deviation that the intervals stand for, (layer,); 0 where there is none."""
        z = special.ndtri((1 + self.level) / 2)
        return np.nan_to_num((self.high - self.low) / (2 * z))

    def drawn(self, count: int, rng: np.random.Generator) -> Array:
        """Return the numbers drawn anew within their intervals so many times, (draw, layer)."""
        noise = rng.standard_normal((count, len(self.value)))
        return np.asarray(self.value + self.deviation * noise)


def mean_ranks(columns: Sequence[Column], *, level: float = 0.95, seed: int = 0) -> Column:
    """Return the mean of the ranks that each layer has in several columns.

    Parameters
    ----------
    columns : sequence of Column
        Numbers over the same layers, each small for what should come first.
    level : float, default 0.95
        Confidence level of the intervals, between 0 and 1.
    seed : int, default 0
        Seed of the draws behind them.

    Returns
    -------
    Column
        From 1, for the layer that comes first in every column, to the number of layers. Equal
        numbers share a rank. The intervals are those of the mean ranks when all columns are drawn
        anew within theirs, independently, 2,000 times.

    Raises
    ------
    ValueError
        Without columns or layers, for columns of different lengths or values that are not finite,
        `level` not between 0 and 1, or a negative `seed`.

    Examples
    --------
    >>> one, other = np.array([0.1, 0.4, 0.2]), np.array([5.0, 6.0, 4.0])
    >>> columns = [Column(values, values - 0.01, values + 0.01) for values in (one, other)]
    >>> mean_ranks(columns).value.tolist()
    [1.5, 3.0, 1.5]
    """
    check_level(level)
    check_seed("seed", seed)
    given = as_columns("columns", columns)
    if not len(given[0].value):
        raise ValueError("columns must have at least one layer, and have none.")
    value = mean_of_ranks([column.value for column in given])
    if len(given) == 1:
        value = stats.rankdata(value)
    rng = np.random.default_rng(seed)
    drawn = mean_of_ranks([stats.rankdata(c.drawn(N_REDRAWN, rng), axis=-1) for c in given])
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    return Column(value, low, high, level)


def as_columns(name: str, given: Column | Sequence[Column]) -> list[Column]:
    """Return one column or several as a list, once they are finite numbers of the same layers.

    Parameters
    ----------
    name : str
        Name of the argument.
    given : Column or sequence of Column
        The argument.

    Returns
    -------
    list of Column
        One or more.

    Raises
    ------
    ValueError
        If there is none, or they are no finite numbers of one number of layers.
    """
    columns = [given] if isinstance(given, Column) else given
    if not isinstance(columns, Sequence):
        raise ValueError(f"{name} must be a Column or several, got a {type(given).__name__}.")
    for column in columns:
        check_type(name, column, Column, "a Column")
        if not np.isfinite(column.value).all():
            raise ValueError(f"{name} must be finite, got {column.value.tolist()}.")
    lengths = sorted({len(column.value) for column in columns})
    if len(lengths) != 1:
        raise ValueError(f"{name} must be one or more columns of the same layers, got {lengths}.")
    return list(columns)


def mean_of_ranks(columns: Sequence[Array]) -> Array:
    """Return the mean over columns of ranks along the last axis; a single column as it is.

    Ranks are halves, whose sums are exact, so that equal means are equal numbers.
    """
    if len(columns) == 1:
        return columns[0]
    return np.asarray(np.mean([stats.rankdata(each, axis=-1) for each in columns], axis=0))
