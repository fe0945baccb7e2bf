r"""Scatter of features that real targets explain, and that they leave: streamed."""

from __future__ import annotations

from typing import Any, Self

import torch

from loadpath.checks import as_rows, as_tensor, check_count, check_size
from loadpath.measures.separation.feature_moments import FeatureMoments
from loadpath.measures.separation.inputs import as_features, as_small_features, as_targets
from loadpath.measures.separation.scatter import OWN_NOISE, Scatter, SeparationKind
from loadpath.threads import torch_threads


class TargetMoments(FeatureMoments):
    r"""Moments of features H and real targets y: streamed, mergeable, in float64.

    What the least-squares fit of H by y and a constant explains plays the part of the scatter
    between classes, and what it leaves the part of that within. If y is the classes as zeros and
    ones, the fitted values are the class means, and all is as in `ClassMoments`.

    Parameters
    ----------
    width : int
        Width of the features.
    n_outputs : int
        Number of targets of each sample.

    Raises
    ------
    ValueError
        For a width or a number of outputs below 1.

    See Also
    --------
    loadpath.separation.target_separation : The same in one call, for features that are at hand.

    Examples
    --------
    >>> import torch
    >>> y = torch.tensor([[-1.0], [-1.0], [1.0], [1.0]])
    >>> H = torch.cat([2 * y, torch.tensor([[1.0], [-1.0], [1.0], [-1.0]])], dim=1)
    >>> moments = TargetMoments(width=2, n_outputs=1)
    >>> moments.update(H, y)
    >>> round(moments.log_separation("trace_ratio"), 4)  # log(1 / 4)
    -1.3863
    """

    def __init__(self, width: int, n_outputs: int) -> None:
        check_count("n_outputs", n_outputs, 1)
        super().__init__(width, 1 + n_outputs)
        self.n_outputs = n_outputs
        """Number of targets of each sample."""

    @classmethod
    def from_features(cls, H: Any, y: Any) -> Self:
        """Return the moments of features that are at hand.

        Parameters
        ----------
        H : Tensor or array_like
            (sample, width) features.
        y : Tensor or array_like
            (sample, output) real targets.

        Returns
        -------
        TargetMoments
            Their moments.

        Raises
        ------
        ValueError
            If `H` and `y` are not finite matrices with one row for each sample.
        """
        rows, _ = as_small_features("H", H)
        targets = as_targets(y, len(rows))
        check_size("y", targets)
        moments = cls(rows.shape[1], targets.shape[1])
        moments.update(H, targets)
        return moments

    @torch.no_grad()
    def update(self, H: Any, y: Any) -> None:
        """Add more samples.

        Parameters
        ----------
        H : Tensor or array_like
            (sample, width) features.
        y : Tensor or array_like
            (sample, output) real targets.

        Raises
        ------
        ValueError
            If they are not finite, or of other shapes.
        """
        rows, epsilon = as_features("H", H, width=self.width)
        targets = as_rows("y", as_tensor("y", y), shape=(len(rows), self.n_outputs))
        Z = torch.cat([rows.new_ones(len(rows), 1), targets.to(rows), rows], dim=1)
        self._add_rows(Z, epsilon)

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make an empty one set up alike.

        Returns
        -------
        dict of str to int
            `width` and `n_outputs`.
        """
        return {"width": self.width, "n_outputs": self.n_outputs}

    @torch_threads(1)
    def scatter(self) -> Scatter:
        r"""Return the scatter that y explains and the scatter that it leaves.

        Returns
        -------
        Scatter
            Factors of the two covariances, in the units of the features.

        Raises
        ------
        ValueError
            If there are too few samples to leave anything, or y is constant.

        Notes
        -----
        With columns centred, and U an orthonormal basis of the columns of y:
        $\Sigma_b = \frac1n H^\top U U^\top H$, $\Sigma_w = \frac1n H^\top (I - U U^\top) H$.
        Directions of y below 1e-13 of its size are not counted, because outputs may depend on each
        other.
        """
        if self.count == 0:
            raise ValueError("moments must have seen at least one sample, got 0.")
        n, k = self.count, 1 + self.n_outputs
        centred = self.factor[1:, 1:]  # without the row of ones: the factor of centred data
        y, H = centred[:, : k - 1], centred[:, k - 1 :]
        U, s, _ = torch.linalg.svd(y, full_matrices=False)
        # Rounding of the QR is in proportion to y itself, which may be far from its mean.
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
        within = (H - U @ explained) / n**0.5
        return Scatter(
            between=explained / n**0.5,
            within=within,
            between_limit=min(rank, self.width),
            within_limit=min(n - 1 - rank, self.width),
            rounding=self._rounding(within, 1 + rank),
        )

    def log_separation(self, kind: SeparationKind = "fuzziness") -> float:
        """Return the log separation by one of three conventions.

        Parameters
        ----------
        kind : {"fuzziness", "trace_ratio", "inverse"}
            The convention; see `loadpath.separation.target_separation`.

        Returns
        -------
        float
            Natural logarithm, dimensionless.

        Raises
        ------
        ValueError
            If there are too few samples, y is constant, or for another `kind`.
        """
        return self.scatter().log_separation(kind)
