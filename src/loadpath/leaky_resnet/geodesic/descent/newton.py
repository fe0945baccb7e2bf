r"""Newton's method on rounded kinks, for nets of few enough weights to form their Hessian.

Given the weights, samples do not meet: what W_l does to a sample is sent on by the Jacobians of the
later steps, and the curvature of what is left to pay comes back by a Riccati recursion. Each block
of the Hessian is then a product of two small matrices, 100 times cheaper than by autograd.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from torch import Tensor, nn

from loadpath.leaky_resnet.adjoint import smooth_relu
from loadpath.leaky_resnet.geodesic.descent.quasi_newton import Evaluate
from loadpath.leaky_resnet.model import LeakyResNet

Array = NDArray[np.float64]

GOOD, POOR = 0.75, 0.25
"""Shares of the promised decrease above which the next shift is smaller, and below which larger."""
EASIER, HARDER = 1 / 6, 6.0
"""The shift is multiplied by these."""
FIRST, LEAST, MOST = 1e-3, 1e-10, 1e12
"""Shifts; at the most, a step is too short to see."""
NOTHING = 1e-15
"""A promised decrease of this share of the value is rounding."""


class Weights:
    """The weights of a net, as coordinates of their own for a descent."""

    def __init__(self, model: LeakyResNet) -> None:
        """Begin where `model` stands."""
        self.model = model
        self.V = nn.Parameter(model.weights.detach().clone())

    @torch.no_grad()
    def write_weights(self) -> None:
        """Set the model's weights to V."""
        self.model.weights.copy_(self.V)

    @torch.no_grad()
    def read_gradient(self) -> None:
        """Set V's gradient from that of the model's weights."""
        assert self.model.weights.grad is not None
        self.V.grad = self.model.weights.grad.clone()


class Newton:
    r"""Minimize a function by Newton steps $-(H + \mu M)^{-1} g$.

    The shift $\mu \geq 0$ falls while steps keep what they promise, and rises where they do not or
    where the matrix is not positive definite; `metric` is M, a diagonal.

    A step costs n^3 / 3 operations, and those of the Hessian; memory holds 2 n^2 numbers.

    References
    ----------
    .. [1] Nocedal and Wright, Numerical Optimization, chapter 4 (trust regions; the shift is the
       multiplier of theirs).
    """

    def __init__(
        self, evaluate: Evaluate, hessian: Callable[[Array], Array], start: Array, *, metric: Array
    ) -> None:
        """`evaluate` returns value and gradient at a flat vector, `hessian` the Hessian there."""
        self.evaluate, self.hessian, self.metric = evaluate, hessian, metric
        self.at = start.copy()
        self.value, self.gradient = evaluate(self.at)
        self.shift = FIRST

    def iterate(self) -> bool:
        """Take one step; False if nothing lower was found, and then nothing has changed."""
        H = self.hessian(self.at)
        diagonal = H.diagonal().copy()
        while self.shift < MOST:
            np.fill_diagonal(H, diagonal + self.shift * self.metric)
            try:
                factor = cho_factor(H, lower=True, check_finite=False)
            except LinAlgError:
                self.shift *= HARDER
                continue
            step = -cho_solve(factor, self.gradient, check_finite=False)
            shifted = self.shift * float(step @ (self.metric * step))
            promised = -(float(self.gradient @ step) - shifted) / 2
            if not promised > NOTHING * abs(self.value):
                break
            value, gradient = self.evaluate(self.at + step)
            share = (self.value - value) / promised
            if value < self.value:
                if share > GOOD:
                    self.shift = max(LEAST, EASIER * self.shift)
                elif share < POOR:
                    self.shift *= HARDER
                self.at, self.value, self.gradient = self.at + step, value, gradient
                return True
            self.shift *= HARDER
        self.shift = FIRST
        return False


