"""The search for the least harmful set: predictions first, then races, then exchanges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr

from loadpath import results
from loadpath.diagnosis.surgery.cuts import MAPPED, Cut, LinearMap, Way, runs_of
from loadpath.diagnosis.surgery.search import (
    DRAWS,
    Candidates,
    Harm,
    LayerSet,
    Maps,
    Prediction,
    Race,
    Runner,
    Subject,
    predict,
    shuffled,
)
from loadpath.diagnosis.surgery.ways import LinearMaps, Standing

PASSES = 3.0
"""Forward passes over the search sample that a search may make for each layer."""
FOR_PREDICTION = 0.5
"""Forward passes for each layer that a prediction takes of these, if batches allow it."""
PREDICTION_COST = 1 + 2 * (1 + DRAWS)
"""Forward passes that a prediction takes on each sample."""
FOR_FIRST_RACE = 0.5
"""Share of what is left that the first race may take; the rest is for exchanges."""
SHARES: dict[Way, float] = {"drop": 1.0, "merge": 1.0, "linear": 2.0, "convolution": 2.0}
"""How the passes that are left are shared between ways: maps must be fitted and predicted first."""
FEWEST_RUNS = 4
"""Runs of neighbours that race against the best predicted sets at least."""
ONE_ERROR = 0.68
"""Confidence level whose interval reaches by about one standard error, which ways compete by."""
RESERVE = 2.0
"""Forward passes that are kept for measuring what is chosen on all of the sample."""
ENOUGH = 1.0
"""Forward passes that must be left for another race."""


@dataclass
class Search:
    """The search for the least harmful set of layers."""

    subject: Subject
    """The model and the samples."""
    ways: tuple[Way, ...]
    """The ways that are allowed."""
    seed: int
    """The seed of the order of batches."""
    level: float
    """Confidence level of intervals."""
    harm: Harm = field(init=False)
    """How sets are scored."""
    race: Race = field(init=False)
    """What was measured."""
    maps: dict[Way, LinearMaps] = field(default_factory=dict)
    """The maps of runs, for the ways that have some and are allowed."""
    dropped: Candidates = field(init=False)
    """What is predicted where layers are dropped."""
    replaced: dict[Way, Candidates] = field(default_factory=dict)
    """What is predicted where maps take their place."""

    def __post_init__(self) -> None:
        """Predict the harm of dropping any set."""
        subject = self.subject
        self.harm = Harm(subject)
        order = shuffled(len(subject.batches), self.seed)
        mapped = [way for way in self.ways if way in MAPPED]
        if mapped:
            self._check_mapped(mapped[0])
            half = len(order) // 2
            fit_on, order = order[:half], order[half:]
            self.maps = {way: LinearMaps(subject, fit_on, order, way) for way in mapped}
        self.most = max(PASSES * len(subject.calls) - RESERVE, 1.0)
        self.standing = Standing(subject, lambda run, way: self.maps[way].fitted[run])
        self.race = Race(subject, self.harm, order, self.standing)
        alone = [(layer,) for layer in range(len(subject.calls))]
        found = self._predicted(alone)
        self.by_gradients = found is not None
        if found is None:
            found = self._measured_alone(order[: max(len(order) // 4, 1)])
        self.dropped = Candidates(found, subject.before)

    def best(self, size: int, until: float | None = None) -> Runner:
        """Return the least harmful set of a size, in the least harmful way.

        Parameters
        ----------
        size : int
            How many layers go.
        until : float, optional
            The number of passes after which no race begins.

        Raises
        ------
        ValueError
            If layers are to be merged and none can be.
        """
        until = self.most if until is None else until
        winners: list[Runner] = []
        for place, way in enumerate(self.ways):
            spent, left = self.subject.spent, [SHARES[each] for each in self.ways[place:]]
            end = spent + (until - spent) * left[0] / sum(left)
            pool = [(each, way) for each in self._pool(size, way) if self._can_go(each, way)]
            if pool:
                winners.append(self._by_exchange(self._first_race(pool, end), end))
        if not winners:
            first = self._pool(size, "drop")[0]
            raise ValueError(
                f"ways must allow {size} layers to go, and none can be merged: "
                f"{self.standing.why_not_merged(first)}."
            )
        self.race.measure(winners, self.race.order)
        if len(winners) == 1:
            return winners[0]
        # Sets of each way were chosen to look good: what may be luck counts against a way.
        return min(winners, key=lambda each: self.race.change(each, level=ONE_ERROR).high)

    def most_within(self, budget: float, *, right: bool) -> Runner:
        """Return the set with the most layers whose cost keeps within a budget.

        Parameters
        ----------
        budget : float
            The most that the upper end of its cost may be.
        right : bool
            Whether that is points of accuracy.

        Raises
        ------
        ValueError
            If not even one layer can go.
        """
        least, most = 0, len(self.subject.calls)
        found: Runner | None = None
        while least < most:  # sizes up to `least` keep within it, those above `most` do not
            size = (least + most + 1) // 2
            sizes_left = math.ceil(math.log2(most - least + 1))
            spent = self.subject.spent
            self.best(size, spent + max(self.most - spent, 0.0) / sizes_left)
            whole = [r for r in self._allowed(size) if self.race.is_whole(r)]
            runner = min(whole, key=lambda each: self._cost(each, right))
            cost = self._cost(runner, right)
            if cost <= budget:
                found, least = runner, size
            else:
                most = size - 1
        if found is None:  # then the last size was 1
            what = "points of accuracy" if right else self.harm.units
            raise ValueError(
                "budget is met by no cut: the least harmful layer, "
                f"{self.subject.names[runner[0][0]]!r}, may cost {cost:.3g} {what} at the upper "
                f"end of its interval, got {budget}."
            )
        return found

    def cut(self, runner: Runner) -> Cut:
        """Return a set as a cut, with maps that are fitted to all samples."""
        return Cut(self._names(runner), runner[1], self._maps_of(runner, final=True))

    def tried(self) -> list[tuple[Cut, float]]:
        """Return all sets that were measured, each with its mean harm as far as it ran."""
        race = self.race
        return [
            (Cut(self._names(each), each[1], self._maps_of(each, final=False)), race.mean(each))
            for each in sorted(race.measured, key=race.mean)
        ]

    def dataset(self, runner: Runner) -> xr.Dataset:
        """Return what is known of each layer, stamped."""
        subject, prediction = self.subject, self.dropped.prediction
        stay = list(subject.kept.values())
        alone = prediction.slope + prediction.curvature.diagonal() / 2
        goes = [layer in runner[0] for layer in range(len(subject.calls))]
        columns = {
            "predicted_harm": ([*alone, *[math.nan] * len(stay)], self.harm.units),
            "goes": ([*goes, *[False] * len(stay)], "1"),
            "status": (
                np.array(["may go"] * len(goes) + [f"stays: {why}" for why in stay], dtype=object),
                "words",
            ),
        }
        words = {
            "predicted_harm": "predicted harm of dropping the layer alone",
            "goes": "whether the layer goes",
            "status": "whether the layer may go, or why not",
        }
        names = np.array([*subject.names, *subject.kept], dtype=object)
        ds = xr.Dataset(coords={"layer": names})
        for name, (values, units) in columns.items():
            ds[name] = ("layer", values, {"long_name": words[name], "units": units})
        return results.stamp(
            ds,
            model=type(subject.model).__name__,
            n_samples=sum(subject.sizes),
            way=runner[1],
            passes=subject.spent,
            harm_kind=self.harm.words,
            predicted_from="gradients" if self.by_gradients else "each layer left out",
            seed=self.seed,
        )

    def _allowed(self, size: int) -> list[Runner]:
        """Return the sets of a size that were measured, in ways that are allowed."""
        return [r for r in self.race.measured if len(r[0]) == size and r[1] in self.ways]

    def _first_race(self, runners: Sequence[Runner], until: float) -> Runner:
        """Return the winner of a race that takes part of the passes that are left.

        With few passes left it is between the first few: what a small sample says of many sets is
        worth less than the prediction that put them in order.
        """
        allowance = FOR_FIRST_RACE * (until - self.subject.spent)
        runners = runners[: max(int(1.25 * allowance), 2)]
        self._prepare(runners)
        return self.race.run(runners, allowance)[0]

    def _by_exchange(self, best: Runner, until: float) -> Runner:
        """Return the set that exchanges lead to, one layer for another at a time.

        Where no exchange is better, sets race that the corrected prediction has come to favour.
        """
        size, way = len(best[0]), best[1]
        candidates, mean = self._candidates(way, size), self.race.mean
        most = max(len(self.subject.calls), FEWEST_RUNS)
        for far in [False, True] * len(self.subject.calls):
            known = self.race.measured
            candidates.correct({each: mean((each, w)) for each, w in known if w == way})
            sets = candidates.best(size, 4 * most) if far else candidates.neighbours(best[0])
            near = [
                (each, way) for each in sets if (each, way) not in known and self._can_go(each, way)
            ]
            left = until - self.subject.spent
            if left < ENOUGH:
                break
            if not near:
                continue
            runners = [best, *near[: min(most, int(left))]]
            self._prepare(runners)
            found = self.race.run(runners, left)[0]
            if found == best and far:
                break
            best = found
        return best

    def _pool(self, size: int, way: Way) -> list[LayerSet]:
        """Return the sets that race first: those predicted to be best, and runs of neighbours.

        Every third is a run, for what the prediction may not see.
        """
        n_layers, candidates = len(self.subject.calls), self._candidates(way, size)
        runs = candidates.runs(size)[: max(FEWEST_RUNS, n_layers // 2)]
        found = candidates.best(size, n_layers)
        for place, run in enumerate(runs):
            found.insert(3 * place + 2, run)
        return list(dict.fromkeys(found))

    def _candidates(self, way: Way, size: int) -> Candidates:
        """Return what is predicted for a way; merged layers count as dropped ones."""
        if way not in self.maps:
            return self.dropped
        known = self.replaced.get(way)
        if known is None or max(map(len, known.prediction.pieces)) < size:
            maps = self.maps[way]
            pieces = maps.runs_up_to(size)
            maps.fit(pieces)
            found = self._predicted(pieces, maps.fitted.__getitem__)
            if found is None:  # the share of the step that a map leaves says which is better
                left = np.array([1 - maps.fitted[piece].explained for piece in pieces])
                found = Prediction(tuple(pieces), left, np.zeros((len(left), len(left))))
            self.replaced[way] = known = Candidates(found, self.subject.before)
        return known

    def _predicted(self, pieces: Sequence[LayerSet], maps: Maps | None = None) -> Prediction | None:
        """Return the prediction for pieces from gradients; None where there is none."""
        subject, order = self.subject, self.race.order
        whole = sum(subject.sizes)
        passes = np.cumsum([subject.sizes[n] for n in order]) / whole * PREDICTION_COST
        first = max(int((passes <= FOR_PREDICTION * len(subject.calls)).sum()), 1)
        if passes[first - 1] > self.most / 2:  # few layers are as soon left out one by one
            return None
        return predict(subject, self.harm, order[:first], self.seed, pieces, maps)

    def _prepare(self, runners: Sequence[Runner]) -> None:
        """Make the maps and merged layers of sets, before they race."""
        for kind, maps in self.maps.items():
            chosen = [each for each, way in runners if way == kind]
            maps.fit([run for each in chosen for run in runs_of(each, self.subject.before)])
        if self.subject.calls[0].site.node is None:
            for each, way in runners:
                if way == "merge":
                    for group in self.standing.groups(each):
                        self.standing.merged(group)

    def _can_go(self, chosen: LayerSet, way: Way) -> bool:
        return way != "merge" or self.standing.why_not_merged(chosen) is None

    def _cost(self, runner: Runner, right: bool) -> float:
        """Return the upper end of the cost of a set: of the loss, or of points of accuracy."""
        found = self.race.change(runner, level=self.level, right=right)
        if not math.isfinite(found.value):
            return math.inf
        return -100 * found.low if right else found.high

    def _measured_alone(self, numbers: Sequence[int]) -> Prediction:
        """Return the harm of each layer alone as the prediction, without interactions."""
        pieces = tuple((layer,) for layer in range(len(self.subject.calls)))
        self.race.measure([(piece, "drop") for piece in pieces], numbers)
        slope = np.array([self.race.mean((piece, "drop")) for piece in pieces])
        largest = slope[np.isfinite(slope)].max(initial=1.0)
        slope = np.where(np.isfinite(slope), slope, 10 * abs(largest))
        return Prediction(pieces, slope, np.zeros((len(slope), len(slope))))

    def _check_mapped(self, way: Way) -> None:
        if self.subject.calls[0].site.node is not None:
            raise ValueError(f"ways must not have {way!r} for layers of a path, got {way!r}.")
        if len(self.subject.batches) < 2:
            raise ValueError(
                f"loader must yield at least 2 batches for the way {way!r}, one to fit maps on and "
                "one to judge them, and it yields 1."
            )

    def _names(self, runner: Runner) -> tuple[str, ...]:
        return tuple(self.subject.names[layer] for layer in runner[0])

    def _maps_of(self, runner: Runner, *, final: bool) -> tuple[LinearMap, ...]:
        """Return the maps of a set, none where it is not replaced by such."""
        if runner[1] not in self.maps:
            return ()
        held = self.maps[runner[1]].final if final else self.maps[runner[1]].fitted
        return tuple(held[run] for run in runs_of(runner[0], self.subject.before))
