"""Objective and gradient of a LeakyResNet, with the forward and adjoint recursion written out.

`Adjoint` writes into buffers that are allocated once. `loadpath.leaky_resnet.momenta` reads the
same derivatives off autograd: each is the other's oracle.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from threadpoolctl import ThreadpoolController
from torch import Tensor

from loadpath.checks import check_count
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import Loss, check_loss
from loadpath.leaky_resnet.products import as_factor, multiply
from loadpath.record import ACTIVATIONS
from loadpath.threads import torch_threads


def smooth_relu(z: Tensor, tau: float, *, out: Tensor, slope: Tensor) -> None:
    r"""Write relu with its kink rounded off over $|z| < \tau$ to `out`, its derivative to `slope`.

    $(z + \tau)^2 / (4\tau)$ where $|z| < \tau$: once differentiable, at most $\tau / 4$ above relu,
    and relu itself outside, so that its derivative is an element of relu's subdifferential over
    activations nearer to 0 than tau.
    """
    torch.mul(z, 0.5 / tau, out=slope).add_(0.5).clamp_(0, 1)
    # Both terms are 0 exactly where relu is.
    torch.clamp_min(z, tau, out=out).sub_(tau).addcmul_(slope, slope, value=tau)


BLOCK = 4096
"""The most samples that go through the net at once on a CPU, whose caches hold no buffers of
more: at 100,000 samples blocks save a fifth of the time and nearly all of the memory."""


class _Buffers:
    """What the recursion writes for `n` samples, feature-major: (width, sample)."""

    def __init__(self, model: LeakyResNet, n: int) -> None:
        w, weights = model.width, model.weights
        new = weights.detach().new_empty
        # Rows of features, not columns: the row of ones then leaves phi(A) one contiguous block.
        S = [new(w + model.bias, n).fill_(1.0) for _ in range(model.depth)]
        self.phi = [s[:w] for s in S]
        self.S, self.St = [as_factor(s) for s in S], [as_factor(s.T) for s in S]
        self.A, self.G, self.T = (new(w, n) for _ in range(3))
        self.slopes: list[Tensor] = []
        """Derivatives at rounded kinks; only there while `Adjoint.smoothing` rounds them."""


@dataclass
class _Block:
    """Some of the samples."""

    samples: slice
    buffers: _Buffers
    """Shared by the blocks of one thread."""
    A0: Tensor
    """(width, sample), once loaded."""
    x: Tensor
    y: Tensor
    """(out, sample), or (sample,) of class numbers."""


class _Shard:
    """One thread's samples, and the sum of its gradients."""

    def __init__(self, model: LeakyResNet, start: int, stop: int) -> None:
        n, on_cpu = stop - start, model.weights.device.type == "cpu"
        parts = -(-n // BLOCK) if on_cpu else 1
        bounds = [start + n * k // parts for k in range(parts + 1)]
        sizes = {b - a for a, b in pairwise(bounds)}  # at most two
        self.buffers = {size: _Buffers(model, size) for size in sizes}
        new = model.weights.detach().new_empty
        self.blocks = [
            _Block(slice(a, b), self.buffers[b - a], new(model.width, b - a), new(0), new(0))
            for a, b in pairwise(bounds)
        ]
        self.gradient = torch.empty_like(model.weights)
        self.part = torch.empty_like(model.weights) if parts > 1 else self.gradient


class Adjoint:
    """Objective and gradient of a LeakyResNet on a batch of fixed size, without autograd.

    >>> adjoint = Adjoint(model, n_samples=len(x), loss="mse")
    >>> adjoint.load(x, y)
    >>> C, R = adjoint.evaluate(weight_decay)     # fills the .grad of every parameter

    Cost 6 N w (w + 1) L operations, nearly all in matrix products; memory n (w + 1) L numbers a
    thread, n its samples or `BLOCK`, twice that with rounded kinks. On a CPU the samples are split
    over `threads` threads which run the whole recursion each on its share, `BLOCK` at a time: at
    small sizes this beats splitting every product, whose threads must meet each time.
    The last bits of the gradient depend on `threads`, for sums are taken in another order.

    Raises: ValueError for an unknown `loss`, counts below 1, or when `load` is given arrays of
    other shapes.
    """

    def __init__(
        self,
        model: LeakyResNet,
        n_samples: int,
        *,
        loss: Loss = "mse",
        threads: int | None = None,
    ) -> None:
        """Allocate the buffers for `n_samples` samples, in the model's dtype and on its device."""
        check_loss(loss)
        check_count("n_samples", n_samples, 1)
        if threads is not None:
            check_count("threads", threads, 1)
        self.model, self.loss, self.n = model, loss, n_samples
        on_cpu = model.weights.device.type == "cpu"
        self.threads = min(threads or torch.get_num_threads(), n_samples) if on_cpu else 1
        bounds = [n_samples * k // self.threads for k in range(self.threads + 1)]
        self.shards = [_Shard(model, a, b) for a, b in pairwise(bounds)]
        self.learned_input = model.input_map.requires_grad
        self.pool = ThreadPoolExecutor(self.threads - 1) if self.threads > 1 else None
        self.blas = ThreadpoolController().select(user_api="blas")
        self.scaled = torch.empty_like(model.weights)
        self.smoothing = [0.0] * model.depth
        """Half-width over which relu's kink is rounded off, for the activations of every layer."""
        self.W = [as_factor(layer) for layer in self.scaled]
        self.Wt = [as_factor(layer[:, : model.width].T) for layer in self.scaled]

    @torch.no_grad()
    def load(self, x: Float[Tensor, "sample in"], y: Tensor) -> None:
        """Take a batch of exactly `n_samples` samples; made to fit the model's dtype and device."""
        model = self.model
        y_shape = (self.n, model.out_features) if self.loss == "mse" else (self.n,)
        for name, value, shape in (("x", x, (self.n, model.in_features)), ("y", y, y_shape)):
            if value.shape != shape:
                raise ValueError(f"{name} must be of shape {shape}, got {tuple(value.shape)}.")
        x = x.to(model.weights)
        y = y.to(model.weights if self.loss == "mse" else model.weights.device)
        for block in (block for shard in self.shards for block in shard.blocks):
            block.x, block.y = x[block.samples], y[block.samples]
            if self.loss == "mse":
                block.y = block.y.T.contiguous()
            if not self.learned_input:
                torch.mm(self.model.input_map.T, block.x.T, out=block.A0)

    @torch.no_grad()
    def evaluate(self, weight_decay: float) -> tuple[float, float]:
        """Data term and regularizer at the model's weights; fills `.grad` with the objective's.

        Sums are taken in float64, so that a line search can tell values apart.
        """
        # Threads of torch's own wait for their next call by spinning, which would take the cores
        # from ours: keep them out. A loop does well to run inside torch_threads(1) as a whole.
        with torch_threads(1), self.blas.limit(limits=1):
            return self._evaluate(weight_decay)

    def _evaluate(self, weight_decay: float) -> tuple[float, float]:
        model = self.model
        for parameter in model.parameters():
            if parameter.grad is None:  # as after an optimizer's zero_grad
                parameter.grad = torch.empty_like(parameter)
        gradient = self.shards[0].gradient = cast(Tensor, model.weights.grad)
        decay, gain = model.coefficients()
        gain = gain.to(model.weights)[:, None, None]
        torch.mul(model.weights, gain, out=self.scaled)
        for buffers in (buffers for shard in self.shards for buffers in shard.buffers.values()):
            if any(self.smoothing) and not buffers.slopes:
                buffers.slopes = [torch.empty_like(buffers.A) for _ in buffers.phi]
        jobs = [(shard, self.W, self.Wt, decay.tolist()) for shard in self.shards]
        futures = [self.pool.submit(self._run, *job) for job in jobs[1:]] if self.pool else []
        parts = [self._run(*jobs[0])] + [future.result() for future in futures]
        for shard in self.shards[1:]:
            gradient.add_(shard.gradient)
        # gain G S^T is the data's part, lambda rho / c W the regularizer's
        pull = (weight_decay / model.coupling * model.layer_steps).to(model.weights)
        gradient.mul_(gain).addcmul_(model.weights, pull[:, None, None])
        for name in parts[0][1]:
            getattr(model, name).grad.copy_(torch.stack([maps[name] for _, maps in parts]).sum(0))
        # model.regularizer() in float64, without a copy of all weights
        norms = torch.linalg.vector_norm(model.weights, dim=(1, 2), dtype=torch.float64)
        R = float((model.layer_steps.double() * norms.square()).sum()) / (2 * model.coupling)
        return sum(float(value) for value, _ in parts), R

    @torch.no_grad()  # this mode and the next are each thread's own
    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges says so by its value
    def _run(
        self, shard: _Shard, W: list[Any], Wt: list[Any], decay: list[float]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Data term of one shard, and gradients of learned maps; leaves G S^T for the weights.

        `W`, `Wt`: the layers' weights times their gain, and their transposes without bias.
        """
        first, *others = shard.blocks
        value, maps = self._run_block(first, shard.gradient, W, Wt, decay)
        for block in others:
            more, more_maps = self._run_block(block, shard.part, W, Wt, decay)
            value += more
            shard.gradient.add_(shard.part)
            maps = {name: map + more_maps[name] for name, map in maps.items()}
        return value, maps

    def _run_block(
        self, block: _Block, gradient: Tensor, W: list[Any], Wt: list[Any], decay: list[float]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        model, buffers = self.model, block.buffers
        activation = ACTIVATIONS[model.activation]
        A, G, T, tau = buffers.A, buffers.G, buffers.T, self.smoothing
        phi, S, St, slopes = buffers.phi, buffers.S, buffers.St, buffers.slopes
        G_factors, T_factors = as_factor(G), as_factor(T)
        if self.learned_input:
            torch.mm(model.input_map.T, block.x.T, out=block.A0)
        A.copy_(block.A0)
        for l in range(model.depth):  # noqa: E741
            if tau[l]:
                smooth_relu(A, tau[l], out=phi[l], slope=slopes[l])
            elif model.activation == "relu":
                torch.clamp_min(A, 0, out=phi[l])
            else:
                phi[l].copy_(activation.forward(A))
            multiply(W[l], S[l], T_factors)
            torch.add(T, A, alpha=decay[l], out=A)

        P = model.output_map.detach()
        value, D = self._loss(P.T @ A, block.y)
        torch.mm(P, D, out=G)
        maps = {"output_map": A @ D.T} if model.output_map.requires_grad else {}
        for l, out in reversed(list(enumerate(as_factor(gradient)))):  # noqa: E741
            multiply(G_factors, St[l], out)
            if l or self.learned_input:
                multiply(Wt[l], G_factors, T_factors)
                if tau[l]:
                    T.mul_(slopes[l])
                else:
                    activation.backward(T, phi[l])
                torch.add(T, G, alpha=decay[l], out=G)
        if self.learned_input:
            maps["input_map"] = (G @ block.x).T
        return value, maps

    def _loss(self, F: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Value in float64 and derivative by the outputs F (out, sample)."""
        if self.loss == "mse":
            D = F.sub_(y)
            return D.double().square().sum() / self.n, D.mul(2 / self.n)
        log_probability = torch.log_softmax(F, dim=0)
        chosen = log_probability.gather(0, y[None])
        D = log_probability.exp_().div_(self.n)
        D.scatter_add_(0, y[None], D.new_full((1, 1), -1 / self.n).expand(1, len(y)))
        return -chosen.double().sum() / self.n, D
