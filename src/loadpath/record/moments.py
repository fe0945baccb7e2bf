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

from loadpath.checks import as_rows, check_count
from loadpath.record.activations import features
from loadpath.record.sketch import Sketch
from loadpath.record.streamed import Streamed

Block = Literal["S", "A", "dA"]


class Rows(NamedTuple):
    """Rows of S (row, feature), A (row, width) and dA (row, width), or None in place of dA.

    Either samples, or the rows of a triangular factor that have the same inner products.
    """

    S: Tensor
    A: Tensor
    dA: Tensor | None  # noqa: N815


class Moments(Streamed):
    r"""Streamed, mergeable second moments of [S, A, dA], S = [phi(A), 1], in float64.

    >>> moments = Moments(width=100)
    >>> for A, dA in batches:                     # (sample, width) each, any float type
    ...     moments.update(A, dA)
    >>> energies_from_moments(moments, effective_depth=7.0, gamma=0.1)

    `velocity=False` leaves dA out; with `activation="identity"` phi(A) is A and not kept twice.
    Memory O(w^2) whatever the number of samples. Rows go into a Householder QR of [R; rows], at
    least 1 + 3 w of them at a time: 2 b (3 w)^2 operations for b rows in large batches, 3.3 b
    (3 w)^2 in small ones (a ninth with neither phi nor dA), backward stable, so that moments carry
    relative errors near 1e-15.

    With `sketch`, features wider than that many columns are projected to as many: phi(A), A and dA
    each by the one `Sketch` of that width, size and `sketch_seed`; `.sketch.error` is its error.
    Rows, blocks and the mean are then those of the sketches.

    A column of ones always leads, so that R without its first row and column is the factor of the
    centred data: nothing is subtracted.

    Raises: ValueError for a width below 1 and an unknown activation; see `update` and `merge`.
    """

    def __init__(
        self,
        width: int,
        *,
        velocity: bool = True,
        activation: str = "relu",
        bias: bool = True,
        sketch: int | None = None,
        sketch_seed: int = 0,
    ) -> None:
        """Start with no samples."""
        if width < 1:
            raise ValueError(f"width must be at least 1, got {width}.")
        features(torch.zeros(1, 1), activation=activation)  # an unknown activation stops here
        self.width, self.velocity, self.activation, self.bias = width, velocity, activation, bias
        if sketch is not None:
            check_count("sketch", sketch, 1)
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
        """The arguments that make an empty one set up alike."""
        return {
            "width": self.width,
            "velocity": self.velocity,
            "activation": self.activation,
            "bias": self.bias,
            "sketch": self.sketch.size if self.sketch else None,
            "sketch_seed": self.sketch.seed if self.sketch else 0,
        }

    @torch.no_grad()
    def update(self, A: Tensor, dA: Tensor | None = None) -> None:
        """Take in more samples: A and, with `velocity`, dA of shape (sample, width).

        Raises: ValueError if they are not finite, not of this width, or dA is missing or unasked.
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
        """At most 1 + 3 w rows with the same inner products as all samples seen.

        Raises: ValueError before any update.
        """
        ones, phi, A, dA = self._blocks()
        S = torch.cat([phi, ones], dim=1) if self.bias else phi
        return Rows(S, A, dA)

    def centred_rows(self) -> Tensor:
        """Rows with the inner products of A minus its mean over the samples."""
        return self._blocks()[2][1:]

    def mean(self) -> Tensor:
        """Mean of A over the samples, (width,)."""
        ones, _, A, _ = self._blocks()
        return (ones.T @ A)[0] / self.count

    def block(self, first: Block, second: Block) -> Tensor:
        """Second moments of two blocks, such as G = S^T S or C = S^T A, summed over samples.

        Raises: ValueError for dA if there is none.
        """
        rows = self.rows()
        left, right = getattr(rows, first), getattr(rows, second)
        if left is None or right is None:
            raise ValueError("dA must not be asked of moments that have velocity=False.")
        return left.T @ right

    def _blocks(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        if self.count == 0:
            raise ValueError("moments must have seen at least one sample, got 0.")
        ones, phi, A, dA = self.factor.split(self._blocks_widths, dim=1)
        if self.activation == "identity":
            phi = A
        return ones, phi, A, dA if self.velocity else None
