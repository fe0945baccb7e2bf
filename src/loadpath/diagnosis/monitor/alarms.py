"""What counts as collapse while a model trains, and the alarms that say where it happened."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from loadpath.checks import check_count, check_number
from loadpath.diagnosis.monitor.snapshot import LayerSnapshot, Snapshot

LOSS = "loss"
"""The `Alarm.layer` of an alarm about the loss itself."""

AlarmKind = Literal["not finite", "constant", "dead features", "lost dimensions"]
ALARM_KINDS: tuple[AlarmKind, ...] = get_args(AlarmKind)
"""All kinds of alarm, the worst first."""


class CollapseWarning(UserWarning):
    """A layer has collapsed; the message says which layer, and how."""


@dataclass(frozen=True)
class Alarm:
    """A collapse that was seen for the first time; `str` gives it in words."""

    kind: AlarmKind
    """What happened (see `Collapse`)."""
    layer: str
    """The first layer that it happened to, in the order of running; "loss" for the loss itself."""
    others: tuple[str, ...]
    """Layers after it that the same happened to, seen at the same look."""
    step: int
    """Number of the training step."""
    words: str
    """All of it in a sentence."""

    def __str__(self) -> str:
        """Return the sentence."""
        return self.words


@dataclass(frozen=True)
class Collapse:
    r"""When a layer counts as collapsed, compared to what it was when it was first seen.

    There are four kinds of collapse:

    - "not finite": the output of the layer has NaN or infinity.
    - "constant": its features are the same for every sample up to rounding, or their `spread` is
      below the share `spread` of what it was. A layer that has been constant from the start, as a
      last layer that starts at zero, is given until the next look that counts.
    - "dead features": a share of `dead` or more of its features is the same for every sample, and
      less than half of that was at first.
    - "lost dimensions": its participation ratio is below the share `dimensions` of what it was, and
      its classes are at least twice as wide for their distance (their log separation by
      "trace_ratio" is up by log 2), at `looks` looks in a row that count.

    Looks that are closer to each other than `every` steps count as one, because much passes that
    soon: in the first steps of a training, layers lose dimensions and find them again. In a run
    that is known to be so short that guaranteed looks come sooner, each of those counts.

    A share of 0 turns its rule off, and so does 1 for `dead`.

    Raises
    ------
    ValueError
        If a share is not between 0 and 1, or `looks` is below 1.

    Notes
    -----
    "Lost dimensions" asks for both signs, because a layer that learns gives up dimensions too: late
    in training all but classes - 1 (neural collapse), which is one for two classes, and for a while
    early on. But then its classes come apart. Without classes this kind is never seen.
    """

    spread: float = 0.05
    """Share of its first spread below which a layer is constant."""
    dead: float = 0.9
    """Share of its features that must be dead before there is an alarm."""
    dimensions: float = 0.25
    """Share of its first participation ratio below which a layer may have lost dimensions."""
    looks: int = 2
    """Number of looks in a row at which dimensions must be lost before there is an alarm."""

    def __post_init__(self) -> None:
        """Refuse shares and counts that are out of range."""
        for name in ("spread", "dead", "dimensions"):
            check_number(name, getattr(self, name), least=0, most=1)
        check_count("looks", self.looks, 1)


@dataclass
class CollapseWatch:
    """Compares every snapshot to the first ones, and tells what is worse than was told before."""

    rule: Collapse
    """What counts as collapse."""
    apart: int = 1
    """How many steps lie between two looks that count as two."""
    first: dict[str, LayerSnapshot] = field(default_factory=dict)
    """Every layer when it first had a number and was not constant."""
    first_step: int | None = None
    """The step of the first look; None before it."""
    in_a_row: dict[str, int] = field(default_factory=dict)
    """For each layer, the looks in a row at which it had few dimensions and worse separation."""
    counted: dict[str, int] = field(default_factory=dict)
    """For each of these layers, the step of the last look that counts."""
    told: dict[str, int] = field(default_factory=dict)
    """For each layer, the place in `ALARM_KINDS` of the worst kind that was told."""
    told_of_loss: bool = False
    """Whether it was told that the loss is not finite."""

    def alarms(self, snapshot: Snapshot, step: int, loss: float | None = None) -> list[Alarm]:
        """Return what is new: at most one alarm of each kind, and one about the loss.

        Parameters
        ----------
        snapshot : Snapshot
            The numbers of this look.
        step : int
            Number of the training step.
        loss : float, optional
            The loss of that step, where it is known.

        Returns
        -------
        list of Alarm
            The worst kind first.
        """
        found: dict[AlarmKind, dict[str, str]] = {kind: {} for kind in ALARM_KINDS}
        for layer, numbers in snapshot.layers.items():
            if layer in snapshot.not_finite:
                words = f"puts out NaN or infinity ({snapshot.not_finite[layer]})"
                found["not finite"][layer] = words
            elif layer != snapshot.given:
                for kind, words in self._collapses(layer, numbers, step):
                    found[kind][layer] = words
        if self.first_step is None:
            self.first_step = step
        alarms: list[Alarm] = []
        if loss is not None and not math.isfinite(loss) and not self.told_of_loss:
            self.told_of_loss = True
            alarms.append(Alarm("not finite", LOSS, (), step, f"step {step}: the loss is {loss}."))
        for kind, words_by_layer in found.items():
            alarms += self._new_alarms(kind, words_by_layer, step)
        return alarms

    def _collapses(
        self, layer: str, now: LayerSnapshot, step: int
    ) -> Iterator[tuple[AlarmKind, str]]:
        """Yield what is the matter with a layer, by kind and in words."""
        if not now.constant:
            self.first.setdefault(layer, now)
        if layer not in self.first:
            if self.first_step is not None and step >= self.first_step + self.apart:
                yield "constant", "has put out the same for every sample since the first look"
            return
        then, rule = self.first[layer], self.rule
        if now.constant or now.spread < rule.spread * then.spread:
            but = "up to rounding" if now.constant else f"but for {now.spread:.2g} of their size"
            words = f"puts out the same for every sample {but}, and features varied by"
            yield "constant", f"{words} {then.spread:.2g} of their size at first"
        elif then.dead < rule.dead / 2 and now.dead >= rule.dead:
            words = f"has {now.dead:.0%} of its features the same for every sample, and had"
            yield "dead features", f"{words} {then.dead:.0%} at first"
        few = now.participation_ratio < rule.dimensions * then.participation_ratio
        lost = few and now.trace_ratio > then.trace_ratio + math.log(2)
        if self._counted_in_a_row(layer, lost, step) >= rule.looks:
            words = f"has {now.participation_ratio:.3g} dimensions (participation ratio) left of"
            words += f" {then.participation_ratio:.3g}, and its log separation rose from"
            yield "lost dimensions", f"{words} {then.trace_ratio:.3g} to {now.trace_ratio:.3g}"

    def _counted_in_a_row(self, layer: str, lost: bool, step: int) -> int:
        """Count this look, if it counts, and return how many there are in a row."""
        if not lost:
            self.in_a_row.pop(layer, None)
            self.counted.pop(layer, None)
        elif layer not in self.counted or step >= self.counted[layer] + self.apart:
            self.in_a_row[layer] = self.in_a_row.get(layer, 0) + 1
            self.counted[layer] = step
        return self.in_a_row.get(layer, 0)

    def _new_alarms(
        self, kind: AlarmKind, words_by_layer: dict[str, str], step: int
    ) -> list[Alarm]:
        """Return one alarm about the layers of which nothing as bad was told, if any."""
        rank = ALARM_KINDS.index(kind)
        new = [layer for layer in words_by_layer if rank < self.told.get(layer, len(ALARM_KINDS))]
        if not new:
            return []
        self.told |= dict.fromkeys(new, rank)
        first, *others = new
        layers = "layer" if len(others) == 1 else "layers"
        more = f", and {len(others)} {layers} after it likewise" if others else ""
        sentence = f"step {step}: layer {first!r} {words_by_layer[first]}{more}."
        return [Alarm(kind, first, tuple(others), step, sentence)]
