"""What one look at a model in training finds: cheap numbers of every layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from loadpath.measures import (
    StepSums,
    participation_ratio_of_spectrum,
    spectrum,
    stable_rank_of_spectrum,
)
from loadpath.measures.separation import ClassMoments, LoadCurve, SeparationKind, loads, noise_floor
from loadpath.threads import torch_threads


@dataclass(frozen=True)
class LayerSnapshot:
    """Numbers of one layer at one look; NaN stands where there is no number."""

    log_separation: float = math.nan
    """Log separation D_l of the classes, by the convention of the monitor; it may be infinite."""
    load: float = math.nan
    """Load D_{l-1} - D_l, what the layer takes off the log separation (see `LoadCurve`)."""
    stable_rank: float = math.nan
    """Nuclear stable rank of the features about their mean, as the samples at hand have it."""
    participation_ratio: float = math.nan
    """Participation ratio of their covariance, as the samples at hand have it. For a true ratio r
    and N samples it is about r / (1 + r / N), but the N samples are always the same."""
    relative_step: float = math.nan
    """c_l = |A_l - A_{l-1}| / |A_l| from the layer before, where the two have one shape."""
    growth: float = math.nan
    """Mean over samples of log(|A_l| / |A_{l-1}|), where the two layers have one shape."""
    spread: float = math.nan
    """How much features vary between samples, relative to their size (see `spread_of`)."""
    dead: float = math.nan
    """Share of the features that are the same for every sample, up to rounding."""
    trace_ratio: float = math.nan
    """Log separation by the convention "trace_ratio", which the alarms go by."""
    rounding: float = 0.0
    """The `spread` that rounding alone can make."""

    @property
    def constant(self) -> bool:
        """Whether the layer puts out the same for every sample, up to rounding."""
        return self.spread <= self.rounding


LOGGED = {
    name: {"long_name": long_name, "units": units}
    for name, long_name, units in (
        ("log_separation", "log separation of the classes", "natural logarithm"),
        ("load", "load, what the layer takes off the log separation", "natural logarithm"),
        ("stable_rank", "nuclear stable rank of the features about their mean", "1"),
        ("participation_ratio", "participation ratio of the covariance", "1"),
        ("relative_step", "relative step ||A_l - A_{l-1}|| / ||A_l|| to the layer", "1"),
        ("growth", "mean log growth |A_l| / |A_{l-1}| to the layer", "natural logarithm"),
        ("spread", "variation of features between samples, relative to their size", "1"),
        ("dead", "share of features that are the same for every sample", "1"),
    )
}
"""The fields of `LayerSnapshot` that are logged and kept, with their attrs in the Dataset."""


@dataclass(frozen=True)
class Snapshot:
    """Numbers of all layers at one look."""

    layers: dict[str, LayerSnapshot]
    """The layers by name, in the order in which they ran; "input" comes first, where the input is
    real numbers."""
    concavity: float
    """`LoadCurve.concavity` of their log separations; NaN if one of these is not finite."""
    not_finite: dict[str, str]
    """Layers with NaN or infinity, in order, each with how much of it there is, in words."""
    given: str | None
    """The layer that is the model's input, and nothing that the model made."""

    def scalars(self) -> dict[tuple[str, str | None], float]:
        """Return all finite numbers, by measure and layer; None for the whole model."""
        named: dict[tuple[str, str | None], float] = {
            (measure, layer): getattr(numbers, measure)
            for measure in LOGGED
            for layer, numbers in self.layers.items()
        }
        named["concavity", None] = self.concavity
        return {name: value for name, value in named.items() if math.isfinite(value)}


