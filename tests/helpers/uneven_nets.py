"""Small nets of unequal layer steps and batches for them, for tests that compare derivatives."""

import torch
from exact_paths import random

from loadpath import LeakyResNet
from loadpath.leaky_resnet import layer_steps

N, N_IN, N_OUT = 13, 4, 3
LOSSES = ["mse", "cross-entropy"]


def uneven_net(dtype=torch.float64, **options):
    options = {"width": 6, "depth": 4, "effective_depth": 2.0, **options}
    mesh = layer_steps.irregular(options["depth"], 0.7)
    net = LeakyResNet(N_IN, N_OUT, layer_steps=mesh, dtype=dtype, **options)
    if net.bias:  # the initial biases are 0, which would hide them
        net.weights.data[:, :, -1] = random(net.depth, net.width, seed=99)
    return net


def batch(loss, *, seed=0, n=N):
    x = random(n, N_IN, seed=seed)
    if loss == "mse":
        return x, random(n, N_OUT, seed=seed + 1)
    return x, torch.randint(N_OUT, (n,), generator=torch.Generator().manual_seed(seed))
