"""The numbers of a certificate, and the verdict that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from loadpath.leaky_resnet.geodesic.certificate.slopes import LeastNorm
from loadpath.results import Shown

STATIONARY = "stationary"
ON_KINKS = "stationary up to relu kinks"
NOT_CONVERGED = "not converged"


@dataclass(frozen=True, repr=False)
class Measured(Shown):
    r"""The numbers of a certificate: what is known of a net on its samples.

    A residual is $\|W_l - c\,(g_l/\rho_l)\,B_l^\top S_{l-1}\| / \|W_l\|$, which is 0 in every layer
    of a stationary point. Tensors are float64 where nothing else is said; shares are fractions.
    """

    gradient_residual: Tensor
    """Residual of the plain gradient, with the momenta of backpropagation, (step,)."""
    residual: Tensor
    """Residual of the smallest subgradient found at `kink_width`, (step,)."""
    tolerance: float
    """Residual that the words count as stationary, unless they are given another."""
    kink_width: float
    """Activations with |A_ij| <= kink_width * rms(A_l) count as on a kink."""
    on_kink: Tensor
    """Share of the activations A_{l-1} that are on a kink, (step,); 0 where there is no kink."""
    between: Tensor
    """How many of these have a derivative strictly between the two sides', (step,) int64."""
    widths: tuple[float, ...]
    """Kink widths that were tried: a tenth of `kink_width`, itself and ten times it; `kink_width`
    alone where the activation has no kink."""
    worst_by_width: tuple[float, ...]
    """Worst layer's residual at each width. A minimizer on kinks has about 0 from a small width
    on."""
    hamiltonian: Tensor
    """Hamiltonian of the pairs (A_{l-1}, r_l B_l), (step,), with the momenta of `residual` as
    `mechanics.step_momenta` takes them: r is 1 for Euler steps."""
    hamiltonian_predicted: Tensor
    """What `hamiltonian` should be at a stationary point on this mesh, to second order in the
    steps, (step,)."""
    symmetric_hamiltonian: Tensor
    """Mean of the Hamiltonian over the pairs (A_{l-1}, r_l B_l) and (A_l, r_l B_l), (step,). It is
    conserved to second order where the steps are equal."""
    hamiltonian_spread: float
    """(max - min) / max |H| of `hamiltonian`."""
    predicted_spread: float
    """(max - min) / max |H| of the prediction: the drift that the mesh explains."""
    unexplained: float
    """Largest distance between `hamiltonian` and its prediction, over max |H|."""
    symmetric_spread: float
    """(max - min) / max |H| of `symmetric_hamiltonian`."""
    balancedness: Tensor
    """Relative error of the balance of weights and biases, (step,). It is NaN for activations that
    are not homogeneous, which need not balance."""
    data_term: float
    """Data term of the objective."""
    objective: float
    """Data term + weight decay * action."""
    trivial_loss: float
    """Data term of a net without weights, or of the best constant if that is less."""
    trivial: bool
    """Whether this is the trivial minimum: next to no weights, and `trivial_loss` for a data
    term."""
    negative_share: Tensor
    """||min(A_l, 0)|| / ||A_l||, (layer,)."""
    most_negative: Tensor
    """min(0, min A_l) / max |A_l|, (layer,)."""
    waist: Tensor
    """Which layers make up the bottleneck, (layer,) bool. They are two slow steps or more from any
    fast one (`mechanics.slow_steps`), and their dimension is within a factor 1.25 of the least."""
    stable: bool | None
    """Whether A is non-negative in the bottleneck, up to 1 % of its norm. None where there is no
    relu or no bottleneck."""
    least_norm: LeastNorm = field(repr=False)
    """The subgradient behind `residual`: the derivatives chosen on kinks, and what they give."""
    overshoot: Tensor
    """How far each Euler step shoots past where the leakage draws it, (step,), as a share of
    ||A_l||: `layer_steps.overshoots`. It is 0 unless rho L~ is above 1."""
    step_costs: Tensor
    """What each step adds to the objective that an infinitely fine mesh would have, to first order
    in the steps, (step,); in the units of the data term, and of either sign."""
    continuum_predicted: float
    """Objective that an infinitely fine mesh would have: `objective` less `step_costs`, up to
    second order in the steps."""
    refinement: tuple[tuple[int, float], ...] | None = None
    """(depth, objective) of the same problem solved on finer meshes, if that was asked for."""
    continuum_objective: float | None = None
    """The objective extrapolated to infinitely many layers."""
    refinement_order: float | None = None
    """Order of convergence in the layer step that was measured."""

    @property
    def verdict(self) -> str:
        """The verdict at the certificate's own tolerance."""
        return self.verdict_at(self.tolerance)

    def verdict_at(self, tolerance: float) -> str:
        """Return the verdict at another tolerance.

        Parameters
        ----------
        tolerance : float
            Residual of the worst layer that counts as stationary.

        Returns
        -------
        str
            "stationary" by the gradient's residual, "stationary up to relu kinks" by that of the
            smallest subgradient, or "not converged".
        """
        if float(self.gradient_residual.max()) <= tolerance:
            return STATIONARY
        if float(self.residual.max()) <= tolerance:
            return ON_KINKS
        return NOT_CONVERGED
