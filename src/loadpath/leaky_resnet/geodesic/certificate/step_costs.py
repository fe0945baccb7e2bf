"""What each step of a path adds to the objective, compared with an infinitely fine mesh."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from loadpath.leaky_resnet import layer_steps
from loadpath.leaky_resnet.geodesic.certificate.slopes import LeastNorm
from loadpath.leaky_resnet.model import LeakyResNet


@torch.no_grad()
def step_costs(
    model: LeakyResNet, found: LeastNorm, *, weight_decay: float
) -> Float[Tensor, " step"]:
    r"""Return what each step adds to the objective of the continuous problem, to first order.

    The weights are constant over a step, and the continuous path would follow
    $\dot A = -\tilde L A + S W_l^\top$ through it. A layer holds $S$ (the Euler step $A$ too) at
    what it was where the step began, and so misses, with $\Delta$ the change over the step,

    $\kappa_l g_l\, \Delta S\, W_l^\top$ (exponential) or
    $\frac{\rho_l}{2} (\Delta S\, W_l^\top - \tilde L\, \Delta A)$ (Euler),

    where $\kappa_l$ is the step's lag (`layer_steps.lags`). A small change of A_l changes the
    objective by $-\lambda \mathrm{Tr}[B_l^\top dA_l]$, and the minimum, too, by the envelope
    theorem. So the step's cost is $\lambda \mathrm{Tr}[B_l^\top\, \cdot\,]$ of what it misses. That
    weights may vary within a step is of second order.

    It costs O(L w^2), for the products are in `found`. Units are those of the objective.

    References
    ----------
    .. [1] Karlsson, Larsson, Sandberg, Szepessy and Tempone, arXiv:1407.8330, has the Euler step's
       density, $\partial_A H \cdot \partial_B H / 2$ in the signs used here. That of the
       exponential step is found here.
    """
    steps, leak = model.layer_steps.double().cpu(), model.effective_depth
    weights = model.weights.detach().to(found.BtS)
    missed = ((found.BtS_end - found.BtS) * weights).sum((1, 2))
    if model.step == "euler":
        missed = missed - leak * (found.BtA_end - found.BtA)
    lag = layer_steps.lags(steps, effective_depth=leak, kind=model.step)
    return weight_decay * lag * model.coefficients()[1] * missed
