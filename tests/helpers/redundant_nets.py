"""Nets in which it is known which layers can go, for tests of surgery."""

import torch
from torch import nn


class Residual(nn.Module):
    """h + outer(tanh(inner(h)))."""

    def __init__(self, width, scale=1.0):
        super().__init__()
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)
        with torch.no_grad():
            self.outer.weight.mul_(scale)
            self.outer.bias.mul_(scale)

    def forward(self, h):
        return h + self.outer(torch.tanh(self.inner(h)))


class Turn(nn.Module):
    """h W^T with a matrix that may be another's inverse."""

    def __init__(self, weight):
        super().__init__()
        self.map = nn.Linear(*weight.shape, bias=False)
        self.map.weight = nn.Parameter(weight.clone())

    def forward(self, h):
        return self.map(h)


class Listed(nn.Module):
    """Blocks in a ModuleList, run one after another."""

    def __init__(self, blocks, classes=3, width=6):
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Linear(width, classes)
        with torch.no_grad():
            self.head.weight.mul_(8.0)  # it is sure of most labels

    def forward(self, h):
        for block in self.blocks:
            h = block(h)
        return self.head(h)


def built(make, seed=0):
    """A net in float64 from random numbers of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().double().eval()


def rows(count, width=6, seed=0):
    return torch.randn(
        count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )


def labelled(model, x, *, size=10, seed=0):
    """Batches whose labels are drawn from what the model says, so that no other model is better."""
    with torch.no_grad():
        shares = model(x).softmax(1)
    labels = torch.multinomial(shares, 1, generator=torch.Generator().manual_seed(seed))[:, 0]
    return list(zip(x.split(size), labels.split(size), strict=True))


def residual_net(scales=(1.0, 0.0, 1.0, 1.0, 1.0), seed=0, width=6):
    """Residual blocks, of which those of scale 0 are the identity."""
    return built(lambda: Listed([Residual(width, s) for s in scales], width=width), seed)


def cancelling_net(seed=0, width=6):
    """Residual blocks, and two neighbours that undo each other: a matrix and its inverse."""
    turn = 4.0 * torch.linalg.qr(rows(width, width, 7)).Q
    inverse = torch.linalg.inv(turn)

    def make():
        blocks = [Residual(width) for _ in range(5)]
        return Listed([*blocks[:2], Turn(turn), Turn(inverse), *blocks[2:]], width=width)

    return built(make, seed)


def linear_inside_net(seed=0, width=6):
    """Residual blocks, and two neighbours that one linear map can replace, but not the identity."""
    maps = [torch.linalg.qr(rows(width, width, s)).Q for s in (3, 4)]

    def make():
        blocks = [Residual(width) for _ in range(4)]
        return Listed([*blocks[:2], *map(Turn, maps), *blocks[2:]], width=width)

    return built(make, seed)
