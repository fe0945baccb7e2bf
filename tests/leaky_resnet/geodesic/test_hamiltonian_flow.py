import math

import numpy as np
import pytest
import torch
from exact_paths import random, relu_stationary_net, smooth_stationary_net, square_net
from scipy.integrate import solve_bvp
from scipy.optimize import minimize

from loadpath.leaky_resnet import Adjoint, momenta
from loadpath.leaky_resnet.geodesic import linear, solve
from loadpath.leaky_resnet.geodesic.hamiltonian_flow import flow
from loadpath.leaky_resnet.layer_steps import irregular
from loadpath.leaky_resnet.mechanics import hamiltonian, symmetric_hamiltonian


def order(coarse, fine):
    """Order of convergence from errors at steps of rho and rho / 2."""
    return math.log2(float(coarse) / float(fine))


def largest(difference):
    return float(difference.norm(dim=(1, 2)).max())


def start_of(activation, seed=0):
    """(A_0, B_0) of a path that neither dies nor blows up at L~ = 2, and crosses no relu kink."""
    A0 = 0.3 * random(12, 3, seed=seed) + 2.0
    if activation == "relu":
        A0[:, 0] -= 4.0  # one neuron is off for every sample, the others on, and so they stay
        S = torch.cat([A0.relu(), torch.ones(12, 1)], dim=1)
        wanted = torch.linalg.lstsq(S, A0, driver="gelsd").solution
        wanted = wanted + 0.1 * random(4, 3, seed=seed + 1)
    else:
        A0[:6, 0] -= 6.0
        S = torch.cat([A0, torch.ones(12, 1)], dim=1)
        wanted = torch.eye(4, 3) + 0.3 * random(4, 3, seed=seed + 1)
    return A0, torch.linalg.pinv(S).T @ wanted


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [relu_stationary_net, smooth_stationary_net])
def test_symplectic_euler_is_the_recursion_of_a_stationary_net(make, seed):
    net, _, path, B = make(40, seed=seed)
    found = flow(
        path[0], B[0], effective_depth=2.0, depth=40, activation=net.activation, bias=net.bias
    )
    assert found.status == "completed"
    # Both solve each step to rounding, 1e-15, which 40 steps may grow by e^{2 L~} = 50.
    torch.testing.assert_close(found.A, torch.stack(path), rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(found.B, torch.stack(B), rtol=1e-11, atol=1e-11)


def test_a_mesh_without_bias_or_leakage_is_stationary_in_autograd_too():
    A0, B0 = start_of("tanh")
    steps = irregular(12, 0.9)
    options = dict(effective_depth=0.0, layer_steps=steps, activation="tanh", bias=False)
    found = flow(A0, 0.3 * B0, **options)
    net = square_net(3, 12, **options)
    with torch.no_grad():
        net.weights.copy_(found.B[1:].mT @ net.phi(found.A[:-1]))  # W = B^T S, for c = 1
    y = found.A[-1] + 0.1 * len(A0) / 2 * found.B[-1]
    ((net(A0) - y).square().sum() / len(A0) + 0.1 * net.regularizer()).backward()
    torch.testing.assert_close(torch.stack(net.path(A0)).detach(), found.A)
    assert float(net.weights.grad.norm()) < 1e-12 * float(net.weights.detach().norm())


@pytest.mark.parametrize(
    "method, expected", [("symplectic-euler", 1), ("verlet", 2), ("midpoint", 2)]
)
@pytest.mark.parametrize(
    "activation, bias",
    [("softplus", True), ("tanh", True), ("identity", True), ("identity", False), ("relu", True)],
)
def test_methods_converge_at_their_order_where_no_kink_is_crossed(
    method, expected, activation, bias
):
    A0, B0 = start_of(activation)
    options = dict(effective_depth=1.0, activation=activation, bias=bias)
    exact = flow(A0, B0, **options, depth=8, method="dop853", tolerance=1e-10)
    assert exact.status == "completed"
    if activation == "relu":
        assert bool(((exact.A > 0) == (A0 > 0)).all())
    errors = []
    for depth in (48, 96):
        found = flow(A0, B0, **options, depth=depth, method=method)
        every = depth // 8
        errors.append(
            [
                largest(found.A[::every] - exact.A),
                largest(found.B[::every] - exact.B),
                (found.hamiltonian - found.hamiltonian[0]).abs().max(),
            ][: 3 if activation != "identity" or bias else 2]  # H is exact there: tested below
        )
    for coarse, fine in zip(*errors, strict=True):
        assert order(coarse, fine) == pytest.approx(expected, abs=0.1)


def test_the_hamiltonian_is_conserved_to_the_order_of_its_pairing():
    A0, B0 = start_of("softplus")
    options = dict(effective_depth=2.0, activation="softplus")
    exact = flow(A0, B0, **options, depth=32, method="dop853", tolerance=1e-12)
    # 12 digits a step, some hundred steps at most
    assert float((exact.hamiltonian / exact.hamiltonian[0] - 1).abs().max()) < 1e-10
    spread, symmetric = [], []
    for depth in (128, 256):
        found = flow(A0, B0, **options, depth=depth)
        H = torch.stack(
            [hamiltonian(a, b, **options) for a, b in zip(found.A[:-1], found.B[1:], strict=True)]
        )
        spread.append(H.max() - H.min())
        H = symmetric_hamiltonian(list(found.A), list(found.B), **options)
        symmetric.append(H.max() - H.min())
    assert order(*spread) == pytest.approx(1, abs=0.1)
    assert order(*symmetric) == pytest.approx(2, abs=0.1)


def test_across_kinks_every_fixed_mesh_is_of_first_order():
    _, _, path, B = relu_stationary_net(40, seed=0)
    exact = flow(path[0], B[0], effective_depth=2.0, depth=8, method="dop853", tolerance=1e-6)
    crossings = ((exact.A[1:] > 0) != (exact.A[:-1] > 0)).sum()
    assert int(crossings) > 50
    for method in ("symplectic-euler", "verlet"):
        errors = []
        for depth in (32, 128):
            found = flow(path[0], B[0], effective_depth=2.0, depth=depth, method=method)
            errors.append(largest(found.B[:: depth // 8] - exact.B))
        # Where a kink falls within its step is a matter of chance: no clean limit of the order.
        assert 0.7 < order(*errors) / 2 < 1.4


@pytest.mark.parametrize("depth", [4, 40])
@pytest.mark.parametrize("method", ["symplectic-euler", "verlet", "midpoint"])
def test_fixed_meshes_keep_the_invariants_of_the_linear_theory_to_rounding(method, depth):
    A0 = random(6, 3, seed=2)
    A1 = A0 @ torch.linalg.matrix_exp(0.7 * random(3, 3, seed=3))
    B0 = linear.between(A0, A1, effective_depth=2.0).B(0.0)
    options = dict(effective_depth=2.0, activation="identity", bias=False)
    found = flow(A0, B0, depth=depth, method=method, **options)
    # H is the same for (R A, R^{-T} B), any R, and for (A R, B R), R orthogonal. The bilinear
    # invariants that this gives, which symplectic rules keep, determine H.
    products = found.A @ found.B.mT
    skew = found.B.mT @ found.A - found.A.mT @ found.B
    for invariant in (products, skew, found.hamiltonian):
        torch.testing.assert_close(
            invariant, invariant[:1].expand_as(invariant), rtol=1e-11, atol=1e-11
        )


def test_momentum_along_the_path_grows_by_the_biases_exactly():
    _, _, path, B = relu_stationary_net(40, seed=1)
    found = flow(path[0], B[0], effective_depth=2.0, depth=20)
    along = (found.A * found.B).sum((1, 2))
    biases = 2.0 * found.B[1:].sum(1)  # last column of W_l = L~ B_l^T S_{l-1}
    growth = (biases.square().sum(1) / 20 / 2.0).cumsum(0)
    torch.testing.assert_close(along[1:] - along[0], growth, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("effective_depth", [0.0, 3.0])
def test_the_flow_of_a_linear_geodesic_is_its_closed_form(effective_depth):
    A0 = random(6, 3, seed=2)
    A1 = A0 @ torch.linalg.matrix_exp(0.7 * random(3, 3, seed=3))
    geodesic = linear.between(A0, A1, effective_depth=effective_depth)
    found = flow(
        A0,
        geodesic.B(0.0),
        effective_depth=effective_depth,
        depth=10,
        activation="identity",
        bias=False,
        method="dop853",
        tolerance=1e-12,
    )
    # Errors of 1e-12 a step grow by what the flow stretches, up to e^6 here.
    torch.testing.assert_close(found.A, geodesic.A(found.p), rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(found.B, geodesic.B(found.p), rtol=1e-8, atol=1e-8)
    expected = torch.full((11,), geodesic.hamiltonian).double()
    torch.testing.assert_close(found.hamiltonian, expected, rtol=1e-6, atol=1e-6)


def solved(x, y, *, weight_decay, depth, endpoint="fit", start=None, **options):
    """Stationary path and momenta (layer + 1, sample, width) of the discrete Euler objective.

    A small minimization in sqrt(rho) W; a pinned end by the method of multipliers, which shifts
    the target until A_L = y.
    """
    net = square_net(x.shape[1], depth, **options)
    scale = depth**-0.5
    adjoint = Adjoint(net, len(x), threads=1)

    def objective(u):
        with torch.no_grad():
            net.weights.copy_(torch.from_numpy(u).reshape(net.weights.shape) / scale)
        C, R = adjoint.evaluate(weight_decay)
        return C + weight_decay * R, net.weights.grad.numpy().ravel() / scale

    u = (net.weights if start is None else start).detach().numpy().ravel() * scale
    target = y.clone()
    for _ in range(20):
        adjoint.load(x, target)
        limits = dict(maxiter=2000, maxfun=4000, maxcor=50, ftol=0, gtol=1e-10)
        found = minimize(objective, u, jac=True, method="L-BFGS-B", options=limits)
        u = found.x
        objective(u)
        gap = y - net.path(x)[-1].detach()
        if endpoint == "fit" or float(gap.norm()) < 1e-8:
            break
        target = target + gap
    path, B = momenta(net, x, target, weight_decay=weight_decay)
    return net.weights.detach(), torch.stack(path), torch.stack(B)


def test_a_solved_relu_geodesic_is_a_flow_of_the_continuum():
    net, y, path, _ = relu_stationary_net(25, seed=2)
    x, start, errors = path[0], net.weights.detach(), []
    for depth in (25, 50, 100):
        weights, A, B = solved(
            x, y, weight_decay=0.1, depth=depth, effective_depth=2.0, start=start
        )
        start = weights.repeat_interleave(2, 0)
        # Kinks cost the adaptive rule many steps: no more accuracy than is asked for here.
        exact = flow(A[0], B[0], effective_depth=2.0, depth=5, method="dop853", tolerance=1e-5)
        assert exact.status == "completed"
        every = depth // 5
        errors.append((largest(A[::every] - exact.A), largest(B[::every] - exact.B)))
    crossings = ((A[1:] > 0) != (A[:-1] > 0)).sum()
    assert int(crossings) > 50
    for e in zip(*errors, strict=True):
        # Kinks make the limit rough: the mean order over two halvings of the steps.
        assert order(e[0], e[-1]) / 2 == pytest.approx(1, abs=0.15)


def small_problem():
    """(x, y) of 3 samples whose geodesics at L~ = 1 cross no relu kink."""
    x = 0.3 * random(3, 2, seed=0)
    x = x + torch.tensor([[1.5, -2.0], [2.0, 1.2], [-2.0, 1.5]]).double()
    return x, 1.2 * x + 0.1 * random(3, 2, seed=50)


def test_without_kinks_the_extrapolated_path_is_close_to_the_continuum():
    (x, y), start, differences, errors = small_problem(), None, [], []
    for depth in (40, 80, 160):
        weights, A, B = solved(
            x, y, weight_decay=0.05, depth=depth, effective_depth=1.0, start=start
        )
        start = weights.repeat_interleave(2, 0)
        exact = flow(A[0], B[0], effective_depth=1.0, depth=10, method="dop853", tolerance=1e-11)
        differences.append(A[:: depth // 10] - exact.A)
        errors.append(largest(differences[-1]))
    extrapolated = [largest(2 * b - a) for a, b in zip(differences, differences[1:], strict=False)]
    assert order(*errors[1:]) == pytest.approx(1, abs=0.1)
    # What is left after extrapolation is of second order.
    assert order(*extrapolated) == pytest.approx(2, abs=0.2)
    assert extrapolated[-1] < 0.05 * errors[-1]


def test_what_solve_finds_is_a_flow_of_the_continuum():
    # The pair (A_0, B_0) of `solve` itself, followed by DOP853 over the whole path.
    (x, y), differences, errors = small_problem(), [], []
    options = dict(effective_depth=1.0, width=2, endpoint="fixed", tolerance=1e-6)
    for depth in (20, 40):
        found = solve(x, y, depth=depth, **options, threads=1, progress=False)
        assert found.status == "converged" and found.end_error < 1e-6
        exact = flow(found.A[0], found.B[0], effective_depth=1.0, depth=10, method="dop853",
                     tolerance=1e-11)  # fmt: skip
        every = depth // 10
        both = (found.A[::every] - exact.A, found.B[::every] - exact.B)
        differences.append(both)
        errors.append([largest(part) for part in both])
    assert bool(((found.A > 0) == (found.A[0] > 0)).all())  # no kink is crossed
    for coarse, fine in zip(*errors, strict=True):
        assert order(coarse, fine) == pytest.approx(1, abs=0.15)
    for coarse, fine, error in zip(*differences, errors[-1], strict=True):
        # What is left after extrapolation is of second order.
        assert largest(2 * fine - coarse) < 0.25 * error


def hamiltonian_equations(activation, n, w, effective_depth):
    """The right-hand side for SciPy, written apart from `flow`, with K = S S^T formed."""

    def derivative(_, z):
        out = np.empty_like(z)
        for k in range(z.shape[1]):
            A, B = z[:, k].reshape(2, n, w)
            if activation == "relu":
                phi, slope = np.maximum(A, 0), (A > 0).astype(float)
            else:
                phi, slope = np.logaddexp(0, A), (1 + np.tanh(A / 2)) / 2
            S = np.column_stack([phi, np.ones(n)])
            dA = effective_depth * (S @ S.T @ B - A)
            dB = effective_depth * (B - slope * (B @ B.T @ phi))
            out[:, k] = np.concatenate([dA.ravel(), dB.ravel()])
        return out

    return derivative


@pytest.mark.parametrize("endpoint", ["fit", "fixed"])
@pytest.mark.parametrize("activation", ["softplus", "relu"])
def test_small_geodesics_agree_with_a_boundary_value_solver(activation, endpoint):
    n, w, weight_decay = 3, 2, 0.05 if endpoint == "fit" else 0.005
    x, y = small_problem()
    start, solution, errors = None, None, []
    for depth in (40, 80, 160) if endpoint == "fit" else (40, 80):
        weights, A, B = solved(
            x,
            y,
            weight_decay=weight_decay,
            depth=depth,
            endpoint=endpoint,
            start=start,
            effective_depth=1.0,
            activation=activation,
        )
        start = weights.repeat_interleave(2, 0)
        p = np.linspace(0, 1, depth + 1)
        if solution is None:

            def ends(z0, z1):
                A1, B1 = z1.reshape(2, -1)
                pull = 2 / (weight_decay * n) * (y.numpy().ravel() - A1)
                right = B1 - pull if endpoint == "fit" else A1 - y.numpy().ravel()
                return np.concatenate([z0[: n * w] - x.numpy().ravel(), right])

            guess = torch.stack([A, B], dim=1).reshape(depth + 1, -1).T.numpy()
            field = hamiltonian_equations(activation, n, w, 1.0)
            solution = solve_bvp(field, ends, p, guess, tol=1e-6, max_nodes=5000)
            assert solution.status == 0, solution.message
        exact = torch.from_numpy(solution.sol(p).T.copy()).reshape(-1, 2, n, w)
        if activation == "relu":
            assert bool(((exact[:, 0] > 0) == (x > 0)).all())
        errors.append((largest(A - exact[:, 0]), largest(B - exact[:, 1])))
    for e in zip(*errors, strict=True):
        assert order(*e[-2:]) == pytest.approx(1, abs=0.1)


def test_a_step_that_has_no_solution_is_a_worded_status():
    # At L~ = 2 in 8 steps, this path meets a kink for which the midpoint rule has none.
    _, _, path, B = relu_stationary_net(40, seed=8)
    found = flow(path[0], B[0], effective_depth=2.0, depth=8, method="midpoint")
    assert found.status == "stopped"
    assert found.message.startswith("stopped at p = 0.375: the implicit equation of midpoint")
    assert found.p.tolist() == [0.0, 0.125, 0.25, 0.375]
    assert len(found.A) == len(found.B) == len(found.hamiltonian) == 4
    done = flow(path[0], B[0], effective_depth=2.0, depth=8, method="verlet")
    assert (done.status, done.message) == ("completed", "")


@pytest.mark.parametrize("method", ["symplectic-euler", "verlet", "midpoint", "dop853"])
def test_a_flow_that_blows_up_says_so(method):
    A0, B0 = start_of("identity")
    size = 1e200 if method == "dop853" else -80  # the adaptive rule takes -80 in its stride
    found = flow(A0, size * B0, effective_depth=2.0, depth=20, activation="softplus", method=method)
    assert found.status == "stopped" and found.message.startswith("stopped at p = ")
    assert 1 <= len(found.p) < 21
    assert bool(torch.isfinite(found.A).all() and torch.isfinite(found.B).all())


A = random(4, 2, seed=0)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(method="rk4"), "method must be one of symplectic-euler, .* got 'rk4'"),
        (dict(activation="gelu"), "activation must be one of"),
        (dict(tolerance=2.0), "tolerance must lie in"),
        (dict(tolerance=-1.0), "tolerance must lie in"),
        (dict(effective_depth=-1.0), "effective_depth must be finite"),
        (dict(depth=0), "depth"),
        (dict(depth=2, effective_depth=3.0), "Euler condition"),
        (dict(layer_steps=torch.tensor([0.5, 0.4])), "sum to 1"),
        (dict(B0=A[:2]), r"B0 must have shape \(4, 2\)"),
        (dict(A0=A * torch.nan), "A0 must be finite"),
    ],
)
def test_bad_input_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        flow(**dict(A0=A, B0=A, effective_depth=1.0) | options)
