"""Predicted harms against what they are where the loss is a quadratic function of the steps."""

import numpy as np
import torch
from redundant_nets import built, residual_net, rows
from torch import nn

from loadpath.diagnosis.surgery.search import Calling, Candidates, Harm, predict, subject_of
from loadpath.diagnosis.surgery.search.prediction import Prediction

X = rows(400)


class Linear(nn.Module):
    """Linear residual blocks, of whose output the squared error is taken."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))

    def forward(self, h):
        for block in self.blocks:
            h = h + 0.3 * block(h)
        return h


class Step(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, h):
        return h + 0.3 * self.inner(h)


def linear_net():
    return built(lambda: nn.Sequential(*(Step(nn.Linear(6, 6)) for _ in range(4))))


def squared_change(model, gone, y):
    h = X
    for l, block in enumerate(model):
        h = h if l in gone else block(h)
    return (h - y).square().mean(1) - (model(X) - y).square().mean(1)


@torch.no_grad()
def test_of_a_linear_net_and_a_squared_loss_the_prediction_is_exact_for_one_layer():
    model = linear_net()
    y = rows(400, seed=1)
    subject = subject_of(model, list(zip(X.split(100), y.split(100), strict=True)), Calling())
    pieces = [(l,) for l in range(4)]
    found = predict(subject, Harm(subject), range(4), 0, pieces)
    delta = []
    h = X
    for l, block in enumerate(model):
        before, h = h, block(h)
        moved = before - h
        for later in model[l + 1 :]:
            moved = moved + 0.3 * moved @ later.inner.weight.T
        delta.append(moved)
    slope = [float((2 * (h - y) * d).mean(1).mean()) for d in delta]
    np.testing.assert_allclose(found.slope, slope, rtol=1e-10)
    curvature = [[float(2 * (a * b).mean(1).mean()) for a in delta] for b in delta]
    # Two draws for each of 400 samples: products of normals have errors of about sqrt(2 / 800).
    np.testing.assert_allclose(found.curvature, curvature, atol=0.2 * np.max(curvature))
    exact = [float(squared_change(model, (l,), y).mean()) for l in range(4)]
    np.testing.assert_allclose(np.diagonal(curvature) / 2 + slope, exact, rtol=1e-10)


@torch.no_grad()
def test_of_the_cross_entropy_the_curvature_is_that_of_the_softmax():
    model = residual_net((0.1, 0.1, 0.1))
    shares = model(X).softmax(1)
    y = torch.multinomial(shares, 1, generator=torch.Generator().manual_seed(0))[:, 0]
    subject = subject_of(model, list(zip(X.split(50), y.split(50), strict=True)), Calling())
    found = predict(subject, Harm(subject), range(8), 0, [(0,), (1,), (2,)])
    # The last block is read by the head alone, so that its Jacobian is known.
    h = model.blocks[1](model.blocks[0](X))
    d = (h - model.blocks[2](h)) @ model.head.weight.T
    curvature = (shares * d.square()).sum(1) - (shares * d).sum(1).square()
    assert abs(found.curvature[2, 2] - float(curvature.mean())) < 0.2 * float(curvature.mean())
    slope = (shares * d).sum(1) - d[range(400), y]
    np.testing.assert_allclose(found.slope[2], float(slope.mean()), rtol=1e-10)


def test_sets_are_ranked_by_slope_curvature_and_what_was_measured():
    slope = np.array([0.1, 0.2, 0.3, 0.4])
    curvature = np.zeros((4, 4))
    curvature[0, 1] = curvature[1, 0] = 1.0
    pieces = tuple((l,) for l in range(4))
    found = Candidates(Prediction(pieces, slope, curvature), [None, 0, 1, 2])
    np.testing.assert_allclose(found.harms([(0,), (0, 1), (2, 3)]), [0.1, 1.3, 0.7])
    assert found.best(2, 2) == [(0, 2), (0, 3)] and found.best(1, 1) == [(0,)]
    assert found.runs(2)[0] == (1, 2) and found.neighbours((2, 3))[0] == (0, 2)
    found.correct({(0, 2): 5.0, (0, 3): 5.0, (1, 2): 0.5})
    assert found.best(2, 1) == [(1, 2)]


def test_of_many_sets_those_that_exchanges_come_by_are_ranked():
    generator = np.random.default_rng(0)
    slope = generator.uniform(size=30)
    factor = 0.1 * generator.normal(size=(30, 30))
    pieces = tuple((l,) for l in range(30))
    found = Candidates(Prediction(pieces, slope, factor @ factor.T), [None, *range(29)])
    best = found.best(8, 1)[0]
    near = found.neighbours(best)
    assert float(found.harms([best])[0]) <= float(found.harms(near).min())
