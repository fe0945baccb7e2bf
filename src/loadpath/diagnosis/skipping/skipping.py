"""What a model loses without each of its layers: every one really skipped, on its own."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from loadpath import results
from loadpath.checks import check_level
from loadpath.diagnosis.skipping.bypass import Call, bypassing, watching_calls, why_not
from loadpath.diagnosis.skipping.paired import OutputSums
from loadpath.diagnosis.skipping.scoring import (
    LossFunction,
    Scoring,
    answer_of,
    scoring_of,
)
from loadpath.diagnosis.skipping.skipped import (
    Measured,
    SkipSums,
    dataset_of,
    output_rows,
    squares_of_rows,
    step_of,
    wide,
)
from loadpath.record import (
    Batch,
    Layers,
    OwnRandomness,
    Site,
    Split,
    device_of,
    find_blocks,
    mapped,
    select,
    unwrapped,
    visit,
)
from loadpath.statistics import Grouped, groups_of


def skip_layers(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    layers: Layers = None,
    loss: LossFunction | None = None,
    tokens_first: bool = False,
    device: torch.device | str | None = None,
    max_batches: int | None = None,
    split: Split | None = None,
    pass_labels: bool = False,
    level: float = 0.95,
) -> xr.Dataset:
    r"""Skip every layer, one at a time, and measure what that does to loss and output.

    To skip a layer is to put its input in place of its output, as if its block were not there; the
    rest of the model runs on. What can be skipped is every layer whose input and output are real
    numbers of one shape. That is so of residual blocks and transformer layers, for which it was
    made, and also of any other module that keeps the width, whose skipping says less: `layer_kind`
    has the class, for whether a module adds to its input cannot be told from outside. Other layers
    have the reason in `status`, and NaN. Layer l of a LeakyResNet is skipped by $A_l = A_{l-1}$.

    Parameters
    ----------
    model, loader, layers, device, max_batches, split, pass_labels: as in `loadpath.record.stream`,
        and the layers have the same names, but without "input". One call of a module that is
        called several times ("name#2") is skipped by itself.
    loss: from what the model returns and the labels to (sample,) losses, or to the mean loss of the
        batch. None: chosen as `scoring_of` says, and named in the attr `loss_kind`.
    tokens_first: whether sequences are (token, sample, width).
    level: of the intervals, each for itself.

    Returns
    -------
    Over `layer`, each with `_low` and `_high`: `loss_change` and, where there are classes,
    `accuracy_change` and `agreement`, means over all samples (or tokens), whatever the batches:
    t intervals of paired differences over samples, as if drawn independently, linearized where
    samples have several tokens; over batches where the loss is one number for each.
    `output_change`, $\|f_{skip} - f\| / \|f - \bar f\|$, f a row of the output (tokens and
    positions are rows of their own) and $\bar f$ their mean: 1 is as much as outputs differ; with
    a grouped jackknife's interval. `own_step`, $\|A_{out} - A_{in}\| / \|A_{out}\|$ of the
    layer's own input and output. Also `status`, `layer_kind`, and the plain model's `loss` and
    `accuracy`.

    One pass over the loader, and in it 1 forward pass a batch and 1 for each layer that can be
    skipped. On a batch all passes draw the same random numbers. Whatever happens, hooks are gone
    and modes and random state put back.

    Raises: ValueError as `stream`; if no layer can be skipped; as `scoring_of`; for a loss of
    another shape, or that is not finite with all layers. Where it is not finite without a layer,
    `status` says so.
    """
    check_level(level)
    if loss is not None and not callable(loss):
        raise ValueError(
            f"loss must be a function of output and labels, and it is a {type(loss).__name__}."
        )
    inner = unwrapped(model)
    chosen = None if layers is None else select(inner, layers)
    where = device_of(inner) if device is None else torch.device(device)
    skips = _Skips(inner, where, loss, tokens_first, chosen)
    for _ in visit(
        inner,
        loader,
        skips.take,
        device=where,
        max_batches=max_batches,
        split=split,
        pass_labels=pass_labels,
    ):
        pass
    return skips.dataset(level)


@dataclass
class _Skips:
    """The pass."""

    model: nn.Module
    device: torch.device
    loss: LossFunction | None
    tokens_first: bool
    chosen: tuple[list[Site], str] | None
    scoring: Scoring | None = None
    plain: SkipSums = field(default_factory=SkipSums)
    layers: dict[str, SkipSums] = field(default_factory=dict)
    """In the order in which they ran on the first batch."""
    kinds: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a layer has no numbers."""
    outputs: Grouped[OutputSums] | None = None
    width: int = 0
    """Of the rows of the output."""
    not_compared: str = ""
    """Why outputs are not compared, if they are not."""
    by_batch: set[bool] = field(default_factory=set)
    """Whether losses are one number a batch."""
    n_samples: int = 0
    n_batches: int = 0

    def take(self, batch: Batch, first: int) -> None:
        """Run and measure one batch, with all layers and without each."""
        if self.chosen is None:
            self.chosen = find_blocks(
                self.model,
                lambda: _fresh(batch).run(self.model),
                count=batch.count,
                tokens_first=self.tokens_first,
            )
        start = OwnRandomness(self.device)
        calls: list[Call] = []

        def watch(call: Call, before: Tensor | None, after: Tensor | None) -> None:
            calls.append(call)
            reason = why_not(call, before, after)
            if reason is not None:
                self.reasons.setdefault(call.name, f"not skipped: {reason}")
            elif before is not None and after is not None:
                sums = self.layers.setdefault(call.name, SkipSums())
                sums.step.update(*step_of(before, after, batch, self.tokens_first))

        with watching_calls(self.chosen[0], watch):
            output = _fresh(batch).run(self.model)
        self._check(calls, batch.number)
        if self.scoring is None:
            self.scoring = scoring_of(self.loss, output, batch)
        plain = self._measure(output, batch)
        if plain.odd is not None:
            raise ValueError(
                f"{plain.odd} must be finite with all layers in place, and in batch {batch.number} "
                "it is not."
            )
        self.plain.take(plain)
        moved = {call.name: self._skip(call, batch, plain, start) for call in calls}
        if plain.rows is not None and plain.sample is not None:
            if self.outputs is None:
                none = torch.zeros(len(calls), dtype=torch.float64)
                self.outputs = Grouped(lambda: OutputSums(none))
            groups = groups_of(plain.sample + first)
            columns = [moved[name] for name in self.kinds]
            self.outputs.update(groups, plain.rows, torch.stack(columns, dim=1))
        self.n_samples, self.n_batches = first + batch.count, batch.number + 1

    def _skip(self, call: Call, batch: Batch, plain: Measured, start: OwnRandomness) -> Tensor:
        """Squares by which the rows of the output move without a layer; NaN if it stays in."""
        n_rows = 0 if plain.rows is None else len(plain.rows)
        unmoved = torch.full((n_rows,), math.nan, dtype=torch.float64)
        if call.name in self.reasons:
            return unmoved
        try:
            # All passes draw the same numbers, those that come after `start`.
            with copy.copy(start)(), bypassing(call):
                output = _fresh(batch).run(self.model)
            now = self._measure(output, batch)
        except Exception as error:
            error.add_note(f"This was with layer {call.name!r} skipped, in batch {batch.number}.")
            raise
        if now.odd is not None:
            self.reasons[call.name] = (
                f"skipped, and without it the {now.odd} is not finite in batch {batch.number}"
            )
            return unmoved
        self.layers[call.name].take_change(now, plain)
        if now.rows is None or plain.rows is None:
            return unmoved
        if now.rows.shape != plain.rows.shape:
            self.reasons[call.name] = "skipped, and without it the output is of another shape"
            return unmoved
        return squares_of_rows(wide(now.rows) - wide(plain.rows))

    def _measure(self, output: Any, batch: Batch) -> Measured:
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
            rows, sample = output_rows(answer_of(output), batch, self.tokens_first)
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

    def _check(self, calls: list[Call], number: int) -> None:
        """Refuse a model of which no layer can be skipped, or that runs others than before."""
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
                "run the same layers."
            )
        if all(name in self.reasons for name in names):
            told = "; ".join(f"{name} is {self.reasons[name]}" for name in names[:3])
            more = f"; and {len(names) - 3} more" if len(names) > 3 else ""
            raise ValueError(f"layers has none that can be skipped: {told}{more}.")

    def dataset(self, level: float) -> xr.Dataset:
        """What was found."""
        assert self.scoring is not None and self.chosen is not None
        ds = dataset_of(
            {name: self.layers.get(name, SkipSums()) for name in self.kinds},
            self.plain,
            self.outputs,
            scoring=self.scoring,
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
            loss_kind=self.scoring.words,
            paired_over="batches" if True in self.by_batch else "samples",
            output_not_compared=self.not_compared,
            layers_selection=self.chosen[1],
            layers_not_called=", ".join(missed),
        )


def _fresh(batch: Batch) -> Batch:
    """The batch in memory of its own: a model may write to what it is given."""
    fresh: Batch = mapped(batch, Tensor.clone)
    return fresh
