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
from torch import Tensor

from loadpath.checks import as_tensor, check_count, check_type, check_weights
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.leaky_resnet.objective import AnyLoss, check_loss, of_outputs
from loadpath.leaky_resnet.own_loss import OwnLoss
from loadpath.leaky_resnet.products import as_factor, multiply
from loadpath.record import as_activation, slope_of
from loadpath.threads import blas_libraries, torch_threads


def smooth_relu(z: Tensor, tau: float, *, out: Tensor, slope: Tensor) -> None:
    r"""Write relu with its kink rounded off to `out`, and its derivative to `slope`.

    Parameters
    ----------
    z : Tensor
        Where it is taken, of any shape.
    tau : float
        Half-width of the rounding, above 0.
    out, slope : Tensor
        Where values and derivatives go, of the shape of z.

    Notes
    -----
    The value is $(z + \tau)^2 / (4\tau)$ where $|z| < \tau$, and relu outside. It is once
    differentiable and at most $\tau / 4$ above relu, and its derivative is an element of relu's
    subdifferential over activations nearer to 0 than tau.
    """
    torch.mul(z, 0.5 / tau, out=slope).add_(0.5).clamp_(0, 1)
    # Both terms are 0 exactly where relu is.
    torch.clamp_min(z, tau, out=out).sub_(tau).addcmul_(slope, slope, value=tau)


BLOCK = 4096
"""The most samples that go through the net at once on a CPU.

The buffers of more do not fit its caches: at 100,000 samples, blocks of this size save a fifth of
the time and nearly all of the memory."""


class _Buffers:
    """What the recursion writes for `n` samples; features are rows: (width, sample)."""

    def __init__(self, model: LeakyResNet, n: int) -> None:
        w, weights = model.width, model.weights
        new = weights.detach().new_empty
        # With features as rows, the row of ones leaves phi(A) one contiguous block.
        S = [new(w + model.bias, n).fill_(1.0) for _ in range(model.depth)]
        self.phi = [s[:w] for s in S]
        self.S, self.St = [as_factor(s) for s in S], [as_factor(s.T) for s in S]
        self.A, self.G, self.T = (new(w, n) for _ in range(3))
        self.slopes: list[Tensor] = []
        """Derivatives at rounded kinks, or of a function of the user's own; else empty."""


@dataclass
class _Block:
    """The samples that go through the net at once."""

    samples: slice
    """Their place among all samples."""
    buffers: _Buffers
    """What the recursion writes; the blocks of one thread share it."""
    A0: Tensor
    """Where the path starts, (width, sample), once samples are loaded."""
    x: Tensor
    """Inputs, (sample, in), once samples are loaded."""
    y: Tensor
    """Targets, (out, sample), or (sample,) of class numbers."""


