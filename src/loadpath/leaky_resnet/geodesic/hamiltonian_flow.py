"""The Hamiltonian flow of representations and momenta, forward from p = 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.checks import (
    as_layer_steps,
    as_rows,
    check_choice,
    check_count,
    check_flag,
    check_number,
)
from loadpath.leaky_resnet import layer_steps as meshes
from loadpath.leaky_resnet.geodesic.integrators import METHODS, Method, VectorField, integrate
from loadpath.leaky_resnet.mechanics import coupling
from loadpath.record import ActivationLike, as_activation
from loadpath.results import Shown, Status


@dataclass(frozen=True, eq=False, repr=False)
class Flow(Shown):
    """Representations and momenta at the nodes that a `flow` reached, float64."""

    A: Float[Tensor, "node sample width"]
    """Representations A_0, A_1, ..."""
    B: Float[Tensor, "node sample width"]
    """Momenta of the same nodes."""
    p: Float[Tensor, " node"]
    """Positions of the nodes: all of the mesh, from 0 to 1, if the flow was completed."""
    hamiltonian: Float[Tensor, " node"]
    """H(A_l, B_l), dimensionless; constant in p in the continuum."""
    method: Method
    """How it was integrated."""
    status: Status
    """How it ended: "completed" or "stopped"."""
    message: str
    """One sentence that says where and why the flow stopped; empty if it was completed."""


@torch.no_grad()
def flow(
    A0: Float[Tensor, "sample width"],
    B0: Float[Tensor, "sample width"],
    *,
    effective_depth: float,
    layer_steps: Float[Tensor, " layer"] | None = None,
    depth: int = 100,
    activation: ActivationLike = "relu",
    bias: bool = True,
    method: Method = "symplectic-euler",
    tolerance: float = 1e-10,
) -> Flow:
    r"""Integrate the Hamiltonian equations of a geodesic from (A_0, B_0) at p = 0 to p = 1.

    Parameters
    ----------
    A0, B0 : Tensor
        (sample, width) representations and momenta at p = 0.
    effective_depth : float
        The leakage L~ >= 0, dimensionless.
    layer_steps : Tensor, optional
        (layer,) of sum 1, the mesh; `depth` equal steps if left out.
    depth : int
        Steps, where there are no `layer_steps`.
    activation : str
        The nonlinearity, as for `LeakyResNet`.
    bias : bool
        Whether the layers have a bias.
    method : {"symplectic-euler", "verlet", "midpoint", "dop853"}
        How to integrate; see the notes.
    tolerance : float
        Relative accuracy of a step of "dop853", in (0, 1).

    Returns
    -------
    Flow
        The nodes reached. What goes wrong on the way is in its `status` and `message`.

    Raises
    ------
    ValueError
        If A0 and B0 are not finite and of one shape, for unknown words, a `tolerance` outside
        (0, 1), and layer steps that are not positive of sum 1 or, for "symplectic-euler", not
        below 1/L~.

    Notes
    -----
    The equations are $\partial_p A = c\,S(S^\top B) - \tilde L A$ and
    $\partial_p B = \tilde L B - \phi'(A) \odot (B W)$ without the bias column of
    $W = c\,B^\top S$, where c = L~ (1 where L~ = 0). The methods are

    - "symplectic-euler": the stationarity recursion of the discrete Euler net itself,
      $A_l = (1 - \rho\tilde L) A_{l-1} + \rho\,S_{l-1} W_l^\top$ with $W_l = c\,B_l^\top S_{l-1}$
      and $B_{l-1} = (1 - \rho\tilde L) B_l + \rho\,\phi'(A_{l-1}) \odot (B_l W_l)$, solved for B_l.
      Its path is a stationary net to rounding. It is of order 1, in H too;
      $\mathrm{Tr}[B^\top A]$ grows by $\rho \|b_l\|^2 / c$ a step exactly, b the bias column of W,
      for activations that are homogeneous.
    - "verlet": half a step of that, then half a step of its adjoint. It is symmetric, symplectic,
      and of order 2.
    - "midpoint": the implicit midpoint rule, of order 2. At a relu kink its equation may have no
      solution, and then the flow stops there.
    - "dop853": SciPy's adaptive Runge-Kutta rule of order 8. The mesh only says where to report.

    Across relu kinks dB/dp jumps. A fixed step that spans a kink errs by O(rho) in B and O(rho^2)
    in A there, so that every fixed mesh is of order 1 once kinks are crossed; "dop853" shortens its
    steps at each, and takes many.

    Forward the flow is only well posed for short paths: where $\phi' W$ is small B grows as
    $e^{\tilde L p}$, and so does any error of B_0. Geodesics of large L~ are found by `solve`.

    An evaluation of the field costs O(N w^2); a step takes some 10 to 20, and 12 with "dop853".

    References
    ----------
    .. [1] Jacot and Kaiser, arXiv:2405.17573, Hamiltonian formulation.
    .. [2] Hairer, Lubich and Wanner, Geometric Numerical Integration, chapter VI.

    Examples
    --------
    A path of the linear theory, followed from its own first momenta, is its closed form:

    >>> import torch, loadpath as lp
    >>> A0 = torch.eye(2, dtype=torch.float64)
    >>> A1 = torch.diag(torch.tensor([2.0, 0.5], dtype=torch.float64))
    >>> exact = lp.geodesic.linear.between(A0, A1, effective_depth=1.0)
    >>> found = lp.geodesic.flow(
    ...     A0, exact.B(0.0), effective_depth=1.0, activation="identity", bias=False,
    ...     method="dop853",
    ... )
    >>> str(found.status), bool((found.A[-1] - A1).abs().max() < 1e-8)
    ('completed', True)
    """
    coupling(effective_depth)
    check_choice("method", method, METHODS)
    check_number("tolerance", tolerance, above=0, below=1)
    as_activation(activation)
    check_flag("bias", bias)
    check_count("depth", depth, 1)
    A0 = as_rows("A0", A0)
    B0 = as_rows("B0", B0, shape=tuple(A0.shape))
    steps = meshes.equidistant(depth) if layer_steps is None else layer_steps
    steps = as_layer_steps("layer_steps", steps)
    kind = "euler" if method == "symplectic-euler" else "exponential"
    steps = meshes.check(steps, depth=len(steps), effective_depth=effective_depth, step=kind)
    p = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
    field = VectorField(float(effective_depth), activation, bias)
    nodes, message = integrate(field, A0, B0, p, method=method, tolerance=tolerance)
    A, B = (torch.stack(part) for part in zip(*nodes, strict=True))
    H = torch.stack([field.hamiltonian(*node) for node in nodes])
    status = Status.STOPPED if message else Status.COMPLETED
    return Flow(A, B, p[: len(nodes)], H, method, status, message)
