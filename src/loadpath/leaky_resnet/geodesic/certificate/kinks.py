"""Momenta as functions of the derivatives that activations have on their kinks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from loadpath.leaky_resnet import objective
from loadpath.leaky_resnet.model import LeakyResNet
from loadpath.record import Activation, as_activation, slope_of

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

KINKS = {"relu": (0.0, 1.0), "leaky_relu": (0.1, 1.0)}
"""Derivatives on the two sides of the kink at 0, of the activations that have one."""
BLOCK = 1000
"""Samples at a time: the matrices of one block, (1000, 100), stay in a core's cache."""


@dataclass
class Block:
    """What the recursions need of some of the samples."""

    x: Tensor
    """Inputs, (sample, in)."""
    S: Array
    """Features of layers 0..L-1, (layer, sample, feature)."""
    end: Array
    """B_L, (sample, width)."""
    kinks: list[Indices]
    """Flat indices into (sample, width) of the activations near a kink, for layers 0..L-1."""
    where: list[slice]
    """Where the derivatives of each layer stand in the vector of all."""
    own: Array | None
    """Derivatives of layers 0..L-1 of an activation of the user's own, (layer, sample, width)."""


class KinkField:
    r"""Residuals $\|W_l - c\,(g_l/\rho_l)\,B_l(s)^\top S_{l-1}\| / \|W_l\|$ and their derivative.

    `s` is one vector over all blocks, layers and activations within `widest` rms of a kink.
    Features take a memory of N (w + 1) L numbers; momenta are kept for one block and one layer.
    """

    def __init__(
        self,
        model: LeakyResNet,
        x: Tensor,
        y: Tensor,
        *,
        weight_decay: float,
        loss: objective.AnyLoss,
        widest: float,
        threads: int = 1,
    ) -> None:
        """Run the samples forward; x and y have been checked. `threads` share the blocks."""
        self.model = model = copy.deepcopy(model).cpu().double().requires_grad_(False)
        self.L, self.w = model.depth, model.width
        self.kinked = model.activation in KINKS
        self.low, self.high = KINKS.get(str(model.activation), (1.0, 1.0))
        decay, gain = model.coefficients()
        self.decay, self.gain = decay.tolist(), gain.tolist()
        self.factor: Array = (model.coupling * gain / model.layer_steps).numpy()
        self.W: Array = model.weights.numpy()
        self.V = [np.ascontiguousarray(W[:, : self.w]) for W in self.W]
        norms = np.sqrt(np.square(self.W).sum((1, 2)))
        # A layer without weights counts absolutely: there is nothing to be relative to.
        self.norms: Array = np.where(norms > 0, norms, 1.0)
        self.pool = ThreadPoolExecutor(threads) if threads > 1 else None
        x_batches, y_batches = x.cpu().split(BLOCK), y.cpu().split(BLOCK)
        rms = self._root_mean_squares(x_batches) if self.kinked else torch.zeros(self.L)
        self.blocks: list[Block] = []
        self.lengths: Array = np.zeros(0)
        """||S_{l-1,i}|| of the activations near a kink."""
        parts: list[tuple[Array, Array, Indices]] = []
        count = 0
        for x_batch, y_batch in zip(x_batches, y_batches, strict=True):
            path = model.path(x_batch)
            kinks, where = [], []
            for l, A in enumerate(path[:-1]):
                near = A.abs() <= widest * rms[l] if self.kinked else torch.zeros_like(A) > 0
                index = near.flatten().nonzero().flatten()
                kinks.append(index.numpy())
                where.append(slice(count, count + len(index)))
                count += len(index)
                # 0 / 0 in a layer that is all zeros: right on the kink.
                ratio = (A.flatten()[index] / rms[l]).nan_to_num(0.0)
                length = model.features(path[l - 1]).norm(dim=1)[index // self.w]
                layer = np.full(len(index), l)
                parts.append((ratio.numpy(), length.numpy(), layer))
            end = path[-1].clone().requires_grad_()
            y_batch = y_batch.to(torch.float64 if objective.of_outputs(loss) else torch.int64)
            with torch.enable_grad():
                C = objective.data_term_of_tensors(
                    end @ model.output_map, y_batch, loss, n_total=len(x)
                )
            momentum = torch.autograd.grad(C, end)[0].div_(-weight_decay).numpy()
            # One array a block: many of the size of a layer would lie scattered in memory.
            S = np.ones((self.L, len(x_batch), self.w + model.bias))
            for l, A in enumerate(path[:-1]):
                S[l, :, : self.w] = model.phi(A).numpy()
            own = None
            if isinstance(model.activation, Activation):
                phi = model.activation.forward
                own = torch.stack([slope_of(phi, A) for A in path[:-1]]).numpy()
            self.blocks.append(Block(x_batch, S, momentum, kinks, where, own))
        self.ratios: Array = np.concatenate([part[0] for part in parts])
        """A_ij / rms(A_l) there."""
        self.lengths = np.concatenate([part[1] for part in parts])
        self.layers: Indices = np.concatenate([part[2] for part in parts])
        self.plain: Array = np.where(self.ratios > 0, self.high, self.low)
        """The derivatives that backpropagation takes."""
        self.pulls: Array = np.zeros(count)
        """g (B V)_ij, what a unit of s adds to a momentum; kept up by `products`."""

    def _root_mean_squares(self, x_batches: tuple[Tensor, ...]) -> Tensor:
        squares = torch.zeros(self.L, dtype=torch.float64)
        for x in x_batches:
            squares += torch.stack([A.square().sum() for A in self.model.path(x)[:-1]])
        return (squares / (sum(map(len, x_batches)) * self.w)).sqrt()

    def _apply(self, M: Array, block: Block, l: int, slopes: Array) -> None:
        """Multiply M in place by the activation's derivative at layer l."""
        S = block.S[l][:, : self.w]
        if not self.kinked:
            if block.own is not None:
                M *= block.own[l]
                return
            phi = as_activation(self.model.activation)
            phi.pull_back(torch.from_numpy(M), torch.from_numpy(S), torch.from_numpy(S))
            return
        flat = M.reshape(-1)
        kept = flat[block.kinks[l]] * slopes[block.where[l]]
        M *= S > 0 if self.low == 0 else np.where(S > 0, self.high, self.low)
        flat[block.kinks[l]] = kept

    def backward(self, block: Block, slopes: Array) -> Iterator[tuple[int, Array]]:
        """Yield the momenta (l, B_l) of one block from l = L down to 1; fill `pulls` on the way."""
        B = block.end
        for l in reversed(range(self.L)):
            yield l + 1, B
            if l:
                M = B @ self.V[l]
                M *= self.gain[l]
                self.pulls[block.where[l]] = M.reshape(-1)[block.kinks[l]]
                self._apply(M, block, l, slopes)
                M += self.decay[l] * B
                B = M

    def _sum(self, part: Callable[[Block], Array]) -> Array:
        """Return the sum of `part` over the blocks, in one order whatever the threads."""
        total = np.zeros_like(self.W)
        for value in (self.pool.map if self.pool else map)(part, self.blocks):
            total += value
        return total

    def products(self, slopes: Array) -> Array:
        """Return B_l^T S_{l-1} of every layer, (step, width, feature)."""

        def part(block: Block) -> Array:
            BtS = np.empty_like(self.W)
            for l, B in self.backward(block, slopes):
                np.matmul(B.T, block.S[l - 1], out=BtS[l - 1])
            return BtS

        return self._sum(part)

    def misfit(self, BtS: Array) -> Array:
        """Return the relative misfits, (step, width, feature), whose norms are the residuals."""
        R: Array = (self.W - self.factor[:, None, None] * BtS) / self.norms[:, None, None]
        return R

    def evaluate(self, slopes: Array) -> tuple[float, Array]:
        """Return half the sum of the squared residuals, and its gradient by `slopes`."""
        R = self.misfit(self.products(slopes))
        push = -R * (self.factor / self.norms)[:, None, None]
        gradient = np.zeros_like(slopes)

        def forward(block: Block) -> None:
            Y = block.S[0] @ push[0].T  # derivative by B_1, and then by B_{l+1}
            for l in range(1, self.L):
                where = block.where[l]
                gradient[where] = self.pulls[where] * Y.reshape(-1)[block.kinks[l]]
                if l < self.L - 1:
                    straight = self.decay[l] * Y
                    self._apply(Y, block, l, slopes)
                    Y = Y @ (self.gain[l] * self.V[l].T)
                    Y += straight
                    Y += block.S[l] @ push[l].T

        list((self.pool.map if self.pool else map)(forward, self.blocks))
        return 0.5 * float(np.square(R).sum()), gradient
