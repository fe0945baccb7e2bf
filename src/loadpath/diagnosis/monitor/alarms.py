"""What collapse is, while a model trains, and the alarms that say where."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from loadpath.diagnosis.monitor.snapshot import LayerLook, Look

LOSS = "loss"
"""The `Alarm.layer` of an alarm about the loss itself."""

AlarmKind = Literal["not finite", "constant", "dead features", "lost dimensions"]
KINDS: tuple[AlarmKind, ...] = get_args(AlarmKind)
"""The worst first."""


class CollapseWarning(UserWarning):
    """A layer has collapsed; the message says which and how."""


@dataclass(frozen=True)
class Alarm:
    """A collapse that was seen for the first time; `str` gives it in words."""

    kind: AlarmKind
    """What happened (see `Collapse`)."""
    layer: str
    """The first layer that it happened to, in the order of running; "loss" for the loss itself."""
    others: tuple[str, ...]
    """Layers after it of which the same was seen for the first time."""
    step: int
    """Number of the training step."""
    words: str
    """All of it in a sentence."""

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Collapse:
    r"""When a layer counts as collapsed. A layer is compared to what it was when it was first seen.

    - "not finite": its output has NaN or infinity.
    - "constant": its features are the same for every sample up to rounding, or their `spread` is
      below the share `spread` of what it was. At the first look of all no layer is called constant:
      a last layer that starts at zero is given until the second.
    - "dead features": a share of `dead` or more of its features is the same for every sample, and
      less than half of that was at first.
    - "lost dimensions": its participation ratio is below the share `dimensions` of what it was, and
      its classes are at least twice as wide for their distance (log separation of kind
      "trace_ratio" up by log 2), at `looks` looks in a row. Both are asked for, because a layer
      that learns gives up dimensions too: late in training all but classes - 1 (neural collapse),
      down to one of two classes, and for a while early on; but its classes come apart. Without
      classes this kind is never seen.

    Shares of 0, and 1 for `dead`, turn rules off.

    Raises: ValueError for a share that is not between 0 and 1, or `looks` below 1.
    """

    spread: float = 0.05
    """Share of its first spread below which a layer is constant."""
    dead: float = 0.9
    """Share of features that must be dead before it is told."""
    dimensions: float = 0.25
    """Share of its first participation ratio below which a layer may have lost dimensions."""
    looks: int = 2
    """Looks in a row that it takes to say so."""

    def __post_init__(self) -> None:
        for name in ("spread", "dead", "dimensions"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}.")
        if self.looks < 1:
            raise ValueError(f"looks must be at least 1, got {self.looks}.")


@dataclass
class Watch:
    """Compares every look to the first ones, and says what is worse with a layer than was said."""

    rule: Collapse
    first: dict[str, LayerLook] = field(default_factory=dict)
    """Every layer when it first had a number and was not constant."""
    _looks: int = 0
    _in_a_row: dict[str, int] = field(default_factory=dict)
    """Looks in a row at which a layer had few dimensions and worse separation."""
    _told: dict[str, int] = field(default_factory=dict)
    """Of every layer the worst of `KINDS` that was told."""
    _told_of_loss: bool = False

    def alarms(self, look: Look, step: int, loss: float | None = None) -> list[Alarm]:
        """What is new: at most one alarm of each kind, and one of the loss."""
        found: dict[AlarmKind, dict[str, str]] = {kind: {} for kind in KINDS}
        for layer, of in look.layers.items():
            if layer in look.not_finite:
                words = f"puts out NaN or infinity ({look.not_finite[layer]})"
                found["not finite"][layer] = words
            elif layer != look.given:
                for kind, words in self._collapsed(layer, of):
                    found[kind][layer] = words
        self._looks += 1
        alarms: list[Alarm] = []
        if loss is not None and not math.isfinite(loss) and not self._told_of_loss:
            self._told_of_loss = True
            alarms.append(Alarm("not finite", LOSS, (), step, f"step {step}: the loss is {loss}."))
        for kind, words_of in found.items():
            alarms += self._new(kind, words_of, step)
        return alarms

    def _collapsed(self, layer: str, of: LayerLook) -> Iterator[tuple[AlarmKind, str]]:
        """What is the matter with a layer, and in words."""
        if not of.constant:
            self.first.setdefault(layer, of)
        if layer not in self.first:
            if self._looks > 0:
                yield "constant", "has put out the same for every sample since the first look"
            return
        then, rule = self.first[layer], self.rule
        if of.constant or of.spread < rule.spread * then.spread:
            but = "up to rounding" if of.constant else f"but for {of.spread:.2g} of their size"
            words = f"puts out the same for every sample {but}, and features varied by"
            yield "constant", f"{words} {then.spread:.2g} of their size at first"
        elif then.dead < rule.dead / 2 and of.dead >= rule.dead:
            words = f"has {of.dead:.0%} of its features the same for every sample, and had"
            yield "dead features", f"{words} {then.dead:.0%} at first"
        few = of.participation_ratio < rule.dimensions * then.participation_ratio
        lost = few and of.trace_ratio > then.trace_ratio + math.log(2)
        self._in_a_row[layer] = self._in_a_row.get(layer, 0) + 1 if lost else 0
        if self._in_a_row[layer] >= rule.looks:
            words = f"has {of.participation_ratio:.3g} dimensions (participation ratio) left of"
            words += f" {then.participation_ratio:.3g}, and its log separation rose from"
            yield "lost dimensions", f"{words} {then.trace_ratio:.3g} to {of.trace_ratio:.3g}"

    def _new(self, kind: AlarmKind, words_of: dict[str, str], step: int) -> list[Alarm]:
        rank = KINDS.index(kind)
        new = [layer for layer in words_of if rank < self._told.get(layer, len(KINDS))]
        if not new:
            return []
        self._told |= dict.fromkeys(new, rank)
        first, *others = new
        more = f", and {len(others)} layer(s) after it likewise" if others else ""
        sentence = f"step {step}: layer {first!r} {words_of[first]}{more}."
        return [Alarm(kind, first, tuple(others), step, sentence)]
