r"""Steps of training the MLP of [SB], compiled by numba: forward, backward and Adam by hand.

A batch is cut into chunks of samples that stay in the cache from one matrix product to the next:
all that stands between two products, BatchNorm, LeakyReLU, Dropout and the ways back through them,
is done while a chunk is there. Only matrix products leave compiled code, for BLAS. What is kept of
a layer is its product z = W h alone, and which features were dropped; h is made from it again on
the way back.

All of it is in one file: numba's cache on disk does not see what changes in another.
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
    Rows,
    Weights,
    Words,
)

# Sums may be reordered, to fill vector registers; NaN and infinity must stay what they are.
jit: Any = numba.njit(
    nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy"
)

CHUNK = 96
"""Most samples in a chunk: OpenBLAS multiplies up to a million pairs of numbers, here of 100 by 100
weights, without copying them first, and then half as fast again."""
FEW = 64
"""Samples below which turning the weights, so that their product is fast, takes too long."""
EPSILON = 1e-5
MOMENTUM = np.float32(0.1)
"""Of PyTorch's BatchNorm."""
BETA1, BETA2, ADAM_EPSILON = 0.9, 0.999, 1e-8
"""Of PyTorch's Adam."""
LEVELS = 1 << 16
"""Dropout compares 16 random bits with its rate: exact to 1/131072, four masks for one hash."""
ZERO, ONE = np.float32(0), np.float32(1)
WEYL = np.uint64(0x9E3779B97F4A7C15)


@jit
def draw_bits(bits: Words, seed: np.uint64, first: np.uint64) -> None:
    """Words first, first + 1, ... of stream `seed`: SplitMix64, whose words need no state."""
    start = seed + first * WEYL
    for i in range(len(bits)):
        z = start + np.uint64(i + 1) * WEYL
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        bits[i] = z ^ (z >> np.uint64(31))


@jit
def take_in(Z: Floats, seen: int, moments: Doubles, work: Floats) -> None:
    """Mean and squares of `seen` samples and those of a chunk together, by Chan's formula."""
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
def settle(n: int, l: int, scale: Floats, bias: Floats, norms: Norms) -> None:
    """Statistics of a batch of n samples from their moments, which start anew."""
    moments, running = norms.moments, norms.running[l]
    for i in range(len(scale)):
        mean, variance = moments[0, i], moments[1, i] / n
        norms.center[l, i], norms.inverse[l, i] = mean, 1 / np.sqrt(variance + EPSILON)
        norms.factor[l, i] = scale[i] * norms.inverse[l, i]
        # BatchNorm takes the bias of Linear away again: only its running mean sees it.
        running[0, i] += (mean + bias[i] - running[0, i]) * MOMENTUM
        running[1, i] += (variance * n / (n - 1) - running[1, i]) * MOMENTUM
        moments[0, i] = moments[1, i] = 0


@jit
def activate(
    Z: Floats, center: Floats, factor: Floats, shift: Floats, slope: np.float32, H: Floats
) -> None:
    """BatchNorm, or the bias of Linear, and LeakyReLU of a chunk, into H."""
    for j in range(len(Z)):
        z, h = Z[j], H[j]
        for i in range(len(z)):
            y = (z[i] - center[i]) * factor[i] + shift[i]
            h[i] = y if y > ZERO else y * slope


