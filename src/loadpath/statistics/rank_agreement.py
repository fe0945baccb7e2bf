"""How far two rankings of the same few layers agree, and how sure one can be of that."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from loadpath.checks import check_level

Array = NDArray[np.float64]
Trust = Literal["agrees", "the other way round", "not shown", "too few layers"]

FEWEST = 4
"""Layers that a correlation takes: any order of 3 comes about by chance in 1 of 6."""
EXACT = 8
"""Layers up to which all orders are tried; 8 have 40,320."""
N_ORDERS = 20_000
"""Orders that are drawn beyond."""
N_REDRAWN = 2_000
"""Draws of both columns within their intervals."""


@dataclass(frozen=True)
class Column:
    """One number a layer, with an interval."""

    value: Array
    """(layer,)."""
    low: Array
    """Lower ends, NaN where there is no interval."""
    high: Array
    """Upper ends."""
    level: float = 0.95
    """Of the intervals."""

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.int64]) -> Column:
        return Column(self.value[which], self.low[which], self.high[which], self.level)

    @property
    def deviation(self) -> Array:
        """Standard deviation that the intervals stand for; 0 where there is none."""
        z = special.ndtri((1 + self.level) / 2)
        return np.nan_to_num((self.high - self.low) / (2 * z))


@dataclass(frozen=True)
class Agreement:
    """Of the ranking by movement with the truth, over layers."""

    n_layers: int
    """Layers that have both numbers."""
    spearman: float
    """Rank correlation, 1 if the least moving is the least harmful and so on; NaN with fewer than 4
    layers, or where all move or harm alike."""
    low: float
    """Lower end of its interval: of correlations when both columns are drawn anew within theirs,
    independently. They are of the same layers: nothing is said of other models."""
    high: float
    """Upper end."""
    p_value: float
    """Share of the orders of layers that have at least as large a correlation, of either sign."""
    exact: bool
    """Whether all orders were tried, and not a sample of them."""
    least: int
    """The k of the next two."""
    hits: int
    """How many of the k least moving layers are among the k least harmful."""
    hits_by_chance: float
    """How many would be on average, were the order random: k^2 / n_layers."""
    rank_of_least_moving: int
    """1 + how many layers are less harmful than the one that moves least."""
    trust: Trust
    """"agrees": the p-value is at most 1 - level and the interval above 0; "the other way round":
    the same below 0; "not shown": neither; "too few layers"."""


def rank_agreement(
    moving: Column, harm: Column, *, least: int | None = None, level: float = 0.95, seed: int = 0
) -> Agreement:
    """Agreement of two columns over the same layers, both small for what should go first.

    `least`: k, a quarter of the layers (rounded up) if None. Up to 8 layers the p-value is exact,
    beyond it is of 20,000 random orders, itself among them. Equal numbers share a rank.

    Raises: ValueError without layers, for values that are not finite, `least` not between 1 and
    the number of layers, or `level` not between 0 and 1.
    """
    check_level(level)
    n = len(moving.value)
    if n == 0 or len(harm.value) != n:
        raise ValueError(f"both columns must have the same layers, got {n} and {len(harm.value)}.")
    for name, column in (("moving", moving), ("harm", harm)):
        if not np.isfinite(column.value).all():
            raise ValueError(f"{name} must be finite, got {column.value.tolist()}.")
    k = math.ceil(n / 4) if least is None else least
    if not 1 <= k <= n:
        raise ValueError(f"least must be between 1 and the {n} layers, got {k}.")
    rng = np.random.default_rng(seed)
    first = np.argsort(moving.value, kind="stable")[:k]
    safest = np.argsort(harm.value, kind="stable")[:k]
    rho = low = high = p_value = math.nan
    if n >= FEWEST:
        rho = float(spearman(moving.value, harm.value))
    if not math.isnan(rho):
        low, high = _redrawn(moving, harm, level, rng)
        p_value = _p_value(moving.value, harm.value, rng)
    return Agreement(
        n,
        rho,
        low,
        high,
        p_value,
        n <= EXACT,
        k,
        len(set(first.tolist()) & set(safest.tolist())),
        k * k / n,
        1 + int((harm.value < harm.value[first[0]]).sum()),
        _trust(n, p_value, low, high, level),
    )


def _trust(n: int, p_value: float, low: float, high: float, level: float) -> Trust:
    if n < FEWEST:
        return "too few layers"
    if not p_value <= 1 - level:  # NaN neither
        return "not shown"
    if low > 0:
        return "agrees"
    return "the other way round" if high < 0 else "not shown"


def spearman(x: Array, y: Array) -> Array:
    """Spearman's rank correlation along the last axis; NaN where one of the two is constant."""
    a, b = (stats.rankdata(v, axis=-1) - (v.shape[-1] + 1) / 2 for v in (x, y))
    norm = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    with np.errstate(invalid="ignore"):
        return np.asarray((a * b).sum(-1) / norm)


def _redrawn(
    moving: Column, harm: Column, level: float, rng: np.random.Generator
) -> tuple[float, float]:
    drawn = [
        column.value + column.deviation * rng.standard_normal((N_REDRAWN, len(column.value)))
        for column in (moving, harm)
    ]
    tail = (1 - level) / 2
    low, high = np.nanquantile(spearman(*drawn), [tail, 1 - tail])
    return float(low), float(high)


def _p_value(x: Array, y: Array, rng: np.random.Generator) -> float:
    n = len(x)
    if n <= EXACT:
        orders = np.array(list(permutations(range(n))))
    else:
        orders = rng.permuted(np.tile(np.arange(n), (N_ORDERS - 1, 1)), axis=1)
        orders = np.vstack([np.arange(n), orders])  # the order that is: no p-value is 0
    found = spearman(np.broadcast_to(x, orders.shape), y[orders])
    # Orders that only rounding tells apart are as good as one another.
    return float((abs(found) >= abs(found[0]) - 1e-9).mean())
