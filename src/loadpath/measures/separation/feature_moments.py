r"""What the streamed moments of features share: a triangular factor, and how it was rounded.

The factor R is that of a QR decomposition of all rows [T, H] seen so far, as in
`loadpath.record.Moments`. The leading columns T are what the features H are compared to: classes
as zeros and ones, or 1 and the targets. Below the rows of T, R holds the factor of what T leaves
of H. Nothing is subtracted, so that scatter far below the size of the features keeps its digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from loadpath.checks import check_count
from loadpath.measures.separation.scatter import OWN_NOISE, Rounding, noise_floor
from loadpath.record import Streamed


class FeatureMoments(Streamed):
    """The factor of [T, H], with the rounding of the features."""

    def __init__(self, width: int, leading: int) -> None:
        check_count("width", width, 1)
        super().__init__(leading + width)
        self.width = width
        """Width of the features."""
        self.epsilon = 0.0
        """Coarsest rounding of the features seen: the epsilon of their type."""
        self._leading = leading

    def state(self) -> dict[str, Tensor]:
        """Return the sums themselves.

        Returns
        -------
        dict of str to Tensor
            By name; together with `settings` it is all there is.
        """
        return {**super().state(), "epsilon": torch.tensor([self.epsilon], dtype=torch.float64)}

    def _set_state(self, state: Mapping[str, Tensor]) -> None:
        super()._set_state(state)
        self.epsilon = float(state["epsilon"])

    def _add_rows(self, Z: Tensor, epsilon: float) -> None:
        self._absorb(Z, len(Z))
        self.epsilon = max(self.epsilon, epsilon)

    def merge(self, other: Self) -> Self:
        """Return the moments of both sets of samples, as a new object.

        Parameters
        ----------
        other : FeatureMoments
            Moments that were set up alike.

        Returns
        -------
        FeatureMoments
            The moments of all samples. Merging is associative up to rounding.

        Raises
        ------
        ValueError
            If the two were not set up alike.
        """
        merged = super().merge(other)
        merged.epsilon = max(self.epsilon, other.epsilon)
        return merged

    def _rounding(self, within: Tensor, n_means: int) -> Rounding:
        """Return what rounding of the features can make of their scatter.

        Where a feature varies within classes by more than half a step of its rounding, the errors
        of samples are independent, and average out in a mean. Else all samples of a class are
        rounded alike, and the mean is rounded as they are.
        """
        features = self.factor[:, self._leading :]
        sizes = torch.linalg.vector_norm(features, dim=0) / self.count**0.5
        deviations = noise_floor(self.epsilon, 1.0) * sizes
        varies = torch.linalg.vector_norm(within, dim=0) > self.epsilon * sizes / 2
        averaged = deviations * (n_means / self.count) ** 0.5
        own = OWN_NOISE * float(features.norm()) / self.count**0.5
        means = torch.where(varies, averaged, deviations)
        return Rounding(deviations, means, own, self.count, n_means)