class _Shard:
    """The samples of one thread, and the sum of their gradients."""

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

    Parameters
    ----------
    model : LeakyResNet
        The net; its weights may change between evaluations.
    n_samples : int
        Number of samples in a batch.
    loss : {"mse", "cross-entropy"}
        The data term.
    threads : int, optional
        Threads that share the samples on a CPU; torch's own number if left out. The last bits of
        the gradient depend on it, because sums are then taken in another order.

    Attributes
    ----------
    smoothing : list of float
        For every layer, the half-width over which the kink of its relu is rounded off; 0 to start
        with.

    Raises
    ------
    ValueError
        If `loss` is unknown, or a count is below 1.

    Notes
    -----
    One evaluation costs 6 N w (w + 1) L operations, nearly all in matrix products, and n (w + 1) L
    numbers of memory for each thread, where n is `BLOCK` or, if that is less, the thread's
    samples. Rounded kinks take twice the memory.

    On a CPU each thread runs the whole recursion on its share of the samples, `BLOCK` at a time.
    At small sizes this beats sharing every single product, after which the threads must meet.

    Examples
    --------
    >>> import torch
    >>> import loadpath as lp
    >>> from loadpath.leaky_resnet import Adjoint
    >>> net = lp.LeakyResNet(3, 2, width=8, depth=4, effective_depth=2.0)
    >>> adjoint = Adjoint(net, n_samples=10, loss="mse")
    >>> adjoint.load(torch.ones(10, 3), torch.zeros(10, 2))
    >>> data_term, regularizer = adjoint.evaluate(weight_decay=0.01)
    >>> net.weights.grad.shape
    torch.Size([4, 8, 9])
    """

    def __init__(
        self,
        model: LeakyResNet,
        n_samples: int,
        *,
        loss: AnyLoss = "mse",
        threads: int | None = None,
    ) -> None:
        """Allocate the buffers, in the model's dtype and on its device."""
        check_type("model", model, LeakyResNet, "a LeakyResNet")
        check_weights("model", model)
        if not isinstance(loss, OwnLoss):
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
        self.blas = blas_libraries()
        self.scaled = torch.empty_like(model.weights)
        self.smoothing = [0.0] * model.depth
        self.W = [as_factor(layer) for layer in self.scaled]
        self.Wt = [as_factor(layer[:, : model.width].T) for layer in self.scaled]

    @torch.no_grad()
    def load(self, x: Float[Tensor, "sample in"], y: Tensor) -> None:
        """Take a batch of samples, which is made to fit the model's dtype and device.

        Parameters
        ----------
        x : Tensor
            (n_samples, in): inputs.
        y : Tensor
            (n_samples, out) for "mse", (n_samples,) class numbers for "cross-entropy".

        Raises
        ------
        ValueError
            If x or y is of another shape.
        """
        model = self.model
        x, y = as_tensor("x", x), as_tensor("y", y)
        y_shape = (self.n, model.out_features) if self.loss == "mse" else (self.n,)
        if isinstance(self.loss, OwnLoss):
            y_shape = (self.n, *y.shape[1:])
        for name, value, shape in (("x", x, (self.n, model.in_features)), ("y", y, y_shape)):
            if value.shape != shape:
                raise ValueError(f"{name} must be of shape {shape}, got {tuple(value.shape)}.")
        x = x.to(model.weights)
        y = y.to(model.weights if of_outputs(self.loss) else model.weights.device)
        for block in (block for shard in self.shards for block in shard.blocks):
            block.x, block.y = x[block.samples], y[block.samples]
            if self.loss == "mse":
                block.y = block.y.T.contiguous()
            if not self.learned_input:
                torch.mm(self.model.input_map.T, block.x.T, out=block.A0)

    @torch.no_grad()
    def evaluate(self, weight_decay: float) -> tuple[float, float]:
        """Return the two parts of the objective, and leave its gradient in every `.grad`.

        Parameters
        ----------
        weight_decay : float
            What multiplies the regularizer in the objective.

        Returns
        -------
        data_term, regularizer : float
            At the weights that the model has. Sums are taken in float64 whatever its dtype, so that
            a line search can tell values apart.
        """
        # Torch's own threads wait for their next call by spinning, which would take the cores from
        # ours, so they are kept out. A loop does well to run inside torch_threads(1) as a whole.
        with torch_threads(1), self.blas.limit(limits=1):
            return self._evaluate(weight_decay)

    def _evaluate(self, weight_decay: float) -> tuple[float, float]:
        """Share the samples among the threads, and add up what they return."""
        model = self.model
        for parameter in model.parameters():
            if parameter.grad is None:  # as after an optimizer's zero_grad
                parameter.grad = torch.empty_like(parameter)
        gradient = self.shards[0].gradient = cast(Tensor, model.weights.grad)
        own = as_activation(model.activation).backward is None
        decay, gain = model.coefficients()
        gain = gain.to(model.weights)[:, None, None]
        torch.mul(model.weights, gain, out=self.scaled)
        for buffers in (buffers for shard in self.shards for buffers in shard.buffers.values()):
            if (own or any(self.smoothing)) and not buffers.slopes:
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

    @torch.no_grad()  # every thread has this mode and the next of its own
    @np.errstate(over="ignore", invalid="ignore")  # a net that diverges shows it by its value
    def _run(
        self, shard: _Shard, W: list[Any], Wt: list[Any], decay: list[float]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the data term of one shard and the gradients by learned maps.

        The gradient by the weights, G S^T without the gain, is left in the shard. `W` has the
        weights of the layers times their gain, and `Wt` their transposes without bias.
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
        """Run one block forward and back; its part of the weights' gradient goes to `gradient`."""
        model, buffers = self.model, block.buffers
        activation = as_activation(model.activation)
        own = activation.backward is None
        A, G, T, tau = buffers.A, buffers.G, buffers.T, self.smoothing
        phi, S, St, slopes = buffers.phi, buffers.S, buffers.St, buffers.slopes
        G_factors, T_factors = as_factor(G), as_factor(T)
        if self.learned_input:
            torch.mm(model.input_map.T, block.x.T, out=block.A0)
        A.copy_(block.A0)
        for l in range(model.depth):  # noqa: E741
            if tau[l]:
                smooth_relu(A, tau[l], out=phi[l], slope=slopes[l])
            elif own:
                phi[l].copy_(activation.forward(A))
                slopes[l].copy_(slope_of(activation.forward, A))
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
                if tau[l] or own:
                    T.mul_(slopes[l])
                else:
                    activation.pull_back(T, phi[l], phi[l])
                torch.add(T, G, alpha=decay[l], out=G)
        if self.learned_input:
            maps["input_map"] = (G @ block.x).T
        return value, maps

    def _loss(self, F: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return the data term in float64, and its derivative by the outputs F (out, sample)."""
        if isinstance(self.loss, OwnLoss):
            value, slope = self.loss.value_and_slope(F.T, y, n_total=self.n)
            return value, slope.T.to(F, copy=True)
        if self.loss == "mse":
            D = F.sub_(y)
            return D.double().square().sum() / self.n, D.mul(2 / self.n)
        log_probability = torch.log_softmax(F, dim=0)
        chosen = log_probability.gather(0, y[None])
        D = log_probability.exp_().div_(self.n)
        D.scatter_add_(0, y[None], D.new_full((1, 1), -1 / self.n).expand(1, len(y)))
        return -chosen.double().sum() / self.n, D
