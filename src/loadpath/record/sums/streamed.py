"""What streamed sums share: a triangular factor that grows by rows, and a state to hand on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from loadpath.threads import torch_threads


class Streamed(ABC):
    r"""Sums over samples, kept as the triangular factor R of all rows Z: $R^\top R = Z^\top Z$.

    Rows wait until there are as many as columns, c, and are then factorized together: each QR of
    [R; rows] costs at least c^3 whatever the rows, so that a batch of 8 rows would pay for c of
    them. So b rows cost 2 b c^2 to 3.3 b c^2 operations in batches of any size, and memory is that
    of 2 c rows and a batch.
    """

    def __init__(self, columns: int) -> None:
        """Start with no samples."""
        self.count = 0
        """Number of samples seen."""
        self._columns = columns
        self._factor = torch.zeros(0, columns, dtype=torch.float64)
        self._waiting: list[Tensor] = []

    @property
    def factor(self) -> Tensor:
        """The triangular factor of all rows seen: at most as many rows as columns."""
        if self._waiting:
            self._factorize()
        return self._factor

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the arguments that set up empty sums alike; JSON has a form for each."""

    def state(self) -> dict[str, Tensor]:
        """Return the sums themselves, as tensors; with `settings` that is all there is."""
        return {"factor": self.factor, "count": torch.tensor([self.count])}

    @classmethod
    def restored(cls, settings: Mapping[str, Any], state: Mapping[str, Tensor]) -> Self:
        """Make sums from what `settings` and `state` returned.

        Parameters
        ----------
        settings : mapping
            The arguments of the class.
        state : mapping of str to Tensor
            The sums themselves.

        Returns
        -------
        Streamed
            Sums that go on where those were.

        Raises
        ------
        ValueError
            If settings and state do not belong together.
        """
        sums = cls(**settings)
        sums._set_state(state)
        return sums

    def merge(self, other: Self) -> Self:
        """Merge with the sums over other samples; associative up to rounding.

        Parameters
        ----------
        other : Streamed
            Sums of the same class, set up alike.

        Returns
        -------
        Streamed
            Sums over both sets of samples, as a new object.

        Raises
        ------
        ValueError
            If the two were not set up alike.
        """
        mine, its = self.settings(), other.settings()
        for name in mine:
            if mine[name] != its.get(name):
                raise ValueError(f"other must have {name}={mine[name]!r}, got {its.get(name)!r}.")
        merged = type(self)(**mine)
        for part in (self, other):
            merged._absorb(part.factor, part.count)
        return merged

    def _set_state(self, state: Mapping[str, Tensor]) -> None:
        factor = state["factor"]
        fits = factor.ndim == 2 and factor.shape[1] == self._columns
        if not fits or factor.dtype != torch.float64 or not bool(factor.isfinite().all()):
            raise ValueError(
                f"state must have a finite float64 factor of {self._columns} columns, got "
                f"{factor.dtype} of shape {tuple(factor.shape)}."
            )
        self._factor, self.count = factor, int(state["count"])

    def _absorb(self, Z: Tensor, count: int) -> None:
        """Add rows Z, which stand for `count` samples and must not change any more."""
        self.count += count
        self._waiting.append(Z)
        if sum(map(len, self._waiting)) >= self._columns:
            self._factorize()

    @torch_threads(1)
    def _factorize(self) -> None:
        device = self._waiting[-1].device
        rows = torch.cat([part.to(device) for part in (self._factor, *self._waiting)])
        self._factor, self._waiting = torch.linalg.qr(rows, mode="r").R, []
