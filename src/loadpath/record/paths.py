"""What a net must offer so that its path of representations is recorded, node by node."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class PathNet(Protocol):
    """A net whose layers are no modules: its representations A_0, ..., A_L come from `path`.

    A module with all of these attributes is recorded as its path, and a step of it is skipped
    through its `coefficients`. `LeakyResNet` is one; any other net that has them is treated alike.
    """

    depth: int
    """Number L of steps."""
    effective_depth: float
    """Leakage L~."""
    activation: str
    """Name of the nonlinearity phi, one of `ACTIVATIONS`."""
    bias: bool
    """Whether S = [phi(A), 1] has its column of ones."""

    @property
    def p(self) -> Tensor:
        """Positions of the nodes on the path, (L + 1,), from 0 to 1."""
        ...

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """Decay d_l and gain g_l of every step A_l = d_l A_{l-1} + g_l S_{l-1} W_l^T, (L,) each."""
        ...

    def path(self, x: Any) -> list[Tensor]:
        """Representations [A_0, ..., A_L] of x, (sample, width) each."""
        ...
