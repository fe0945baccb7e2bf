"""All that the compiled engine works on: what an MLP is, its parameters, and room for one batch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Words = NDArray[np.uint64]
Quarters = NDArray[np.uint16]
Masks = NDArray[np.uint8]


class Net(NamedTuple):
    """Sizes and settings of an MLP."""

    inputs: int
    width: int
    depth: int
    classes: int
    norm: bool
    """Whether it has BatchNorm."""
    slope: np.float32
    below: int
    """Dropout in 1 / `kernel.LEVELS`."""


class Weights(NamedTuple):
    """All that is trained, and what Adam knows of it, each one flat array."""

    theta: Floats
    """Parameters in the order of `MLP.parameters()`."""
    grad: Floats
    m: Floats
    v: Floats


class Norms(NamedTuple):
    """What stands between the product z of a layer and its output, but for the slope.

    By (layer, feature), as many features as the widest layer has.
    """

    running: Floats
    """(layer, 2, feature): mean and variance of BatchNorm for evaluation."""
    center: Floats
    """Mean of z in this batch; 0 without BatchNorm."""
    inverse: Floats
    """1 / deviation of z in this batch; 1 without BatchNorm."""
    factor: Floats
    """BatchNorm's scale times that; 1 without."""
    moments: Doubles
    """(2, feature): mean, and squares about it, of the samples of a batch so far."""
    sums: Doubles
    """(2, 2, feature): for even and odd layers, the gradients of BatchNorm's shift and scale."""
    work: Floats
    """(2, feature)."""


class Rows(NamedTuple):
    """Room for one batch, samples as rows, and for one chunk of it."""

    Z: Floats
    """(layer - 1, sample, width): products of layers 1 to depth - 1."""
    kept: Masks
    """Which features Dropout left, of the same shape; empty without."""
    T: Floats
    """(sample, width): gradient at the output of BatchNorm of one layer."""
    H: Floats
    """Flat: features of one chunk."""
    G: Floats
    """Flat: gradient of one chunk."""
    part: Floats
    """Flat: gradient of a weight matrix over one chunk."""
    turned: Floats
    """Flat: a weight matrix with inputs as rows, or logits of one chunk."""
    bits: Words
    quarters: Quarters
    """The same memory, 16 bits at a time."""
    random: Words
    """Seed of the masks, and words drawn so far."""


def weights(theta: torch.Tensor) -> Weights:
    """These parameters, copied, before Adam's first step."""
    return Weights(zeros(theta.shape) + theta.numpy(), *(zeros(theta.shape) for _ in "gmv"))


def norms(net: Net) -> Norms:
    """Statistics of no sample."""
    by_layer = net.depth, max(net.inputs, net.width)
    return Norms(
        running=zeros((by_layer[0], 2, by_layer[1])),
        center=zeros(by_layer),
        inverse=zeros(by_layer) + 1,
        factor=zeros(by_layer) + 1,
        moments=np.zeros((2, by_layer[1])),
        sums=np.zeros((2, 2, by_layer[1])),
        work=zeros((2, by_layer[1])),
    )


def rows(net: Net, size: int, chunk: int, seed: int) -> Rows:
    """Room for batches of `size` samples; `seed` is that of the masks."""
    bits = np.zeros((net.width * chunk + 3) // 4, dtype=np.uint64)
    widest, batch = max(net.inputs, net.width), (net.depth - 1, size, net.width)
    return Rows(
        Z=zeros(batch),
        kept=np.zeros(batch if net.below else (0, 0, 0), dtype=np.uint8),
        T=zeros(batch[1:]),
        H=zeros(widest * chunk),
        G=zeros(widest * chunk),
        part=zeros(max(widest, net.classes) * net.width),
        turned=zeros(max(widest * net.width, net.classes * chunk)),
        bits=bits,
        quarters=bits.view(np.uint16),
        random=np.array([seed, 0], dtype=np.uint64),
    )


def zeros(shape: int | tuple[int, ...]) -> Floats:
    """Zeros that start at a cache line, as torch's do and NumPy's need not."""
    array: Floats = torch.zeros(shape).numpy()
    return array
