"""Linear maps in the place of runs of layers, by ridge regression on streamed second moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from loadpath.diagnosis.surgery.cuts import LinearMap, Way
from loadpath.diagnosis.surgery.search import Subject
from loadpath.diagnosis.surgery.ways.neighbours import check_padding, windows_of
from loadpath.diagnosis.surgery.ways.ridge import Regression, best_ridge, ridge
from loadpath.diagnosis.surgery.windows import Window
from loadpath.record import Batch, Moments, OwnRandomness

Run = tuple[int, ...]
WIDEST = 4096
"""The most features that a map reads, beside which its moments have those that it writes."""
MOST_BYTES = 2**31
"""Bytes that the moments of runs may take together."""
MOST_ROWS = 100
"""Rows for each feature that a map is fitted to at most, drawn from each batch."""


@dataclass
class LinearMaps:
    r"""Linear maps of runs of layers, fitted on some batches and judged on others.

    The step $\Delta = A_{out} - A_{in}$ of a run is regressed on its input, with an intercept:
    $\Delta \approx A_{in} M^\top + b$. The penalty draws M to 0, so that where nothing is linear,
    the run is dropped but for the mean of its step. Of several penalties the one is taken that
    explains most of the step on the other batches. Convolutions also read the places beside each.
    """

    subject: Subject
    """The model and the samples."""
    fit_on: list[int]
    """Batches that maps are fitted to."""
    judge_on: list[int]
    """Batches that choose the penalty; none if there are no others."""
    way: Way = "linear"
    """Whether the maps read the places beside each, "convolution", or not, "linear"."""
    fitted: dict[Run, LinearMap] = field(default_factory=dict)
    """The maps, as they race: fitted to `fit_on` alone."""
    final: dict[Run, LinearMap] = field(default_factory=dict)
    """The maps, fitted to all batches with the penalty that was chosen."""

    def __post_init__(self) -> None:
        """Find out which places beside each the layers read."""
        subject = self.subject
        self.windows = [Window()] * len(subject.calls)
        if self.way == "convolution":
            self.windows = windows_of(subject, [self.axis(l) for l in range(len(subject.calls))])

    def fit(self, runs: Sequence[Run]) -> None:
        """Fit the maps of runs that have none yet, in one pass over the batches.

        It takes more passes where the moments of all would take more than `MOST_BYTES`.
        """
        runs = [run for run in dict.fromkeys(runs) if run not in self.fitted]
        at_once = max(MOST_BYTES // self._bytes, 1)
        for start in range(0, len(runs), at_once):
            self._fit(runs[start : start + at_once])

    def _fit(self, runs: Sequence[Run]) -> None:
        """Fit the maps of runs in one pass."""
        halves = [self._moments(runs, numbers) for numbers in (self.fit_on, self.judge_on)]
        for run in runs:
            first, judge = halves[0][run], halves[1].get(run)
            places = self.window(run).places
            inputs = first.width * places // (places + 1)  # beside them stands the step
            best = best_ridge(first, judge, inputs, bias=True)
            self.fitted[run] = self._named(run, best)
            both = first if judge is None else first.merge(judge)
            final = ridge(both, inputs, best.penalty, bias=True)
            self.final[run] = self._named(run, final._replace(explained=best.explained))

    def window(self, run: Run) -> Window:
        """Return what the map of a run reads: both sides, if any of its layers does."""
        return max((self.windows[layer] for layer in run), key=lambda each: each.behind)

    def _named(self, run: Run, found: Regression) -> LinearMap:
        """Return the map of a run: its input and the step that is regressed on it."""
        assert found.bias is not None
        window, width = self.window(run), len(found.bias)
        weight = found.weight.clone()
        own = window.own * width
        weight[:, own : own + width] += torch.eye(width, dtype=weight.dtype)
        names = tuple(self.subject.names[layer] for layer in run)
        return LinearMap(names, weight, found.bias, self.axis(run[0]), found.explained, window)

    def runs_up_to(self, size: int) -> list[Run]:
        """Return the runs of neighbours of up to a number of layers, short ones first.

        Long ones are left out where the moments of all would take more than `MOST_BYTES`.
        """
        n_layers, before = len(self.subject.calls), self.subject.before
        found: list[Run] = []
        for length in range(1, size + 1):
            runs = [tuple(range(l, l + length)) for l in range(n_layers - length + 1)]
            runs = [run for run in runs if all(before[b] == a for a, b in pairwise(run))]
            if found and (len(found) + len(runs)) * self._bytes > MOST_BYTES:
                break
            found += runs
        return found

    def axis(self, layer: int) -> int:
        """Return the axis of the features in what a layer is given."""
        return 1 if layer in self._maps() else -1

    def _maps(self) -> set[int]:
        """Return the layers that hold convolutions, whose features follow the samples."""
        conv = (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Conv3d)
        return {
            number
            for number, call in enumerate(self.subject.calls)
            if call.site.node is None
            and any(isinstance(part, conv) for part in call.site.module.modules())
        }

    @property
    def _bytes(self) -> int:
        """Bytes of the moments of a run, on both halves of the batches."""
        places = max(window.places for window in self.windows)
        return 2 * 8 * ((1 + places) * max(self.subject.widths) + 1) ** 2

    def _moments(self, runs: Sequence[Run], numbers: list[int]) -> dict[Run, Moments]:
        """Return the moments of the inputs and steps of runs on some batches."""
        subject, found = self.subject, dict[Run, Moments]()
        if not numbers:
            return found

        def run_batch(batch: Batch) -> None:
            ends: dict[int, tuple[Tensor, Tensor]] = {}

            def see(layer: int, before: Tensor, after: Tensor) -> None:
                ends[layer] = before, after

            with subject.watch(batch, see):
                subject.run(batch, OwnRandomness(subject.device))
            subject.count_passes(batch.count, 1)
            inputs: dict[tuple[int, Window], Tensor] = {}
            outputs: dict[tuple[int, Window], Tensor] = {}
            for run in runs:
                window = self.window(run)
                first, last = (run[0], window), (run[-1], window)
                if first not in inputs:
                    inputs[first] = self._rows(run[0], ends[run[0]][0], batch, window, reads=True)
                if last not in outputs:
                    outputs[last] = self._rows(run[-1], ends[run[-1]][1], batch, window)
                z, out = inputs[first], outputs[last]
                own = window.own * out.shape[1]
                step = out - z[:, own : own + out.shape[1]]
                if run not in found:
                    columns = z.shape[1] + step.shape[1]
                    found[run] = Moments(columns, velocity=False, activation="identity")
                found[run].update(torch.cat([z, step], dim=1))

        for _ in subject.passes(numbers, run_batch):
            pass
        return found

    def _rows(
        self, layer: int, A: Tensor, batch: Batch, window: Window, *, reads: bool = False
    ) -> Tensor:
        """Return rows (row, feature) of a representation, drawn at random, without padding.

        As many are taken as a map of a window is fitted to. If `reads`, each row has all places
        that the window reads, and else its own.
        """
        subject = self.subject
        call = subject.calls[layer]
        place = subject.layout.places.get((call.site.name, call.times))
        axis = 0 if place is None else place.axis
        features = self.axis(layer)
        rows = A.detach().movedim(features, -1)
        width = window.places * rows.shape[-1]
        if width > WIDEST:
            raise ValueError(
                f"ways must not have {self.way!r} for maps that read {width} features, of which "
                f"{WIDEST} are the most that moments are kept of."
            )
        tokens: Tensor | None = None
        if rows.ndim == 3 and features == -1:
            length = rows.shape[1 if axis == 0 else 0]
            tokens = subject.layout.masking.mask(call.site, call.times, length, batch).tokens
        if tokens is not None and window.axes:
            check_padding(call.name, window, tokens)
        rows = window.of(rows) if reads else rows
        if axis == 1 and rows.ndim == 3:
            rows = rows.transpose(0, 1)
        if tokens is not None:
            rows = rows[tokens.to(rows.device)]
        rows = rows.reshape(-1, rows.shape[-1])
        most = max(MOST_ROWS * width // max(len(self.fit_on), 1), 1)
        if len(rows) > most:  # the same of every layer; even steps might meet few of the places
            generator = torch.Generator().manual_seed(batch.number)
            rows = rows[torch.randperm(len(rows), generator=generator)[:most].to(rows.device)]
        return rows.cpu().double()
