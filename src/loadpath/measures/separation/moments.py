r"""Class moments of features, streamed over data of any size in O((w + classes)^2) memory.

Both classes keep the triangular factor R of a QR decomposition of all rows [T, H] seen so far, as
`loadpath.record.Moments` does, with what H is compared to in the leading columns T: the classes as
zeros and ones, or 1 and the targets. Below them R holds the factor of what T leaves of H: nothing
is subtracted, and scatter far below the size of the features keeps its digits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from loadpath.checks import as_rows, check_count
from loadpath.measures.separation.scatter import OWN_NOISE, Scatter, SeparationKind, noise_floor
from loadpath.record import Streamed
from loadpath.threads import torch_threads


class _Streamed(Streamed):
    """The factor of [T, H], and how coarsely the features were rounded."""

    def __init__(self, width: int, leading: int) -> None:
        check_count("width", width, 1)
        super().__init__(leading + width)
        self.width = width
        self.epsilon = 0.0
        """Coarsest rounding of the features seen: the epsilon of their dtype."""
        self._leading = leading

    def state(self) -> dict[str, Tensor]:
        """The sums themselves, as tensors."""
        return {**super().state(), "epsilon": torch.tensor([self.epsilon], dtype=torch.float64)}

    def _take(self, state: Mapping[str, Tensor]) -> None:
        super()._take(state)
        self.epsilon = float(state["epsilon"])

    def _take_in(self, Z: Tensor, epsilon: float) -> None:
        self._absorb(Z, len(Z))
        self.epsilon = max(self.epsilon, epsilon)

    def merge(self, other: Self) -> Self:
        """Moments of both sets of samples, as a new object; associative up to rounding.

        Raises: ValueError if the two were not set up alike.
        """
        merged = super().merge(other)
        merged.epsilon = max(self.epsilon, other.epsilon)
        return merged

    def _floor(self) -> float:
        spread = float(self.factor[:, self._leading :].norm()) / self.count**0.5
        return noise_floor(self.epsilon, spread)


class ClassMoments(_Streamed):
    r"""Streamed, mergeable class means and scatter of features, in float64.

    >>> moments = ClassMoments(width=100, n_classes=10)
    >>> for H, labels in batches:                 # (sample, width) and (sample,) class numbers
    ...     moments.update(H, labels)
    >>> moments.log_separation("fuzziness")

    No sample is kept for long. Rows go into a Householder QR of [R; rows], at least w + K of them
    at a time: about 2 b (w + K)^2 operations for b rows and K classes (3.3 b (w + K)^2 in small
    batches), backward stable. Features may be tensors or arrays of any float type;
    that type's precision decides what counts as rounding (see `Scatter`), so pass features in the
    type that the net computed them in.

    Raises: ValueError for a width below 1 and fewer than 2 classes; see the methods.
    """

    def __init__(self, width: int, n_classes: int) -> None:
        """Start with no samples."""
        check_count("n_classes", n_classes, 2)
        super().__init__(width, n_classes)
        self.n_classes = n_classes
        self.counts = torch.zeros(n_classes, dtype=torch.int64)
        """Samples seen of every class, (class,)."""

    @torch.no_grad()
    def update(self, H: Any, labels: Any) -> None:
        """Take in more samples: H (sample, width) and labels (sample,), whole numbers from 0.

        Raises: ValueError if H is not finite or of another width, or `labels` are not class
        numbers below n_classes, one for each row of H.
        """
        rows, epsilon = as_features("H", H, width=self.width)
        numbers = as_labels(labels, len(rows)).to(rows.device)
        check_labels(numbers, self.n_classes)
        one_hot = torch.nn.functional.one_hot(numbers, self.n_classes).double()
        self._take_in(torch.cat([one_hot, rows], dim=1), epsilon)
        self.counts = self.counts + torch.bincount(numbers.cpu(), minlength=self.n_classes)

    def settings(self) -> dict[str, Any]:
        """The arguments that make an empty one set up alike."""
        return {"width": self.width, "n_classes": self.n_classes}

    def state(self) -> dict[str, Tensor]:
        """The sums themselves, as tensors."""
        return {**super().state(), "counts": self.counts}

    def _take(self, state: Mapping[str, Tensor]) -> None:
        super()._take(state)
        self.counts = state["counts"]

    def merge(self, other: Self) -> Self:
        """Moments of both sets of samples, as a new object; associative up to rounding.

        Raises: ValueError if the two differ in width or number of classes.
        """
        merged = super().merge(other)
        merged.counts = self.counts + other.counts
        return merged

    def renumbered(self, numbers: Sequence[int | None]) -> ClassMoments:
        """The same moments, class k of which is class `numbers[k]` of these; None: a new class.

        So there can be room for classes to come, and those without samples can go.

        Raises: ValueError if a class that has samples is left out, or one is named twice.
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
        moments._absorb(torch.cat([leading, factor[:, old:]], dim=1), self.count)
        moments.counts, moments.epsilon = counts, self.epsilon
        return moments

    def class_means(self) -> Float[Tensor, "class width"]:
        """Mean feature of every class.

        Raises: ValueError if a class has fewer than 2 samples.
        """
        self._check_classes()
        return self._sums() / self._sizes()[:, None]

    def mean(self) -> Float[Tensor, " width"]:
        """Mean over all samples.

        Raises: ValueError if a class has fewer than 2 samples.
        """
        self._check_classes()
        return self._sums().sum(0) / self.count

    def scatter(self) -> Scatter:
        r"""Scatter between and within classes; `.sigma_b` and `.sigma_w` are the covariances.

        $\Sigma_b = \sum_k \frac{n_k}{n} (m_k - m)(m_k - m)^\top$,
        $\Sigma_w = \frac{1}{n} \sum_k \sum_{i \in k} (h_i - m_k)(h_i - m_k)^\top$.

        Raises: ValueError if a class has fewer than 2 samples.
        Source: He and Su, PNAS 2023; Shi, Pan and Dokmanic, arXiv:2407.19353.
        """
        self._check_classes()
        K, n = self.n_classes, self.count
        rows = self._sums() / self._sizes().sqrt()[:, None]  # sqrt(n_k) m_k
        share = (self._sizes() / n).sqrt()[:, None]
        return Scatter(
            between=(rows - share @ (share.T @ rows)) / n**0.5,
            within=self.factor[K:, K:] / n**0.5,
            between_limit=min(K - 1, self.width),
            within_limit=min(n - K, self.width),
            floor=self._floor(),
        )

    def log_separation(self, kind: SeparationKind = "fuzziness") -> float:
        """Log separation by one of three conventions; see `loadpath.separation.log_separation`.

        Raises: ValueError if a class has fewer than 2 samples, or for another `kind`.
        """
        return self.scatter().log_separation(kind)

    def _sizes(self) -> Tensor:
        return self.counts.to(self.factor)

    def _sums(self) -> Tensor:
        K = self.n_classes
        return self.factor[:, :K].T @ self.factor[:, K:]

    def _check_classes(self) -> None:
        fewest = int(self.counts.argmin())
        if self.counts[fewest] < 2:
            raise ValueError(
                f"labels must have at least 2 samples of each of {self.n_classes} classes, got "
                f"{int(self.counts[fewest])} of class {fewest}."
            )


