"""Nets whose kind is known by construction: an ODE, a random walk, an ensemble of learners."""

import math

import torch
from torch import nn

KINDS = ("ODE", "random walk", "ensemble")


class Block(nn.Module):
    """x + scale * W_out phi(W_in x + b), where reading and writing may be masked."""

    def __init__(self, inner, bias, outer, scale, phi):
        super().__init__()
        self.inner, self.outer = nn.Parameter(inner), nn.Parameter(outer)
        self.bias, self.scale, self.phi = nn.Parameter(bias), scale, phi

    def forward(self, x):
        return x + self.scale * self.phi(x @ self.inner.T + self.bias) @ self.outer.T


def draw(kind, seed):
    """A net of a kind, of random depth, width, size and nonlinearity, and inputs for it."""
    g = torch.Generator().manual_seed(seed)

    def between(low, high):
        return low + (high - low) * float(torch.rand((), generator=g))

    depth, width = int(between(12, 41)), int(between(16, 41))
    hidden = 2 * width
    phi = torch.tanh if between(0, 1) < 0.5 else torch.relu
    size = between(0.7, 1.5)

    def weights():
        inner = torch.randn(hidden, width, generator=g, dtype=torch.float64) / math.sqrt(width)
        outer = torch.randn(width, hidden, generator=g, dtype=torch.float64) / math.sqrt(hidden)
        return inner, 0.3 * torch.randn(hidden, generator=g, dtype=torch.float64), outer

    x = torch.randn(40, width, generator=g, dtype=torch.float64)
    if kind == "ODE":  # weights are smooth functions of p, by a few modes
        modes = [weights() for _ in range(3)]

        def at(p):
            parts = (1.0, math.cos(math.pi * p), math.sin(math.pi * p))
            sums = [sum(c * m[i] for c, m in zip(parts, modes, strict=True)) for i in range(3)]
            return [each / math.sqrt(2) for each in sums]

        made = [(*at((l + 0.5) / depth), size / depth) for l in range(depth)]
    elif kind == "random walk":
        made = [(*weights(), size / math.sqrt(depth)) for _ in range(depth)]
    else:  # learners read one half of the stream, and hardly the other, which they write to
        half = width // 2
        leak, made = between(0.0, 0.15), []
        for _ in range(depth):
            inner, bias, outer = weights()
            inner[:, half:] *= leak
            outer[:half] = 0
            made.append((inner, bias, outer, size / math.sqrt(depth)))
    return nn.Sequential(*(Block(i, b, o, s, phi) for i, b, o, s in made)), x
