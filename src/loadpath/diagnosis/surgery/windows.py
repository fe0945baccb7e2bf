"""Windows: the neighbours that a linear map reads beside each place of a sequence or an image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Window:
    """The places beside each place that a map reads, along some axes; zeros stand past the ends.

    Examples
    --------
    >>> import torch
    >>> A = torch.tensor([[[1.0], [2.0], [3.0]]])  # one sample, three tokens, one feature
    >>> Window((1,), before=1, behind=0).of(A)[0].tolist()
    [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    """

    axes: tuple[int, ...] = ()
    """The axes along which it slides, in a tensor whose last axis is the features."""
    before: int = 0
    """How many places before each, along each axis."""
    behind: int = 0
    """How many places behind each, along each axis."""

    @property
    def places(self) -> int:
        """How many places it reads."""
        return int((self.before + 1 + self.behind) ** len(self.axes))

    @property
    def own(self) -> int:
        """Which of the places that it reads is the place itself."""
        side = self.before + 1 + self.behind
        return int(sum(self.before * side**k for k in range(len(self.axes))))

    def of(self, A: Tensor) -> Tensor:
        """Return the features of the places around each place, one after another.

        Parameters
        ----------
        A : Tensor
            (..., width), with the features last.

        Returns
        -------
        Tensor
            (..., places * width).

        Raises
        ------
        ValueError
            If A lacks an axis.
        """
        if not self.axes:
            return A
        if A.ndim <= max(self.axes) + 1:
            raise ValueError(
                f"A must have the axes {self.axes} before its features, got shape {tuple(A.shape)}."
            )
        ends = [0, 0] * A.ndim  # from the last axis to the first
        for axis in self.axes:
            place = 2 * (A.ndim - 1 - axis)
            ends[place : place + 2] = self.before, self.behind
        padded, parts = nn.functional.pad(A, ends), list[Tensor]()
        for shifts in product(range(self.before + 1 + self.behind), repeat=len(self.axes)):
            part = padded
            for axis, shift in zip(self.axes, shifts, strict=True):
                part = part.narrow(axis, shift, A.shape[axis])
            parts.append(part)
        return torch.cat(parts, dim=-1)
