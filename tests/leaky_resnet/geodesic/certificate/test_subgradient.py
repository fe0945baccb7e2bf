"""The least-norm subgradient: against closed forms, an exact solver, and minimizers on kinks."""

import numpy as np
import pytest
import scipy.optimize
import torch
from exact_paths import random, square_net, target_with_momenta

from loadpath import LeakyResNet
from loadpath.leaky_resnet import data_term, mechanics, momenta
from loadpath.leaky_resnet.geodesic.certificate.kinks import KinkField
from loadpath.leaky_resnet.geodesic.certificate.subgradient import by_width, least_norm

DECAY = 0.1


def pinned_net():
    """A minimizer of width 1 with one activation exactly 0, in closed form: (net, x, y).

    L~ = 0 and two equal steps, so A_1 = x + (W_1 x + b_1) / 2 = (0, 2) at x = (1, 2). Stationarity,
    W_l = B_l^T S_{l-1}, holds for B_2 = (-6.25, 2) and the derivative s = 0.3 at the kink, where
    B_1 = (-6.25 (1 + 2 s), 2 + 4) = (-10, 6). With s = 0 both entries of W_1 = (2, -4) are off by
    3.75, with s = 1 by 8.75.
    """
    net = square_net(1, 2, effective_depth=0.0)
    net.weights.data[:] = torch.tensor([[[2.0, -4.0]], [[4.0, -4.25]]])
    x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    with torch.no_grad():
        path = net.path(x)
    assert path[1].flatten().tolist() == [0.0, 2.0]
    B = torch.tensor([[-6.25], [2.0]], dtype=torch.float64)
    return net, x, target_with_momenta(path[2], B, weight_decay=DECAY)


def objective(net, x, y, weights):
    outputs = torch.func.functional_call(net, {"weights": weights}, (x,))
    R = (net.layer_steps * weights.square().sum((1, 2))).sum() / (2 * net.coupling)
    return data_term(outputs, y, "mse") + DECAY * R


@pytest.mark.parametrize("side, off", [(-1e-7, 3.75), (0.0, 3.75), (1e-7, 8.75)])
def test_a_pinned_activation_in_closed_form(side, off):
    net, x, y = pinned_net()
    net.weights.data[0, 0, 1] += side
    found = least_norm(net, x, y, weight_decay=DECAY, kink_width=1e-6)
    # Relative to ||(2, -4)||; moving by 1e-7 changes it by as much.
    assert float(found.gradient_residual[0]) == pytest.approx(off * np.sqrt(2 / 20), rel=1e-5)
    # The solver's ftol leaves about 1e-5 of what it started from.
    assert float(found.residual.max()) < 1e-4
    assert found.on_kink.tolist() == [0, 1] and found.between.tolist() == [0, 1]
    assert found.indices[1].tolist() == [0]
    assert float(found.slopes[1]) == pytest.approx(0.3, abs=1e-4)


def test_the_closed_form_is_a_minimum():
    net, x, y = pinned_net()
    W = net.weights.detach()
    best = float(objective(net, x, y, W))
    for seed in range(300):
        # Small enough for the kink's slope of order 1 to win over curvature, if there is a slope.
        move = 1e-4 * random(*W.shape, seed=seed)
        assert float(objective(net, x, y, W + move)) > best


def test_a_point_beside_the_minimum_is_not_excused():
    net, x, y = pinned_net()
    net.weights.data[1, 0, 0] += 0.4
    found = by_width(net, x, y, weight_decay=DECAY, widths=(1e-6, 1e-3, 1e-2))
    assert min(float(one.residual.max()) for one in found) > 0.05


def random_problem(seed, *, depth=4, width=5, n=30, loss="mse", **options):
    options = {"effective_depth": 1.5, "dtype": torch.float64, **options}
    net = LeakyResNet(3, 2, width=width, depth=depth, seed=seed, **options)
    generator = torch.Generator().manual_seed(seed)
    net.weights.data += 0.3 * torch.randn(net.weights.shape, generator=generator)
    y = random(n, 2, seed=seed + 1)
    return net, random(n, 3, seed=seed), y if loss == "mse" else (y[:, 0] > 0).long()


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "softplus", "identity"])
@pytest.mark.parametrize("step, bias", [("euler", True), ("exponential", False)])
@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_the_gradient_is_that_of_autograd(activation, step, bias, loss, monkeypatch):
    # Blocks of 7 do not divide 30 samples.
    monkeypatch.setattr("loadpath.leaky_resnet.geodesic.certificate.kinks.BLOCK", 7)
    net, x, y = random_problem(0, activation=activation, step=step, bias=bias, loss=loss)
    found = least_norm(net, x, y, weight_decay=DECAY, loss=loss, iterations=0)
    ds = mechanics.profile(net, x, y, weight_decay=DECAY, loss=loss)
    # Sums in another order.
    assert found.gradient_residual.numpy() == pytest.approx(ds.stationarity.values, rel=1e-10)
    assert torch.allclose(found.residual, found.gradient_residual, rtol=1e-10)
    leak, r = net.effective_depth, net.coefficients()[1] / net.layer_steps  # of the momenta r B
    H = leak * (r**2 * found.BtS.square().sum((1, 2)) / 2 - r * found.BtA)
    assert H.numpy() == pytest.approx(ds.hamiltonian.values, rel=1e-10)
    ends = leak * (r**2 * found.BtS_end.square().sum((1, 2)) / 2 - r * found.BtA_end)
    assert ((H + ends) / 2).numpy() == pytest.approx(ds.symmetric_hamiltonian.values, rel=1e-10)


