r"""Class means and scatter of features, streamed over data of any size.

Memory is O((w + K)^2) for w features and K classes, whatever the number of samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import check_count
from loadpath.measures.separation.feature_moments import FeatureMoments
from loadpath.measures.separation.inputs import (
    as_features,
    as_labels,
    as_small_features,
    check_labels,
)
from loadpath.measures.separation.scatter import Scatter, SeparationKind


class ClassMoments(FeatureMoments):
    r"""Class means and scatter of features: streamed, mergeable, in float64.

    Parameters
    ----------
    width : int
        Width of the features.
    n_classes : int
        Number of classes K, at least 2. Labels are class numbers from 0 to K - 1.

    Raises
    ------
    ValueError
        For a width below 1 and for fewer than 2 classes.

    See Also
    --------
    loadpath.separation.log_separation : The same in one call, for features that are at hand.

    Notes
    -----
    No sample is kept for long. Rows go into a Householder QR of [R; rows], at least w + K of them
    at a time: about 2 b (w + K)^2 operations for b rows (3.3 b (w + K)^2 in small batches),
    backward stable.

    Features may be tensors or arrays of any type of real numbers. The precision of that type
    decides what counts as rounding (see `Scatter`), so pass features in the type that the net
    computed them in.

    Examples
    --------
    Three samples of each of two classes, in two batches:

    >>> import torch
    >>> H = torch.tensor([[0.0, 1.0], [0.0, -1.0], [0.0, 0.0], [2.0, 1.0], [2.0, -1.0], [2.0, 0.0]])
    >>> labels = torch.tensor([0, 0, 0, 1, 1, 1])
    >>> moments = ClassMoments(width=2, n_classes=2)
    >>> moments.update(H[:4], labels[:4])
    >>> moments.update(H[4:], labels[4:])
    >>> print(moments.class_means().round(decimals=6))
    tensor([[0., 0.],
            [2., 0.]], dtype=torch.float64)
    >>> moments.scatter().sigma_w.diagonal().round(decimals=4).tolist()
    [0.0, 0.6667]
    >>> round(moments.log_separation("trace_ratio"), 4)  # log(2/3 / 1)
    -0.4055
    """

    def __init__(self, width: int, n_classes: int) -> None:
        check_count("n_classes", n_classes, 2)
        super().__init__(width, n_classes)
        self.n_classes = n_classes
        """Number of classes."""
        self.counts = torch.zeros(n_classes, dtype=torch.int64)
        """Samples seen of every class, (class,)."""

    @classmethod
    def from_features(cls, H: Any, labels: Any) -> Self:
        """Return the moments of features that are at hand.

        Parameters
        ----------
        H : Tensor or array_like
            (sample, width) features.
        labels : Tensor or array_like
            (sample,) class numbers from 0.

        Returns
        -------
        ClassMoments
            Their moments, with as many classes as the largest label asks for.

        Raises
        ------
        ValueError
            If `H` is not finite and (sample, width), or `labels` are not class numbers from 0, one
            for each row, or there is only one class.
        """
        rows, _ = as_small_features("H", H)
        numbers = as_labels(labels, len(rows))
        # A stray large number must not ask for a column for each class below it.
        check_labels(numbers, len(numbers))
        if int(numbers.max()) < 1:
            raise ValueError("labels must have at least 2 classes, got class 0 alone.")
        moments = cls(rows.shape[1], int(numbers.max()) + 1)
        moments.update(H, numbers)
        return moments

    @torch.no_grad()
    def update(self, H: Any, labels: Any) -> None:
        """Add more samples.

        Parameters
        ----------
        H : Tensor or array_like
            (sample, width) features.
        labels : Tensor or array_like
            (sample,) class numbers from 0.

        Raises
        ------
        ValueError
            If `H` is not finite or of another width, or `labels` are not class numbers below
            `n_classes`, one for each row of `H`.
        """
        rows, epsilon = as_features("H", H, width=self.width)
        numbers = as_labels(labels, len(rows)).to(rows.device)
        check_labels(numbers, self.n_classes)
        one_hot = torch.nn.functional.one_hot(numbers, self.n_classes).double()
        self._add_rows(torch.cat([one_hot, rows], dim=1), epsilon)
        self.counts = self.counts + torch.bincount(numbers.cpu(), minlength=self.n_classes)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make an empty one set up alike.

        Returns
        -------
        dict of str to int
            `width` and `n_classes`.
        """
        return {"width": self.width, "n_classes": self.n_classes}

    def state(self) -> dict[str, Tensor]:
        """Return the sums themselves.

        Returns
        -------
        dict of str to Tensor
            By name; together with `settings` it is all there is.
        """
        return {**super().state(), "counts": self.counts}

    def _set_state(self, state: Mapping[str, Tensor]) -> None:
        super()._set_state(state)
        self.counts = state["counts"]

    def merge(self, other: Self) -> Self:
        """Return the moments of both sets of samples, as a new object.

        Parameters
        ----------
        other : ClassMoments
            Moments of the same width and number of classes.

        Returns
        -------
        ClassMoments
            The moments of all samples. Merging is associative up to rounding.

        Raises
        ------
        ValueError
            If the two differ in width or number of classes.
        """
        merged = super().merge(other)
        merged.counts = self.counts + other.counts
        return merged

    def renumbered(self, numbers: Sequence[int | None]) -> ClassMoments:
        """Return the same moments with their classes numbered anew.

        In this way there can be room for classes to come, and those without samples can go.

        Parameters
        ----------
        numbers : sequence of int or None
            The old number of each new class; None where the class is a new one.

        Returns
        -------
        ClassMoments
            Moments whose class k is class `numbers[k]` of these.

        Raises
        ------
        ValueError
            If a class that has samples is left out, or one is named twice.
        """
        kept = [k for k in numbers if k is not None]
        lost = set(range(self.n_classes)) - set(kept)
        if len(set(kept)) < len(kept) or any(int(self.counts[k]) for k in lost):
            raise ValueError(
                f"numbers must name every class that has samples once, got {list(numbers)} for "
                f"samples in {self.counts.nonzero()[:, 0].tolist()}."
            )
        moments = ClassMoments(self.width, len(numbers))
        factor, old = self.factor, self.n_classes
        leading = factor.new_zeros(len(factor), len(numbers))
        counts = torch.zeros_like(moments.counts)
        for new, k in enumerate(numbers):
            if k is not None:
                leading[:, new], counts[new] = factor[:, k], self.counts[k]
        # The factor's rows stand for the samples, so they can be factorized anew in their place.
        moments._absorb(torch.cat([leading, factor[:, old:]], dim=1), self.count)
        moments.counts, moments.epsilon = counts, self.epsilon
        return moments

    def class_means(self) -> Float[Tensor, "class width"]:
        """Return the mean feature of every class.

        Returns
        -------
        Tensor
            (class, width), units of the features.

        Raises
        ------
        ValueError
            If a class has fewer than 2 samples.
        """
        self._check_classes()
        return self._sums() / self._sizes()[:, None]

    def mean(self) -> Float[Tensor, " width"]:
        """Return the mean over all samples.

        Returns
        -------
        Tensor
            (width,), units of the features.

        Raises
        ------
        ValueError
            If a class has fewer than 2 samples.
        """
        self._check_classes()
        return self._sums().sum(0) / self.count

    def scatter(self) -> Scatter:
        r"""Return the scatter between classes and within them.

        Returns
        -------
        Scatter
            Factors of the two covariances; `.sigma_b` and `.sigma_w` are the covariances
            themselves, in the squared units of the features.

        Raises
        ------
        ValueError
            If a class has fewer than 2 samples.

        Notes
        -----
        With class means $m_k$ of $n_k$ samples each, and the mean m of all n:
        $\Sigma_b = \sum_k \frac{n_k}{n} (m_k - m)(m_k - m)^\top$ and
        $\Sigma_w = \frac{1}{n} \sum_k \sum_{i \in k} (h_i - m_k)(h_i - m_k)^\top$.

        References
        ----------
        .. [1] He and Su, "A law of data separation in deep learning", PNAS 2023.
        .. [2] Shi, Pan and Dokmanic, arXiv:2407.19353.
        """
        self._check_classes()
        K, n = self.n_classes, self.count
        rows = self._sums() / self._sizes().sqrt()[:, None]  # sqrt(n_k) m_k
        share = (self._sizes() / n).sqrt()[:, None]
        within = self.factor[K:, K:] / n**0.5
        return Scatter(
            between=(rows - share @ (share.T @ rows)) / n**0.5,
            within=within,
            between_limit=min(K - 1, self.width),
            within_limit=min(n - K, self.width),
            rounding=self._rounding(within, K),
        )

    def log_separation(self, kind: SeparationKind = "fuzziness") -> float:
        """Return the log separation by one of three conventions.

        Parameters
        ----------
        kind : {"fuzziness", "trace_ratio", "inverse"}
            The convention; see `loadpath.separation.log_separation`.

        Returns
        -------
        float
            Natural logarithm, dimensionless.

        Raises
        ------
        ValueError
            If a class has fewer than 2 samples, or for another `kind`.
        """
        return self.scatter().log_separation(kind)

    def _sizes(self) -> Tensor:
        return self.counts.to(self.factor)

    def _sums(self) -> Tensor:
        """Return the sum of the features of every class, (class, width)."""
        K = self.n_classes
        return self.factor[:, :K].T @ self.factor[:, K:]

    def _check_classes(self) -> None:
        fewest = int(self.counts.argmin())
        if self.counts[fewest] < 2:
            raise ValueError(
                f"labels must have at least 2 samples of each of {self.n_classes} classes, got "
                f"{int(self.counts[fewest])} of class {fewest}."
            )
