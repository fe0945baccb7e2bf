"""What is kept of a pass in which layers are skipped, and the Dataset that it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from loadpath.diagnosis.skipping.losses import Losses, Predictions
from loadpath.diagnosis.skipping.paired import (
    MATCHED,
    SHARE,
    OutputSums,
    RatioSums,
    output_change,
    square_root,
)
from loadpath.diagnosis.skipping.scoring import Scoring
from loadpath.record import Batch, Reduction
from loadpath.statistics import Estimate, Grouped, unknown

SKIPPED = "skipped"
"""Status of a layer whose numbers are all there."""

LABELS = {
    "loss_change": "loss without the layer less loss with it",
    "accuracy_change": "accuracy without the layer less accuracy with it",
    "agreement": "share of predictions that are the same without the layer",
    "output_change": "|f_skip - f| / |f - mean f| over the rows f of the output",
    "own_step": "|A_out - A_in| / |A_out| of the layer's own input and output",
}
"""Long names of the variables that have an interval."""

_ENDS = {
    "": ("value", ""),
    "_low": ("low", ", lower end of its {:.0%} interval"),
    "_high": ("high", ", upper end of its {:.0%} interval"),
}


@dataclass(frozen=True)
class Measured:
    """What one forward pass on a batch gave."""

    losses: Losses | None
    """Its losses, where there is a loss."""
    predictions: Predictions | None
    """Its predictions, where there are classes."""
    rows: Tensor | None
    """Rows of the output, (row, width); None where outputs are not compared."""
    sample: Tensor | None
    """The sample of the batch that each row belongs to, (row,)."""

    @property
    def not_finite(self) -> str | None:
        """What is not finite, "loss" or "output"; None if all is finite."""
        if self.losses is not None and not bool(self.losses.total.isfinite().all()):
            return "loss"
        if self.rows is not None and not bool(self.rows.isfinite().all()):
            return "output"
        return None

    def is_same(self, other: Measured) -> bool:
        """Return whether two passes gave the same losses and outputs, bit for bit."""
        for a, b in ((self.losses, other.losses), (self.rows, other.rows)):
            a, b = (x.total if isinstance(x, Losses) else x for x in (a, b))
            if a is not None and b is not None and not torch.equal(a, b):
                return False
        return True


@dataclass
class SkipSums:
    """Sums of the changes without one layer, or of the plain model itself."""

    loss: RatioSums = field(default_factory=RatioSums)
    """Losses, or their changes."""
    right: RatioSums = field(default_factory=RatioSums)
    """Right predictions, or their changes."""
    same: RatioSums = field(default_factory=RatioSums)
    """Predictions that are the same as those of the plain model."""
    step: RatioSums = field(default_factory=RatioSums)
    """Squares of the layer's own step, over squares of its output."""

    def update(self, plain: Measured) -> None:
        """Add losses and predictions of the plain model."""
        if plain.losses is not None:
            self.loss.update(*plain.losses)
        if plain.predictions is not None:
            self.right.update(plain.predictions.right, plain.predictions.counted)

    def update_change(self, now: Measured, plain: Measured) -> None:
        """Add what changed from the plain model to the model without the layer."""
        if now.losses is not None and plain.losses is not None:
            self.loss.update(now.losses.total - plain.losses.total, now.losses.weight)
        if now.predictions is not None and plain.predictions is not None:
            right, counted = now.predictions.right, now.predictions.counted
            self.right.update(right - plain.predictions.right, counted)
            self.same.update(now.predictions.same(plain.predictions), counted)


def output_rows(answer: Tensor | None, batch: Batch, tokens_first: bool) -> tuple[Tensor, Tensor]:
    """Return every token or position of an output as a row, with the sample that it belongs to.

    Parameters
    ----------
    answer : Tensor or None
        What the model put out.
    batch : Batch
        The batch, whose mask says which tokens are padding.
    tokens_first : bool
        Whether sequences are (token, sample, width).

    Returns
    -------
    rows : Tensor
        (row, width), on the CPU.
    sample : Tensor
        (row,), on the CPU.

    Raises
    ------
    ValueError
        As `loadpath.record.Reduction`.
    """
    every = Reduction(maps="positions", tokens="positions", every=1, tokens_first=tokens_first)
    axis, mask = None, None
    if answer is not None and answer.ndim == 3:
        axes = [axis for axis in (0, 1) if answer.shape[axis] == batch.count]
        second = tokens_first or batch.axis == 1
        axis = 1 if second and 1 in axes else next(iter(axes), 0)
        mask = _mask_of_answer(batch, answer.shape[1 - axis])
    rows, sample, _ = every("output of the model", answer, count=batch.count, mask=mask, axis=axis)
    return rows.cpu(), sample.cpu()


