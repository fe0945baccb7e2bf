"""The pass over a loader in which every layer is skipped on every batch, and what it sums."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from loadpath import results
from loadpath.diagnosis.labels import read_labels
from loadpath.diagnosis.skipping.bypass import Call, bypassing, reason_to_keep, watching_calls
from loadpath.diagnosis.skipping.paired import OutputSums
from loadpath.diagnosis.skipping.reading import Reading
from loadpath.diagnosis.skipping.scoring import LossFunction, Scoring, choose_scoring
from loadpath.diagnosis.skipping.skipped import (
    Measured,
    SkipSums,
    output_rows,
    skipping_dataset,
    squares_of_rows,
    step_squares,
    widened,
)
from loadpath.record import (
    Batch,
    Layout,
    OwnRandomness,
    Site,
    blocks_of,
    leaves,
    mapped,
    values_of,
)
from loadpath.statistics import Grouped, groups_of


@dataclass
class SkippingPass:
    """One pass of `skip_layers`: what it is asked for, and what it has summed so far."""

    model: nn.Module
    """The model, without wrappers."""
    device: torch.device
    """Where it runs."""
    loss: LossFunction | None
    """The loss that the user gave."""
    tokens_first: bool
    """Whether sequences are (token, sample, width)."""
    chosen: tuple[list[Site], str] | None
    """The sites to skip, and how they were chosen; None until blocks are found."""
    layout: Layout
    """Which tensors are the layers' inputs and outputs."""
    reading: Reading = field(default_factory=Reading)
    """How answers and labels are read."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Modules that would be layers and cannot be recorded, each with why not."""
    read: set[str] = field(default_factory=set)
    """Layers whose output is known to be read by something."""
    scoring: Scoring | None = None
    """How outputs are scored, from the first batch on."""
    plain: SkipSums = field(default_factory=SkipSums)
    """Losses and predictions of the model with all layers in place."""
    layers: dict[str, SkipSums] = field(default_factory=dict)
    """Changes without each layer, in the order in which layers ran on the first batch."""
    kinds: dict[str, str] = field(default_factory=dict)
    """What each layer is, in words, in the same order."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a layer has no numbers."""
    outputs: Grouped[OutputSums] | None = None
    """Outputs, and how far each layer moves them, in groups of samples."""
    width: int = 0
    """Width of the rows of the output."""
    not_compared: str = ""
    """Why outputs are not compared, if they are not."""
    by_batch: set[bool] = field(default_factory=set)
    """Which kinds of losses were seen: True for one number a batch, False for one a sample."""
    n_samples: int = 0
    """How many samples were seen."""
    n_batches: int = 0
    """How many batches were seen."""

    def measure_batch(self, batch: Batch, first: int) -> None:
        """Run one batch with all layers and without each, and add what changed to the sums.

        Parameters
        ----------
        batch : Batch
            The batch.
        first : int
            Index of its first sample among all samples.

        Raises
        ------
        ValueError
            As `skip_layers`.
        """
        if self.chosen is None:
            blocks = blocks_of(self.layout, batch)
            self.chosen, self.left_out = (blocks.sites, blocks.words), blocks.left_out
        start = OwnRandomness(self.device)
        output, calls, steps = self._run_plain(batch)
        if self.layout.unclear:  # which tensors are inputs and outputs is to be found out first
            self.layers, self.reasons = {}, {}
            self.layout.try_on(batch)
            self.layout.learn(self.chosen[0], rows=False)
            start.rewind()
            output, calls, steps = self._run_plain(batch)
        self._check_calls(calls, batch.number)
        if self.scoring is None:
            answers = self.reading.answers
            if answers.needs_last(output, read_labels(batch.labels)):
                answers.take_last(output, self.layout.last_path(batch))
            self.scoring = choose_scoring(self.loss, output, batch, self.reading)
        plain = self._measure(output, batch)
        if plain.not_finite is not None:
            raise ValueError(
                f"{plain.not_finite} must be finite with all layers in place, and in batch "
                f"{batch.number} it is not."
            )
        self.plain.update(plain)
        self.scoring.note(output, batch, self.reading)
        moved = {}
        for call in calls:
            moved[call.name], same = self._skip_call(call, batch, plain, start)
            if call.name not in self.read and call.name not in self.reasons:
                if same and steps[call.name] > 0 and self._is_unread(call, batch, output, start):
                    self.reasons[call.name] = (
                        "not skipped: nothing in the model reads what it puts out"
                    )
                    moved[call.name].fill_(math.nan)
                elif not same:
                    self.read.add(call.name)
        if plain.rows is not None and plain.sample is not None:
            if self.outputs is None:
                none = torch.zeros(len(calls), dtype=torch.float64)
                self.outputs = Grouped(lambda: OutputSums(none))
            groups = groups_of(plain.sample + first)
            columns = [moved[name] for name in self.kinds]
            self.outputs.update(groups, plain.rows, torch.stack(columns, dim=1))
        self.n_samples, self.n_batches = first + batch.count, batch.number + 1

    def _run_plain(self, batch: Batch) -> tuple[Any, list[Call], dict[str, float]]:
        """Run a batch with all layers, and add the layers' own steps to the sums.

        Returns
        -------
        output : Any
            What the model returned.
        calls : list of Call
            The calls of the layers, in order.
        steps : dict of str to float
            The squared step of each layer that can be left out.
        """
        calls: list[Call] = []
        steps: dict[str, float] = {}

        def watch(call: Call, before: Tensor | None, after: Tensor | None) -> None:
            calls.append(call)
            reason = reason_to_keep(call, before, after)
            if reason is not None:
                self.reasons.setdefault(call.name, f"not skipped: {reason}")
            elif before is not None and after is not None:
                sums = self.layers.setdefault(call.name, SkipSums())
                step, size = self._step_squares(call, before.detach(), after.detach(), batch)
                sums.step.update(step, size)
                steps[call.name] = float(step.sum())

        assert self.chosen is not None
        with watching_calls(self.chosen[0], watch, self.layout, batch.count):
            output = _detached(_copy_of(batch).run(self.model))
        return output, calls, steps

    def _step_squares(
        self, call: Call, before: Tensor, after: Tensor, batch: Batch
    ) -> tuple[Tensor, Tensor]:
        """Return the squares of a layer's step and of its output (see `step_squares`)."""
        layout, key = self.layout, (call.site.name, call.times)
        place = layout.places.get(key)
        axis = 0 if place is None else place.axis
        mask = None
        if after.ndim == 3 and after.shape[axis] == batch.count:
            mask = layout.masking.mask(call.site, call.times, after.shape[1 - axis], batch).tokens
        return step_squares(before, after, count=batch.count, axis=axis, mask=mask)

    def _is_unread(self, call: Call, batch: Batch, output: Any, start: OwnRandomness) -> bool:
        """Return whether the model answers the same with NaN in place of a layer's output."""
        if call.site.node is not None:
            return False
        try:
            with copy.copy(start)(), bypassing(call, self.layout, fill=math.nan):
                now = _detached(_copy_of(batch).run(self.model))
        except Exception:  # NaN upsets the model, so it is read
            return False
        pairs = zip(leaves(output), leaves(now), strict=False)
        return all(torch.equal(values_of(a), values_of(b)) for (_, a), (_, b) in pairs)

    def _skip_call(
        self, call: Call, batch: Batch, plain: Measured, start: OwnRandomness
    ) -> tuple[Tensor, bool]:
        """Skip a layer on a batch.

        Returns
        -------
        moved : Tensor
            The squares by which output rows move without it; NaN if it stays in.
        same : bool
            Whether the model's outputs and losses are the same without it, bit for bit.
        """
        n_rows = 0 if plain.rows is None else len(plain.rows)
        unmoved = torch.full((n_rows,), math.nan, dtype=torch.float64)
        if call.name in self.reasons:
            return unmoved, False
        try:
            # All passes draw the same numbers, those that come after `start`.
            with copy.copy(start)(), bypassing(call, self.layout):
                output = _detached(_copy_of(batch).call(self.model))
            now = self._measure(output, batch)
        except Exception as error:
            error.add_note(f"This was with layer {call.name!r} skipped, in batch {batch.number}.")
            raise
        if now.not_finite is not None:
            self.reasons[call.name] = (
                f"skipped, and without it the {now.not_finite} is not finite in batch "
                f"{batch.number}"
            )
            return unmoved, False
        self.layers[call.name].update_change(now, plain)
        same = now.is_same(plain)
        if now.rows is None or plain.rows is None:
            return unmoved, same
        if now.rows.shape != plain.rows.shape:
            self.reasons[call.name] = "skipped, and without it the output is of another shape"
            return unmoved, False
        return squares_of_rows(widened(now.rows) - widened(plain.rows)), same

    def _measure(self, output: Any, batch: Batch) -> Measured:
        """Score what the model returned for a batch."""
        scoring = self.scoring
        assert scoring is not None
        losses = scoring.losses(output, batch) if scoring.losses else None
        if losses is not None and batch.count > 1:
            self.by_batch.add(len(losses.total) == 1)
            if len(self.by_batch) > 1:
                raise ValueError(
                    "loss must be one number a sample in all batches, or one a batch in all, and "
                    f"batch {batch.number} is the first of the other kind."
                )
        predictions = scoring.predictions(output, batch) if scoring.predictions else None
        if self.not_compared:
            return Measured(losses, predictions, None, None)
        try:
            rows, sample = output_rows(self.reading.answer(output), batch, self.tokens_first)
        except ValueError as error:
            if losses is None or batch.number > 0:
                raise
            self.not_compared = str(error)
            return Measured(losses, predictions, None, None)
        self.width = self.width or rows.shape[1]
        if rows.shape[1] != self.width:
            raise ValueError(
                f"output of the model has width {rows.shape[1]} in batch {batch.number} and "
                f"{self.width} before: it must keep it."
            )
        return Measured(losses, predictions, rows, sample)

    def _check_calls(self, calls: list[Call], number: int) -> None:
        """Refuse a model none of whose layers can be skipped, or that runs others than before."""
        assert self.chosen is not None
        names = [call.name for call in calls]
        if not names:
            sites = ", ".join(site.name for site in self.chosen[0][:3])
            raise ValueError(f"layers has {sites}, and none of them ran in batch {number}.")
        if number == 0:
            self.kinds = {call.name: call.kind for call in calls}
        odd = set(names) ^ self.kinds.keys()
        if odd:
            name = min(odd)
            ran, did_not = (number, 0) if name in names else (0, number)
            raise ValueError(
                f"layer {name!r} ran in batch {ran} and not in batch {did_not}: all batches must "
                "run the same layers; name those with layers=."
            )
        if all(name in self.reasons for name in names):
            told = "; ".join(f"{name} is {self.reasons[name]}" for name in names[:3])
            more = f"; and {len(names) - 3} more" if len(names) > 3 else ""
            raise ValueError(f"layers has none that can be skipped: {told}{more}.")

    def dataset(self, level: float) -> xr.Dataset:
        """Return what was found, stamped.

        Parameters
        ----------
        level : float
            Confidence level of the intervals.

        Returns
        -------
        xarray.Dataset
            As `skip_layers` returns it.
        """
        assert self.scoring is not None and self.chosen is not None
        scoring, reading = self.scoring.concluded(), self.reading
        scores = scoring.scores
        ds = skipping_dataset(
            {name: self.layers.get(name, SkipSums()) for name in self.kinds},
            self.plain,
            self.outputs,
            scoring=scoring,
            reasons=self.reasons,
            kinds=self.kinds,
            level=level,
        )
        missed = [site.name for site in self.chosen[0] if site.called(1) not in self.kinds]
        return results.stamp(
            ds,
            model=type(self.model).__name__,
            n_samples=self.n_samples,
            n_batches=self.n_batches,
            level=level,
            loss_kind=scoring.words,
            labels=reading.words,
            answer=reading.answers.words,
            outputs_hedge="" if scores is None else scores.hedge,
            paired_over="batches" if True in self.by_batch else "samples",
            output_not_compared=self.not_compared,
            layers_selection=self.chosen[1],
            layers_not_called=", ".join(missed),
            layers_left_out="; ".join(f"{name}: {why}" for name, why in self.left_out.items()),
        )


def _copy_of(batch: Batch) -> Batch:
    """Return the batch in memory of its own, because a model may write to what it is given."""
    cloned: Batch = mapped(batch, Tensor.clone)
    return cloned


def _detached(output: Any) -> Any:
    return mapped(output, Tensor.detach) if torch.is_grad_enabled() else output