@pytest.mark.parametrize("activation", ["tanh", "softplus", "identity"])
def test_without_kinks_there_is_nothing_to_choose(activation):
    net, x, y = random_problem(1, activation=activation)
    found = least_norm(net, x, y, weight_decay=DECAY, kink_width=1.0)
    assert torch.allclose(found.residual, found.gradient_residual, rtol=1e-12)
    assert int(found.on_kink.sum()) == 0 and found.iterations == 0


@pytest.mark.parametrize("activation, seed", [("relu", 0), ("leaky_relu", 1)])
@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_the_derivative_by_the_slopes(activation, seed, step, monkeypatch):
    monkeypatch.setattr("loadpath.leaky_resnet.geodesic.certificate.kinks.BLOCK", 7)
    net, x, y = random_problem(seed, activation=activation, step=step)
    field = KinkField(net, x, y, weight_decay=DECAY, loss="mse", widest=0.5)
    s = np.random.default_rng(seed).uniform(0.1, 1, len(field.plain))
    gradient = field.evaluate(s)[1]
    move = np.random.default_rng(seed + 10).standard_normal(len(s))
    h = 1e-5
    slope = (field.evaluate(s + h * move)[0] - field.evaluate(s - h * move)[0]) / (2 * h)
    # The value is a polynomial of degree 2 (L - 1) in s: h^2 and rounding / h are both 1e-10.
    assert float(gradient @ move) == pytest.approx(slope, rel=1e-7)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_kinks_of_one_layer_against_an_exact_solver(activation, seed):
    # With two layers only A_1 has kinks that count, and B_1 is linear in s: a convex box least
    # squares, which scipy's lsq_linear solves exactly.
    net, x, y = random_problem(seed, depth=2, activation=activation)
    width = 0.3
    field = KinkField(net, x, y, weight_decay=DECAY, loss="mse", widest=width)
    free = np.flatnonzero(field.layers == 1)
    low = 0.0 if activation == "relu" else 0.1

    def misfit(s):
        full = field.plain.copy()
        full[free] = s
        return field.misfit(field.products(full))[0].ravel()

    origin = misfit(np.zeros(len(free)))
    J = np.stack([misfit(e) - origin for e in np.eye(len(free))], axis=1)
    exact = scipy.optimize.lsq_linear(J, -origin, bounds=(low, 1.0), method="bvls", tol=1e-14)
    assert len(free) > 5
    found = least_norm(net, x, y, weight_decay=DECAY, kink_width=width, iterations=2000)
    # Flat directions (more unknowns than 30 weights) make the end slow: 0.1 % of the start.
    least = np.sqrt(2 * exact.cost)
    start = float(found.gradient_residual[0])
    assert float(found.residual[0]) == pytest.approx(least, abs=1e-3 * start)
    assert float(found.residual[0]) >= least - 1e-9


def minimize_to_the_kinks(seed):
    """A minimizer of a small relu net: the limit of smoothed ones, by Newton's method."""
    net, x, y = random_problem(seed, depth=3, width=3, n=12)
    W = net.weights.detach().flatten()
    for tau in 10.0 ** -np.arange(0.0, 8.5):

        def value(w, tau=tau):
            A = x @ net.input_map
            weights = w.reshape(net.weights.shape)
            for rho, W_l in zip(net.layer_steps, weights, strict=True):
                S = torch.where(A > tau, A, (A + tau).clamp_min(0).square() / (4 * tau))
                S = torch.cat([S, torch.ones(len(S), 1, dtype=S.dtype)], 1)
                A = (1 - rho * net.effective_depth) * A + rho * S @ W_l.T
            R = (net.layer_steps * weights.square().sum((1, 2))).sum() / (2 * net.coupling)
            return (A @ net.output_map - y).square().sum() / len(y) + DECAY * R

        gradient = torch.func.grad(value)
        hessian = torch.func.jacrev(gradient)
        outcome = scipy.optimize.minimize(
            lambda w, f=value: float(f(torch.from_numpy(w))),
            W.numpy(),
            jac=lambda w, f=gradient: f(torch.from_numpy(w)).numpy(),
            hess=lambda w, f=hessian: f(torch.from_numpy(w)).numpy(),
            method="trust-exact",
            options={"gtol": 1e-9, "maxiter": 60},
        )
        W = torch.from_numpy(outcome.x)
    net.weights.data[:] = W.reshape(net.weights.shape)
    return net, x, y


