r"""The Hamiltonian of a discrete path, and what its mesh lets one expect of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from loadpath.leaky_resnet.geodesic.certificate.slopes import LeastNorm
from loadpath.leaky_resnet.mechanics import hamiltonian_spread
from loadpath.leaky_resnet.model import LeakyResNet


@dataclass(frozen=True)
class Conservation:
    """Hamiltonians over the steps of a net, and their prediction; made by `conservation`."""

    hamiltonian: Tensor
    """H of the pairs (A_{l-1}, r_l B_l), (step,), the momenta being those of `step_momenta`."""
    symmetric: Tensor
    """Mean of H over the pairs (A_{l-1}, r_l B_l) and (A_l, r_l B_l), (step,)."""
    predicted: Tensor
    """What `hamiltonian` should be on this mesh, up to second order in the steps, (step,)."""

    @property
    def spread(self) -> float:
        """(max - min) / max |H| over the steps."""
        return float(hamiltonian_spread(self.hamiltonian))

    @property
    def predicted_spread(self) -> float:
        """(max - min) / max |H| of the prediction: the drift that the mesh explains."""
        return float(hamiltonian_spread(self.predicted))

    @property
    def unexplained(self) -> float:
        """Largest |H_l - predicted| relative to max |H|."""
        gap = float((self.hamiltonian - self.predicted).abs().max())
        return gap / float(self.hamiltonian.abs().max()) if gap > 0 else 0.0


def conservation(model: LeakyResNet, found: LeastNorm) -> Conservation:
    r"""Return the Hamiltonian of every step, with the momenta of the least-norm subgradient.

    With $r_l = g_l/\rho_l$, a stationary net is a symplectic Euler path with steps g_l of
    $H_l(A, B) = \frac{c\,r_l}{2}\|B^\top S\|^2 - \tilde L\,\mathrm{Tr}[B^\top A]$:
    $A_l = A_{l-1} + g_l\,\partial_B H_l$ and $B_{l-1} = B_l + g_l\,\partial_A H_l$ at
    $(A_{l-1}, B_l)$, for both kinds of step ($1 - d_l = \tilde L g_l$). The Hamiltonian of the
    theory, with the momenta of the path, is $H(A, r_l B) = r_l H_l(A, B)$: the same for Euler
    steps, where r = 1; for exponential steps r < 1, and 1 in the limit.

    Backward error analysis: up to second order in g, one step conserves
    $\tilde H_l = H_l(A_{l-1}, B_l) + \delta_l$,
    $\delta_l = \frac12 [H_l(A_l, B_l) - H_l(A_{l-1}, B_l)] \approx \frac{g_l}{2} f$ with
    $f = \partial_A H \cdot \partial_B H$: the symmetric mean. From step l to l + 1 it changes by
    $(r_{l+1} - r_l) \frac c2 \|B_l^\top S_l\|^2 - \frac{g_{l+1} - g_l}{2} f_l$, f_l the mean of
    $2\delta/g$ over the two steps. So H_l is predicted from the deltas and one constant, the mean,
    and H is r_l times that.
    Activations that cross a kink within a step cost the prediction some of its order.

    It costs O(L w^2), for the products are in `found`. H is dimensionless.

    References
    ----------
    .. [1] Hairer, Lubich and Wanner, Geometric Numerical Integration, chapter IX.
    """
    gain, ratio = model.coefficients()[1], model.gain_ratios()
    c, leak = model.coupling, model.effective_depth
    kinetic = c / 2 * found.BtS.square().sum((1, 2))
    kinetic_end = c / 2 * found.BtS_end.square().sum((1, 2))
    own = ratio * kinetic - leak * found.BtA
    half = (ratio * kinetic_end - leak * found.BtA_end - own) / 2
    symmetric = own + half
    f = 2 * half / gain
    jumps = ratio.diff() * kinetic_end[:-1] - gain.diff() / 2 * (f[1:] + f[:-1]) / 2
    change = torch.cat([jumps.new_zeros(1), jumps.cumsum(0)])
    level = (symmetric - change).mean()
    predicted = level + change - half
    # From the steps' own Hamiltonians to the theory's: H(A, r B) = r H_l(A, B).
    return Conservation(
        hamiltonian=ratio * own, symmetric=ratio * symmetric, predicted=ratio * predicted
    )
