r"""Steps of training the MLP of [SB], compiled by numba: forward, backward and Adam by hand.

A batch is cut into chunks of samples that stay in the cache from one matrix product to the next.
All that stands between two products (BatchNorm, LeakyReLU, Dropout, and their gradients) is done
while a chunk is there. Only matrix products leave compiled code, for BLAS. What is kept of a layer
is its product z = W h alone, and which features were dropped; h is made from it again on the way
back.

All of it is in one file, since numba's cache on disk does not see what changes in another.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from loadpath.spring_block.networks.memory import (
    Doubles,
    Floats,
    Masks,
    Net,
    Norms,
    Quarters,
    Room,
    Weights,
    Words,
)

# Sums may be reordered, to fill vector registers; NaN and infinity must stay what they are.
jit: Any = numba.njit(
    nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy"
)

CHUNK = 96
"""Most samples in a chunk. OpenBLAS multiplies up to a million pairs of numbers, here 96 samples by
100 by 100 weights, without copying them first, and is then half as fast again."""
FEWEST_TO_TRANSPOSE = 64
"""Fewest samples of a batch for which weights are transposed. The product with transposed weights
is faster, but for fewer samples transposing takes longer than that saves."""
EPSILON = 1e-5
"""What PyTorch's BatchNorm adds to a variance."""
MOMENTUM = np.float32(0.1)
"""Weight of a new batch in the running statistics of PyTorch's BatchNorm."""
BETA1, BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8
"""Defaults of PyTorch's Adam."""
LEVELS = 1 << 16
"""Number of rates that Dropout can have: it compares 16 random bits with its rate. That is exact
to 1/131072, and one 64-bit word serves four features."""
ZERO, ONE = np.float32(0), np.float32(1)
WEYL = np.uint64(0x9E3779B97F4A7C15)
"""Step of SplitMix64 from one word to the next: 2^64 over the golden ratio, made odd."""


@jit
def draw_bits(bits: Words, seed: np.uint64, first: np.uint64) -> None:
    """Fill `bits` with words first, first + 1, ... of stream `seed`, by SplitMix64."""
    start = seed + first * WEYL
    for i in range(len(bits)):
        z = start + np.uint64(i + 1) * WEYL
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits[i] = z ^ (z >> np.uint64(31))


@jit
def add_to_moments(Z: Floats, seen: int, moments: Doubles, work: Floats) -> None:
    """Add a chunk to the mean and squares of the `seen` samples before it, by Chan's formula."""
    n, w = Z.shape
    mean, squares = work[0, :w], work[1, :w]
    mean[:] = ZERO
    squares[:] = ZERO
    for j in range(n):
        z = Z[j]
        for i in range(w):
            mean[i] += z[i]
    mean /= np.float32(n)
    for j in range(n):
        z = Z[j]
        for i in range(w):
            d = z[i] - mean[i]
            squares[i] += d * d
    for i in range(w):
        gap = mean[i] - moments[0, i]
        moments[0, i] += gap * n / (seen + n)
        moments[1, i] += squares[i] + gap * gap * seen * n / (seen + n)


@jit
def update_statistics(n: int, l: int, scale: Floats, bias: Floats, norms: Norms) -> None:
    """Set a layer's statistics by the moments of a batch of n samples, and clear the moments."""
    moments, running = norms.moments, norms.running[l]
    for i in range(len(scale)):
        mean, variance = moments[0, i], moments[1, i] / n
        norms.center[l, i], norms.inverse[l, i] = mean, 1 / np.sqrt(variance + EPSILON)
        norms.factor[l, i] = scale[i] * norms.inverse[l, i]
        # BatchNorm subtracts the bias of Linear again, so that only its running mean sees it.
        running[0, i] += (mean + bias[i] - running[0, i]) * MOMENTUM
        running[1, i] += (variance * n / (n - 1) - running[1, i]) * MOMENTUM
        moments[0, i] = moments[1, i] = 0


@jit
def activate(
    Z: Floats, center: Floats, factor: Floats, shift: Floats, slope: np.float32, H: Floats
) -> None:
    """Apply BatchNorm, or the bias of Linear, and LeakyReLU to a chunk, into H."""
    for j in range(len(Z)):
        z, h = Z[j], H[j]
        for i in range(len(z)):
            y = (z[i] - center[i]) * factor[i] + shift[i]
            h[i] = y if y > ZERO else y * slope


