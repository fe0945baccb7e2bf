"""Which modules are nets with a path, found out without running any code of theirs."""

import pytest
import torch
from exact_paths import random
from torch import nn

from loadpath import LeakyResNet
from loadpath.record import find_blocks, is_path_net, select, stream


class Foreign(nn.Module):
    """A net of somebody else's: recurrent weights, uneven steps, values kept where it likes."""

    effective_depth = 0.5

    def __init__(self, width=3, depth=4):
        super().__init__()
        self.depth, self.activation, self.bias = depth, "tanh", False
        self.weight = nn.Parameter(0.5 * torch.eye(width))
        steps = torch.arange(1.0, depth + 1)
        self.register_buffer("p", torch.cat([torch.zeros(1), (steps / steps.sum()).cumsum(0)]))

    def coefficients(self):
        steps = self.p.diff()
        return 1 - self.effective_depth * steps, steps

    def path(self, x):
        representations = [x]
        for decay, gain in zip(*self.coefficients(), strict=True):
            x = decay * x + gain * torch.tanh(x) @ self.weight.T
            representations.append(x)
        return representations

    def forward(self, x):
        return self.path(x)[-1]


def test_a_foreign_net_is_recorded_node_by_node():
    net, x = Foreign().double(), random(6, 3, seed=0)
    assert is_path_net(net) and is_path_net(LeakyResNet(2, 2, depth=2, effective_depth=1.0))
    recorded = list(stream(net, [x[:4], x[4:]]))
    assert list(recorded[0].features) == ["input", *(f"path.{node}" for node in range(5))]
    for node, expected in enumerate(net.path(x)):
        rows = torch.cat([each.features[f"path.{node}"] for each in recorded])
        assert torch.equal(rows, expected.detach())
    words = recorded[0].description.layers["path.2"]
    assert words.startswith("representation A_2 of the Foreign")
    assert "path" not in vars(net)


def test_a_foreign_net_inside_a_model_has_its_nodes():
    model = nn.Sequential(nn.Linear(2, 3), Foreign(depth=2), nn.Linear(3, 2)).double()
    assert [site.name for site in select(model, "1.path.*")[0]] == [
        "1.path.0",
        "1.path.1",
        "1.path.2",
    ]
    sites, _ = find_blocks(model, lambda: model(random(4, 2, seed=1)), count=4)
    assert [site.name for site in sites] == ["0", "1.path.0", "1.path.1", "1.path.2", "2"]


class Weighted(Foreign):
    """Its bias is a parameter, no switch."""

    def __init__(self):
        super().__init__()
        del self.bias
        self.bias = nn.Parameter(torch.zeros(3))


class Routed(Foreign):
    """Its path is a list of modules."""

    path = None

    def __init__(self):
        super().__init__()
        self.path = nn.ModuleList([nn.Linear(3, 3)])


class Cube(Foreign):
    """Its depth is a method."""

    __init__ = nn.Module.__init__
    activation, bias, p = "tanh", False, torch.zeros(3)

    def depth(self):
        raise AssertionError("never called")


class Named(Foreign):
    """Its activation is a module."""

    def __init__(self):
        super().__init__()
        del self.activation
        self.activation = nn.ReLU()


class Other(Foreign):
    """Its activation is none that Loadpath knows."""

    def __init__(self):
        super().__init__()
        self.activation = "swish"


class Halfway(nn.Module):
    """Has the depth and the path of a net, and no more."""

    depth = 2

    def path(self, x):
        raise AssertionError("never called")

    def forward(self, x):
        return x


class Touchy(nn.Module):
    """Every attribute that a path net has raises when it is asked for, as on a model not fitted."""

    def __init__(self):
        super().__init__()
        self.part = nn.Linear(3, 3)

    def _unfitted(self):
        raise RuntimeError("call fit first")

    depth = effective_depth = activation = bias = p = path = coefficients = property(_unfitted)

    def forward(self, x):
        return self.part(x)


@pytest.mark.parametrize(
    "model",
    [Weighted(), Routed(), Cube(), Named(), Other(), Halfway(), Touchy(), nn.Linear(3, 3)],
    ids=lambda model: type(model).__name__,
)
def test_a_module_with_some_of_the_attributes_is_no_path_net(model):
    assert not is_path_net(model)
    assert all(site.node is None for site in select(nn.Sequential(model), "**")[0])


@pytest.mark.parametrize("thing", [None, Foreign, "path", lambda x: x])
def test_only_modules_are_path_nets(thing):
    assert not is_path_net(thing)


def test_a_touchy_model_is_recorded_like_any_other():
    model = nn.Sequential(Touchy(), nn.ReLU()).double()
    (recorded,) = stream(model, [random(4, 3, seed=3)])
    assert list(recorded.features) == ["input", "0.part", "1"]


class Lazy(Foreign):
    """Its values are computed when they are asked for."""

    __init__ = nn.Module.__init__
    asked = 0

    def _count(self):
        type(self).asked += 1
        return 3

    depth = effective_depth = activation = bias = p = property(_count)


def test_nothing_of_the_module_is_run_to_find_out():
    assert is_path_net(Lazy()) and Lazy.asked == 0
