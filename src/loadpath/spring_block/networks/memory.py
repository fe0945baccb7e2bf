"""What the compiled engine works on: an MLP's sizes, its parameters, and room for one batch."""

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
    """Sizes and settings of an MLP, as compiled code takes them."""

    inputs: int
    width: int
    depth: int
    classes: int
    norm: bool
    """Whether the net has BatchNorm."""
    slope: np.float32
    drop_below: int
    """Random 16-bit numbers below this drop a feature: the rate times `kernel.LEVELS`."""


class Weights(NamedTuple):
    """All that is trained, and what Adam knows of it, each one flat array."""

    theta: Floats
    """Parameters in the order of `MLP.parameters()`."""
    grad: Floats
    """Gradient of the loss."""
    m: Floats
    """Running mean of the gradient."""
    v: Floats
    """Running mean of the squared gradient."""


class Norms(NamedTuple):
    """What stands between the product z of a layer and its output, but for the slope.

    Arrays are (layer, feature), with as many features as the widest layer has.
    """

    running: Floats
    """Mean and variance of BatchNorm for evaluation, (layer, 2, feature)."""
    center: Floats
    """Mean of z in this batch; 0 without BatchNorm."""
    inverse: Floats
    """1 / standard deviation of z in this batch; 1 without BatchNorm."""
    factor: Floats
    """Scale of BatchNorm times `inverse`; 1 without BatchNorm."""
    moments: Doubles
    """Mean of the samples of a batch so far, and sum of squares about it, (2, feature)."""
    sums: Doubles
    """Gradients of BatchNorm's shift and scale, for even and odd layers, (2, 2, feature)."""
    work: Floats
    """Sums over one chunk, (2, feature)."""


class Room(NamedTuple):
    """Room for one batch, samples as rows, and for one chunk of it."""

    Z: Floats
    """Products of layers 1 to depth - 1, (layer - 1, sample, width)."""
    kept: Masks
    """Which features Dropout has left, of the same shape; empty without Dropout."""
    T: Floats
    """Gradient at the output of BatchNorm of one layer, (sample, width)."""
    H: Floats
    """Features of one chunk, flat."""
    G: Floats
    """Gradient of one chunk, flat."""
    part: Floats
    """Gradient of a weight matrix over one chunk, flat."""
    transposed: Floats
    """A weight matrix with inputs as rows, or the logits of one chunk, flat."""
    bits: Words
    """Random words of one chunk."""
    quarters: Quarters
    """The memory of `bits`, 16 bits at a time."""
    random: Words
    """Seed of the masks, and number of words drawn so far."""


def new_weights(theta: torch.Tensor) -> Weights:
    """Copy these parameters, for Adam's first step."""
    return Weights(zeros(theta.shape) + theta.numpy(), *(zeros(theta.shape) for _ in "gmv"))


def new_norms(net: Net) -> Norms:
    """Make the statistics of no sample."""
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


def new_room(net: Net, size: int, chunk: int, seed: int) -> Room:
    """Make room for batches of `size` samples; `seed` is that of the masks."""
    bits = np.zeros((net.width * chunk + 3) // 4, dtype=np.uint64)
    widest, batch = max(net.inputs, net.width), (net.depth - 1, size, net.width)
    return Room(
        Z=zeros(batch),
        kept=np.zeros(batch if net.drop_below else (0, 0, 0), dtype=np.uint8),
        T=zeros(batch[1:]),
        H=zeros(widest * chunk),
        G=zeros(widest * chunk),
        part=zeros(max(widest, net.classes) * net.width),
        transposed=zeros(max(widest * net.width, net.classes * chunk)),
        bits=bits,
        quarters=bits.view(np.uint16),
        random=np.array([seed, 0], dtype=np.uint64),
    )


def zeros(shape: int | tuple[int, ...]) -> Floats:
    """Make zeros that start at a cache line, as torch's do and NumPy's need not."""
    array: Floats = torch.zeros(shape).numpy()
    return array