def _mask_of_answer(batch: Batch, length: int) -> Tensor | None:
    """Return the mask of what a model answers: that of its decoder, where it has one."""
    mask = batch.target_mask if batch.has_target else batch.mask
    return mask if mask is not None and mask.shape[1] == length else None


def step_squares(
    before: Tensor, after: Tensor, *, count: int, axis: int, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the squares of a layer's step and of its output, without padding, (sample,) each.

    Parameters
    ----------
    before, after : Tensor
        What a layer was given, and what it put out.
    count : int
        Number of samples in the batch.
    axis : int
        The axis of the samples, 0 or 1.
    mask : Tensor or None
        (sample, token), True where a token of a sequence is not padding.

    Returns
    -------
    tuple of Tensor
        The squares, (sample,) each. Where samples are not along that axis, both are (1,), summed
        over all samples.
    """
    A, dA = widened(after), widened(after) - widened(before)
    if axis == 1 and A.ndim == 3:
        A, dA = A.transpose(0, 1), dA.transpose(0, 1)
    if mask is not None:
        padding = ~mask.cpu()[..., None]
        A, dA = A.masked_fill(padding, 0), dA.masked_fill(padding, 0)
    rows = count if len(A) == count else 1
    return squares_of_rows(dA.reshape(rows, -1)), squares_of_rows(A.reshape(rows, -1))


def widened(x: Tensor) -> Tensor:
    """Return x on the CPU in float32 at least: differences in half precision lose what is small."""
    return x.cpu() if x.dtype in (torch.float32, torch.float64) else x.cpu().float()


def squares_of_rows(rows: Tensor) -> Tensor:
    """Return the squared norm of every row, in float64."""
    return torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64).square()


def skipping_dataset(
    layers: Mapping[str, SkipSums],
    plain: SkipSums,
    outputs: Grouped[OutputSums] | None,
    *,
    scoring: Scoring,
    reasons: Mapping[str, str],
    kinds: Mapping[str, str],
    level: float,
) -> xr.Dataset:
    """Return the variables of `skip_layers`.

    Parameters
    ----------
    layers : mapping of str to SkipSums
        The changes without each layer.
    plain : SkipSums
        Losses and predictions of the plain model.
    outputs : Grouped or None
        Sums of the outputs in groups of samples; None where outputs are not compared.
    scoring : Scoring
        How outputs were scored.
    reasons : mapping of str to str
        Why a layer has no numbers. It gets NaN, and the reason as its status.
    kinds : mapping of str to str
        What each layer is, in words.
    level : float
        Confidence level of the intervals.

    Returns
    -------
    xarray.Dataset
        The variables over `layer`, without provenance.
    """
    columns: dict[str, Callable[[int, SkipSums], Estimate]] = {}
    if scoring.losses is not None:
        columns["loss_change"] = lambda l, sums: sums.loss.estimate(level=level)
    if scoring.predictions is not None:
        columns["accuracy_change"] = lambda l, sums: sums.right.estimate(
            level=level, added=MATCHED, within=(-1.0, 1.0)
        )
        columns["agreement"] = lambda l, sums: sums.same.estimate(
            level=level, added=SHARE, within=(0.0, 1.0)
        )
    columns["output_change"] = lambda l, sums: (
        output_change(outputs.parts, l, level=level) if outputs else _no_estimate()
    )
    columns["own_step"] = lambda l, sums: square_root(sums.step.estimate(level=level))

    ds = xr.Dataset(coords={"layer": np.array(list(layers), dtype=object)})
    for name, estimate in columns.items():
        found = [
            _no_estimate() if layer in reasons else estimate(l, sums)
            for l, (layer, sums) in enumerate(layers.items())
        ]
        units = scoring.units if name == "loss_change" else "1"
        for suffix, (part, words) in _ENDS.items():
            attrs = {"long_name": LABELS[name] + words.format(level), "units": units}
            ds[name + suffix] = ("layer", [getattr(each, part) for each in found], attrs)
        attrs = {"long_name": f"{LABELS[name]}: how it is known", "units": "words"}
        known = np.array([each.status for each in found], dtype=object)
        ds[f"{name}_status"] = ("layer", known, attrs)
    for name, long_name, text in (
        (
            "status",
            "whether the layer was skipped, or why not",
            [reasons.get(n, SKIPPED) for n in layers],
        ),
        ("layer_kind", "what the layer is, as far as can be told", [kinds[n] for n in layers]),
    ):
        attrs = {"long_name": long_name, "units": "words"}
        ds[name] = ("layer", np.array(text, dtype=object), attrs)
    for name, sums, units in (
        ("loss", plain.loss, scoring.units),
        ("accuracy", plain.right, "1"),
    ):
        if f"{name}_change" in columns:
            attrs = {"long_name": f"{name} with all layers in place", "units": units}
            ds[name] = ((), sums.estimate(level=level).value, attrs)
    return ds


def _no_estimate() -> Estimate:
    return unknown(0, "not enough samples")