@jit
def activation_gradient(
    G: Floats,
    Z: Floats,
    center: Floats,
    factor: Floats,
    shift: Floats,
    slope: np.float32,
    T: Floats,
    total: Floats,
    product: Floats,
) -> None:
    """Take the gradient G back through `activate`, into T, and sum T and T times centred z."""
    for j in range(len(Z)):
        g, z, t = G[j], Z[j], T[j]
        for i in range(len(z)):
            d = z[i] - center[i]
            e = g[i] if d * factor[i] + shift[i] > ZERO else g[i] * slope
            t[i] = e
            total[i] += e
            product[i] += e * d


@jit
def norm_gradient(T: Floats, Z: Floats, l: int, n: int, norms: Norms) -> None:
    """Take the gradient T of a chunk from the output of BatchNorm to its input, in place."""
    w = Z.shape[1]
    center, factor, sums = norms.center[l], norms.factor[l], norms.sums[l % 2]
    mean, slant = norms.work[0], norms.work[1]
    for i in range(w):
        mean[i], slant[i] = sums[0, i] / n, sums[1, i] / n * norms.inverse[l, i]
    for j in range(len(Z)):
        t, z = T[j], Z[j]
        for i in range(w):
            t[i] = factor[i] * (t[i] - mean[i] - (z[i] - center[i]) * slant[i])


@jit
def draw_masks(kept: Masks, below: int, bits: Words, quarters: Quarters, random: Words) -> None:
    """Draw the masks of a chunk, which are 0 for a share `below` / LEVELS and 1 else."""
    mask = kept.reshape(-1)
    words = (len(mask) + 3) // 4
    draw_bits(bits[:words], random[0], random[1])
    random[1] += np.uint64(words)
    for j in range(len(mask)):
        mask[j] = quarters[j] >= below


@jit
def apply_dropout(H: Floats, kept: Masks, below: int) -> None:
    """Set dropped features to 0 and scale the others up, in place."""
    keep, h, mask = np.float32(LEVELS / (LEVELS - below)), H.reshape(-1), kept.reshape(-1)
    for j in range(len(h)):
        h[j] = h[j] * keep if mask[j] else ZERO


@jit
def cross_entropy(
    E: Floats, shift: Floats, shift_grad: Floats, labels: NDArray[np.int64], n: int
) -> float:
    """Return the sum of a chunk's losses, for logits E + shift.

    E becomes the gradient of the mean over n samples, and the shift's gradient is added to.
    """
    total = 0.0
    for j in range(len(E)):
        e = E[j]
        e += shift
        right, top = e[labels[j]], e.max()
        mass = ZERO
        for k in range(len(e)):
            e[k] = np.exp(e[k] - top)
            mass += e[k]
        total += np.log(mass) - (right - top)
        for k in range(len(e)):
            e[k] = (e[k] / mass - (ONE if k == labels[j] else ZERO)) / np.float32(n)
            shift_grad[k] += e[k]
    return total


@jit
def adam_step(
    theta: Floats, grad: Floats, m: Floats, v: Floats, rate: float, weight_decay: float, step: int
) -> None:
    """Take step number `step`, from 1, of torch.optim.Adam, with one division in place of two."""
    size = np.float32(rate / (1 - BETA1**step))
    root = np.float32(1 / np.sqrt(1 - BETA2**step))
    b1, b2 = np.float32(1 - BETA1), np.float32(BETA2)
    c2, epsilon = np.float32(1 - BETA2), np.float32(ADAM_EPSILON)
    decay = np.float32(weight_decay)
    for i in range(len(theta)):
        g = grad[i] + decay * theta[i]
        m[i] += (g - m[i]) * b1
        v[i] = v[i] * b2 + c2 * (g * g)
        theta[i] -= size * m[i] / (np.sqrt(v[i]) * root + epsilon)


@jit
def as_matrix(flat: Any, start: int, rows: int, columns: int) -> Any:
    """Return a part of a flat array as a matrix."""
    return flat[start : start + rows * columns].reshape(rows, columns)


@jit
def weights_start(net: Net, l: int) -> int:
    """Return where the weights of layer l > 0 start in the parameters; for l = depth, the norms."""
    first = 2 * net.inputs if net.norm else 0
    return first + (0 if l == 1 else net.width * (net.inputs + 1 + (l - 2) * (net.width + 1)))


