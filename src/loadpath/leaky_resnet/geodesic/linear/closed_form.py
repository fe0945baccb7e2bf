"""A geodesic of the linear theory, from its first velocity."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import as_small_rows, check_number
from loadpath.leaky_resnet.mechanics import coupling
from loadpath.results import Shown


@dataclass(frozen=True, eq=False, repr=False)
class LinearGeodesic(Shown):
    r"""A geodesic of the linear theory; every quantity at any position p, float64.

    The methods take one position or a tensor of them, and put its shape before that of the
    matrix: `geodesic.A(torch.linspace(0, 1, 21))` is (21, sample, width). Each costs
    O(N w^2 + w^3).

    Parameters
    ----------
    A0 : Tensor
        (sample, width) representation that it starts from, of full column rank.
    V0 : Tensor
        (width, width) velocity at p = 0, where $\partial_p A = A_0 V_0^\top$.
    effective_depth : float
        The leakage L~ >= 0, dimensionless.
    """

    A0: Float[Tensor, "sample width"]
    """Representation that it starts from, of full column rank."""
    V0: Float[Tensor, "width width"]
    r"""Velocity at p = 0: $\partial_p A = A_0 V_0^\top$ there."""
    effective_depth: float
    """The leakage L~."""

    def __post_init__(self) -> None:
        """Make float64 matrices of the two, once they fit each other."""
        A0 = as_small_rows("A0", self.A0)
        V0 = as_small_rows("V0", self.V0, shape=(A0.shape[1], A0.shape[1]))
        check_number("effective_depth", self.effective_depth, least=0)
        object.__setattr__(self, "A0", A0)
        object.__setattr__(self, "V0", V0)

    def _exponents(self, p: float | Tensor) -> tuple[Tensor, Tensor]:
        """Return the exponents p V_0 and p K, (..., width, width)."""
        p = torch.as_tensor(p, dtype=torch.float64)[..., None, None]
        return p * self.V0, p * (self.V0.T - self.V0)

    def V(self, p: float | Tensor) -> Float[Tensor, "... width width"]:  # noqa: N802
        r"""Return the velocity without the leakage's share, $V = W - \tilde L I$.

        Parameters
        ----------
        p : float or Tensor
            Positions from 0 to 1.

        Returns
        -------
        Tensor
            (..., width, width), of constant Frobenius norm.
        """
        turn = torch.linalg.matrix_exp(self._exponents(p)[1])
        return turn.mT @ self.V0 @ turn

    def W(self, p: float | Tensor) -> Float[Tensor, "... width width"]:  # noqa: N802
        r"""Return the weights, $W = V + \tilde L I$.

        Parameters
        ----------
        p : float or Tensor
            Positions from 0 to 1.

        Returns
        -------
        Tensor
            (..., width, width).
        """
        return self.V(p) + self.effective_depth * torch.eye(len(self.V0), dtype=torch.float64)

    def A(self, p: float | Tensor) -> Float[Tensor, "... sample width"]:  # noqa: N802
        r"""Return the representations, $A_p = A_0 e^{p V_0} e^{p (V_0^\top - V_0)}$.

        Parameters
        ----------
        p : float or Tensor
            Positions from 0 to 1.

        Returns
        -------
        Tensor
            (..., sample, width).
        """
        pV, pK = self._exponents(p)
        return self.A0 @ torch.linalg.matrix_exp(pV) @ torch.linalg.matrix_exp(pK)

    def B(self, p: float | Tensor) -> Float[Tensor, "... sample width"]:  # noqa: N802
        r"""Return the momenta in the column span of $A_0$.

        $B_p = B_0 e^{-p V_0^\top} e^{p(V_0^\top - V_0)}$ with $A_0^\top B_0 = W_0^\top / c$.
        Momenta orthogonal to that span move no weights, so a data term may add some without a
        change to the path.

        Parameters
        ----------
        p : float or Tensor
            Positions from 0 to 1.

        Returns
        -------
        Tensor
            (..., sample, width).
        """
        pV, pK = self._exponents(p)
        start = torch.linalg.pinv(self.A0).T @ self.W(0.0).T / coupling(self.effective_depth)
        return start @ torch.linalg.matrix_exp(-pV.mT) @ torch.linalg.matrix_exp(pK)

    @property
    def action(self) -> float:
        r"""$\frac{1}{2c} \int \|W_p\|_F^2 dp$, dimensionless; its integrand is constant."""
        return float(self.W(0.0).square().sum()) / (2 * coupling(self.effective_depth))

    @property
    def hamiltonian(self) -> float:
        r"""$H = \frac{1}{2c} (\|V\|_F^2 - \tilde L^2 w)$: $-\frac{2}{\tilde L} H$ is below w."""
        least = self.effective_depth**2 * len(self.V0)
        return (float(self.V0.square().sum()) - least) / (2 * coupling(self.effective_depth))
