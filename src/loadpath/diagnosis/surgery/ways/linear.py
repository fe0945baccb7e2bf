"""Linear maps in the place of runs of layers, by ridge regression on streamed second moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from loadpath.diagnosis.surgery.cuts import LinearMap
from loadpath.diagnosis.surgery.search import Subject
from loadpath.record import Batch, Moments, OwnRandomness

Run = tuple[int, ...]
PENALTIES = (1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e2)
"""Penalties that are tried, as shares of the mean square of a feature."""
MIDDLE = 1e-3
"""The penalty where no other samples choose one."""
WIDEST = 4096
"""The widest layers whose moments are kept: 2 w + 1 columns in float64."""
MOST_BYTES = 2**30
"""Bytes that the moments of all runs may take together."""
MOST_ROWS = 20
"""Rows for each feature that a map is fitted to at most, evenly taken of each batch."""


@dataclass
class LinearMaps:
    r"""Linear maps of runs of layers, fitted on some batches and judged on others.

    The step $\Delta = A_{out} - A_{in}$ of a run is regressed on its input, with an intercept:
    $\Delta \approx A_{in} M^\top + b$. The penalty draws M to 0, so that where nothing is linear,
    the run is dropped but for the mean of its step. Of `PENALTIES` the one is taken that explains
    most of the step on the other batches.
    """

    subject: Subject
    """The model and the samples."""
    fit_on: list[int]
    """Batches that maps are fitted to."""
    judge_on: list[int]
    """Batches that choose the penalty; none if there are no others."""
    fitted: dict[Run, LinearMap] = field(default_factory=dict)
    """The maps, as they race: fitted to `fit_on` alone."""
    final: dict[Run, LinearMap] = field(default_factory=dict)
    """The maps, fitted to all batches with the penalty that was chosen."""

    def fit(self, runs: Sequence[Run]) -> None:
        """Fit the maps of runs that have none yet, in one pass over the batches."""
        runs = [run for run in dict.fromkeys(runs) if run not in self.fitted]
        if not runs:
            return
        halves = [self._moments(runs, numbers) for numbers in (self.fit_on, self.judge_on)]
        for run in runs:
            first, judge = halves[0][run], halves[1].get(run)
            found = [ridge_of_step(first, penalty, judge) for penalty in PENALTIES]
            best = PENALTIES.index(MIDDLE)
            if judge is not None:
                best = max(range(len(found)), key=lambda i: found[i][2])
            self.fitted[run] = self._named(run, *found[best])
            both = first if judge is None else first.merge(judge)
            weight, bias, _ = ridge_of_step(both, PENALTIES[best], None)
            self.final[run] = self._named(run, weight, bias, found[best][2])

    def _named(self, run: Run, weight: Tensor, bias: Tensor, explained: float) -> LinearMap:
        """Return the map of a run: its input and the step that is regressed on it."""
        eye = torch.eye(len(bias), dtype=torch.float64, device=weight.device)
        names = tuple(self.subject.names[layer] for layer in run)
        return LinearMap(names, eye + weight, bias, self.axis(run[0]), explained)

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
        return 2 * 8 * (2 * max(self.subject.widths) + 1) ** 2

    def _moments(self, runs: Sequence[Run], numbers: list[int]) -> dict[Run, Moments]:
        """Return the moments of the inputs and steps of runs on some batches."""
        subject, found = self.subject, dict[Run, Moments]()
        if not numbers:
            return found

        def run_batch(batch: Batch) -> None:
            inputs: dict[int, Tensor] = {}
            outputs: dict[int, Tensor] = {}

            def see(layer: int, before: Tensor, after: Tensor) -> None:
                inputs[layer] = self._rows(layer, before, batch)
                outputs[layer] = self._rows(layer, after, batch)

            with subject.watch(batch, see):
                subject.run(batch, OwnRandomness(subject.device))
            subject.count_passes(batch.count, 1)
            for run in runs:
                A, after = inputs[run[0]], outputs[run[-1]]
                if A.shape[1] > WIDEST:
                    raise ValueError(
                        f"way must not be 'linear' for layers of {A.shape[1]} features, of which "
                        f"{WIDEST} are the most that moments are kept of."
                    )
                if run not in found:
                    found[run] = Moments(A.shape[1], activation="identity")
                found[run].update(A, after - A)

        for _ in subject.passes(numbers, run_batch):
            pass
        return found

    def _rows(self, layer: int, A: Tensor, batch: Batch) -> Tensor:
        """Return evenly taken rows (row, width) of a representation, without padding."""
        subject = self.subject
        call = subject.calls[layer]
        place = subject.layout.places.get((call.site.name, call.times))
        axis = 0 if place is None else place.axis
        features = self.axis(layer)
        rows = A.detach().movedim(features, -1)
        if axis == 1 and rows.ndim == 3:
            rows = rows.transpose(0, 1)
        if rows.ndim == 3 and features == -1:
            found = subject.layout.masking.mask(call.site, call.times, rows.shape[1], batch)
            if found.tokens is not None:
                rows = rows[found.tokens.to(rows.device)]
        rows = rows.reshape(-1, rows.shape[-1]).cpu().double()
        most = max(MOST_ROWS * rows.shape[1] // max(len(self.fit_on), 1), 1)
        return rows if len(rows) <= most else rows[:: -(-len(rows) // most)]


def ridge_of_step(
    fit: Moments, penalty: float, judge: Moments | None
) -> tuple[Tensor, Tensor, float]:
    r"""Return the ridge regression of a step on its input.

    Parameters
    ----------
    fit : Moments
        Moments of A and of the step dA, with a column of ones.
    penalty : float
        The penalty, as a share of the mean square of a feature.
    judge : Moments or None
        Moments on other samples.

    Returns
    -------
    weight : Tensor
        M, (width, width): the step is $A M^\top + b$.
    bias : Tensor
        b, (width,).
    explained : float
        The share of the mean squared step that it makes on the samples of `judge`.
    """
    width = fit.width
    gram, cross = fit.block("S", "S"), fit.block("S", "dA")
    mean, step = gram[-1, :width] / fit.count, cross[-1] / fit.count
    centred = gram[:width, :width] - fit.count * torch.outer(mean, mean)
    products = cross[:width] - fit.count * torch.outer(mean, step)
    alpha = penalty * (float(centred.diagonal().mean()) or 1.0)
    eye = torch.eye(width, dtype=torch.float64, device=gram.device)
    weight = torch.linalg.solve(centred + alpha * eye, products).T
    bias = step - weight @ mean
    explained = float("nan") if judge is None else _explained(weight, bias, judge)
    return weight, bias, explained


def _explained(weight: Tensor, bias: Tensor, judge: Moments) -> float:
    """Return the share of the mean squared step that a map makes on other samples."""
    rows = judge.rows()
    assert rows.dA is not None
    # The rows of the triangular factor have the inner products of all samples.
    missed = rows.dA - rows.S @ torch.cat([weight, bias[:, None]], dim=1).T
    whole = float(rows.dA.square().sum())
    return 1 - float(missed.square().sum()) / whole if whole else 1.0
