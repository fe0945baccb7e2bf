"""A smaller model beside its original, and modules of it corrected one after another."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from loadpath.diagnosis.surgery.healing import distance_of_answers
from loadpath.diagnosis.surgery.search import Harm, Subject
from loadpath.diagnosis.surgery.ways import (
    Correction,
    correction,
    recipe_of,
    rows_into,
    why_not_refitted,
    writers,
)
from loadpath.record import Batch, Moments, OwnRandomness, evaluation_mode, tensor_of

Sums = tuple[float, float, float, float]
"""Sums over a batch: of the distance and its weight, of the harm and its weight."""
WIDEST = 8192
"""The most features that a module may be given and put out together: moments are their square."""
ROWS = 20
"""Rows for each feature that a module is given, to which it is fitted at most."""


@dataclass(frozen=True)
class Comparison:
    """How far a smaller model is from the original, on the samples of the search."""

    distance: float
    """The distance of its answers to the original's, a mean over samples."""
    harm: float
    """The mean harm."""


@dataclass(frozen=True)
class Refit:
    """One module behind a cut, and what came of refitting it."""

    layer: str
    """The layer whose output it was fitted to, as the original calls it."""
    module: str
    """The module whose weights were corrected, as the smaller model calls it; empty if none."""
    explained: float
    """The share of what the layer's output missed that the correction makes up for, on samples of
    the search that it was not fitted to."""
    before: Comparison
    """How far the smaller model was from the original before, on the samples of the search."""
    after: Comparison
    """How far it is with the correction."""
    status: str
    """ "refitted", or why it was left as it was."""