@jit
def scale_and_shift(flat: Floats, net: Net, l: int) -> tuple[Floats, Floats]:
    """Return scale and shift of layer l, in parameters or gradients: BatchNorm's, or a bias."""
    if not net.norm:
        return flat[:0], flat[weights_start(net, l + 1) - net.width : weights_start(net, l + 1)]
    if l == 0:
        return flat[: net.inputs], flat[net.inputs : 2 * net.inputs]
    at = weights_start(net, net.depth) + 2 * net.width * (l - 1)
    return flat[at : at + net.width], flat[at + net.width : at + 2 * net.width]


@jit
def layer_output(
    l: int, a: int, b: int, x: Floats, net: Net, theta: Floats, norms: Norms, room: Room
) -> Floats:
    """Make the output of layer l for samples a to b from its product; layer 0 has x for it."""
    if l == 0 and not net.norm:
        return x[a:b]
    Z = x[a:b] if l == 0 else room.Z[l - 1, a:b]
    H = as_matrix(room.H, 0, b - a, Z.shape[1])
    slope = ONE if l == 0 else net.slope
    activate(Z, norms.center[l], norms.factor[l], scale_and_shift(theta, net, l)[1], slope, H)
    if l > 0 and net.drop_below > 0:
        apply_dropout(H, room.kept[l - 1, a:b], net.drop_below)
    return H


@jit
def layer_gradient(
    l: int, a: int, b: int, x: Floats, net: Net, theta: Floats, norms: Norms, room: Room
) -> None:
    """Take the gradient G at the output of layer l back to T; for layer 0 only its sums count."""
    Z = x[a:b] if l == 0 else room.Z[l - 1, a:b]
    w = Z.shape[1]
    G = as_matrix(room.G, 0, b - a, w)
    # The features of layer 0 have been used by now, and their place is free.
    T = as_matrix(room.H, 0, b - a, w) if l == 0 else room.T[a:b]
    if l > 0 and net.drop_below > 0:
        apply_dropout(G, room.kept[l - 1, a:b], net.drop_below)
    slope, shift = ONE if l == 0 else net.slope, scale_and_shift(theta, net, l)[1]
    total, product = norms.work[0, :w], norms.work[1, :w]
    total[:] = product[:] = ZERO
    activation_gradient(G, Z, norms.center[l], norms.factor[l], shift, slope, T, total, product)
    for i in range(w):
        norms.sums[l % 2, 0, i] += total[i]
        norms.sums[l % 2, 1, i] += product[i] * norms.inverse[l, i]


@jit
def add_product(A: Floats, B: Floats, first: bool, part: Floats, out: Floats) -> None:
    """Put A^T B into `out` for the first chunk, and add it for others."""
    if first:
        np.dot(A.T, B, out)
        return
    whole = as_matrix(part, 0, out.shape[0], out.shape[1])
    np.dot(A.T, B, whole)
    out += whole


@jit
def forward(x: Floats, net: Net, theta: Floats, norms: Norms, room: Room) -> None:
    """Make the products of all layers but the logits, and the statistics of BatchNorm."""
    n, none = len(x), np.zeros(net.inputs, dtype=np.float32)
    chunks = (n + CHUNK - 1) // CHUNK
    for l in range(net.depth):
        w, fan_in = net.inputs if l == 0 else net.width, net.inputs if l < 2 else net.width
        if l > 0:
            W = as_matrix(theta, weights_start(net, l), w, fan_in)
            transposed = as_matrix(room.transposed, 0, fan_in, w)
            if n >= FEWEST_TO_TRANSPOSE:
                for i in range(fan_in):
                    for j in range(w):
                        transposed[i, j] = W[j, i]
        for c in range(chunks):
            a, b = n * c // chunks, n * (c + 1) // chunks
            Z = x[a:b] if l == 0 else room.Z[l - 1, a:b]
            if l > 0:
                H = layer_output(l - 1, a, b, x, net, theta, norms, room)
                if n >= FEWEST_TO_TRANSPOSE:
                    np.dot(H, transposed, Z)
                else:
                    np.dot(H, W.T, Z)
                if net.drop_below > 0:
                    draw_masks(
                        room.kept[l - 1, a:b], net.drop_below, room.bits, room.quarters, room.random
                    )
            if net.norm:
                add_to_moments(Z, a, norms.moments, norms.work)
        if net.norm:
            bias = (
                none if l == 0 else theta[weights_start(net, l + 1) - w : weights_start(net, l + 1)]
            )
            update_statistics(n, l, scale_and_shift(theta, net, l)[0], bias, norms)


