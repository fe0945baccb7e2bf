"""Trainings of small nets on the digits, healthy ones and ones that collapse, for the monitor."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss, normalize

from loadpath import data
from loadpath.diagnosis.monitor.monitor import Monitor

DIGITS = data.digits()
X, Y = DIGITS.x_train.float(), DIGITS.y_train
PROBE = DIGITS.x_test[:256].float(), DIGITS.y_test[:256]


def mlp(depth=5, width=64, *, norm=False, act=nn.ReLU, out=10):
    layers = []
    for l in range(depth):
        layers += [nn.Linear(width if l else 64, width)]
        layers += [nn.BatchNorm1d(width)] * norm + [act()]
    return nn.Sequential(*layers, nn.Linear(width, out))


class Residual(nn.Module):
    """A pre-norm residual net; with `zero`, its blocks and head put out 0 at first."""

    def __init__(self, width=64, depth=6, *, zero=False):
        super().__init__()
        self.embed = nn.Linear(64, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, width)
            )
            for _ in range(depth)
        )
        self.head = nn.Linear(width, 10)
        if zero:
            for last in [block[3] for block in self.blocks] + [self.head]:
                nn.init.zeros_(last.weight)
                nn.init.zeros_(last.bias)

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


class Transformer(nn.Module):
    """A transformer whose tokens are the rows of an image."""

    def __init__(self, width=32, depth=4, *, pre_norm=True):
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.place = nn.Parameter(0.1 * torch.randn(8, width))
        layer = nn.TransformerEncoderLayer(width, 4, 64, 0.1, batch_first=True, norm_first=pre_norm)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.encoder(self.embed(x.view(-1, 8, 8)) + self.place).mean(1))


class CNN(nn.Module):
    def __init__(self, width=16, depth=5, *, norm=True):
        super().__init__()
        layers = []
        for l in range(depth):
            layers += [nn.Conv2d(width if l else 1, width, 3, padding=1)]
            layers += [nn.BatchNorm2d(width)] * norm + [nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        return self.head(self.features(x.view(-1, 1, 8, 8)).mean((2, 3)))


def adam(rate, decay=0.0):
    return lambda net: torch.optim.AdamW(net.parameters(), rate, weight_decay=decay)


def sgd(rate, decay=0.0):
    return lambda net: torch.optim.SGD(net.parameters(), rate, momentum=0.9, weight_decay=decay)


def classes(net, x, y):
    return cross_entropy(net(x), y)


def parity(net, x, y):
    return cross_entropy(net(x), y % 2)


def regression(net, x, y):
    return (net(x)[:, 0] - y.float()).square().mean()


def reconstruction(net, x, y):
    return mse_loss(net(x), x)


def two_views(net, x, y):
    """Alignment of two noisy views and nothing else, which a constant satisfies."""
    noisy = (x + 0.3 * x.std() * torch.randn_like(x) for _ in range(2))
    first, second = (normalize(net(view), dim=1) for view in noisy)
    return -(first * second).sum(1).mean()


def autoencoder():
    inner = [nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 4), nn.Linear(4, 48), nn.ReLU()]
    return nn.Sequential(*inner, nn.Linear(48, 64))


RANDOM_LABELS = torch.randint(10, Y.shape, generator=torch.Generator().manual_seed(1))
ONE_IN_SEVERAL = torch.cat([(Y == 0).nonzero()[:, 0], (Y != 0).nonzero()[:150, 0]])

# Net, loss, optimizer, steps, and data other than the digits and their classes.
HEALTHY = {
    "MLP, Adam": (mlp, classes, adam(1e-3), 1500),
    "MLP, SGD": (mlp, classes, sgd(0.02), 1000),
    "MLP with BatchNorm, long after it fits": (
        lambda: mlp(width=128, norm=True),
        classes,
        sgd(0.1, 5e-4),
        3000,
    ),
    "MLP of depth 12 without norms": (lambda: mlp(12), classes, adam(1e-3), 1500),
    "tanh MLP of depth 8": (lambda: mlp(8, act=nn.Tanh), classes, adam(1e-3), 1000),
    "sigmoid MLP": (lambda: mlp(3, act=nn.Sigmoid), classes, adam(3e-3), 1500),
    "residual": (Residual, classes, adam(1e-3, 0.01), 1000),
    "residual, zero at first": (lambda: Residual(zero=True), classes, adam(3e-3, 0.01), 1000),
    "transformer": (Transformer, classes, adam(1e-3, 0.01), 800),
    "post-norm transformer": (lambda: Transformer(pre_norm=False), classes, adam(1e-3, 0.01), 800),
    "CNN with BatchNorm": (CNN, classes, adam(3e-3), 400),
    "CNN": (lambda: CNN(norm=False), classes, adam(3e-3), 500),
    "odd or even": (lambda: mlp(out=2), parity, adam(1e-3), 1500),
    "regression of the digit": (lambda: mlp(out=1), regression, adam(1e-3), 1500),
    "autoencoder of 4 dimensions": (autoencoder, reconstruction, adam(2e-3), 1500),
    "random labels, learnt by heart": (
        lambda: mlp(width=128),
        classes,
        adam(1e-3),
        2500,
        X,
        RANDOM_LABELS,
    ),
    "half of the samples of one class": (
        mlp,
        classes,
        adam(1e-3),
        1000,
        X[ONE_IN_SEVERAL],
        Y[ONE_IN_SEVERAL],
    ),
}
COLLAPSING = {
    "MLP, SGD at 50 times the rate": (mlp, classes, sgd(1.0), 300),
    "MLP, Adam at 100 times the rate": (mlp, classes, adam(0.1), 400),
    "MLP, weight decay of 0.05": (mlp, classes, sgd(0.1, 0.05), 800),
    "two views and no more": (lambda: mlp(out=32), two_views, sgd(0.3, 1e-4), 1500),
    "residual, Adam at 300 times the rate": (Residual, classes, adam(0.3), 300),
    "CNN, SGD at 50 times the rate": (lambda: CNN(norm=False), classes, sgd(1.0), 200),
}


# BatchNorm keeps features apart: most dimensions are lost, and the classes are no worse off.
UNTOLD = {
    "two views, BatchNorm within": (
        lambda: mlp(norm=True, out=32),
        two_views,
        sgd(0.5, 1e-4),
        1500,
    ),
}


def run(training, *, seed, every=25, steps=None, **options):
    """Run one of the trainings above with a monitor without a budget, and return the monitor."""
    net, loss_of, optimizer_of, all_steps, *own = training
    x, y = own or (X, Y)
    x_probe, y_probe = PROBE
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = net()
        optimizer = optimizer_of(net)
        labels = y_probe % 2 if loss_of is parity else y_probe
        monitor = Monitor(net, (x_probe, labels), every=every, budget=None, **options)
        for _ in range(steps or all_steps):
            chosen = torch.randint(len(x), (64,))
            loss = loss_of(net, x[chosen], y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.step(loss)
    return monitor
