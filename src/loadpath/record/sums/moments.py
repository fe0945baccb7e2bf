"""Second moments of representations, streamed over data of any size in O(w^2) memory.

What the energies of [LR] need of N samples are inner products between the columns of
Z = [S, A, dA]. `Moments` keeps the triangular factor R of a QR decomposition of all rows seen so
far, R^T R = Z^T Z, rather than Z^T Z itself: small singular values of Z keep their digits, and the
few rows of R stand in for the N rows of Z wherever only inner products count.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from loadpath.checks import as_rows, check_count, check_flag, check_seed
from loadpath.record.activations import ActivationLike, as_activation, features
from loadpath.record.sums.sketch import SMALLEST, Sketch
from loadpath.record.sums.streamed import Streamed

Block = Literal["S", "A", "dA"]
"""Names of the blocks of columns whose products `Moments` keeps."""


class Rows(NamedTuple):
    """Samples, or the rows of a triangular factor that have the same inner products."""

    S: Tensor
    """(row, feature): activations."""
    A: Tensor
    """(row, width): representations."""
    dA: Tensor | None  # noqa: N815
    """(row, width): what the next step adds; None if it was not given."""


class Moments(Streamed):
    """Streamed, mergeable second moments of [S, A, dA] with S = [phi(A), 1], in float64.

    A column of ones always leads, so that R without its first row and column is the factor of the
    centred data: nothing is subtracted.

    Parameters
    ----------
    width : int
        Number w of features of A.
    velocity : bool, optional
        Whether there is a dA.
    activation : str or callable, optional
        Name of phi, one of `ACTIVATIONS`, or an elementwise function; with "identity" phi(A) is A
        and not kept twice.
    bias : bool, optional
        Whether S has its column of ones.
    sketch : int, optional
        The most columns that are kept of phi(A), A and dA each. Wider features are projected to as
        many, by the one `Sketch` of that width, size and `sketch_seed`; `sketch.error` is its
        error. Rows, blocks and the mean are then those of the sketches.
    sketch_seed : int, optional
        The seed of the projection.

    Raises
    ------
    ValueError
        For a width below 1 or an unknown activation.

    Notes
    -----
    Memory is O(w^2) whatever the number of samples. Rows go into a Householder QR of [R; rows], at
    least 1 + 3 w of them at a time: 2 b (3 w)^2 operations for b rows in large batches, 3.3 b (3
    w)^2 in small ones (a ninth with neither phi nor dA). It is backward stable, so that moments
    carry relative errors near 1e-15.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> generator = torch.Generator().manual_seed(0)
    >>> A = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    >>> moments = lp.record.Moments(3, velocity=False)
    >>> for rows in A.split(64):
    ...     moments.update(rows)
    >>> moments.count, torch.allclose(moments.block("A", "A"), A.T @ A)
    (500, True)
    >>> torch.allclose(moments.mean(), A.mean(0))
    True
    """

    def __init__(
        self,
        width: int,
        *,
        velocity: bool = True,
        activation: ActivationLike = "relu",
        bias: bool = True,
        sketch: int | None = None,
        sketch_seed: int = 0,
    ) -> None:
        """Start with no samples."""
        check_count("width", width, 1)
        check_flag("velocity", velocity)
        activation = activation if isinstance(activation, str) else as_activation(activation)
        as_activation(activation)
        check_flag("bias", bias)
        check_seed("sketch_seed", sketch_seed)
        self.width, self.velocity, self.activation, self.bias = width, velocity, activation, bias
        if sketch is not None:
            check_count("sketch", sketch, SMALLEST)
        self.sketch = (
            None if sketch is None or sketch >= width else Sketch(width, sketch, sketch_seed)
        )
        """The projection of wide features, or None."""
        kept = self.sketch.size if self.sketch else width
        self._blocks_widths = [
            1,
            kept * (activation != "identity"),  # else phi(A) is A
            kept,
            kept * velocity,
        ]
        super().__init__(sum(self._blocks_widths))

    def settings(self) -> dict[str, Any]:
        """Return the arguments that set up empty moments alike."""
        return {
            "width": self.width,
            "velocity": self.velocity,
            "activation": str(self.activation),
            "bias": self.bias,
            "sketch": self.sketch.size if self.sketch else None,
            "sketch_seed": self.sketch.seed if self.sketch else 0,
        }

    @torch.no_grad()
    def update(self, A: Tensor, dA: Tensor | None = None) -> None:
        """Add more samples.

        Parameters
        ----------
        A : Tensor
            (sample, width), any floating-point type.
        dA : Tensor, optional
            (sample, width); given exactly when `velocity` is set.

        Raises
        ------
        ValueError
            If they are not finite or not of this width, or if dA is missing or unasked.
        """
        A = as_rows("A", A, shape=(len(A) if A.ndim else 0, self.width))
        if (dA is not None) != self.velocity:
            state = "missing" if dA is None else "given"
            raise ValueError(f"dA must be passed exactly when velocity is True, but it is {state}.")
        wide = [A]
        if self.activation != "identity":
            wide.insert(0, features(A, activation=self.activation, bias=False))
        if dA is not None:
            wide.append(as_rows("dA", dA, shape=(len(A), self.width)))
        kept = [self.sketch(block) for block in wide] if self.sketch else wide
        self._absorb(torch.cat([A.new_ones(len(A), 1), *kept], dim=1), len(A))

    def rows(self) -> Rows:
        """Return at most 1 + 3 w rows with the same inner products as all samples seen.

        Returns
        -------
        Rows
            S, A and dA.

        Raises
        ------
        ValueError
            Before any update.
        """
        ones, phi, A, dA = self._blocks()
        S = torch.cat([phi, ones], dim=1) if self.bias else phi
        return Rows(S, A, dA)

    def centred_rows(self) -> Tensor:
        """Return rows with the inner products of A minus its mean over the samples.

        Returns
        -------
        Tensor
            (row, width).

        Raises
        ------
        ValueError
            Before any update.
        """
        return self._blocks()[2][1:]

    def mean(self) -> Tensor:
        """Return the mean of A over the samples.

        Returns
        -------
        Tensor
            (width,).

        Raises
        ------
        ValueError
            Before any update.
        """
        ones, _, A, _ = self._blocks()
        return (ones.T @ A)[0] / self.count

    def block(self, first: Block, second: Block) -> Tensor:
        """Return second moments of two blocks, such as G = S^T S or C = S^T A, summed over samples.

        Parameters
        ----------
        first, second : {"S", "A", "dA"}
            The blocks.

        Returns
        -------
        Tensor
            (columns of the first, columns of the second).

        Raises
        ------
        ValueError
            For dA if there is none, and before any update.
        """
        rows = self.rows()
        left, right = getattr(rows, first), getattr(rows, second)
        if left is None or right is None:
            raise ValueError("dA must not be asked of moments that have velocity=False.")
        return left.T @ right

    def _blocks(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return ones, phi(A), A and dA as columns of the factor."""
        if self.count == 0:
            raise ValueError("moments must have seen at least one sample, got 0.")
        ones, phi, A, dA = self.factor.split(self._blocks_widths, dim=1)
        if self.activation == "identity":
            phi = A
        return ones, phi, A, dA if self.velocity else None
