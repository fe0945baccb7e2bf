"""What a look at a model finds while it trains: cheap numbers of every layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from loadpath.leaky_resnet.mechanics import spectrum, stable_rank_of_spectrum
from loadpath.measures import StepSums, participation_ratio_of_spectrum
from loadpath.measures.separation import ClassMoments, LoadCurve, SeparationKind, loads, noise_floor
from loadpath.threads import torch_threads

ROUNDING = noise_floor(1.0, 1.0) / math.sqrt(12)
"""Standard deviation, in epsilons of the dtype and relative, of what rounding may do to a feature:
uniform noise of the width that `loadpath.separation` takes for rounding too."""


@dataclass(frozen=True)
class LayerLook:
    """Numbers of one layer at one look; NaN for what there is none of."""

    log_separation: float = math.nan
    """Log separation D_l of the classes, by the monitor's kind; may be infinite."""
    load: float = math.nan
    """D_{l-1} - D_l, the share of the separating that the layer does (see `LoadCurve`)."""
    stable_rank: float = math.nan
    """Nuclear stable rank of the features about their mean, of these samples as they are."""
    participation_ratio: float = math.nan
    """Participation ratio of their covariance, of these samples as they are: it is too small by
    about r / (1 + r / N) for r, but always on the same N samples."""
    relative_step: float = math.nan
    """c_l = |A_l - A_{l-1}| / |A_l| from the layer before, where shapes agree."""
    growth: float = math.nan
    """Mean over samples of log(|A_l| / |A_{l-1}|), where shapes agree."""
    spread: float = math.nan
    """How much features vary between samples, relative to their size (see `spread_of`)."""
    dead: float = math.nan
    """Share of the features that are the same for every sample, up to rounding."""
    trace_ratio: float = math.nan
    """Log separation by kind "trace_ratio", which alarms go by."""
    rounding: float = 0.0
    """The `spread` that rounding alone can make."""

    @property
    def constant(self) -> bool:
        """Whether the layer puts out the same for every sample, up to rounding."""
        return self.spread <= self.rounding


MEASURES = {
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
"""What of `LayerLook` is logged and kept, with its attrs."""


@dataclass(frozen=True)
class Look:
    """What one pass over the probe gave."""

    layers: dict[str, LayerLook]
    """By name, in the order in which layers ran; "input" first, if the input is real numbers."""
    concavity: float
    """`LoadCurve.concavity` of their log separations; NaN if one is not finite."""
    not_finite: dict[str, str]
    """Layers with NaN or infinity, in order, and how much of it in words."""
    given: str | None
    """The layer that is the model's input, and nothing that it made."""

    def scalars(self) -> dict[str, float]:
        """All numbers that are finite, by "measure/layer", and the concavity."""
        named = {
            f"{measure}/{layer}": getattr(numbers, measure)
            for measure in MEASURES
            for layer, numbers in self.layers.items()
        } | {"concavity": self.concavity}
        return {name: value for name, value in named.items() if math.isfinite(value)}


def look_at(
    rows: Mapping[str, Tensor],
    sample: Mapping[str, Tensor],
    *,
    classes: Tensor | None,
    kind: SeparationKind,
    not_finite: Mapping[str, str],
    given: str | None,
) -> Look:
    """The look that the rows (row, width) of all layers give, in the order in which layers ran.

    `sample`: for every layer the sample that each row is of. `classes`: of every sample its class,
    -1 for none. Layers that are not finite, named in `not_finite`, are not measured. `given` is as
    in `Look`.
    """
    found: dict[str, dict[str, float]] = {}
    before: str | None = None
    for layer, H in rows.items():
        found[layer] = {}
        if layer in not_finite:
            before = None
            continue
        found[layer] = _of_layer(H, None if classes is None else classes[sample[layer]], kind)
        if before is not None and rows[before].shape == H.shape:
            if torch.equal(sample[before], sample[layer]):
                step = StepSums()
                step.update(rows[before], H)
                found[layer] |= {"relative_step": step.relative_step(), "growth": step.growth()}
        before = layer
    D = np.array([of.get("log_separation", math.nan) for of in found.values()])
    known = np.isfinite(D)
    falling = np.where(known, -D if kind == "inverse" else D, np.nan)
    for layer, load in zip(list(found)[1:], loads(falling), strict=True):
        found[layer]["load"] = float(load)
    curve = LoadCurve(D, kind) if len(D) > 1 and known.all() else None
    return Look(
        {layer: LayerLook(**of) for layer, of in found.items()},
        math.nan if curve is None else curve.concavity,
        dict(not_finite),
        given,
    )


def spread_of(H: Tensor) -> tuple[float, Tensor]:
    r"""How much features vary between samples, and the same feature by feature.

    With $s_j$ the standard deviation of feature j and $r_j$ its root mean square, the root mean
    square over j of $s_j / \max(r_j, r)$, r the median of the $r_j$: 1 for features about 0, and 0
    for a layer that puts out the same for every sample. Features that are 0 throughout are left
    out. A few huge features that hardly vary, as language models have, do not hide the rest, as
    they would in a norm. Dimensionless.
    """
    size = H.square().mean(0).sqrt()
    deviation = H.std(0, correction=0)
    used = size > 0
    if not bool(used.any()):
        return 0.0, torch.zeros_like(size)
    each = deviation / torch.maximum(size, size[used].median())
    return float(each[used].square().mean().sqrt()), each


@torch_threads(1)
def _of_layer(H: Tensor, classes: Tensor | None, kind: SeparationKind) -> dict[str, float]:
    """What one layer's rows (row, width) and their classes give, without the layer before."""
    epsilon = torch.finfo(H.dtype).eps
    H = H.double()
    spread, each = spread_of(H)
    rounding = ROUNDING * epsilon
    found = {
        "spread": spread,
        "dead": float((each <= rounding).double().mean()),
        "rounding": rounding,
    }
    if spread <= rounding:
        return found
    if len(H) < H.shape[1]:  # an orthogonal map changes none of what follows
        H = torch.linalg.qr(H.T, mode="r").R.T
    s = spectrum(H, centred=True)
    found["stable_rank"] = float(stable_rank_of_spectrum(s, "nuclear"))
    found["participation_ratio"] = participation_ratio_of_spectrum(s)
    if classes is not None:
        some = classes >= 0
        moments = ClassMoments(H.shape[1], int(classes.max()) + 1)
        moments.update(H[some], classes[some])
        moments.epsilon = epsilon  # of the features as the model put them out
        scatter = moments.scatter()
        found["log_separation"] = scatter.log_separation(kind)
        found["trace_ratio"] = scatter.log_separation("trace_ratio")
    return found
