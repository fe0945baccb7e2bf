"""A law as it was measured on a net: its number, what chance gives, and a verdict in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loadpath.laws.definitions import Definition, NullName
from loadpath.laws.representations import Array
from loadpath.results import Shown
from loadpath.statistics import Estimate

Standing = Literal["holds", "not told from chance", "contradicted", "not measured"]
"""How a law stands in a net: nearer to it than any null comes; no nearer than some null; further
from it than any null comes, or on the other side of neutral; or nothing to say."""
STANDINGS: tuple[Standing, ...] = ("holds", "not told from chance", "contradicted", "not measured")
ALPHA = 0.05
"""Share of a null's draws that may be as near to the law as the net is, for the law to hold."""
WORDS: dict[NullName, str] = {
    "untrained": "untrained nets",
    "depth": "the same steps in other orders",
    "labels": "other labels",
}
"""The nulls in words."""


@dataclass(frozen=True, eq=False, repr=False)
class Null(Shown):
    """The statistic of a law where it has no reason to hold."""

    name: NullName
    """What was drawn: "untrained" nets, the "depth" labels of steps, or "labels" of samples."""
    values: Array
    """(draw,) the statistic of every draw."""
    value: float
    """The statistic of the net."""

    @property
    def p_value(self) -> float:
        r"""The share of draws, the net among them, that come as near to the law as the net does.

        Notes
        -----
        $(1 + \#\{t_i \le t\}) / (1 + n)$: where the net is one more draw, this is at most
        $\alpha$ with a probability of at most $\alpha$, whatever the statistic. Draws within
        rounding count as equal.
        """
        near = self.values <= self.value + self._rounding
        return float((1 + near.sum()) / (1 + len(self.values)))

    @property
    def p_opposite(self) -> float:
        """The same for draws that are as far from the law as the net is."""
        far = self.values >= self.value - self._rounding
        return float((1 + far.sum()) / (1 + len(self.values)))

    @property
    def _rounding(self) -> float:
        return 1e-9 * max(1.0, abs(self.value))


@dataclass(frozen=True, eq=False, repr=False)
class Law(Shown):
    """One law on one net.

    The lower the statistic, the better the law holds; `definition` says what it is.
    """

    definition: Definition
    """The law: its claim, its statistic and its source."""
    estimate: Estimate | None
    """The statistic with an interval over samples; None where it was not measured."""
    nulls: tuple[Null, ...]
    """What it is held against."""
    reason: str = ""
    """Why it was not measured."""

    @property
    def standing(self) -> Standing:
        """How the law stands, by every null that there is."""
        if self.estimate is None or not self.nulls:
            return "not measured"
        neutral = self.definition.neutral
        if neutral is not None and self._beyond(neutral):
            return "contradicted"
        if all(null.p_opposite <= ALPHA for null in self.nulls):
            return "contradicted"
        near = all(null.p_value <= ALPHA for null in self.nulls)
        wrong_side = neutral is not None and self.estimate.value >= neutral
        return "holds" if near and not wrong_side else "not told from chance"

    def _beyond(self, neutral: float) -> bool:
        """Return whether the whole interval lies on the other side of neutral."""
        assert self.estimate is not None
        low = self.estimate.low
        return self.estimate.value > neutral and not (math.isnan(low) or low <= neutral)

    @property
    def verdict(self) -> str:
        """The standing in a sentence, with its numbers."""
        name = self.definition.name.capitalize()
        if self.estimate is None or not self.nulls:
            return f"{name}: not measured, because {self.reason or 'there is no null for it'}."
        e = self.estimate
        interval = "" if math.isnan(e.low) else f" ({e.low:.3g} to {e.high:.3g})"
        number = f"{self.definition.statistic} {e.value:.3g}{interval}"
        standing = self.standing
        if standing == "holds":
            return f"{name} holds: {number}, nearer to {self.definition.ideal:g} than {self._all}."
        if standing == "contradicted":
            neutral = self.definition.neutral
            if neutral is not None and self._beyond(neutral):
                return f"{name} is contradicted: {number}, where {neutral:g} is neither."
            far = f"further from {self.definition.ideal:g} than {self._all}"
            return f"{name} is contradicted: {number}, {far}."
        as_near = [null for null in self.nulls if null.p_value > ALPHA]
        if not as_near:
            return f"{name}: not told from chance: {number} is on the wrong side of neutral."
        others = _listed([f"{WORDS[n.name]} (p = {n.p_value:.2g})" for n in as_near])
        return f"{name}: not told from chance: {number}; {others} come as near."

    @property
    def _all(self) -> str:
        parts = [
            f"{WORDS[null.name]} ({np.median(null.values):.3g} in the median)"
            for null in self.nulls
        ]
        return f"{_listed(parts)} come"


def _listed(parts: Sequence[str]) -> str:
    """Return texts as a list in a sentence."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