@pytest.mark.parametrize("seed", [0, 1])
def test_a_minimizer_on_kinks_is_told_from_a_point_that_is_none(seed):
    net, x, y = minimize_to_the_kinks(seed)
    widths = (1e-6, 1e-4, 1e-2)
    at_rest = by_width(net, x, y, weight_decay=DECAY, widths=widths)
    assert float(at_rest[0].gradient_residual.max()) > 0.1
    assert int(at_rest[0].between.sum()) > 0
    # Smoothed over 1e-8, and Newton's method to 1e-9: what is left is the solver's own 1e-5.
    assert max(float(one.residual.max()) for one in at_rest) < 1e-4

    net.weights.data *= 1 + 0.05 * random(*net.weights.shape, seed=seed)
    moved = by_width(net, x, y, weight_decay=DECAY, widths=widths)
    assert min(float(one.residual.max()) for one in moved) > 0.1


@pytest.mark.parametrize("seed", [0, 1])
def test_wider_never_means_worse(seed):
    net, x, y = random_problem(seed)
    before = net.weights.detach().clone()
    found = by_width(net, x, y, weight_decay=DECAY, widths=(1e-3, 1e-2, 1e-1, 1.0))
    squares = [float(found[0].gradient_residual.square().sum())]
    squares += [float(one.residual.square().sum()) for one in found]
    # Equal where a wider kink has nothing to offer, up to rounding.
    assert all(b <= a * (1 + 1e-12) for a, b in zip(squares, squares[1:], strict=False))
    assert squares[-1] < 0.9 * squares[0]
    for one in found:
        assert bool((one.between <= one.on_kink).all())
        assert [len(index) for index in one.indices] == one.on_kink.tolist()
        assert all(bool(((s >= 0) & (s <= 1)).all()) for s in one.slopes)
    assert torch.equal(net.weights, before)


def test_the_slopes_reproduce_the_momenta(monkeypatch):
    # The recursion once more, from the indices and slopes that are reported, on all samples.
    monkeypatch.setattr("loadpath.leaky_resnet.geodesic.certificate.kinks.BLOCK", 7)
    net, x, y = random_problem(3)
    found = least_norm(net, x, y, weight_decay=DECAY, kink_width=0.2)
    path, B = momenta(net, x, y, weight_decay=DECAY)
    decay, gain = net.coefficients()
    B = B[-1]
    with torch.no_grad():
        for l in reversed(range(net.depth)):
            BtS = B.T @ net.features(path[l])
            torch.testing.assert_close(found.BtS[l], BtS, rtol=1e-10, atol=1e-12)
            slope = (path[l] > 0).double()
            slope.view(-1)[found.indices[l]] = found.slopes[l]
            B = decay[l] * B + gain[l] * slope * (B @ net.weights[l][:, : net.width])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"weight_decay": 0.0}, "weight_decay must be finite and above 0, got 0.0"),
        (
            {"kink_width": -1.0},
            "kink_width, or one of widths, must be finite and above 0, got -1.0",
        ),
        ({"iterations": 1.5}, "iterations must be a whole number of at least 0, not 1.5"),
        ({"loss": "huber"}, "loss must be one of mse, cross-entropy, got 'huber'"),
    ],
)
def test_bad_arguments_are_named(change, message):
    net, x, y = random_problem(0)
    with pytest.raises(ValueError, match=message):
        least_norm(net, x, y, **{"weight_decay": DECAY, **change})


def test_widths_must_rise():
    net, x, y = random_problem(0)
    for widths in ((), (1e-2, 1e-3), (1e-3, 1e-3)):
        with pytest.raises(ValueError, match="widths must be rising, and at least one, got"):
            by_width(net, x, y, weight_decay=DECAY, widths=widths)


def test_samples_that_are_not_finite_are_refused():
    net, x, y = random_problem(0)
    x[3, 1] = torch.nan
    with pytest.raises(ValueError, match="x must be finite"):
        least_norm(net, x, y, weight_decay=DECAY)


def test_threads_do_not_change_a_digit(monkeypatch):
    monkeypatch.setattr("loadpath.leaky_resnet.geodesic.certificate.kinks.BLOCK", 7)
    monkeypatch.setattr("loadpath.leaky_resnet.geodesic.certificate.subgradient.BLOCK", 7)
    net, x, y = random_problem(1)
    one, three = (
        least_norm(net, x, y, weight_decay=DECAY, kink_width=0.2, threads=t) for t in (1, 3)
    )
    assert torch.equal(one.residual, three.residual)
    assert all(torch.equal(a, b) for a, b in zip(one.slopes, three.slopes, strict=True))
