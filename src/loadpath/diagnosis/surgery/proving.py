"""The proof: what a cut costs on samples that the search has not seen, and what it saves."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from loadpath import results
from loadpath.checks import as_list, check_count, check_level, check_type
from loadpath.diagnosis.answers import AnswerRule
from loadpath.diagnosis.labels import read_labels
from loadpath.diagnosis.skipping import (
    MATCHED,
    SHARE,
    OutputSums,
    RatioSums,
    Reading,
    Scoring,
    choose_scoring,
    output_change,
    output_rows,
    squares_of_rows,
    widened,
)
from loadpath.diagnosis.surgery.planning import Plan
from loadpath.diagnosis.surgery.running_costs import RunningCosts, running_costs
from loadpath.diagnosis.surgery.search import (
    Calling,
    batches_in_memory,
    fingerprints,
    own_memory,
)
from loadpath.record import Batch, Layout, Loader, OwnRandomness, evaluation_mode, unwrapped, visit
from loadpath.results import Shown
from loadpath.statistics import Estimate, Grouped, groups_of, unknown


@dataclass(frozen=True, eq=False, repr=False)
class Proof(Shown):
    """What a smaller model loses on held-out samples, paired, and what it saves."""

    loss_change: Estimate
    """Loss of the smaller model less that of the original; no number where there is no loss."""
    accuracy_change: Estimate
    """Accuracy of the smaller model less that of the original, where there are classes."""
    agreement: Estimate
    """The share of predictions that are the same, where there are classes."""
    output_change: Estimate
    """How far outputs moved, relative to how far they differ from one another."""
    loss: float
    """The loss of the original on these samples; NaN where there is none."""
    accuracy: float
    """The accuracy of the original; NaN where there are no classes."""
    loss_kind: str
    """What the loss is, in words."""
    n_samples: int
    """Samples that count."""
    n_seen: int
    """Samples that were left out, because the search has seen them."""
    level: float
    """Confidence level of the intervals."""
    costs: tuple[tuple[RunningCosts, RunningCosts], ...]
    """What the original and the smaller model take to run, for each size of a batch."""

    def sentences(self) -> list[str]:
        """Return what was found, in words."""
        lines = []
        if self.n_seen:
            lines.append(f"{self.n_seen:,} samples were left out, as the search has seen them.")
        where = f"on {self.n_samples:,} samples that the search has not seen"
        if self.loss_change.known:
            lines.append(
                f"The loss changes by {_with_ends(self.loss_change)} {where}, from {self.loss:.3g} "
                f"({self.loss_kind})."
            )
        if self.accuracy_change.known:
            lines.append(
                f"The accuracy changes by {_with_ends(self.accuracy_change, 100)} points, from "
                f"{self.accuracy:.1%}; {_with_ends(self.agreement, 100)} % of the predictions are "
                "the same."
            )
        lines.append(
            f"The outputs move by {_with_ends(self.output_change)} of how far they differ from one "
            f"another ({self.n_samples:,} samples)."
        )
        for original, smaller in self.costs:
            lines.append(
                f"With {original.n_samples} sample{'s' * (original.n_samples > 1)} a batch the "
                "smaller model takes "
                f"{smaller.milliseconds:.3g} ms and the original {original.milliseconds:.3g} "
                f"({smaller.milliseconds / original.milliseconds:.0%}){_memory(original, smaller)}."
            )
        if self.costs:
            original, smaller = self.costs[0]
            lines.append(
                f"It has {smaller.parameters:,} of {original.parameters:,} parameters "
                f"({smaller.parameters / original.parameters:.0%})."
            )
        return lines

    def dataset(self) -> xr.Dataset:
        """Return the numbers as a Dataset over the change, with ends, and over batch sizes."""
        names = ["loss_change", "accuracy_change", "agreement", "output_change"]
        found: list[Estimate] = [getattr(self, name) for name in names]
        ds = xr.Dataset(coords={"change": names})
        for part in ("value", "low", "high"):
            words = {"long_name": f"{part} of the change", "units": "loss, or 1"}
            ds[part] = ("change", [getattr(each, part) for each in found], words)
        ds["status"] = (
            "change",
            [each.status for each in found],
            {"long_name": "how it is known", "units": "words"},
        )
        ds["loss"] = ((), self.loss, {"long_name": "loss of the original", "units": "loss"})
        ds["accuracy"] = (
            (),
            self.accuracy,
            {"long_name": "accuracy of the original", "units": "1"},
        )
        if self.costs:
            ds = ds.assign_coords(
                batch=[original.n_samples for original, _ in self.costs],
                model=["original", "smaller"],
            )
            for name, units in (
                ("milliseconds", "ms"),
                ("fastest", "ms"),
                ("slowest", "ms"),
                ("peak_bytes", "bytes"),
                ("parameters", "1"),
                ("model_bytes", "bytes"),
            ):
                values = [[float(getattr(each, name)) for each in pair] for pair in self.costs]
                words = {"long_name": name.replace("_", " "), "units": units}
                ds[name] = (("batch", "model"), values, words)
        return results.stamp(
            ds,
            n_samples=self.n_samples,
            n_seen=self.n_seen,
            level=self.level,
            loss_kind=self.loss_kind,
            sentences="\n".join(self.sentences()),
        )


def _with_ends(estimate: Estimate, times: float = 1.0) -> str:
    value, low, high = (times * x for x in (estimate.value, estimate.low, estimate.high))
    return f"{value:.3g}" if math.isnan(low) else f"{value:.3g} ({low:.3g} to {high:.3g})"


def _memory(original: RunningCosts, smaller: RunningCosts) -> str:
    given = [smaller.peak_bytes, original.peak_bytes]
    unit, size = ("MiB", 2**20) if max(given) >= 2**20 else ("KiB", 2**10)
    now, before = (f"{each / size:.3g}" for each in given)
    return f", and {now} {unit} beside its weights, where that took {before}"


def prove(
    model: nn.Module,
    smaller: nn.Module,
    loader: Loader,
    plan: Plan | None = None,
    *,
    batch_sizes: tuple[int, ...] = (1, 64),
    max_batches: int | None = None,
    level: float = 0.95,
) -> Proof:
    """Measure what a smaller model loses and saves against the original, on other samples.

    Parameters
    ----------
    model : nn.Module
        The original.
    smaller : nn.Module
        The cut model.
    loader : iterable
        Batches of samples that the search has not seen. Samples that it has are left out, by what
        is in them.
    plan : Plan, optional
        The plan, which knows how the model is called and what the search has seen. Without it no
        sample is left out.
    batch_sizes : tuple of int, default (1, 64)
        Sizes of batches on which time and memory are measured; an empty tuple measures none.
    max_batches : int, optional
        The most batches that are used.
    level : float, default 0.95
        Confidence level of the intervals.

    Returns
    -------
    Proof
        The changes, paired sample by sample, with their intervals, and the costs.

    Raises
    ------
    ValueError
        If fewer than two samples are left; for batches as `loadpath.diagnosis.skip_layers`.

    Notes
    -----
    Intervals are those of `skip_layers`: t intervals of paired differences, linearized where
    samples have several tokens, and a grouped jackknife's for outputs. They take the cut as given,
    which they may, as these samples had no part in its choice.
    """
    check_level(level)
    if plan is not None:
        check_type("plan", plan, Plan, "a Plan")
    for size in as_list("batch_sizes", batch_sizes, "numbers of samples"):
        check_count("batch_sizes", size, 1)
    check_type("smaller", smaller, nn.Module, "an nn.Module")
    original, other = unwrapped(model), unwrapped(smaller)
    calling = Calling() if plan is None else plan.calling
    # The user's own bound on the batches of the search is none for those of the proof.
    calling = Calling(**{**vars(calling), "max_batches": max_batches})
    batches = batches_in_memory(original, loader, calling)
    device = calling.where(original)
    seen = frozenset[bytes]() if plan is None else plan.seen
    proving = _Proving(original, other, calling, device, seen)
    for _ in visit(original, batches, proving.measure, **calling.visiting(device)):
        pass
    if proving.n_samples < 2:
        raise ValueError(
            "loader must have at least two samples that the search has not seen, and "
            f"{proving.n_seen} of its {proving.n_seen + proving.n_samples} were seen: deal "
            "batches into both with loadpath.surgery.halves."
        )
    costs: Any = ()
    if batch_sizes:
        (costs,) = visit(
            original,
            batches[:1],
            lambda batch, first: tuple(
                tuple(running_costs([original, other], batch, size)) for size in batch_sizes
            ),
            **calling.visiting(device),
        )
    return proving.proof(level, costs)


@dataclass
class _Proving:
    """The sums of a proof."""

    original: nn.Module
    smaller: nn.Module
    calling: Calling
    device: torch.device
    seen: frozenset[bytes]
    reading: Reading = field(init=False)
    scoring: Scoring | None = None
    plain: dict[str, RatioSums] = field(default_factory=lambda: _sums("loss", "right"))
    change: dict[str, RatioSums] = field(default_factory=lambda: _sums("loss", "right", "same"))
    outputs: Grouped[OutputSums] = field(
        default_factory=lambda: Grouped(lambda: OutputSums(torch.zeros(1, dtype=torch.float64)))
    )
    n_samples: int = 0
    n_seen: int = 0
    not_compared: bool = False

    def __post_init__(self) -> None:
        given = self.calling
        self.reading = Reading(AnswerRule(given.answer), given.class_scores)

    def measure(self, batch: Batch, first: int) -> None:
        """Run both models on a batch, and add what changed."""
        start = OwnRandomness(self.device)
        with copy.copy(start)():
            output = own_memory(batch).run(self.original)
        if self.scoring is None:
            answers = self.reading.answers
            if answers.needs_last(output, read_labels(batch.labels)):
                layout = Layout(self.original, self.device, None, self.calling.tokens_first, None)
                answers.take_last(output, layout.last_path(batch))
            self.scoring = choose_scoring(self.calling.loss, output, batch, self.reading)
        with copy.copy(start)(), evaluation_mode(self.smaller):
            now = own_memory(batch).run(self.smaller)
        new = torch.tensor([each not in self.seen for each in fingerprints(batch)])
        self.n_seen += int((~new).sum())
        self.n_samples += int(new.sum())
        self.scoring.note(output, batch, self.reading)
        self._check_answers(output, now, batch.number)
        self._add_scores(output, now, batch, new)
        self._add_outputs(output, now, batch, first, new)

    def _check_answers(self, output: Any, now: Any, number: int) -> None:
        """Refuse models that do not answer alike, or not in finite numbers."""
        answers = [self.reading.answer(each) for each in (output, now)]
        for name, answer in zip(("model", "smaller"), answers, strict=True):
            if answer is not None and not bool(answer.isfinite().all()):
                raise ValueError(
                    f"{name} must answer in finite numbers, and in batch {number} it does not."
                )
        shapes = [None if each is None else tuple(each.shape) for each in answers]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"smaller must answer in the shape of the original, {shapes[0]} in batch {number}, "
                f"and it answers in {shapes[1]}."
            )

    def _add_scores(self, output: Any, now: Any, batch: Batch, new: Tensor) -> None:
        scoring = self.scoring
        assert scoring is not None
        if scoring.losses is not None:
            before, after = scoring.losses(output, batch), scoring.losses(now, batch)
            whole = len(before.total) != batch.count
            kept = new.all()[None] if whole else new
            _add(self.plain["loss"], before.total, before.weight, kept)
            _add(self.change["loss"], after.total - before.total, before.weight, kept)
        if scoring.predictions is not None:
            old, found = scoring.predictions(output, batch), scoring.predictions(now, batch)
            _add(self.plain["right"], old.right, old.counted, new)
            _add(self.change["right"], found.right - old.right, old.counted, new)
            _add(self.change["same"], found.same(old), old.counted, new)

    def _add_outputs(self, output: Any, now: Any, batch: Batch, first: int, new: Tensor) -> None:
        if self.not_compared:
            return
        tokens_first = self.calling.tokens_first
        try:
            rows, sample = output_rows(self.reading.answer(output), batch, tokens_first)
            others, _ = output_rows(self.reading.answer(now), batch, tokens_first)
        except ValueError:
            self.not_compared = True
            return
        kept = new[sample]
        rows, others, sample = widened(rows)[kept], widened(others)[kept], sample[kept]
        if len(rows):
            moved = squares_of_rows(others - rows)[:, None]
            self.outputs.update(groups_of(sample + first), rows, moved)

    def proof(self, level: float, costs: Any) -> Proof:
        """Return what was found."""
        assert self.scoring is not None
        scoring = self.scoring.concluded()
        none = unknown(0, "not enough samples")
        loss = right = same = moved = none
        if scoring.losses is not None:
            loss = self.change["loss"].estimate(level=level)
        if scoring.predictions is not None:
            change = self.change
            right = change["right"].estimate(level=level, added=MATCHED, within=(-1.0, 1.0))
            same = change["same"].estimate(level=level, added=SHARE, within=(0.0, 1.0))
        if not self.not_compared:
            moved = output_change(self.outputs.parts, 0, level=level)
        plain = {name: sums.estimate(level=level).value for name, sums in self.plain.items()}
        return Proof(
            loss,
            right,
            same,
            moved,
            plain["loss"] if scoring.losses is not None else math.nan,
            plain["right"] if scoring.predictions is not None else math.nan,
            scoring.words,
            self.n_samples,
            self.n_seen,
            level,
            costs,
        )


def _sums(*names: str) -> dict[str, RatioSums]:
    return {name: RatioSums() for name in names}


def _add(sums: RatioSums, d: Tensor, t: Tensor, kept: Tensor) -> None:
    sums.update(d[kept.to(d.device)], t[kept.to(t.device)])
