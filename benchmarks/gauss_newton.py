"""Gauss-Newton for a LeakyResNet with relu, as an opponent of the geodesic solver.

The curvature of the loss by the outputs is pulled back to the weights: of the whole net, or layer
by layer, which leaves out what layers have to do with each other (arXiv:2510.09378 reports that for
language models it hardly matters). Steps solve the damped equations by conjugate gradients, with
the diagonal as preconditioner; the damping is Levenberg and Marquardt's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from opponents import Method, Task
from torch import Tensor

GOOD, POOR = 0.75, 0.25
"""Shares of the promised decrease: above the first damping falls, below the second it rises."""
FIRST, LEAST, MOST = 1e-2, 1e-8, 1e8
"""Dampings, as shares of the diagonal's mean of each layer."""
PROBES = 4
"""Random vectors that estimate the diagonal of the whole net's matrix."""
HALVINGS = 4
"""How often a step that finds nothing lower is halved before it is solved for again."""


class Curvature:
    """The Gauss-Newton matrix where a net stands, without ever forming it."""

    def __init__(self, task: Task, *, layerwise: bool) -> None:
        """Go forward once, and send every output back through the net."""
        model, self.layerwise = task.model, layerwise
        self.draws = torch.Generator().manual_seed(0)
        self.W = model.weights.detach()
        self.decay, self.gain = (c.tolist() for c in model.coefficients())
        pull = task.weight_decay / model.coupling * model.layer_steps
        self.pull = pull.to(self.W)[:, None, None]
        A, S, slopes = task.x @ model.input_map, [], []
        for W, d, g in zip(self.W, self.decay, self.gain, strict=True):
            S.append(model.features(A))
            slopes.append((A > 0).to(A) if model.activation == "relu" else torch.ones_like(A))
            A = d * A + g * (S[-1] @ W.T)
        self.S = torch.stack(S)  # (layer, sample, width + 1)
        self.slopes = slopes
        self.out = model.output_map.detach()
        self.p = None if task.loss == "mse" else torch.softmax(A @ self.out, dim=1)
        back = self._by_layers(self.out.T.expand(len(A), -1, -1) if layerwise else self._probes(A))
        roots = 2 * back.square().sum(2) if self.p is None or not layerwise else None
        if roots is None:
            p = self.p[:, :, None]
            roots = (back.square() * p).sum(2) - (back * p).sum(2).square()
        elif not layerwise:
            roots /= 2 * PROBES
        self.diagonal = roots.mT @ self.S.square() / len(A) + self.pull
        self.R = back if layerwise else None

    def _probes(self, A: Tensor) -> Tensor:
        """Return random vectors of A_L whose second moment is the curvature, times samples."""
        z = torch.randn(len(A), PROBES, self.out.shape[1], generator=self.draws, dtype=A.dtype)
        if self.p is None:
            return 2**0.5 * z @ self.out.T
        root = self.p.sqrt()[:, None]
        return (root * (z - root * (root * z).sum(2, keepdim=True))) @ self.out.T

    def _by_layers(self, R: Tensor) -> Tensor:
        """Send R (sample, any, width) back from A_L to what each layer adds, gain included."""
        w, jacobians = R.shape[-1], []
        for l in reversed(range(len(self.W))):
            jacobians.append(self.gain[l] * R)
            R = self.decay[l] * R + self.gain[l] * (R @ self.W[l][:, :w]) * self.slopes[l][:, None]
        return torch.stack(jacobians[::-1])  # (layer, sample, any, width)

    def of_outputs(self, dF: Tensor) -> Tensor:
        """The loss's curvature by the outputs, times a change of them."""
        n = dF.shape[-2]
        if self.p is None:
            return 2 / n * dF
        return self.p * (dF - (self.p * dF).sum(-1, keepdim=True)) / n

    def times(self, V: Tensor) -> Tensor:
        """The matrix times V, (layer, width, width + 1)."""
        U = self.S @ V.mT
        if self.layerwise:
            dF = (self.R @ U[..., None])[..., 0]
            G = (self.of_outputs(dF)[..., None, :] @ self.R)[..., 0, :]
            return G.mT @ self.S + self.pull * V
        w, layers = U.shape[-1], range(len(V))
        dA = torch.zeros_like(U[0])
        for l in layers:
            through = (dA * self.slopes[l]) @ self.W[l][:, :w].T
            dA = self.decay[l] * dA + self.gain[l] * (through + U[l])
        G, out = self.of_outputs(dA @ self.out) @ self.out.T, torch.empty_like(V)
        for l in reversed(layers):
            torch.mm(self.gain[l] * G.T, self.S[l], out=out[l])
            G = self.decay[l] * G + self.gain[l] * (G @ self.W[l][:, :w]) * self.slopes[l]
        return out + self.pull * V


def conjugate_gradients(
    curvature: Curvature, gradient: Tensor, damping: float, *, most: int, tolerance: float
) -> Tensor:
    """Solve (matrix + damping) V = -gradient; layer by layer, with steps of their own, if asked."""
    axes = (1, 2) if curvature.layerwise else (0, 1, 2)

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(axes, keepdim=True)

    shift = damping * curvature.diagonal.mean((1, 2), keepdim=True)
    inverse = 1 / (curvature.diagonal + shift)
    V, r = torch.zeros_like(gradient), -gradient
    z = inverse * r
    p, rz = z, dot(r, z)
    enough = tolerance**2 * rz
    tiny = torch.finfo(r.dtype).tiny
    for _ in range(most):
        Hp = curvature.times(p) + shift * p
        step = torch.where(rz > enough, rz / dot(p, Hp).clamp_min(tiny), 0.0)
        V, r = V + step * p, r - step * Hp
        z = inverse * r
        before, rz = rz, dot(r, z)
        if bool((rz <= enough).all()):
            break
        p = z + rz / before.clamp_min(tiny) * p
    return V


def gauss_newton(inner: int, *, layerwise: bool, tolerance: float = 0.03) -> Method:
    """Damped steps, each of at most `inner` products with the matrix."""

    def iterate(task: Task) -> Iterator[float]:
        weights, damping = task.model.weights, FIRST
        value = task.evaluate()
        yield value
        with torch.no_grad():
            while damping < MOST:
                assert weights.grad is not None
                start, gradient = weights.clone(), weights.grad.clone()
                curvature = Curvature(task, layerwise=layerwise)
                V = conjugate_gradients(
                    curvature, gradient, damping, most=inner, tolerance=tolerance
                )
                promised = -float((gradient * V).sum() + (V * curvature.times(V)).sum() / 2)
                for halving in range(HALVINGS + 1):
                    weights.copy_(start + V / 2**halving)
                    found = task.evaluate()
                    if halving == 0:
                        share = (value - found) / promised if promised > 0 else -1.0
                    if found < value:
                        break
                else:
                    weights.copy_(start)
                    found = task.evaluate()
                damping = max(LEAST, damping / 4) if share > GOOD else damping
                damping = 4 * damping if share < POOR else damping
                value = found
                yield value

    return iterate