@jit
def loss_and_gradient(
    x: Floats, labels: NDArray[np.int64], net: Net, weights: Weights, norms: Norms, room: Room
) -> float:
    """Go from the last features to the loss of a batch and back; return the sum of the losses."""
    n, last, total = len(labels), net.depth - 1, 0.0
    # The logits stand after the weights of all other layers and the norms.
    at = weights_start(net, net.depth) + (2 * net.width * last if net.norm else 0)
    end = at + net.classes * net.width
    W = as_matrix(weights.theta, at, net.classes, net.width)
    grad = as_matrix(weights.grad, at, net.classes, net.width)
    shift, shift_grad = weights.theta[end:], weights.grad[end:]
    shift_grad[:] = ZERO
    norms.sums[last % 2] = 0
    chunks = (n + CHUNK - 1) // CHUNK
    for c in range(chunks):
        a, b = n * c // chunks, n * (c + 1) // chunks
        H = layer_output(last, a, b, x, net, weights.theta, norms, room)
        E = as_matrix(room.transposed, 0, b - a, net.classes)
        np.dot(H, W.T, E)
        total += cross_entropy(E, shift, shift_grad, labels[a:b], n)
        add_product(E, H, c == 0, room.part, grad)
        np.dot(E, W, as_matrix(room.G, 0, b - a, net.width))
        layer_gradient(last, a, b, x, net, weights.theta, norms, room)
    return total


@jit
def backward(x: Floats, net: Net, weights: Weights, norms: Norms, room: Room) -> None:
    """Make the gradients of all parameters but the logits'."""
    n, theta = len(x), weights.theta
    chunks = (n + CHUNK - 1) // CHUNK
    for l in range(net.depth - 1, -1, -1):
        if l > 0 or net.norm:
            scale_grad, shift_grad = scale_and_shift(weights.grad, net, l)
            linear = l == 0 or (net.slope == ONE and net.drop_below == 0 and l < net.depth - 1)
            for i in range(len(shift_grad)):
                # The next BatchNorm subtracts a shift again, if only a matrix stands between.
                shift_grad[i] = ZERO if net.norm and linear else norms.sums[l % 2, 0, i]
            for i in range(len(scale_grad)):
                scale_grad[i] = norms.sums[l % 2, 1, i]
        if l == 0:
            break
        if net.norm:
            # This layer's own BatchNorm subtracts the bias of Linear.
            weights.grad[weights_start(net, l + 1) - net.width : weights_start(net, l + 1)] = ZERO
        norms.sums[(l - 1) % 2] = 0
        fan_in = net.inputs if l == 1 else net.width
        W = as_matrix(theta, weights_start(net, l), net.width, fan_in)
        grad = as_matrix(weights.grad, weights_start(net, l), net.width, fan_in)
        for c in range(chunks):
            a, b = n * c // chunks, n * (c + 1) // chunks
            T = room.T[a:b]
            if net.norm:
                norm_gradient(T, room.Z[l - 1, a:b], l, n, norms)
            H = layer_output(l - 1, a, b, x, net, theta, norms, room)
            add_product(T, H, c == 0, room.part, grad)
            if l > 1 or net.norm:
                np.dot(T, W, as_matrix(room.G, 0, b - a, fan_in))
                layer_gradient(l - 1, a, b, x, net, theta, norms, room)


@jit
def train_epoch(
    x: Floats,  # (sample, input)
    labels: NDArray[np.int64],
    bounds: NDArray[np.int64],  # of the batches
    net: Net,
    weights: Weights,
    norms: Norms,
    room: Room,
    rate: float,
    weight_decay: float,
    done: int,  # steps before this epoch
) -> float:
    """Train on every batch of an epoch; return the sum of the losses of all samples."""
    total = 0.0
    for batch in range(len(bounds) - 1):
        a, b = bounds[batch], bounds[batch + 1]
        forward(x[a:b], net, weights.theta, norms, room)
        total += loss_and_gradient(x[a:b], labels[a:b], net, weights, norms, room)
        backward(x[a:b], net, weights, norms, room)
        adam_step(
            weights.theta,
            weights.grad,
            weights.m,
            weights.v,
            rate,
            weight_decay,
            done + batch + 1,
        )
    return total