class TargetMoments(_Streamed):
    r"""Streamed, mergeable moments of features H and real targets y, in float64.

    What the least-squares fit of H by y and a constant explains plays the part of the scatter
    between classes, and what it leaves the part of that within. With y the classes as zeros and
    ones, fitted values are class means, and all is as in `ClassMoments`.

    Raises: ValueError for a width or number of outputs below 1; see the methods.
    """

    def __init__(self, width: int, n_outputs: int) -> None:
        """Start with no samples."""
        check_count("n_outputs", n_outputs, 1)
        super().__init__(width, 1 + n_outputs)
        self.n_outputs = n_outputs

    @torch.no_grad()
    def update(self, H: Any, y: Any) -> None:
        """Take in more samples: H (sample, width) and y (sample, output).

        Raises: ValueError if they are not finite, or of other shapes.
        """
        rows, epsilon = as_features("H", H, width=self.width)
        targets = as_rows("y", as_tensor("y", y), shape=(len(rows), self.n_outputs))
        Z = torch.cat([rows.new_ones(len(rows), 1), targets.to(rows), rows], dim=1)
        self._take_in(Z, epsilon)

    def settings(self) -> dict[str, Any]:
        """The arguments that make an empty one set up alike."""
        return {"width": self.width, "n_outputs": self.n_outputs}

    @torch_threads(1)
    def scatter(self) -> Scatter:
        r"""Scatter that y explains and that it leaves.

        With columns centred, U an orthonormal basis of the columns of y:
        $\Sigma_b = \frac1n H^\top U U^\top H$, $\Sigma_w = \frac1n H^\top (I - U U^\top) H$.
        Directions of y below 1e-13 of its size are not counted: outputs may depend on each other.

        Raises: ValueError if there are too few samples to leave anything, or y is constant.
        """
        if self.count == 0:
            raise ValueError("moments must have seen at least one sample, got 0.")
        n, k = self.count, 1 + self.n_outputs
        centred = self.factor[1:, 1:]  # without the row of ones: the factor of centred data
        y, H = centred[:, : k - 1], centred[:, k - 1 :]
        U, s, _ = torch.linalg.svd(y, full_matrices=False)
        size = float(self.factor[:, 1:k].norm())
        rank = int((s > OWN_NOISE * size).sum())
        if rank == 0:
            raise ValueError("y must vary between samples, got a constant.")
        if n < rank + 2:
            raise ValueError(
                f"H must have at least {rank + 2} samples for targets of rank {rank}, got {n}."
            )
        U = U[:, :rank]
        explained = U.T @ H
        return Scatter(
            between=explained / n**0.5,
            within=(H - U @ explained) / n**0.5,
            between_limit=min(rank, self.width),
            within_limit=min(n - 1 - rank, self.width),
            floor=self._floor(),
        )

    def log_separation(self, kind: SeparationKind = "fuzziness") -> float:
        """Log separation by one of three conventions; see `target_separation`.

        Raises: ValueError as `scatter`, or for another `kind`.
        """
        return self.scatter().log_separation(kind)


