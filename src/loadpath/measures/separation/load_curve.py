r"""Load curves: how the layers of one net share the work of separating the data.

The log separation $D_l$ falls from layer to layer; the load of a layer is what it takes off,
$d_l = D_{l-1} - D_l$. Which layers to pass is the caller's choice: [SB] starts at the output of
the input BatchNorm, layer 0, and leaves the logits out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from loadpath.measures.separation import bootstrap
from loadpath.measures.separation.bootstrap import Array
from loadpath.measures.separation.scatter import SeparationKind, check_kind

Score = Literal["total", "concavity", "imbalance", "first_minus_last"]


@dataclass(frozen=True, eq=False)
class LoadCurve:
    r"""Log separation $D_l$ of the layers of one net, with the loads and scores it gives.

    >>> curve = LoadCurve([4.0, 3.5, 2.0, 0.0])
    >>> curve.load
    array([0.5, 1.5, 2. ])
    >>> round(curve.concavity, 6)                 # above its chord: the deep layers do the work
    0.09375

    `log_separation` is (layer,): at least 2 numbers, copied and made read-only. With kind
    "inverse" they are taken to rise as the classes separate, and otherwise to fall; loads,
    concavity and the other scores are oriented alike for all kinds, so that positive work is a
    positive load.

    Raises: ValueError if there are fewer than 2 layers, a value is not finite, or `kind` is not
    one of "fuzziness", "trace_ratio", "inverse" and None.
    Source: Shi, Pan and Dokmanic, arXiv:2407.19353; He and Su, PNAS 2023.
    """

    log_separation: Array
    """$D_l$, (layer,), natural logarithms, as measured: rises with depth for kind "inverse"."""
    kind: SeparationKind | None = None
    """Convention of the separation; None for anything else that falls, as 1 - x of a chain."""
    replicates: Array | None = None
    """The same of resampled data, (replicate, layer); None if there are none."""

    def __post_init__(self) -> None:
        D = _finite("log_separation", self.log_separation, fewest=2)
        if self.kind is not None:
            check_kind(self.kind)
        _freeze(self, "log_separation", D)
        if self.replicates is not None:
            _freeze(self, "replicates", _replicates(self.replicates, len(D)))

    @classmethod
    def of(
        cls,
        features: Sequence[Tensor | ArrayLike],
        labels: Tensor | ArrayLike,
        *,
        kind: SeparationKind = "fuzziness",
        n_bootstrap: int = 0,
        seed: int = 0,
    ) -> LoadCurve:
        """Curve of the classes in the features of one net, layer by layer.

        `features`: (sample, width) of every layer, widths may differ, the same samples in each.
        `labels`: (sample,) class numbers from 0. `n_bootstrap`: how many times samples are drawn
        anew, with replacement within their classes and the same for all layers; `interval` needs
        40 for its 95 %. Cost of each O(layers N (w + K)^2).

        Raises: ValueError for fewer than 2 layers, another `kind`, bad features or labels as in
        `log_separation`, and a layer whose log separation is infinite.
        """
        return cls._of(
            bootstrap.of_classes(features, labels, kind=kind, n_bootstrap=n_bootstrap, seed=seed),
            kind,
        )

    @classmethod
    def of_targets(
        cls,
        features: Sequence[Tensor | ArrayLike],
        y: Tensor | ArrayLike,
        *,
        kind: SeparationKind = "fuzziness",
        n_bootstrap: int = 0,
        seed: int = 0,
    ) -> LoadCurve:
        """Curve of real targets y (sample, output), by `target_separation`; else as `of`.

        Samples are drawn anew from all of them.

        Raises: ValueError as `of`, with bad targets as in `target_separation`.
        """
        return cls._of(
            bootstrap.of_targets(features, y, kind=kind, n_bootstrap=n_bootstrap, seed=seed),
            kind,
        )

    @classmethod
    def _of(cls, measured: tuple[Array, Array | None], kind: SeparationKind) -> LoadCurve:
        return cls(measured[0], kind, measured[1])

    @classmethod
    def from_loads(cls, load: ArrayLike, *, total: float | None = None) -> LoadCurve:
        """Curve that has these loads (load,) and ends at 0, as that of a chain of blocks does.

        `total`: what the loads are scaled to sum to; None leaves them as they are.

        Raises: ValueError if a load or `total` is not finite, or there is no load, or loads that
        sum to 0 are to be scaled.
        """
        d = _finite("load", load, fewest=1)
        if total is not None:
            if not math.isfinite(total):
                raise ValueError(f"total must be finite, got {total}.")
            if d.sum() == 0:
                raise ValueError(f"load must not sum to 0 to be scaled to total, got {d.tolist()}.")
            d = d * (total / d.sum())
        return cls(np.append(np.cumsum(d[::-1])[::-1], 0.0))

    @property
    def falling(self) -> Array:
        """The curve, turned over for kind "inverse", so that separating is falling; (layer,)."""
        return self._turned(self.log_separation)

    @property
    def load(self) -> Array:
        r"""Loads $d_l = D_{l-1} - D_l$ of layers 1 to L, (layer - 1,)."""
        return loads(self.falling)

    @property
    def total(self) -> float:
        r"""All loads together, $D_0 - D_L$."""
        return float(total(self.falling))

    @property
    def concavity(self) -> float:
        r"""Mean over layers of the curve minus its chord, in units of the fall between its ends.

        $\frac{1}{L+1} \sum_l (D_l - \bar D_l) / |D_0 - D_L|$, $\bar D_l$ the straight line from
        $D_0$ to $D_L$. Positive: concave, "lazy", deep layers do the work. Negative: convex,
        "active", shallow layers do. 0: all do the same. Between -1/2 and 1/2 for a curve that
        only falls; infinite where the ends are equal and the curve between is not, where lazy
        and active mean nothing, and 0 for a constant curve. Dimensionless.
        """
        return float(concavity(self.falling))

    @property
    def imbalance(self) -> float:
        """Standard deviation of the loads (divided by their number); 0 for equal loads."""
        return float(imbalance(self.falling))

    @property
    def first_minus_last(self) -> float:
        r"""Load of the first layer minus that of the last, $d_1 - d_L$."""
        return float(first_minus_last(self.falling))

    def interval(self, score: Score, *, confidence: float = 0.95) -> tuple[float, float]:
        r"""Bootstrap confidence interval of a score: "concavity", "imbalance", and so on.

        Of the net as it is, over samples like these: another training of the net, or whether the
        samples are those it was trained on, is not in it. Ends
        $2 \hat s - s^*_{1 - \alpha/2}$ and $2 \hat s - s^*_{\alpha/2}$ by the replicates'
        quantiles $s^*$ (the "basic" interval): separation measured on few samples is biased
        towards more of it, resampled data once more, and this takes the bias off. Unbounded where
        the score itself is infinite.

        Raises: ValueError if there are fewer than 2 / (1 - confidence) replicates, or for an
        unknown score or a confidence not between 0 and 1.
        """
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}.")
        value = SCORES[score]
        low, high = self._basic(value, confidence)
        return float(low), float(high)

    def load_interval(self, *, confidence: float = 0.95) -> Array:
        """Bootstrap confidence intervals (2, layer - 1) of the loads, each by itself.

        Raises: ValueError as `interval`.
        """
        return self._basic(loads, confidence)

    @property
    def load_covariance(self) -> Array:
        """Bootstrap covariance (layer - 1, layer - 1) of the loads.

        Raises: ValueError without at least 2 replicates.
        """
        return np.atleast_2d(np.cov(loads(self._resampled(2)), rowvar=False))

    def _turned(self, D: Array) -> Array:
        return -D if self.kind == "inverse" else D

    def _resampled(self, fewest: int) -> Array:
        count = 0 if self.replicates is None else len(self.replicates)
        if self.replicates is None or count < fewest:
            raise ValueError(f"n_bootstrap must be at least {fewest} for this, got {count}.")
        return self._turned(self.replicates)

    def _basic(self, value: Callable[[Array], Array], confidence: float) -> Array:
        """Lower and upper ends, (2, ...)."""
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must be between 0 and 1, got {confidence}.")
        tail = (1 - confidence) / 2
        # Rounding of 1 - confidence must not ask for a replicate more.
        resampled = value(self._resampled(math.ceil(1 / tail - 1e-9)))
        point = value(self.falling)
        # No interpolation: scores of replicates may be infinite.
        upper = np.quantile(resampled, 1 - tail, axis=0, method="higher")
        lower = np.quantile(resampled, tail, axis=0, method="lower")
        if not np.isfinite(point).all():
            return np.array([-np.inf, np.inf])
        return np.stack([2 * point - upper, 2 * point - lower])


def loads(D: Array) -> Array:
    """Loads (..., layer - 1) of falling curves (..., layer)."""
    return -np.diff(D, axis=-1)


def total(D: Array) -> Array:
    """Sum of the loads (...) of falling curves (..., layer)."""
    return np.asarray(D[..., 0] - D[..., -1])


def concavity(D: Array) -> Array:
    """`LoadCurve.concavity` (...) of falling curves (..., layer)."""
    mean = D.mean(-1) - (D[..., 0] + D[..., -1]) / 2
    fall = np.abs(total(D))
    # Rounding of the mean must not make a constant curve look bent.
    mean = np.where(np.ptp(D, axis=-1) == 0, 0.0, mean)
    bent = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    return np.where(fall > 0, mean / np.where(fall > 0, fall, 1.0), bent)


def imbalance(D: Array) -> Array:
    """Standard deviation of the loads (...) of falling curves (..., layer)."""
    return np.asarray(loads(D).std(-1))


def first_minus_last(D: Array) -> Array:
    """First load minus the last (...) of falling curves (..., layer)."""
    d = loads(D)
    return np.asarray(d[..., 0] - d[..., -1])


SCORES: dict[str, Callable[[Array], Array]] = {
    "total": total,
    "concavity": concavity,
    "imbalance": imbalance,
    "first_minus_last": first_minus_last,
}


def _freeze(curve: LoadCurve, name: str, values: Array) -> None:
    values.setflags(write=False)
    object.__setattr__(curve, name, values)


def _replicates(values: Any, layers: int) -> Array:
    array = np.array(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != layers or not np.isfinite(array).all():
        raise ValueError(
            f"replicates must be (replicate, {layers}) and finite, got shape {array.shape} and "
            f"{int((~np.isfinite(array)).sum())} infinite or NaN."
        )
    return array


def _finite(name: str, values: Any, *, fewest: int) -> Array:
    """A copy as float64, once it is known to be a list of finite numbers."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a list of numbers, got {values!r}.") from None
    if array.ndim != 1 or len(array) < fewest:
        raise ValueError(
            f"{name} must be a list of at least {fewest} number(s), got shape {array.shape}."
        )
    if not np.isfinite(array).all():
        wrong = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[wrong]} at index {wrong}.")
    return array
