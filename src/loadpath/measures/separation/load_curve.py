r"""Load curves: how the layers of one net share the work of separating the data.

The log separation $D_l$ falls from layer to layer. The load of a layer is what it takes off,
$d_l = D_{l-1} - D_l$. Which layers to pass is the caller's choice: the spring-block paper starts at
the output of the input BatchNorm, layer 0, and leaves the logits out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from loadpath.checks import check_level
from loadpath.measures.separation.bootstrap import Array, resample_classes, resample_targets
from loadpath.measures.separation.curve_scores import (
    SCORES,
    concavity,
    first_minus_last,
    imbalance,
    loads,
    total,
)
from loadpath.measures.separation.inputs import as_curve, as_replicates
from loadpath.measures.separation.scatter import SeparationKind, check_kind
from loadpath.results import Overview, Shown, Table

Score = Literal["total", "concavity", "imbalance", "first_minus_last"]


@dataclass(frozen=True, eq=False, repr=False)
class LoadCurve(Shown):
    r"""Log separation of the layers of one net, with the loads and scores that it gives.

    Parameters
    ----------
    log_separation : array_like
        (layer,) at least 2 numbers $D_l$; copied and made read-only. With kind "inverse" they are
        taken to rise as the classes separate, and otherwise to fall.
    kind : {"fuzziness", "trace_ratio", "inverse"}, optional
        Convention of the separation; None for anything else that falls.
    replicates : array_like, optional
        (replicate, layer) the same of resampled data.

    Raises
    ------
    ValueError
        If there are fewer than 2 layers, a value is not finite, or `kind` is unknown.

    See Also
    --------
    LoadCurve.from_features : Measures the curve of classes.
    LoadCurve.from_targets : Measures the curve of real targets.

    Notes
    -----
    Loads, concavity and the other scores are oriented alike for all kinds: positive work is a
    positive load.

    References
    ----------
    .. [1] Shi, Pan and Dokmanic, arXiv:2407.19353.
    .. [2] He and Su, "A law of data separation in deep learning", PNAS 2023.

    Examples
    --------
    >>> curve = LoadCurve([4.0, 3.5, 2.0, 0.0])
    >>> curve.load.tolist()
    [0.5, 1.5, 2.0]
    >>> curve.concavity  # above its chord: the deep layers do the work
    0.09375
    """

    log_separation: Array
    """$D_l$, (layer,), natural logarithms, as measured: it rises with depth for kind "inverse"."""
    kind: SeparationKind | None = None
    """Convention of the separation; None for anything else that falls, as 1 - x of a chain."""
    replicates: Array | None = None
    """The same of resampled data, (replicate, layer); None if there are none."""

    def __init__(
        self,
        log_separation: ArrayLike,
        kind: SeparationKind | None = None,
        replicates: ArrayLike | None = None,
    ) -> None:
        D = as_curve("log_separation", log_separation, fewest=2)
        if kind is not None:
            check_kind(kind)
        _freeze(self, "log_separation", D)
        object.__setattr__(self, "kind", kind)
        if replicates is not None:
            _freeze(self, "replicates", as_replicates(replicates, len(D)))

    @classmethod
    def from_features(
        cls,
        features: Sequence[Tensor | ArrayLike],
        labels: Tensor | ArrayLike,
        *,
        kind: SeparationKind = "fuzziness",
        n_bootstrap: int = 0,
        seed: int = 0,
    ) -> LoadCurve:
        """Measure the curve of the classes in the features of one net, layer by layer.

        Parameters
        ----------
        features : sequence of (Tensor or array_like)
            (sample, width) features of every layer. Widths may differ; the samples are the same in
            each.
        labels : Tensor or array_like
            (sample,) class numbers from 0.
        kind : {"fuzziness", "trace_ratio", "inverse"}
            The convention of the separation; see `log_separation`.
        n_bootstrap : int
            How many times samples are drawn anew, with replacement within their classes and the
            same for all layers. `interval` needs 40 for its 95 %.
        seed : int
            Seed of the drawing.

        Returns
        -------
        LoadCurve
            The curve, with `n_bootstrap` replicates.

        Raises
        ------
        ValueError
            For fewer than 2 layers, another `kind`, bad features or labels as in `log_separation`,
            and a layer whose log separation is infinite.

        Notes
        -----
        Each replicate costs O(layers N (w + K)^2) for N samples of width w in K classes.

        Examples
        --------
        A layer that halves the scatter about the class means has a load of log 4:

        >>> means, about = np.array([0.0, 0.0, 3.0, 3.0]), np.array([1.0, -1.0, 1.0, -1.0])
        >>> before, after = (means + about)[:, None], (means + about / 2)[:, None]
        >>> curve = LoadCurve.from_features([before, after], np.array([0, 0, 1, 1]))
        >>> curve.load.round(6).tolist()
        [1.386294]
        """
        curve, replicates = resample_classes(
            features, labels, kind=kind, n_bootstrap=n_bootstrap, seed=seed
        )
        return cls(curve, kind, replicates)

    @classmethod
    def from_targets(
        cls,
        features: Sequence[Tensor | ArrayLike],
        y: Tensor | ArrayLike,
        *,
        kind: SeparationKind = "fuzziness",
        n_bootstrap: int = 0,
        seed: int = 0,
    ) -> LoadCurve:
        """Measure the curve of real targets in the features of one net, layer by layer.

        Parameters
        ----------
        features : sequence of (Tensor or array_like)
            (sample, width) features of every layer; the samples are the same in each.
        y : Tensor or array_like
            (sample, output) real targets.
        kind : {"fuzziness", "trace_ratio", "inverse"}
            The convention of the separation; see `target_separation`.
        n_bootstrap : int
            How many times samples are drawn anew, with replacement from all of them and the same
            for all layers.
        seed : int
            Seed of the drawing.

        Returns
        -------
        LoadCurve
            The curve, with `n_bootstrap` replicates.

        Raises
        ------
        ValueError
            For fewer than 2 layers, another `kind`, bad features or targets as in
            `target_separation`, and a layer whose log separation is infinite.
        """
        curve, replicates = resample_targets(
            features, y, kind=kind, n_bootstrap=n_bootstrap, seed=seed
        )
        return cls(curve, kind, replicates)

    of = from_features
    """`from_features` by its name in 0.1.0."""
    of_targets = from_targets
    """`from_targets` by its name in 0.1.0."""

    @classmethod
    def from_loads(cls, load: ArrayLike, *, total: float | None = None) -> LoadCurve:
        """Return the curve that has these loads and ends at 0, as that of a chain of blocks does.

        Parameters
        ----------
        load : array_like
            (load,) at least one number.
        total : float, optional
            What the loads are scaled to sum to; they stay as they are if left out.

        Returns
        -------
        LoadCurve
            The curve, one layer longer than the loads, of no kind and without replicates.

        Raises
        ------
        ValueError
            If a load or `total` is not finite, there is no load, or loads that sum to 0 are to be
            scaled.

        Examples
        --------
        >>> LoadCurve.from_loads([1, 3], total=1.0).log_separation.tolist()
        [1.0, 0.75, 0.0]
        """
        d = as_curve("load", load, fewest=1)
        if total is not None:
            if not math.isfinite(total):
                raise ValueError(f"total must be finite, got {total}.")
            if d.sum() == 0:
                raise ValueError(f"load must not sum to 0 to be scaled to total, got {d.tolist()}.")
            d = d * (total / d.sum())
        return cls(np.append(np.cumsum(d[::-1])[::-1], 0.0))

    def _overview(self) -> Overview:
        """Return the scores, and a table of layers."""
        D, load = self.log_separation, ["", *(f"{each:.4g}" for each in self.load)]
        rows = [(f"{l}", f"{D[l]:.4g}", load[l]) for l in range(len(D))]
        return Overview(
            {
                "layers": f"{len(D)}",
                "kind": self.kind or "none",
                "sum of the loads": f"{self.total:.4g}",
                "concavity": f"{self.concavity:.4g}",
                "imbalance": f"{self.imbalance:.4g}",
                "replicates": f"{0 if self.replicates is None else len(self.replicates)}",
            },
            tables={"Layers": Table(("layer", "log separation", "load"), rows)},
        )

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
        r"""Sum of the loads, $D_0 - D_L$."""
        return float(total(self.falling))

    @property
    def concavity(self) -> float:
        r"""Mean over layers of the curve minus its chord, in units of the fall between its ends.

        Positive: the curve is concave, or "lazy", and deep layers do the work. Negative: it is
        convex, or "active", and shallow layers do. 0: all do the same. Dimensionless.

        Notes
        -----
        $\frac{1}{L+1} \sum_l (D_l - \bar D_l) / |D_0 - D_L|$, with $\bar D_l$ the straight line
        from $D_0$ to $D_L$. It lies between -1/2 and 1/2 for a curve that only falls. Where the
        ends are equal, lazy and active mean nothing: it is infinite if the curve between is not
        equal too, and 0 for a constant curve.
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

    def interval(self, score: Score, *, level: float = 0.95) -> tuple[float, float]:
        r"""Return the bootstrap confidence interval of a score.

        The interval is for the net as it is, over samples like these. Another training of the net
        is not in it, nor whether the samples are those that it was trained on.

        Parameters
        ----------
        score : {"total", "concavity", "imbalance", "first_minus_last"}
            Which score.
        level : float
            Confidence level, between 0 and 1.

        Returns
        -------
        low, high : float
            Ends of the interval, units of the score; unbounded where the score itself is infinite.

        Raises
        ------
        ValueError
            If there are fewer than 2 / (1 - level) replicates, or for an unknown score or a level
            that is not between 0 and 1.

        Notes
        -----
        With $\hat s$ the score and $s^*_q$ the quantiles of the replicates, the ends are
        $2 \hat s - s^*_{1 - \alpha/2}$ and $2 \hat s - s^*_{\alpha/2}$ for a level of $1 - \alpha$
        (the "basic" interval). Separation that is measured on few samples is biased towards more of
        it, and resampled data once more: this takes the bias off.
        """
        if score not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {score!r}.")
        low, high = self._basic(SCORES[score], level)
        return float(low), float(high)

    def load_interval(self, *, level: float = 0.95) -> Array:
        """Return the bootstrap confidence intervals of the loads, each by itself.

        Parameters
        ----------
        level : float
            Confidence level, between 0 and 1.

        Returns
        -------
        Array
            (2, layer - 1) lower and upper ends.

        Raises
        ------
        ValueError
            If there are fewer than 2 / (1 - level) replicates, or for a level that is not between 0
            and 1.
        """
        return self._basic(loads, level)

    @property
    def load_covariance(self) -> Array:
        """Bootstrap covariance (layer - 1, layer - 1) of the loads.

        Raises
        ------
        ValueError
            Without at least 2 replicates.
        """
        return np.atleast_2d(np.cov(loads(self._resampled(2)), rowvar=False))

    def _turned(self, D: Array) -> Array:
        return -D if self.kind == "inverse" else D

    def _resampled(self, fewest: int) -> Array:
        count = 0 if self.replicates is None else len(self.replicates)
        if self.replicates is None or count < fewest:
            raise ValueError(f"n_bootstrap must be at least {fewest} for this, got {count}.")
        return self._turned(self.replicates)

    def _basic(self, value: Callable[[Array], Array], level: float) -> Array:
        """Return the lower and upper ends, (2, ...)."""
        check_level(level)
        tail = (1 - level) / 2
        # Rounding of 1 - level must not ask for a replicate more.
        resampled = value(self._resampled(math.ceil(1 / tail - 1e-9)))
        point = value(self.falling)
        # No interpolation: scores of replicates may be infinite.
        upper = np.quantile(resampled, 1 - tail, axis=0, method="higher")
        lower = np.quantile(resampled, tail, axis=0, method="lower")
        if not np.isfinite(point).all():
            return np.array([-np.inf, np.inf])
        return np.stack([2 * point - upper, 2 * point - lower])


def _freeze(curve: LoadCurve, name: str, values: Array) -> None:
    values.setflags(write=False)
    object.__setattr__(curve, name, values)