def measure_snapshot(
    rows: Mapping[str, Tensor],
    sample: Mapping[str, Tensor],
    *,
    classes: Tensor | None,
    kind: SeparationKind,
    not_finite: Mapping[str, str],
    given: str | None,
) -> Snapshot:
    """Measure all layers from their rows.

    Parameters
    ----------
    rows : mapping of str to Tensor
        What each layer put out, (row, width), in the order in which the layers ran.
    sample : mapping of str to Tensor
        For each layer the sample that every row belongs to, (row,).
    classes : Tensor or None
        Class of every sample, (sample,), -1 for a sample without one; None for no classes at all.
    kind : str
        Convention of the log separation.
    not_finite : mapping of str to str
        Layers with NaN or infinity, and how much of it in words. They are not measured.
    given : str or None
        The layer that is the model's input.

    Returns
    -------
    Snapshot
        The numbers of every layer.
    """
    found: dict[str, dict[str, float]] = {}
    before: str | None = None
    for layer, H in rows.items():
        found[layer] = {}
        if layer in not_finite:
            before = None
            continue
        labels = None if classes is None else classes[sample[layer]]
        found[layer] = _measure_alone(H, labels, kind)
        if before is not None and rows[before].shape == H.shape:
            if torch.equal(sample[before], sample[layer]):
                step = StepSums()
                step.update(rows[before], H)
                found[layer] |= {"relative_step": step.relative_step(), "growth": step.growth()}
        before = layer
    D = np.array([numbers.get("log_separation", math.nan) for numbers in found.values()])
    known = np.isfinite(D)
    falling = np.where(known, -D if kind == "inverse" else D, np.nan)
    for layer, load in zip(list(found)[1:], loads(falling), strict=True):
        found[layer]["load"] = float(load)
    curve = LoadCurve(D, kind) if len(D) > 1 and known.all() else None
    return Snapshot(
        {layer: LayerSnapshot(**numbers) for layer, numbers in found.items()},
        math.nan if curve is None else curve.concavity,
        dict(not_finite),
        given,
    )


def spread_of(H: Tensor) -> tuple[float, Tensor]:
    r"""Measure how much features vary between samples, relative to their size.

    A layer whose features lie about 0 has a spread of 1. One that puts out the same for every
    sample has 0. Features that are 0 throughout are left out.

    Parameters
    ----------
    H : Tensor
        Features, (sample, width).

    Returns
    -------
    spread : float
        The spread of the layer, dimensionless.
    each : Tensor
        The spread of every feature, (width,).

    Notes
    -----
    With $s_j$ the standard deviation of feature j, $r_j$ its root mean square, and r the median of
    the $r_j$, the spread of a feature is $s_j / \max(r_j, r)$, and that of the layer the root mean
    square of these. A few huge features that hardly vary, as language models have, would hide the
    others in a norm of the whole layer; here they count as any other.
    """
    size = H.square().mean(0).sqrt()
    deviation = H.std(0, correction=0)
    used = size > 0
    if not bool(used.any()):
        return 0.0, torch.zeros_like(size)
    each = deviation / torch.maximum(size, size[used].median())
    return float(each[used].square().mean().sqrt()), each


@torch_threads(1)
def _measure_alone(H: Tensor, classes: Tensor | None, kind: SeparationKind) -> dict[str, float]:
    """Measure what takes one layer alone: its rows (row, width), and the class of each row."""
    epsilon = torch.finfo(H.dtype).eps
    H = H.double()
    spread, each = spread_of(H)
    rounding = noise_floor(epsilon, 1.0)
    found = {
        "spread": spread,
        "dead": float((each <= rounding).double().mean()),
        "rounding": rounding,
    }
    if spread <= rounding:
        return found
    if len(H) < H.shape[1]:  # an orthogonal map of the features changes none of what follows
        H = torch.linalg.qr(H.T, mode="r").R.T
    s = spectrum(H, centred=True)
    found["stable_rank"] = float(stable_rank_of_spectrum(s, "nuclear"))
    found["participation_ratio"] = participation_ratio_of_spectrum(s)
    if classes is not None:
        some = classes >= 0
        moments = ClassMoments(H.shape[1], int(classes.max()) + 1)
        moments.update(H[some], classes[some])
        moments.epsilon = epsilon  # that of the features as the model put them out
        scatter = moments.scatter()
        found["log_separation"] = scatter.log_separation(kind)
        found["trace_ratio"] = scatter.log_separation("trace_ratio")
    return found
