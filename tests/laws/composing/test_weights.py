"""Roughness of weights that are equal, smooth, independent, or of other shapes."""

import math

import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath.laws.composing.weights import roughness
from loadpath.record import select


def of(*modules):
    net = nn.Sequential(*modules)
    return roughness(net, select(net, "*")[0])


def test_equal_weights_are_not_apart_and_opposite_ones_as_far_as_can_be():
    a, b, c = (nn.Linear(3, 3) for _ in range(3))
    b.load_state_dict(a.state_dict())
    c.weight.data = -a.weight.data
    assert of(a, b, c) == pytest.approx([0.0, math.sqrt(2)])


def test_independent_weights_are_one_apart():
    torch.manual_seed(0)
    # Of 200 x 200 numbers: a deviation of about 1 / 200.
    assert of(nn.Linear(200, 200), nn.Linear(200, 200)) == pytest.approx([1.0], abs=0.02)


def test_other_shapes_and_no_weights_cannot_be_compared():
    assert all(map(math.isnan, of(nn.Linear(3, 3), nn.Linear(3, 4), nn.ReLU(), nn.ReLU())))


def test_steps_of_a_leaky_resnet_are_its_blocks():
    net = lp.LeakyResNet(4, 2, width=3, depth=4, effective_depth=1.0)
    with torch.no_grad():
        net.weights[1] = net.weights[0]
    found = roughness(net, [])
    assert len(found) == 3 and found[0] == 0.0 and found[1] > 0.3
