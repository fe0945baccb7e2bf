r"""The Hamiltonian flow of representations and momenta, forward from p = 0 to 1.

$\partial_p A = \partial_B H = c\,S(S^\top B) - \tilde L A$ and
$\partial_p B = -\partial_A H = \tilde L B - \phi'(A) \odot (B W)$ without the bias column of
$W = c\,B^\top S$, where c = L~ (1 where L~ = 0) and $H$ is that of `loadpath.mechanics`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.integrate import solve_ivp
from scipy.sparse.linalg import LinearOperator, gmres
from torch import Tensor

from loadpath.checks import as_rows, check_above_zero
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.mechanics import coupling, hamiltonian_of_products
from loadpath.record import ACTIVATIONS, features

Method = Literal["symplectic-euler", "verlet", "midpoint", "dop853"]
METHODS: tuple[Method, ...] = ("symplectic-euler", "verlet", "midpoint", "dop853")

State = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Flow:
    """Representations and momenta at the nodes that a `flow` reached, float64."""

    A: Float[Tensor, "node sample width"]
    """Representations A_0, A_1, ..."""
    B: Float[Tensor, "node sample width"]
    """Momenta of the same nodes."""
    p: Float[Tensor, " node"]
    """Positions of the nodes: all of the mesh, from 0 to 1, if `status` is "completed"."""
    hamiltonian: Float[Tensor, " node"]
    """H(A_l, B_l), constant in p in the continuum."""
    method: Method
    """How it was integrated."""
    status: str
    """ "completed", or one sentence that says why and where the flow stopped."""


@dataclass(frozen=True)
class _Field:
    """The two halves of the vector field, neither of which forms K = S S^T."""

    effective_depth: float
    activation: str
    bias: bool

    def dA(self, A: Tensor, B: Tensor) -> Tensor:  # noqa: N802
        """dA/dp; cost O(N w^2)."""
        S = features(A, activation=self.activation, bias=self.bias)
        return coupling(self.effective_depth) * (S @ (S.T @ B)) - self.effective_depth * A

    def dB(self, A: Tensor, B: Tensor) -> Tensor:  # noqa: N802
        """dB/dp; cost O(N w^2)."""
        phi = ACTIVATIONS[self.activation]
        S = phi.forward(A)
        pull = B @ (B.T @ S)
        phi.backward(pull, S)  # in place where the activation is not the identity
        return self.effective_depth * B - coupling(self.effective_depth) * pull

    def hamiltonian(self, A: Tensor, B: Tensor) -> Tensor:
        S = features(A, activation=self.activation, bias=self.bias)
        return hamiltonian_of_products(B.T @ S, (B * A).sum(), self.effective_depth)


@torch.no_grad()
def flow(
    A0: Float[Tensor, "sample width"],
    B0: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    layer_steps: Float[Tensor, " layer"] | None = None,
    depth: int = 100,
    activation: str = "relu",
    bias: bool = True,
    method: Method = "symplectic-euler",
    tolerance: float = 1e-10,
) -> Flow:
    r"""Integrate the Hamiltonian equations of a geodesic from (A_0, B_0) at p = 0 to p = 1.

    Methods, on the mesh `layer_steps` (or `depth` equal steps):

    - "symplectic-euler": the stationarity recursion of the discrete Euler net itself,
      $A_l = (1 - \rho\tilde L) A_{l-1} + \rho\,S_{l-1} W_l^\top$ with $W_l = c\,B_l^\top S_{l-1}$
      and $B_{l-1} = (1 - \rho\tilde L) B_l + \rho\,\phi'(A_{l-1}) \odot (B_l W_l)$, solved for B_l.
      Its path is a stationary net to rounding. Order 1, in H too; $\mathrm{Tr}[B^\top A]$ grows by
      $\rho \|b_l\|^2 / c$ a step exactly, b the bias column of W, for activations that are
      homogeneous.
    - "verlet": half a step of that, then half a step of its adjoint. Symmetric, symplectic,
      order 2.
    - "midpoint": the implicit midpoint rule, order 2. At a relu kink its equation may have no
      solution, and then the flow stops there.
    - "dop853": SciPy's adaptive Runge-Kutta rule of order 8, at relative accuracy `tolerance` a
      step. The mesh only says where to report.

    Across relu kinks dB/dp jumps. A fixed step that spans a kink errs by O(rho) in B and O(rho^2)
    in A there, so that every fixed mesh is of order 1 once kinks are crossed; "dop853" shortens its
    steps at each, and takes many.

    Forward the flow is only well posed for short paths: where $\phi' W$ is small B grows as
    $e^{\tilde L p}$, and so does any error of B_0. Geodesics of large L~ are found by `solve`.

    Cost O(N w^2) per evaluation of the field, some 10 to 20 a step and 12 for a step of "dop853".

    Raises: ValueError if A0 and B0 are not finite and of one shape, for unknown words, a
    `tolerance` outside (0, 1), and layer steps that are not positive of sum 1 or, for
    "symplectic-euler", not below 1/L~. What goes wrong on the way is in `status`, with the nodes
    reached until then.
    Source: Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation; Hairer, Lubich and Wanner,
    "Geometric Numerical Integration", chapter VI, for the integrators.
    """
    coupling(effective_depth)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}.")
    check_above_zero("tolerance", tolerance)
    if tolerance >= 1:
        raise ValueError(f"tolerance must lie in (0, 1), got {tolerance}.")
    A0 = as_rows("A0", A0)
    B0 = as_rows("B0", B0, shape=tuple(A0.shape))
    features(A0[:1], activation=activation, bias=bias)  # refuses an unknown activation
    steps = meshes.equidistant(depth) if layer_steps is None else torch.as_tensor(layer_steps)
    kind = "euler" if method == "symplectic-euler" else "exponential"
    steps = meshes.check(steps, depth=len(steps), effective_depth=effective_depth, step=kind)
    p = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    field = _Field(float(effective_depth), activation, bias)
    if method == "dop853":
        nodes, status = _adaptive(field, A0, B0, p, tolerance)
    else:
        nodes, status = _stepped(field, A0, B0, p, _STEPS[method], method)
    A, B = (torch.stack(part) for part in zip(*nodes, strict=True))
    H = torch.stack([field.hamiltonian(*node) for node in nodes])
    return Flow(A, B, p[: len(nodes)], H, method, status)


def _stepped(
    field: _Field, A: Tensor, B: Tensor, p: Tensor, step: _Step, method: str
) -> tuple[list[State], str]:
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
    return nodes, "completed"


def _symplectic_euler(field: _Field, A: Tensor, B: Tensor, rho: float) -> State | None:
    """B_l implicitly from (A_{l-1}, B_{l-1}), then A_l from (A_{l-1}, B_l)."""
    ahead = _solved(lambda M: M - rho * field.dB(A, M) - B, B)
    return None if ahead is None else (A + rho * field.dA(A, ahead), ahead)


def _verlet(field: _Field, A: Tensor, B: Tensor, rho: float) -> State | None:
    half = _symplectic_euler(field, A, B, rho / 2)
    if half is None:
        return None
    A, B = half
    ahead = _solved(lambda M: M - rho / 2 * field.dA(M, B) - A, A)
    return None if ahead is None else (ahead, B + rho / 2 * field.dB(ahead, B))


def _midpoint(field: _Field, A: Tensor, B: Tensor, rho: float) -> State | None:
    start = torch.stack([A, B])

    def residual(Z: Tensor) -> Tensor:
        return Z - rho / 2 * torch.stack([field.dA(*Z), field.dB(*Z)]) - start

    middle = _solved(residual, start)
    if middle is None:
        return None
    A, B = 2 * middle - start
    return A, B


_Step = Callable[[_Field, Tensor, Tensor, float], State | None]
_STEPS: dict[str, _Step] = {
    "symplectic-euler": _symplectic_euler,
    "verlet": _verlet,
    "midpoint": _midpoint,
}


def _solved(residual: Callable[[Tensor], Tensor], start: Tensor) -> Tensor | None:
    """Root of `residual` next to `start` to rounding by Newton-Krylov, or None.

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
            eps = 1e-8 * max(scale, float(Z.norm())) / norm
            V = torch.from_numpy(v.reshape(Z.shape))
            return ((residual(Z + eps * V) - F) / eps).numpy().ravel()

        n = Z.numel()
        operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
        change, _ = gmres(operator, -F.numpy().ravel(), rtol=1e-4, restart=min(n, 50), maxiter=2)
        Z = Z + torch.from_numpy(change.reshape(Z.shape))
        F = residual(Z)
    return Z if float(F.norm()) <= 1e-12 * scale else None


def _adaptive(
    field: _Field, A: Tensor, B: Tensor, p: Tensor, tolerance: float
) -> tuple[list[State], str]:
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
            rtol=max(tolerance, 3e-14),  # SciPy refuses less
            atol=(tolerance * typical.expand(shape)).numpy().ravel(),
        )
    except FloatingPointError as overflow:
        return [(A, B)], str(overflow)
    nodes = [(Z[0], Z[1]) for Z in torch.from_numpy(found.y.T.copy()).reshape(-1, *shape)]
    if found.status == 0:
        return nodes, "completed"
    where = float(p[len(nodes) - 1])
    return nodes, f"stopped at p = {where:.4g}: SciPy's DOP853 says {found.message!r}"