@jit
def back_through(
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
    """The way back through `activate`, into T; sums of T, and of T times centred z."""
    for j in range(len(Z)):
        g, z, t = G[j], Z[j], T[j]
        for i in range(len(z)):
            d = z[i] - center[i]
            e = g[i] if d * factor[i] + shift[i] > ZERO else g[i] * slope
            t[i] = e
            total[i] += e
            product[i] += e * d


@jit
def back_through_norm(T: Floats, Z: Floats, l: int, n: int, norms: Norms) -> None:
    """Gradient at the output of BatchNorm of a chunk to that at its input, in place."""
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
def draw(kept: Masks, below: int, bits: Words, quarters: Quarters, random: Words) -> None:
    """Masks of a chunk: 1 but for a share `below` / LEVELS."""
    mask = kept.reshape(-1)
    words = (len(mask) + 3) // 4
    draw_bits(bits[:words], random[0], random[1])
    random[1] += np.uint64(words)
    for j in range(len(mask)):
        mask[j] = quarters[j] >= below


@jit
def drop(H: Floats, kept: Masks, below: int) -> None:
    """Dropout by masks: what is kept grows to match."""
    keep, h, mask = np.float32(LEVELS / (LEVELS - below)), H.reshape(-1), kept.reshape(-1)
    for j in range(len(h)):
        h[j] = h[j] * keep if mask[j] else ZERO


@jit
def cross_entropy(
    E: Floats, shift: Floats, shift_grad: Floats, labels: NDArray[np.int64], n: int
) -> float:
    """Sum of the losses of a chunk with logits E + shift; E becomes the gradient of the mean of n.

    Adds to the gradient of the shift.
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
def adam(theta: Floats, grad: Floats, m: Floats, v: Floats, rate: float, step: int) -> None:
    """Step number `step`, from 1, of torch.optim.Adam, with one division in place of two."""
    size = np.float32(rate / (1 - BETA1**step))
    root = np.float32(1 / np.sqrt(1 - BETA2**step))
    b1, b2 = np.float32(1 - BETA1), np.float32(BETA2)
    c2, epsilon = np.float32(1 - BETA2), np.float32(ADAM_EPSILON)
    for i in range(len(theta)):
        g = grad[i]
        m[i] += (g - m[i]) * b1
        v[i] = v[i] * b2 + c2 * (g * g)
        theta[i] -= size * m[i] / (np.sqrt(v[i]) * root + epsilon)


@jit
def matrix(flat: Any, start: int, rows: int, columns: int) -> Any:
    """Part of a flat array as a matrix."""
    return flat[start : start + rows * columns].reshape(rows, columns)


@jit
def place(net: Net, l: int) -> int:
    """Where the weights of layer l > 0 start in the parameters, and after the last's the norms."""
    first = 2 * net.inputs if net.norm else 0
    return first + (0 if l == 1 else net.width * (net.inputs + 1 + (l - 2) * (net.width + 1)))


@jit
def affine(flat: Floats, net: Net, l: int) -> tuple[Floats, Floats]:
    """Scale and shift of layer l's output, in parameters or gradients: of BatchNorm, or a bias."""
    if not net.norm:
        return flat[:0], flat[place(net, l + 1) - net.width : place(net, l + 1)]
    if l == 0:
        return flat[: net.inputs], flat[net.inputs : 2 * net.inputs]
    at = place(net, net.depth) + 2 * net.width * (l - 1)
    return flat[at : at + net.width], flat[at + net.width : at + 2 * net.width]


@jit
def features(
    l: int, a: int, b: int, x: Floats, net: Net, theta: Floats, norms: Norms, rows: Rows
) -> Floats:
    """Output of layer l for samples a to b, made from its product; that of layer 0 is x."""
    if l == 0 and not net.norm:
        return x[a:b]
    Z = x[a:b] if l == 0 else rows.Z[l - 1, a:b]
    H = matrix(rows.H, 0, b - a, Z.shape[1])
    slope = ONE if l == 0 else net.slope
    activate(Z, norms.center[l], norms.factor[l], affine(theta, net, l)[1], slope, H)
    if l > 0 and net.below > 0:
        drop(H, rows.kept[l - 1, a:b], net.below)
    return H


@jit
def gradients(
    l: int, a: int, b: int, x: Floats, net: Net, theta: Floats, norms: Norms, rows: Rows
) -> None:
    """Take the gradient G at the output of layer l back to T; only to its sums for layer 0."""
    Z = x[a:b] if l == 0 else rows.Z[l - 1, a:b]
    w = Z.shape[1]
    G = matrix(rows.G, 0, b - a, w)
    # The features of layer 0 have been used by now, and their place is free.
    T = matrix(rows.H, 0, b - a, w) if l == 0 else rows.T[a:b]
    if l > 0 and net.below > 0:
        drop(G, rows.kept[l - 1, a:b], net.below)
    slope, shift = ONE if l == 0 else net.slope, affine(theta, net, l)[1]
    total, product = norms.work[0, :w], norms.work[1, :w]
    total[:] = product[:] = ZERO
    back_through(G, Z, norms.center[l], norms.factor[l], shift, slope, T, total, product)
    for i in range(w):
        norms.sums[l % 2, 0, i] += total[i]
        norms.sums[l % 2, 1, i] += product[i] * norms.inverse[l, i]


@jit
def add_product(A: Floats, B: Floats, first: bool, part: Floats, out: Floats) -> None:
    """Put A^T B into `out` for the first chunk, and add it for others."""
    if first:
        np.dot(A.T, B, out)
        return
    whole = matrix(part, 0, out.shape[0], out.shape[1])
    np.dot(A.T, B, whole)
    out += whole


@jit
def forward(x: Floats, net: Net, theta: Floats, norms: Norms, rows: Rows) -> None:
    """Products of all layers but the logits, and the statistics of BatchNorm."""
    n, none = len(x), np.zeros(net.inputs, dtype=np.float32)
    chunks = (n + CHUNK - 1) // CHUNK
    for l in range(net.depth):
        w, fan_in = net.inputs if l == 0 else net.width, net.inputs if l < 2 else net.width
        if l > 0:
            W, turned = matrix(theta, place(net, l), w, fan_in), matrix(rows.turned, 0, fan_in, w)
            if n >= FEW:
                for i in range(fan_in):
                    for j in range(w):
                        turned[i, j] = W[j, i]
        for c in range(chunks):
            a, b = n * c // chunks, n * (c + 1) // chunks
            Z = x[a:b] if l == 0 else rows.Z[l - 1, a:b]
            if l > 0:
                H = features(l - 1, a, b, x, net, theta, norms, rows)
                if n >= FEW:
                    np.dot(H, turned, Z)
                else:
                    np.dot(H, W.T, Z)
                if net.below > 0:
                    draw(rows.kept[l - 1, a:b], net.below, rows.bits, rows.quarters, rows.random)
            if net.norm:
                take_in(Z, a, norms.moments, norms.work)
        if net.norm:
            bias = none if l == 0 else theta[place(net, l + 1) - w : place(net, l + 1)]
            settle(n, l, affine(theta, net, l)[0], bias, norms)


@jit
def turn(
    x: Floats, labels: NDArray[np.int64], net: Net, weights: Weights, norms: Norms, rows: Rows
) -> float:
    """From the last features to the loss of a batch, and back to them; the sum of the losses."""
    n, last, total = len(labels), net.depth - 1, 0.0
    # After the weights of all other layers, and the norms.
    at = place(net, net.depth) + (2 * net.width * last if net.norm else 0)
    end = at + net.classes * net.width
    W = matrix(weights.theta, at, net.classes, net.width)
    grad = matrix(weights.grad, at, net.classes, net.width)
    shift, shift_grad = weights.theta[end:], weights.grad[end:]
    shift_grad[:] = ZERO
    norms.sums[last % 2] = 0
    chunks = (n + CHUNK - 1) // CHUNK
    for c in range(chunks):
        a, b = n * c // chunks, n * (c + 1) // chunks
        H = features(last, a, b, x, net, weights.theta, norms, rows)
        E = matrix(rows.turned, 0, b - a, net.classes)
        np.dot(H, W.T, E)
        total += cross_entropy(E, shift, shift_grad, labels[a:b], n)
        add_product(E, H, c == 0, rows.part, grad)
        np.dot(E, W, matrix(rows.G, 0, b - a, net.width))
        gradients(last, a, b, x, net, weights.theta, norms, rows)
    return total


@jit
def backward(x: Floats, net: Net, weights: Weights, norms: Norms, rows: Rows) -> None:
    """Gradients of all parameters but the logits'."""
    n, theta = len(x), weights.theta
    chunks = (n + CHUNK - 1) // CHUNK
    for l in range(net.depth - 1, -1, -1):
        if l > 0 or net.norm:
            scale_grad, shift_grad = affine(weights.grad, net, l)
            linear = l == 0 or (net.slope == ONE and net.below == 0 and l < net.depth - 1)
            for i in range(len(shift_grad)):
                # The next BatchNorm takes a shift away again, if only a matrix stands between.
                shift_grad[i] = ZERO if net.norm and linear else norms.sums[l % 2, 0, i]
            for i in range(len(scale_grad)):
                scale_grad[i] = norms.sums[l % 2, 1, i]
        if l == 0:
            break
        if net.norm:
            # So it does with the bias of Linear.
            weights.grad[place(net, l + 1) - net.width : place(net, l + 1)] = ZERO
        norms.sums[(l - 1) % 2] = 0
        fan_in = net.inputs if l == 1 else net.width
        W = matrix(theta, place(net, l), net.width, fan_in)
        grad = matrix(weights.grad, place(net, l), net.width, fan_in)
        for c in range(chunks):
            a, b = n * c // chunks, n * (c + 1) // chunks
            T = rows.T[a:b]
            if net.norm:
                back_through_norm(T, rows.Z[l - 1, a:b], l, n, norms)
            H = features(l - 1, a, b, x, net, theta, norms, rows)
            add_product(T, H, c == 0, rows.part, grad)
            if l > 1 or net.norm:
                np.dot(T, W, matrix(rows.G, 0, b - a, fan_in))
                gradients(l - 1, a, b, x, net, theta, norms, rows)


@jit
def train_epoch(
    x: Floats,  # (sample, input)
    labels: NDArray[np.int64],
    bounds: NDArray[np.int64],  # of the batches
    net: Net,
    weights: Weights,
    norms: Norms,
    rows: Rows,
    rate: float,
    done: int,  # steps before this epoch
) -> float:
    """Train on every batch; the sum of the losses of all samples."""
    total = 0.0
    for batch in range(len(bounds) - 1):
        a, b = bounds[batch], bounds[batch + 1]
        forward(x[a:b], net, weights.theta, norms, rows)
        total += turn(x[a:b], labels[a:b], net, weights, norms, rows)
        backward(x[a:b], net, weights, norms, rows)
        adam(weights.theta, weights.grad, weights.m, weights.v, rate, done + batch + 1)
    return total
