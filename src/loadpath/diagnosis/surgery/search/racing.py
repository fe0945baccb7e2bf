"""Races between sets of layers on growing samples, in which what is clearly worse drops out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from torch import nn

from loadpath.diagnosis.skipping import MATCHED, RatioSums
from loadpath.diagnosis.surgery.cuts import Way
from loadpath.diagnosis.surgery.search.candidates import LayerSet
from loadpath.diagnosis.surgery.search.harm import Harm, SampleHarm
from loadpath.diagnosis.surgery.search.subject import Subject
from loadpath.record import Batch, OwnRandomness
from loadpath.statistics import Estimate

Runner = tuple[LayerSet, Way]
"""A set of layers and the way in which it goes."""
CLEAR = 0.98
"""Level of the paired interval by which a set is clearly worse than the best so far."""
ROUNDS = (0.125, 0.25, 0.5, 1.0)
"""Shares of the sample on which sets have been measured after each round."""

Stand = tuple[list[AbstractContextManager[None]], nn.Module | None]
"""The hooks under which a model runs as if it were cut, and the model where it is another one."""


@dataclass
class Race:
    """Sets of layers measured on batches, each batch once, whatever race it is for."""

    subject: Subject
    """The model and the samples."""
    harm: Harm
    """How it is scored."""
    order: list[int]
    """Batches in the order in which they join."""
    stand: Callable[[Runner], Stand]
    """What a model runs under as if a set were gone."""
    measured: dict[Runner, dict[int, SampleHarm]] = field(default_factory=dict)
    """What was measured of each set, by batch."""

    def run(self, runners: Sequence[Runner], allowance: float) -> list[Runner]:
        """Race sets against each other, and return them from the least harmful on.

        After every round those drop out that are clearly worse than the best, by the interval of
        paired differences. Further ones drop out, the worst first, only where measuring all that
        are left on the whole sample would take more passes than are allowed.

        Parameters
        ----------
        runners : sequence of (tuple, way)
            The sets.
        allowance : float
            Forward passes over the whole sample that the race may take.

        Returns
        -------
        list of (tuple, way)
            The sets, first those that came farthest.
        """
        alive = list(dict.fromkeys(runners))
        out: list[Runner] = []
        end = self.subject.spent + allowance
        for share in ROUNDS:
            count = max(math.ceil(share * len(self.order)), 1)
            self.measure(alive, self.order[:count])
            alive.sort(key=self.mean)
            left = max(end - self.subject.spent, 0.0)
            best = alive[0]
            kept = [best, *(each for each in alive[1:] if not self.is_clearly_worse(each, best))]
            if share < 1:
                kept = kept[: int(left / self._rest(count)) + 1]
            out = [each for each in alive if each not in kept] + out
            alive = kept
        return alive + out

    def _rest(self, count: int) -> float:
        """Return the passes that one set takes on the batches after the first `count`."""
        sizes = self.subject.sizes
        return sum(sizes[n] for n in self.order[count:]) / sum(sizes) or 1e-9

    def measure(self, runners: Sequence[Runner], numbers: Sequence[int]) -> None:
        """Measure sets on batches, but for what is measured already."""
        wanted = {
            n: [r for r in runners if n not in self.measured.setdefault(r, {})] for n in numbers
        }
        left = [n for n in numbers if wanted[n]]
        for _ in self.subject.passes(left, lambda b: self._measure_batch(b, wanted[b.number])):
            pass

    def _measure_batch(self, batch: Batch, runners: list[Runner]) -> None:
        """Run a batch without each of the sets."""
        subject = self.subject
        start = OwnRandomness(subject.device)
        if batch.number not in self.harm.plain:
            self.harm.note_plain(subject.run(batch, start), batch)
            subject.count_passes(batch.count, 1)
        for runner in runners:
            hooks, model = self.stand(runner)
            output = subject.run(batch, start, hooks, model)
            self.measured[runner][batch.number] = self.harm.measure(output, batch)
            subject.count_passes(batch.count, 1)

    def is_whole(self, runner: Runner) -> bool:
        """Return whether a set was measured on all batches."""
        return self.measured.get(runner, {}).keys() >= set(self.order)

    def mean(self, runner: Runner) -> float:
        """Return the mean harm of a set as far as it was measured; infinity where it was not."""
        parts = self.measured.get(runner, {}).values()
        weight = sum(float(each.weight.sum()) for each in parts)
        return sum(float(each.loss.sum()) for each in parts) / weight if weight else math.inf

    def is_clearly_worse(self, runner: Runner, best: Runner) -> bool:
        """Return whether a set is worse than another by the interval of their differences."""
        if not math.isfinite(self.mean(runner)):
            return True
        mine, its = self.measured[runner], self.measured[best]
        sums = RatioSums()
        for number in mine.keys() & its.keys():
            sums.update(mine[number].loss - its[number].loss, mine[number].weight)
        found = sums.estimate(level=CLEAR)
        return sums.count > 2 and found.low > 0

    def change(self, runner: Runner, *, level: float, right: bool = False) -> Estimate:
        """Return the change of the loss, or of the accuracy, without a set, with its interval."""
        sums = RatioSums()
        for each in self.measured[runner].values():
            if not right:
                sums.update(each.loss, each.weight)
            elif each.right is not None and each.counted is not None:
                sums.update(each.right, each.counted)
        if right:
            return sums.estimate(level=level, added=MATCHED, within=(-1.0, 1.0))
        return sums.estimate(level=level)
