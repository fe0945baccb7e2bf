"""A trial of the first batch: all calls, and what becomes of them with other samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from loadpath.record.calls import Batch
from loadpath.record.hooks import OwnRandomness
from loadpath.record.layout.axes import (
    axis_of_shape,
    first_axis,
    is_plain,
    moving_axes,
    resized,
)
from loadpath.record.layout.sequences import CallKey, Stem, changed, stems_in
from loadpath.record.layout.trial import Call, Seen, watch_calls
from loadpath.record.structures import OutputPath, mapped

_MOVES = 1e-6
# A layer depends on what is turned around if its sketch moves by more than that share: repeated
# passes on a GPU differ by rounding, and samples that change places by far more.


@dataclass
class Trial:
    """The calls of a model on its first batch, run in memory of its own.

    Random numbers are as if nothing had run.
    """

    model: nn.Module
    """The model, inside its wrappers."""
    device: torch.device
    """Where it runs."""
    batch: Batch
    """The batch."""
    tokens_first: bool
    """Whether the user says that sequences are (token, sample, width)."""
    calls: list[Call] = field(init=False)
    """All calls, in the order in which they ended."""
    returned: list[Seen] = field(default_factory=list)
    """All tensors that the model returned."""
    _fewer: dict[CallKey, Call] | None = None

    def __post_init__(self) -> None:
        self.calls = self._watched(lambda: mapped(self.batch, Tensor.clone), into=self.returned)

    def _watched(
        self,
        made: Callable[[], Batch],
        *,
        sketched: bool = False,
        into: list[Seen] | None = None,
    ) -> list[Call]:
        with OwnRandomness(self.device)():
            return watch_calls(
                self.model, lambda: made().run(self.model), sketched=sketched, returned=into
            )

    def is_usable(self, call: Call) -> bool:
        """Return whether a call of the trial put out real numbers with samples."""
        return any(seen.real and self.has_samples(call, seen) for seen in call.out)

    def has_samples(self, call: Call, seen: Seen) -> bool:
        """Return whether what a call put out has an axis of samples."""
        if seen.ragged:
            return True
        return len(seen.shape) > 1 and self.axis(call, seen, refuse=False) is not None

    def axis(self, call: Call, seen: Seen, *, refuse: bool) -> int | None:
        """Return the axis of the samples in what a call of the trial put out."""
        batch, shape, count = self.batch, seen.shape, self.batch.count
        if seen.ragged:
            return 0
        sure = axis_of_shape(shape, count, False)
        if sure == 0 and is_plain(batch) and (call.main is not None or len(shape) > 2):
            return 0  # an embedding of positions may be as long as the batch by chance
        if count not in shape[:2]:
            return None
        fewer = self._of_fewer()
        key = call.site.name, call.times
        if fewer is not None:
            other = {s.path: s for s in fewer[key].out}.get(seen.path) if key in fewer else None
            if other is not None:
                now = 2 if count == 1 else count - 1
                axes = [a for a in moving_axes(shape, other.shape, count, now) if a < 2]
                if axes and (axes[0] == 0 or len(shape) == 3):
                    return axes[0]
                return None
        said = first_axis(call.site.module) if len(shape) == 3 else None
        axis = axis_of_shape(shape, count, self.tokens_first) if said is None else said
        if axis is None and refuse and shape[:2] == (count, count):
            raise ValueError(
                f"layer {call.site.name!r} puts out {shape} for a batch of {count} samples, and "
                "which axis is that of the samples cannot be told: take batches of another size."
            )
        return axis

    def last_path(self) -> OutputPath | None:
        """Return the path to what the last layer put out, among what the model returned.

        That is the one tensor that no module was given; of several, the one whose module ended
        last. None if some of these are made outside of all modules.
        """
        given = [seen for call in self.calls for seen in call.given]
        real = [seen for seen in self.returned if seen.real]
        ends = [seen for seen in real if not any(seen.is_same(other) for other in given)]
        if len(ends) == 1:
            return ends[0].path
        made = []
        for seen in ends or real:
            makers = [c.ended for c in self.calls if any(seen.is_same(o) for o in c.out)]
            if not makers:
                return None
            made.append((makers[0], seen.path))
        return max(made, key=lambda pair: pair[0])[1] if made else None

    def _of_fewer(self) -> dict[CallKey, Call] | None:
        """Return the calls of a pass with one sample less; None if the model does not run it."""
        if self._fewer is None:
            self._fewer = {}
            for square in (True, False):
                try:
                    found = self._watched(partial(resized, self.batch, square))
                except Exception:  # what a model cannot do with other sizes is no fault of it
                    continue
                self._fewer = {(call.site.name, call.times): call for call in found}
                break
        return self._fewer or None

    def effects(self) -> dict[Stem, set[CallKey]]:
        """Return for each stem the calls whose output is another when it is turned around."""

        def sketches(batch: Batch) -> dict[CallKey, list[float]]:
            calls = self._watched(lambda: batch, sketched=True)
            return {(c.site.name, c.times): [seen.sketch for seen in c.out] for c in calls}

        first = self.batch
        stems = stems_in(self.model, first)
        found: dict[Stem, set[CallKey]] = {}
        try:
            plain = sketches(mapped(first, Tensor.clone))
            for stem, tensors in stems.items():
                if stem != "other":
                    turned = sketches(changed(first, tensors))
                    found[stem] = {key for key in plain if _moved(plain[key], turned.get(key, []))}
        except Exception:  # what a model cannot do with tokens in another order is no fault of it
            return {}
        return found


def _moved(before: list[float], after: list[float]) -> bool:
    """Return whether one of some sketches is another now."""
    pairs = zip(before, after, strict=False)
    return any(abs(a - b) > _MOVES * max(abs(a), abs(b)) for a, b in pairs)
