r"""The Hamiltonian vector field, and the rules that integrate it from node to node.

$\partial_p A = \partial_B H = c\,S(S^\top B) - \tilde L A$ and
$\partial_p B = -\partial_A H = \tilde L B - \phi'(A) \odot (B W)$ without the bias column of
$W = c\,B^\top S$, where c = L~ (1 where L~ = 0).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import LinearOperator, gmres
from torch import Tensor

from loadpath.leaky_resnet.mechanics import coupling, hamiltonian_of_products
from loadpath.record import ActivationLike, as_activation, features

Method = Literal["symplectic-euler", "verlet", "midpoint", "dop853"]
METHODS: tuple[Method, ...] = ("symplectic-euler", "verlet", "midpoint", "dop853")

State = tuple[Tensor, Tensor]
"""Representations and momenta of one node, each (sample, width)."""
Reached = tuple[list[State], str]
"""The nodes that were reached, and why there are no more; "" where these are all."""

FINEST = 3e-14
"""The relative accuracy below which SciPy warns and takes its own least."""
DIFFERENCE = 1e-8
"""Relative step of the differences in place of derivatives: about the root of the rounding error,
where rounding and curvature cost a difference equally much."""


@dataclass(frozen=True)
class VectorField:
    """The two halves of the vector field, neither of which forms K = S S^T."""

    effective_depth: float
    """The leakage L~."""
    activation: ActivationLike
    """The nonlinearity phi."""
    bias: bool
    """Whether S has its column of ones."""

    def dA(self, A: Tensor, B: Tensor) -> Tensor:  # noqa: N802
        """Return dA/dp; cost O(N w^2)."""
        S = features(A, activation=self.activation, bias=self.bias)
        return coupling(self.effective_depth) * (S @ (S.T @ B)) - self.effective_depth * A

    def dB(self, A: Tensor, B: Tensor) -> Tensor:  # noqa: N802
        """Return dB/dp; cost O(N w^2)."""
        phi = as_activation(self.activation)
        S = phi.forward(A)
        pull = B @ (B.T @ S)
        phi.pull_back(pull, A, S)  # in place where the activation is not the identity
        return self.effective_depth * B - coupling(self.effective_depth) * pull

    def hamiltonian(self, A: Tensor, B: Tensor) -> Tensor:
        """Return H(A, B), 0-d."""
        S = features(A, activation=self.activation, bias=self.bias)
        return hamiltonian_of_products(B.T @ S, (B * A).sum(), self.effective_depth)


def integrate(
    field: VectorField, A: Tensor, B: Tensor, p: Tensor, *, method: Method, tolerance: float
) -> Reached:
    """Return the states at the nodes `p`, from (A, B) at the first of them on."""
    if method == "dop853":
        return _adaptive(field, A, B, p, tolerance)
    return _stepped(field, A, B, p, _STEPS[method], method)


def _stepped(
    field: VectorField, A: Tensor, B: Tensor, p: Tensor, step: _Step, method: str
) -> Reached:
    """Take one step of a fixed rule from every node to the next."""
    nodes = [(A, B)]
    for l, rho in enumerate(p.diff().tolist()):
        found = step(field, A, B, rho)
        if found is None:
            return nodes, (
                f"stopped at p = {float(p[l]):.4g}: the implicit equation of {method} did not "
                f"converge for a step of {rho:.3g}; use shorter steps or method='dop853'."
            )
        A, B = found
        if not bool(torch.isfinite(A).all() and torch.isfinite(B).all()):
            return nodes, f"stopped at p = {float(p[l]):.4g}: the flow overflowed beyond it."
        nodes.append((A, B))
    return nodes, ""


def _symplectic_euler(field: VectorField, A: Tensor, B: Tensor, rho: float) -> State | None:
    """Find B_l implicitly from (A_{l-1}, B_{l-1}), then A_l from (A_{l-1}, B_l)."""
    ahead = _root(lambda M: M - rho * field.dB(A, M) - B, B)
    return None if ahead is None else (A + rho * field.dA(A, ahead), ahead)


def _verlet(field: VectorField, A: Tensor, B: Tensor, rho: float) -> State | None:
    """Take half a step of symplectic Euler, then half a step of its adjoint."""
    half = _symplectic_euler(field, A, B, rho / 2)
    if half is None:
        return None
    A, B = half
    ahead = _root(lambda M: M - rho / 2 * field.dA(M, B) - A, A)
    return None if ahead is None else (ahead, B + rho / 2 * field.dB(ahead, B))


def _midpoint(field: VectorField, A: Tensor, B: Tensor, rho: float) -> State | None:
    """Find the state in the middle of the step implicitly, and go twice as far."""
    start = torch.stack([A, B])

    def residual(Z: Tensor) -> Tensor:
        return Z - rho / 2 * torch.stack([field.dA(*Z), field.dB(*Z)]) - start

    middle = _root(residual, start)
    if middle is None:
        return None
    A, B = 2 * middle - start
    return A, B


_Step = Callable[[VectorField, Tensor, Tensor, float], State | None]
_STEPS: dict[str, _Step] = {
    "symplectic-euler": _symplectic_euler,
    "verlet": _verlet,
    "midpoint": _midpoint,
}


def _root(residual: Callable[[Tensor], Tensor], start: Tensor) -> Tensor | None:
    """Return the root of `residual` next to `start` to rounding by Newton-Krylov, or None.

    Derivatives are differences, whose error of 1e-8 costs each Newton step no more than that.
    """
    Z, scale, least = start, float(start.norm()) or 1.0, math.inf
    F = residual(Z)
    for _ in range(30):
        size = float(F.norm())
        if size <= 1e-15 * scale or (size <= 1e-12 * scale and size > least / 2):
            return Z  # the latter is rounding
        if not size < 1e3 * scale:
            return None
        least = min(size, least)

        def product(v: np.ndarray, Z: Tensor = Z, F: Tensor = F) -> np.ndarray:
            norm = float(np.linalg.norm(v)) or 1.0
            eps = DIFFERENCE * max(scale, float(Z.norm())) / norm
            V = torch.from_numpy(v.reshape(Z.shape))
            return ((residual(Z + eps * V) - F) / eps).numpy().ravel()

        n = Z.numel()
        operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
        change, _ = gmres(operator, -F.numpy().ravel(), rtol=1e-4, restart=min(n, 50), maxiter=2)
        Z = Z + torch.from_numpy(change.reshape(Z.shape))
        F = residual(Z)
    return Z if float(F.norm()) <= 1e-12 * scale else None


def _adaptive(field: VectorField, A: Tensor, B: Tensor, p: Tensor, tolerance: float) -> Reached:
    """Let SciPy's adaptive rule choose the steps, and read its states off at the nodes."""
    shape = (2, *A.shape)

    def derivative(t: float, z: np.ndarray) -> np.ndarray:
        Z = torch.from_numpy(z.reshape(shape))
        slope = torch.stack([field.dA(*Z), field.dB(*Z)])
        if not bool(torch.isfinite(slope).all()):  # SciPy would look for a step for ever
            raise FloatingPointError(f"stopped at p = {t:.4g}: the flow overflowed there.")
        return slope.numpy().ravel()

    start = torch.stack([A, B])
    # Absolute accuracy by the size of a typical entry, as single ones pass through zero.
    typical = start.square().mean((1, 2), keepdim=True).sqrt().clamp_min(1e-300)
    try:
        found = solve_ivp(
            derivative,
            (0.0, 1.0),
            start.numpy().ravel(),
            method="DOP853",
            t_eval=p.clamp(0, 1).numpy(),
            rtol=max(tolerance, FINEST),
            atol=(tolerance * typical.expand(shape)).numpy().ravel(),
        )
    except FloatingPointError as overflow:
        return [(A, B)], str(overflow)
    nodes = [(Z[0], Z[1]) for Z in torch.from_numpy(found.y.T.copy()).reshape(-1, *shape)]
    if found.status == 0:
        return nodes, ""
    where = float(p[len(nodes) - 1])
    return nodes, f"stopped at p = {where:.4g}: SciPy's DOP853 says {found.message!r}"
