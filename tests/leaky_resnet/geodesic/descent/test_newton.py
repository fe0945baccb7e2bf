"""Newton's method: the Hessian against autograd, and minima that are known."""

import math

import numpy as np
import pytest
import torch
from exact_paths import random
from scipy.optimize import rosen, rosen_der, rosen_hess

from loadpath import LeakyResNet
from loadpath.leaky_resnet import data_term
from loadpath.leaky_resnet.geodesic.descent.newton import Newton, hessian

DECAY = 0.1


def rounded(A, tau):
    """relu with its kink rounded off, as autograd can take it twice."""
    return torch.where(A > tau, A, (A + tau).clamp_min(0).square() / (4 * tau)) if tau else A.relu()


@pytest.mark.parametrize("step", ["euler", "exponential"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("effective_depth, tau", [(1.5, 0.3), (0.0, 0.3), (1.5, 0.0)])
def test_the_hessian_is_that_of_autograd(step, bias, effective_depth, tau):
    options = dict(effective_depth=effective_depth, bias=bias, dtype=torch.float64)
    steps = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    net = LeakyResNet(2, 3, width=4, depth=3, step=step, layer_steps=steps, **options)
    x, y = random(7, 2, seed=0), random(7, 3, seed=1)
    smoothing = [0.0, tau, 2 * tau]
    decay, gain = net.coefficients()

    def objective(w):
        A = x @ net.input_map
        weights = w.reshape(net.weights.shape)
        for l, W in enumerate(weights):
            S = rounded(A, smoothing[l])
            S = torch.cat([S, torch.ones(len(S), 1, dtype=S.dtype)], 1) if bias else S
            A = decay[l] * A + gain[l] * S @ W.T
        R = (steps * weights.square().sum((1, 2))).sum() / (2 * net.coupling)
        return data_term(A @ net.output_map, y, "mse") + DECAY * R

    exact = torch.func.jacrev(torch.func.grad(objective))(net.weights.detach().flatten())
    assert net.output_map.shape == (4, 3)
    found = hessian(net, x, y, weight_decay=DECAY, smoothing=smoothing)
    # Sums in another order.
    np.testing.assert_allclose(found, exact.numpy(), rtol=0, atol=1e-13 * float(exact.abs().max()))


def descend(function, derivative, second, start, *, metric, steps=200):
    search = Newton(
        lambda v: (float(function(v)), derivative(v)), second, np.asarray(start), metric=metric
    )
    count = 0
    while count < steps and search.iterate():
        count += 1
    return search, count


@pytest.mark.parametrize("metric", [np.ones(2), np.array([0.1, 3.0])])
def test_a_curved_valley_is_followed_to_its_minimum(metric):
    # Rosenbrock's function, from where its Hessian is indefinite.
    start = np.array([0.0, 1.0])
    assert np.linalg.eigvalsh(rosen_hess(start))[0] < -100
    search, count = descend(rosen, rosen_der, rosen_hess, start, metric=metric)
    assert search.at == pytest.approx(np.ones(2), abs=1e-8) and count < 60


def test_a_quadratic_bowl_takes_few_steps_and_then_there_is_nothing_lower():
    H = np.diag([1.0, 1e3, 1e6])
    search, count = descend(
        lambda v: v @ H @ v / 2 - v.sum(), lambda v: H @ v - 1, lambda _: H.copy(), np.zeros(3),
        metric=np.ones(3),
    )  # fmt: skip
    # The first step is off by the first shift, a thousandth; each next one by a sixth of that.
    assert count <= 5 and search.at == pytest.approx([1, 1e-3, 1e-6], rel=1e-7)
    at, value = search.at.copy(), search.value
    assert not search.iterate()
    assert (search.at == at).all() and search.value == value


def test_a_saddle_is_left_and_steps_out_of_the_domain_are_taken_back():
    # (v^2 - 1)^2 has a maximum at 0; beyond |v| = 2 it is not a number.
    def value(v):
        return float(np.square(np.square(v) - 1).sum()) if (np.abs(v) < 2).all() else math.nan

    search, _ = descend(
        value,
        lambda v: 4 * v * (np.square(v) - 1),
        lambda v: np.diag(12 * np.square(v) - 4),
        np.array([0.01, -0.6]),
        metric=np.ones(2),
    )
    assert search.at == pytest.approx([1.0, -1.0], abs=1e-7)