def as_tensor(name: str, values: Any) -> Tensor:
    """Real numbers of any kind as a tensor of their own type, without a graph.

    Raises: ValueError that calls them `name` if they are not numbers.
    """
    if isinstance(values, Tensor):
        kind, real = values.dtype, not values.dtype.is_complex and values.dtype != torch.bool
    else:
        values = np.asarray(values)
        kind, real = values.dtype, values.dtype.kind in "iuf"
    if not real:
        raise ValueError(f"{name} must hold real numbers, got {kind}.")
    if isinstance(values, Tensor):
        return values.detach()
    # Torch takes neither read-only memory nor negative strides.
    return torch.from_numpy(np.require(values, requirements=["C", "W"]))


def as_features(name: str, H: Any, *, width: int | None = None) -> tuple[Tensor, float]:
    """H in float64 as finite (sample, width) rows, and the epsilon of the type it came in.

    Raises: ValueError that calls the features `name`.
    """
    given = as_tensor(name, H)
    epsilon = torch.finfo(given.dtype).eps if given.is_floating_point() else 0.0
    shape = None if width is None else (len(given) if given.ndim else 0, width)
    return as_rows(name, given, shape=shape), epsilon


def as_labels(labels: Any, n: int) -> Int[Tensor, " sample"]:
    """`labels` as int64, once they are known to be n whole numbers.

    Raises: ValueError otherwise.
    """
    given = as_tensor("labels", labels)
    if given.is_floating_point():
        raise ValueError(f"labels must be class numbers as integers, got {given.dtype}.")
    if tuple(given.shape) != (n,):
        raise ValueError(
            f"labels must have shape ({n},) as H has {n} samples, got {tuple(given.shape)}."
        )
    return given.to(torch.int64)


def check_labels(labels: Tensor, n_classes: int) -> None:
    """Refuse labels out of range."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= n_classes:
        raise ValueError(
            f"labels must be class numbers 0 to {n_classes - 1}, got {low if low < 0 else high}."
        )
