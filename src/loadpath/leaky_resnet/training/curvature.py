"""Coordinates in which the objective's Gauss-Newton Hessian is near the identity."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import AnyLoss, Loss
from loadpath.leaky_resnet.own_loss import OwnLoss
from loadpath.leaky_resnet.products import multiply_stacks
from loadpath.threads import torch_threads

SAMPLES, PROBES = 4096, 2
"""The most samples, and the number of random directions, that the curvature is estimated on.

An estimate is enough, because it only scales the steps: where the descent ends does not depend on
it."""


class Coordinates:
    r"""Coordinates of a net's weights in which the Hessian of the objective is about the identity.

    Parameters
    ----------
    model : LeakyResNet
        The net, where it stands.
    x : Tensor
        (sample, in): inputs, of the net's dtype and on its device.
    weight_decay : float
        The $\lambda$ of the objective.
    loss : {"mse", "cross-entropy"}
        The data term.
    generator : torch.Generator
        Where the random directions come from; on the CPU.
    y : Tensor, optional
        Targets, which a loss of the user's own needs.

    Attributes
    ----------
    V : torch.nn.Parameter
        The coordinates, of the shape of the net's weights.

    Notes
    -----
    The weights are $W_l = U_l (V_l \circ D_l) Q_l^\top$. The Gauss-Newton Hessian of layer l is
    about $g_l^2\, \Gamma_l \otimes G_l + \eta_l I$. Here
    $G_l = \frac1N S_{l-1}^\top S_{l-1} = Q \mathrm{diag}(q) Q^\top$ is the second moment of what
    enters the layer, $\Gamma_l = \frac1N \sum_i J_i^\top H_i J_i = U \mathrm{diag}(u) U^\top$ the
    curvature of the data term by what leaves it (J is the derivative of the outputs by $A_l$, H the
    second derivative of the loss by the outputs), and $\eta_l = \lambda \rho_l / c$ the curvature
    of the regularizer. With $D_{ij} = (g_l^2 u_i q_j + \eta_l)^{-1/2}$ the Hessian is about the
    identity in V. $\Gamma$ is estimated by sending random vectors of covariance H back through the
    net.

    The cost is one forward and `PROBES` backward passes on at most `SAMPLES` samples, and O(L w^3).

    References
    ----------
    Martens and Grosse, arXiv:1503.05671, for Kronecker-factored curvature. That its use as
    coordinates for L-BFGS suits Leaky ResNets is found here (docs/training.md).
    """

    def __init__(
        self,
        model: LeakyResNet,
        x: Float[Tensor, "sample in"],
        *,
        weight_decay: float,
        loss: AnyLoss,
        generator: torch.Generator,
        y: Tensor | None = None,
    ) -> None:
        """Find the coordinates of the net where it stands."""
        self.model = model
        some = slice(None, None, math.ceil(len(x) / SAMPLES))
        x = x[some]
        A0 = (x @ model.input_map).detach().requires_grad_()
        with torch.enable_grad():
            path = model.path_from(A0)
            outputs = path[-1] @ model.output_map
        Gamma = torch.zeros(model.depth, model.width, model.width, dtype=torch.float64)
        Gamma = Gamma.to(x.device)
        for _ in range(PROBES):
            noise = torch.randn(outputs.shape, generator=generator, dtype=torch.float64)
            if isinstance(loss, OwnLoss):
                assert y is not None
                probe = loss.with_curvature(noise.to(outputs), outputs.detach(), y[some])
            else:
                probe = _with_loss_curvature(noise.to(outputs), outputs.detach(), loss)
            gradients = torch.autograd.grad(outputs, path[1:], probe, retain_graph=True)
            for curvature, gradient in zip(Gamma, gradients, strict=True):
                curvature += gradient.double().T @ gradient.double() / (PROBES * len(x))
        S = [model.features(A.detach()).double() for A in path[:-1]]
        G = torch.stack([s.T @ s for s in S]) / len(x)
        with torch_threads(1):
            u, U = torch.linalg.eigh(Gamma)
            q, Q = torch.linalg.eigh(G)
        gain = model.coefficients()[1].to(x.device)
        eta = weight_decay / model.coupling * model.layer_steps.double()
        # Rounding leaves eigenvalues of 0 a little below it.
        curvature = u.clamp_min(0)[:, :, None] * q.clamp_min(0)[:, None, :]
        curvature *= gain.square()[:, None, None]
        D = (curvature + eta[:, None, None]).rsqrt()
        self.share = curvature.amax(1, keepdim=True) / eta[:, None, None]
        self.U, self.Q, self.D = (z.to(model.weights) for z in (U, Q, D))
        with torch.no_grad():
            self.V = nn.Parameter(self.U.mT @ model.weights @ self.Q / self.D)

    def parameters(self) -> list[nn.Parameter]:
        """Return what is to be optimized.

        Returns
        -------
        list of torch.nn.Parameter
            V in place of the weights, and the net's other parameters as they are.
        """
        others = [p for p in self.model.parameters() if p is not self.model.weights]
        return [self.V, *others]

    def seen(self, share: float) -> NDArray[np.bool_]:
        """Tell which entries of V the data have a say in.

        Parameters
        ----------
        share : float
            Least curvature by the data, as a share of that by the regularizer.

        Returns
        -------
        numpy.ndarray
            Flat, bool: true in the columns in which some row has more than that. In the other
            columns the activations are next to nothing, and only the regularizer acts.
        """
        columns = (self.share > share).expand_as(self.V)
        entries: NDArray[np.bool_] = columns.numpy(force=True).ravel()
        return entries

    @torch.no_grad()
    def write_weights(self) -> None:
        """Set the weights of the net to what V says."""
        weights = self.model.weights.detach()
        multiply_stacks(self.U, self.V.detach() * self.D, self.Q.mT, weights)

    @torch.no_grad()
    def read_gradient(self) -> None:
        """Set the gradient of V from that of the net's weights."""
        assert self.model.weights.grad is not None
        self.V.grad = torch.empty_like(self.V)
        multiply_stacks(self.U.mT, self.model.weights.grad, self.Q, self.V.grad)
        self.V.grad.mul_(self.D)


def _with_loss_curvature(noise: Tensor, outputs: Tensor, loss: Loss) -> Tensor:
    """Give white noise (sample, out) the second derivative of the loss as its covariance."""
    if loss == "mse":
        return math.sqrt(2) * noise
    root = torch.softmax(outputs, dim=1).sqrt()
    # diag(p) - p p^T = C C^T with C = diag(r) - p r^T, r = sqrt(p).
    return root * (noise - root * (root * noise).sum(1, keepdim=True))