@dataclass
class Correcting:
    """The original and the smaller model side by side."""

    subject: Subject
    """The original, and the samples."""
    made: nn.Module
    """The smaller model, whose weights are corrected."""
    harm: Harm = field(init=False)
    """How it is scored."""
    comparisons: list[Comparison] = field(default_factory=list)
    """How far the smaller model was, as it went."""
    answers: dict[int, Tensor] = field(default_factory=dict)
    """What the original answers to each batch."""

    def __post_init__(self) -> None:
        """Learn what the layers are called in the smaller model."""
        self.harm = Harm(self.subject)
        scoring = self.subject.scoring
        self.shares = scoring is not None and scoring.units == "nats"
        self.called = names_after(self.subject.model, self.made)

    def refit(self, layer: str) -> Refit:
        """Refit one layer, and return what came of it."""
        new = self.called.get(layer)
        module, why = "", "the smaller model has no such layer"
        if new is not None:
            module, why = self._module_of(layer, new)
        found: Correction | None = None
        if not why:
            found, why = self._correction(layer, str(new), module)
        if not self.comparisons:
            self.comparisons.append(self._measured())
        before = after = self.comparisons[-1]
        if found is not None:
            part = self.made.get_submodule(module)
            kept = copy.deepcopy(part.state_dict())
            found.add_to(part)
            after = self._measured()
            if after.distance <= before.distance:
                self.comparisons.append(after)
            else:
                part.load_state_dict(kept)
                why = f"the distance would rise from {before.distance:.3g} to {after.distance:.3g}"
        explained = float("nan") if found is None else found.explained
        return Refit(layer, module, explained, before, after, why or "refitted")

    def _module_of(self, layer: str, new: str) -> tuple[str, str]:
        """Return the module that is refitted for a layer, or why there is none."""
        block = self.made.get_submodule(new)
        if not why_not_refitted(block):
            return new, ""
        seen: list[tuple[Any, Any]] = []

        def keep(_: nn.Module, args: Any, kwargs: Any) -> None:
            # A copy, as a layer of a language model adds to the cache that it is given.
            seen.append(copy.deepcopy((args, kwargs)))

        def run(batch: Batch) -> list[str]:
            with evaluation_mode(self.made):
                hook = block.register_forward_pre_hook(keep, with_kwargs=True)
                try:
                    self._run(batch, self.made)
                finally:
                    hook.remove()

                def call(part: nn.Module) -> tuple[Tensor, Tensor]:
                    args, kwargs = copy.deepcopy(seen[0])
                    given, out = tensor_of((args, kwargs)), tensor_of(part(*args, **kwargs))
                    assert given is not None and out is not None
                    return given, out

                return writers(block, call)

        (found,) = self.subject.passes([0], run)
        reasons = [why_not_refitted(block.get_submodule(name)) for name in found]
        for name, reason in zip(found, reasons, strict=True):
            if not reason:  # the last of them to run comes first
                return f"{new}.{name}", ""
        if reasons:
            return "", f"what writes to its output {reasons[0]}"
        return "", f"no module inside the {type(block).__name__} alone writes to its output"

    def _correction(self, layer: str, new: str, module: str) -> tuple[Correction | None, str]:
        """Return the correction of a module by what the output of its layer lacks."""
        subject, part = self.subject, self.made.get_submodule(module)
        weight = part.weight
        assert isinstance(weight, Tensor)
        inputs, outputs = weight[0].numel(), len(weight)
        if inputs + outputs > WIDEST:
            return None, f"it has more than {WIDEST} features to keep moments of"
        moments: list[Moments | None] = [None, None]
        numbers = list(range(len(subject.batches)))
        first = numbers[: (len(numbers) + 1) // 2]
        measured: list[Sums] = []
        reasons: set[str] = set()

        def run(batch: Batch) -> None:
            with _seen(subject.model.get_submodule(layer)) as wanted:
                plain = self._run(batch, subject.model)
            with (
                evaluation_mode(self.made),
                _seen(self.made.get_submodule(new)) as has,
                _seen(part) as own,
            ):
                output = self._run(batch, self.made)
            subject.count_passes(batch.count, 2)
            if not self.comparisons:
                measured.append(self._compared(batch, plain, output))
            if min(len(each) for each in (wanted, has, own)) != 1:
                reasons.add("it does not run once for each batch")
                return
            z = rows_into(part, own[0][0])
            lacking = wanted[0][1] - has[0][1]
            r = lacking.flatten(2).transpose(1, 2) if isinstance(part, nn.Conv2d) else lacking
            if z.shape[:-1] != r.shape[:-1] or r.shape[-1] != outputs:
                reasons.add("its output has other places than what is refitted")
                return
            rows = torch.cat([z, r], dim=-1).double()
            mask = batch.mask
            if mask is not None and rows.shape[:2] == mask.shape:
                rows = rows[mask.to(rows.device)]
            rows = rows.reshape(-1, inputs + outputs).cpu()
            most = max(ROWS * inputs // max(len(first), 1), 1)
            half = int(batch.number not in first)
            found = moments[half]
            if found is None:
                found = Moments(inputs + outputs, velocity=False, activation="identity")
                moments[half] = found
            found.update(rows if len(rows) <= most else rows[:: -(-len(rows) // most)])

        for _ in subject.passes(numbers, run):
            pass
        if measured:
            self.comparisons.append(_comparison(measured))
        if reasons or moments[0] is None:
            return None, next(iter(reasons), "there are no rows to fit to")
        return correction(moments[0], moments[1], inputs, bias=part.bias is not None), ""

    def _run(self, batch: Batch, model: nn.Module) -> Any:
        subject = self.subject
        return subject.run(batch, OwnRandomness(subject.device), (), model)

    def _compared(self, batch: Batch, plain: Any, output: Any) -> Sums:
        """Return the sums of distance and harm on a batch, each with its weight."""
        reading, number = self.subject.reading, batch.number
        if number not in self.answers:
            self.harm.note_plain(plain, batch)
            answer = reading.answer(plain)
            assert answer is not None  # or the plan had refused it
            self.answers[number] = answer
        answer = reading.answer(output)
        assert answer is not None
        distance = distance_of_answers(answer, self.answers[number], batch, shares=self.shares)
        harm = self.harm.measure(output, batch)
        count = float(batch.count)
        return float(distance) * count, count, float(harm.loss.sum()), float(harm.weight.sum())

    def _measured(self) -> Comparison:
        """Return how far the smaller model is as it stands."""

        def run(batch: Batch) -> Sums:
            plain = None
            if batch.number not in self.answers:
                plain = self._run(batch, self.subject.model)
                self.subject.count_passes(batch.count, 1)
            with evaluation_mode(self.made):
                output = self._run(batch, self.made)
            self.subject.count_passes(batch.count, 1)
            return self._compared(batch, plain, output)

        return _comparison(list(self.subject.passes(range(len(self.subject.batches)), run)))


def _comparison(parts: list[Sums]) -> Comparison:
    """Return the means over all batches."""
    distance, count, harm, weight = (sum(column) for column in zip(*parts, strict=True))
    return Comparison(distance / count, harm / weight)


@contextmanager
def _seen(module: nn.Module) -> Iterator[list[tuple[Tensor, Tensor]]]:
    """Collect what a module is given and puts out, once for each of its calls."""
    found: list[tuple[Tensor, Tensor]] = []

    def keep(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        given, out = tensor_of((args, kwargs)), tensor_of(output)
        if given is not None and out is not None:
            found.append((given.detach().clone(), out.detach().clone()))

    hook = module.register_forward_hook(keep, with_kwargs=True)
    try:
        yield found
    finally:
        hook.remove()


def names_after(original: nn.Module, made: nn.Module) -> dict[str, str]:
    """Return what each module of the original is called in a model that was cut from it."""
    tagged = copy.deepcopy(original)
    for name, module in tagged.named_modules():
        module.__dict__["_name_before"] = name
    after = recipe_of(made).follow(tagged)
    return {
        module.__dict__["_name_before"]: name
        for name, module in after.named_modules()
        if "_name_before" in module.__dict__
    }
