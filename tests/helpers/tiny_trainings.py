"""Small trainings of a second or two, which may be interrupted."""

import math

import torch
from exact_paths import random

from loadpath import LeakyResNet
from loadpath.data import Data
from loadpath.leaky_resnet import mechanics, momenta
from loadpath.leaky_resnet.layer_steps import Adaptive
from loadpath.leaky_resnet.training import LBFGS, SGD, Adam

SEED = 7


def regression(n=24):
    """A smooth function of two inputs."""
    x, x_test = random(n, 2, seed=SEED), random(10, 2, seed=SEED + 1)
    y, y_test = (torch.stack([t.sin().sum(1), t.prod(1)], 1) for t in (x, x_test))
    return Data(x, y, x_test, y_test, "regression", {"source": "a test"})


def classes(n=30):
    """Three classes, the sectors of a plane."""
    x, x_test = random(n, 2, seed=SEED), random(30, 2, seed=SEED + 1)
    y, y_test = ((torch.atan2(*t.T) + math.pi).div(2 * math.pi / 3).long() for t in (x, x_test))
    return Data(x, y.clamp(0, 2), x_test, y_test.clamp(0, 2), "classification", {})


def net(data, **options):
    options = {"width": 6, "depth": 4, "effective_depth": 1.0, "dtype": torch.float64, **options}
    return LeakyResNet(data.in_features, data.out_features, seed=SEED, **options)


RUN = {
    "weight_decay": 0.05,
    "stages": [Adam(60, 0.01), LBFGS(40, chunk=5), SGD(20, 0.001)],
    "batch_size": 10,
    "record_every": 7,
    "tolerance": 1e-12,
    "seed": 3,
}
KILLED = {**RUN, "stages": [Adam(200, 0.01), LBFGS(300, chunk=3), SGD(50, 0.001)]}


def meshed_net(data):
    model = net(data, depth=5, effective_depth=2.0, output_map="learned")
    return model, Adaptive(model, every=9)


def assert_same_run(run, other):
    """Weights, mesh and history equal bit for bit, but for the time they took."""
    assert run.status == other.status
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name
    assert run.history.drop_vars("seconds").equals(other.history.drop_vars("seconds"))


def residuals(model, data, weight_decay, loss):
    """Stationarity of every layer, from autograd's momenta and `mechanics`."""
    y = data.y_train
    path, B = momenta(model, data.x_train, y, weight_decay=weight_decay, loss=loss)
    _, gain = model.coefficients()
    return [
        float(
            mechanics.stationarity(
                model.weights[l].detach(),
                path[l],
                B[l + 1],
                effective_depth=model.effective_depth,
                gain_ratio=float(gain[l] / model.layer_steps[l]),
                activation=model.activation,
            )
        )
        for l in range(model.depth)
    ]