@torch.no_grad()
def hessian(
    model: LeakyResNet,
    x: Float[Tensor, "sample in"],
    y: Float[Tensor, "sample out"],
    *,
    weight_decay: float,
    smoothing: list[float],
) -> Array:
    r"""Return the Hessian by the weights of the mean squared error with relu's kinks rounded off.

    `smoothing` is tau of `smooth_relu` for A_0 .. A_{L-1}; 0 is relu itself, whose curvature counts
    as 0. With $P_k = \partial A_k / \partial A_{k-1}$ of one sample, $T_{kl} = P_k \cdots P_{l+1}$
    and G_k the gradient by A_k, the curvature of what is left to pay is

    $$Q_{k-1} = P_k^\top Q_k P_k + g_k\,\mathrm{diag}(\phi''(A_{k-1}) \circ V_k^\top G_k),$$

    and the block of $W_{l,ab}$ and $W_{k,cd}$, $l \leq k$, is $g_l g_k$ times the sum over samples

    of $$S_{l-1,b}\,\bigl((Q_k T_{kl})_{ca}\,S_{k-1,d} + G_{k,c}\,\phi'(A_{k-1})_d\,(T_{k-1,l})_{da}
    \bigr),$$

    the second part for l < k only and not for the bias, plus $\lambda \rho_l / c$ on the diagonal.
    It is (n, n) with n = L w (w + 1), in float64 on the CPU. It costs 2 N n^2 operations; memory
    holds n^2 and N w^2 L^2 / 2 numbers.
    """
    w, L, n = model.width, model.depth, len(x)
    decay, gain = (c.tolist() for c in model.coefficients())
    weights = model.weights.detach().numpy()
    V = weights[:, :, :w]
    gains = np.array(gain)[:, None, None, None, None]
    A, slopes, bends = x @ model.input_map, [], []
    S = np.empty((L, n, w + model.bias))
    for l, tau in enumerate(smoothing):
        features, slope = model.features(A), (A > 0).to(A)
        if tau:
            smooth_relu(A, tau, out=features[:, :w], slope=slope)
        S[l] = features.numpy()
        slopes.append(slope.numpy())
        bends.append((A.abs() < tau).numpy() / (2 * tau or 1.0))
        A = decay[l] * A + gain[l] * (features @ model.weights[l].T)
    out = model.output_map
    G = (2 / n * (A @ out - y) @ out.T).numpy()
    Q = np.broadcast_to((2 / n * out @ out.T).numpy(), (n, w, w))
    P = [
        d * np.eye(w) + g * v * s[:, None]
        for d, g, v, s in zip(decay, gain, V, slopes, strict=True)
    ]
    eye = np.broadcast_to(np.eye(w), (1, n, w, w))
    T = [eye]  # by k: of all l <= k, (step, sample, width, width)
    for k in range(1, L):
        T.append(np.concatenate([P[k] @ T[-1], eye]))
    size = weights[0].size
    H = np.empty((L, size, L, size))
    for k in reversed(range(L)):
        blocks = _sums(Q @ T[k], S[: k + 1], S[k])
        if k:
            direct = _sums(slopes[k][:, :, None] * T[k - 1], S[:k], G)
            blocks[:k, :, :, :, :w] += direct.swapaxes(3, 4)
        blocks *= gain[k] * gains[: k + 1]
        H[: k + 1, :, k] = blocks.reshape(k + 1, size, size)
        H[k, :, : k + 1] = H[: k + 1, :, k].transpose(2, 0, 1)
        back = gain[k] * (G @ V[k])
        Q = P[k].swapaxes(1, 2) @ Q @ P[k] + (back * bends[k])[:, :, None] * np.eye(w)
        G = decay[k] * G + slopes[k] * back
    H = H.reshape(L * size, L * size)
    pull = weight_decay / model.coupling * model.layer_steps.numpy()
    H[np.diag_indices_from(H)] += pull.repeat(size)
    return H


def _sums(M: Array, left: Array, right: Array) -> Array:
    """Return sums over samples of M_ca left_b right_d by step, (step, a, b, c, d)."""
    steps, n, c, a = M.shape
    pairs = (left[:, :, :, None] * right[:, None]).reshape(steps, n, -1)
    sums = M.reshape(steps, n, -1).swapaxes(1, 2) @ pairs
    return sums.reshape(steps, c, a, left.shape[2], -1).transpose(0, 2, 3, 1, 4)
