"""Opponents of the geodesic solver against known answers: quadratics, dense updates, a linear
geodesic."""

import numpy as np
import opponents
import pytest
import torch
from gauss_newton import gauss_newton
from opponents import SelfScaledBroyden, Task, adam, first_order, race, self_scaled, soap, warmed
from scipy.optimize import minimize_scalar

from loadpath import LeakyResNet
from loadpath.threads import torch_threads

DEPTH, LEAK, DECAY = 6, 2.0, 0.02


def quadratic(n=12, seed=0):
    """A, its minimizer, and the function v -> (v - m) A (v - m) / 2 with its gradient."""
    draw = np.random.default_rng(seed)
    Q = np.linalg.qr(draw.normal(size=(n, n)))[0]
    A = Q @ np.diag(np.geomspace(0.1, 100, n)) @ Q.T
    m = draw.normal(size=n)
    return A, m, lambda v: (float((v - m) @ A @ (v - m)) / 2, A @ (v - m))


@pytest.mark.parametrize("broyden", [True, False])
def test_self_scaled_updates_end_at_the_minimum_of_a_quadratic(broyden):
    _, m, function = quadratic()
    search = SelfScaledBroyden(function, np.zeros(12), memory=200, broyden=broyden)
    for _ in range(100):
        if not search.iterate():
            break
    # Its value is that of rounding errors in v: 1e-16 squared, times curvatures up to 100.
    assert np.abs(search.at - m).max() < 1e-6 and search.updates < 100


@pytest.mark.parametrize("broyden", [True, False])
def test_updates_obey_the_secant_equation_and_those_of_a_dense_matrix(broyden):
    _, _, function = quadratic(seed=3)
    search = SelfScaledBroyden(function, np.ones(12), memory=50, broyden=broyden)
    H = np.eye(12)
    for k in range(15):
        v, g = search.at.copy(), search.gradient.copy()
        assert search.iterate()
        s, y = search.at - v, search.gradient - g
        Hy, ys = H @ y, y @ s
        yHy, b = y @ Hy, s @ np.linalg.solve(H, s) / ys
        tau, phi = opponents._choices(b, yHy / ys, 12, k == 0)
        if not broyden:
            tau, phi = yHy / ys if k == 0 else min(1.0, 1 / b), 1.0
        u = s / ys - Hy / yHy
        H = (H - np.outer(Hy, Hy) / yHy + phi * yHy * np.outer(u, u)) / tau + np.outer(s, s) / ys
        held = np.stack([search.times(e) for e in np.eye(12)])
        # Rounding grows with the condition of H, 1e3, over the updates.
        np.testing.assert_allclose(held, H, rtol=1e-6, atol=1e-8 * np.abs(H).max())
        np.testing.assert_allclose(search.times(y), s, rtol=1e-8, atol=1e-10)


def test_a_full_memory_is_begun_anew_and_the_minimum_still_found():
    _, m, function = quadratic()
    search = SelfScaledBroyden(function, np.zeros(12), memory=6)
    for _ in range(300):
        if not search.iterate():
            break
    assert np.abs(search.at - m).max() < 1e-4 and search.updates <= 6


def linear_geodesic():
    """A task whose least objective is known, and that objective.

    Targets commute with what the maps see, so that the best weights are diagonal in their basis and
    the same in every layer: one number a direction, found apart.
    """
    net = LeakyResNet(
        2, 2, width=2, depth=DEPTH, effective_depth=LEAK, activation="identity", bias=False,
        dtype=torch.float64, seed=1,
    )  # fmt: skip
    with torch.no_grad():  # paths that turn the plane end in minima of their own
        net.weights.mul_(0.1).add_(torch.eye(2))
    ends = torch.tensor([1.5, 0.6], dtype=torch.float64)
    x = torch.eye(2, dtype=torch.float64)
    y = x @ net.input_map @ torch.diag(ends) @ net.output_map
    size = float(net.input_map.norm() * net.output_map.norm()) / 2  # both are orthogonal, scaled

    def cost(w, end):
        grown = (1 - LEAK / DEPTH + w / DEPTH) ** DEPTH
        return (size * (grown - end)) ** 2 / 2 + DECAY * w**2 / (2 * LEAK)

    least = sum(
        minimize_scalar(cost, bracket=(1.0, 3.0), args=(float(end),), tol=1e-12).fun for end in ends
    )
    return Task(net, x, y, DECAY), least


# How to make it, its most iterations, and how far from the least objective it may then be: those
# without curvature, or without that between layers, are still on their way.
METHODS = {
    "ssbroyden": (lambda: self_scaled(100), 100, 1e-4),
    "ssbfgs": (lambda: self_scaled(100, broyden=False), 100, 1e-4),
    "gauss-newton": (lambda: gauss_newton(30, layerwise=False), 30, 1e-4),
    "layerwise": (lambda: gauss_newton(30, layerwise=True), 100, 1e-2),
    "adam, then ssbroyden": (lambda: warmed(self_scaled(100), rate=0.02, steps=50), 100, 1e-4),
    "adam": (lambda: adam(0.05, 300), 301, 5e-2),
    "soap": (lambda: soap(0.05, 300), 301, 5e-2),
}


@pytest.mark.parametrize("name", METHODS)
def test_opponents_end_at_the_linear_geodesic(name):
    make, most, within = METHODS[name]
    if name == "soap":
        pytest.importorskip("pytorch_optimizer")  # installed only for the benchmark
    task, least = linear_geodesic()
    with torch_threads(1):
        race(task, limited(make(), most), seconds=20.0, target=least * (1 + 1e-6))
    assert least * (1 - 1e-9) < min(task.objectives) < least * (1 + within)


def limited(method, most):
    """The method, ended after so many iterations."""

    def iterate(task):
        for _, objective in zip(range(most), method(task), strict=False):
            yield objective

    return iterate


def test_the_record_says_when_an_objective_was_reached():
    task, _ = linear_geodesic()
    task.seconds, task.objectives = [1.0, 2.0, 3.0], [5.0, 3.0, 4.0]
    assert task.reached(4.5) == 2.0 and task.reached(1.0) == float("inf")
    assert task.lowest(2.5) == 3.0 and task.lowest(1.5) == 5.0


def test_first_order_methods_take_the_steps_of_torch():
    task, _ = linear_geodesic()
    other, _ = linear_geodesic()
    method = first_order(lambda p: torch.optim.SGD(p, lr=1.0), rate=0.1, steps=4)
    list(method(task))
    for i in range(4):
        other.evaluate()
        with torch.no_grad():
            other.model.weights -= 0.1 * (1 + np.cos(np.pi * i / 4)) / 2 * other.model.weights.grad
    torch.testing.assert_close(task.model.weights, other.model.weights)
