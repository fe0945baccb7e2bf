"""Sets of layers worth a try, in the order of their predicted harm."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from loadpath.diagnosis.surgery.cuts import runs_of
from loadpath.diagnosis.surgery.search.prediction import Prediction

LayerSet = tuple[int, ...]
"""Numbers of layers, in order."""
MOST_SETS = 50_000
"""The most sets of one size that are all looked at; of more, those that exchanges lead to are."""
PENALTY = 0.2
"""Penalty of the corrections: a piece that is in five measured sets has 1/1.04 of what they ask."""


@dataclass
class Candidates:
    """The prediction, as far as measured harms have corrected it, and the sets that it ranks."""

    prediction: Prediction
    """What gradients say."""
    before: list[int | None]
    """The number of the layer whose output each layer is given; None where that is no layer."""
    corrections: NDArray[np.float64] = field(init=False)
    """What measured harms add for each piece."""

    def __post_init__(self) -> None:
        """Begin without corrections."""
        self.corrections = np.zeros(len(self.prediction.pieces))
        self._places = {piece: place for place, piece in enumerate(self.prediction.pieces)}
        self._alone = all(len(piece) == 1 for piece in self.prediction.pieces)
        self._alone &= len(self._places) == self.n_layers

    @property
    def n_layers(self) -> int:
        """How many layers may go."""
        return len(self.before)

    def harms(self, sets: Iterable[LayerSet]) -> NDArray[np.float64]:
        """Return the predicted harm of sets and its standard error, (set,).

        The error is added, because the sets that look best on few samples are those that err most.
        """
        given = list(sets)
        chosen = self._indicators(given)
        harm = self.prediction.harm(chosen, self.corrections) + self.prediction.doubt(chosen)
        return np.where([self._is_known(each) for each in given], harm, math.inf)

    def correct(self, measured: Mapping[LayerSet, float]) -> None:
        """Correct the prediction by harms that were measured, piece by piece.

        The corrections are those of least squares with a penalty: few measurements change little.

        Parameters
        ----------
        measured : mapping of tuple to float
            The measured harm of sets; infinite ones are left out.
        """
        known = {
            each: harm
            for each, harm in measured.items()
            if math.isfinite(harm) and self._is_known(each)
        }
        if not known:
            return
        X = self._indicators(list(known)).astype(float)
        plain = self.prediction.harm(X.astype(bool), np.zeros(X.shape[1]))
        missing = np.array(list(known.values())) - plain
        gram = X.T @ X + PENALTY * np.eye(X.shape[1])
        self.corrections = np.linalg.solve(gram, X.T @ missing)

    def best(self, size: int, count: int) -> list[LayerSet]:
        """Return the sets of a size of least predicted harm.

        Parameters
        ----------
        size : int
            How many layers go.
        count : int
            How many sets are returned at most.

        Returns
        -------
        list of tuple
            The sets, the least harmful first.
        """
        if math.comb(self.n_layers, size) <= MOST_SETS:
            every = list(combinations(range(self.n_layers), size))
        else:
            every = self._by_exchange(size)
        harms = self.harms(every)
        order = np.argsort(harms, kind="stable")[:count]
        return [every[i] for i in order]

    def neighbours(self, chosen: LayerSet) -> list[LayerSet]:
        """Return the sets that differ by one exchange, the least harmful as predicted first."""
        found = _exchanges(chosen, self.n_layers)
        if not found:
            return []
        order = np.argsort(self.harms(found), kind="stable")
        return [found[i] for i in order]

    def runs(self, size: int) -> list[LayerSet]:
        """Return all sets of neighbours, the least harmful as predicted first."""
        found = [tuple(range(l, l + size)) for l in range(self.n_layers - size + 1)]
        order = np.argsort(self.harms(found), kind="stable")
        return [found[i] for i in order]

    def _by_exchange(self, size: int) -> list[LayerSet]:
        """Return the sets that exchanges come by, from the greedy set and from runs on."""
        seen: dict[LayerSet, float] = {}
        for start in [self._greedy(size), *self.runs(size)[:4]]:
            best = start
            seen[best] = float(self.harms([best])[0])
            while True:
                near = _exchanges(best, self.n_layers)
                seen |= dict(zip(near, map(float, self.harms(near)), strict=True))
                least = min(near, key=seen.__getitem__)
                if seen[least] >= seen[best]:
                    break
                best = least
        return list(seen)

    def _greedy(self, size: int) -> LayerSet:
        chosen: LayerSet = ()
        for _ in range(size):
            more = [tuple(sorted((*chosen, l))) for l in range(self.n_layers) if l not in chosen]
            chosen = more[int(np.argmin(self.harms(more)))]
        return chosen

    def _indicators(self, sets: list[LayerSet]) -> NDArray[np.bool_]:
        """Return which pieces go with each set, (set, piece): its layers, or its runs."""
        found = np.zeros((len(sets), len(self.prediction.pieces)), dtype=bool)
        for row, each in zip(found, sets, strict=True):
            row[[self._places[p] for p in self._pieces(each) if p in self._places]] = True
        return found

    def _pieces(self, chosen: LayerSet) -> list[LayerSet]:
        return [(l,) for l in chosen] if self._alone else runs_of(chosen, self.before)

    def _is_known(self, chosen: LayerSet) -> bool:
        """Return whether all pieces of a set are there; very long runs may not be."""
        return all(piece in self._places for piece in self._pieces(chosen))


def _exchanges(chosen: LayerSet, n_layers: int) -> list[LayerSet]:
    others = [l for l in range(n_layers) if l not in chosen]
    return [
        tuple(sorted((*(l for l in chosen if l != gone), new))) for gone in chosen for new in others
    ]
