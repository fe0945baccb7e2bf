import math

import numpy as np
import pytest
import torch
from exact_paths import commuting_net, random
from scipy.optimize import minimize

from loadpath.leaky_resnet.geodesic import linear
from loadpath.leaky_resnet.mechanics import hamiltonian

GAUSS = [torch.from_numpy(x) for x in np.polynomial.legendre.leggauss(40)]


def integral(f):
    """Over [0, 1] of a function of a vector of positions, to rounding for smooth ones."""
    nodes, weights = GAUSS
    return float((f((nodes + 1) / 2) * weights / 2).sum())


def ends(width, *, seed, n_samples=7):
    """A0 and A1 = A0 M with a generic M, of positive determinant and not normal."""
    A0 = random(n_samples, width, seed=seed)
    M = torch.linalg.matrix_exp(random(width, width, seed=seed + 100))
    return A0, A0 @ M, M


def derivative(f, p, h=1e-3):
    """Central difference of order 4: error about 1e-12 times the fifth derivative."""
    return (8 * (f(p + h) - f(p - h)) - f(p + 2 * h) + f(p - 2 * h)) / (12 * h)


def test_commuting_ends_have_the_closed_form():
    s0, s1, depth = random(3, seed=0).exp(), random(3, seed=1).exp(), 2.0
    R = torch.linalg.qr(random(3, 3, seed=2))[0]
    Q = torch.linalg.qr(random(8, 3, seed=3))[0]
    geodesic = linear.commuting(s0, s1, effective_depth=depth, left=Q, right=R)
    log_ratio = (s1 / s0).log()
    assert geodesic.action == pytest.approx(float((log_ratio + depth).square().sum()) / 4)
    rank = 3 - float(log_ratio.square().sum()) / depth**2
    assert -2 / depth * geodesic.hamiltonian == pytest.approx(rank)
    middle = s0**0.7 * s1**0.3
    torch.testing.assert_close(geodesic.A(0.3), (Q * middle) @ R.T)
    torch.testing.assert_close(geodesic.W(0.3), (R * (log_ratio + depth)) @ R.T)
    # The general solver knows nothing of all this, and finds the same path.
    general = linear.between(geodesic.A(0.0), geodesic.A(1.0), effective_depth=depth)
    torch.testing.assert_close(general.V0, geodesic.V0, rtol=1e-9, atol=1e-9)


def test_a_commuting_net_lies_on_the_geodesic_and_its_action_tends_to_it_at_first_order():
    s0, log_ratio = torch.tensor([1.0, 2.0]).double(), torch.tensor([0.7, -0.4]).double()
    errors = []
    for depth in (20, 40, 80):
        net, x, _ = commuting_net(s0, log_ratio, depth=depth, effective_depth=3.0, seed=0)
        path = torch.stack(net.path(x)).detach()
        geodesic = linear.between(x, path[-1], effective_depth=3.0)
        # Equal steps multiply the singular values by equal factors, as the geodesic does.
        torch.testing.assert_close(path, geodesic.A(net.p), rtol=1e-11, atol=1e-11)
        errors.append(float(net.regularizer().detach()) - geodesic.action)
    assert math.log2(errors[1] / errors[2]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("effective_depth", [0.0, 4.0])
def test_general_ends_satisfy_every_equation_of_a_geodesic(width, seed, effective_depth):
    A0, A1, M = ends(width, seed=seed)
    geodesic = linear.between(A0, A1, effective_depth=effective_depth)
    c = effective_depth or 1.0
    torch.testing.assert_close(geodesic.A(0.0), A0)
    # Newton stops below 1e-12 relative to M; conditions of M here are up to a few hundred.
    torch.testing.assert_close(geodesic.A(1.0), A1, rtol=1e-9, atol=1e-9)

    p = torch.tensor([0.1, 0.5, 0.9]).double()
    A, B, V, W = geodesic.A(p), geodesic.B(p), geodesic.V(p), geodesic.W(p)
    close = dict(rtol=1e-7, atol=1e-7)  # of the central differences
    torch.testing.assert_close(derivative(geodesic.A, p), -effective_depth * A + A @ W.mT, **close)
    torch.testing.assert_close(derivative(geodesic.V, p), V @ V.mT - V.mT @ V, **close)
    torch.testing.assert_close(derivative(geodesic.B, p), effective_depth * B - B @ W, **close)
    torch.testing.assert_close(W, c * B.mT @ A)
    torch.testing.assert_close(A @ B.mT, (A0 @ geodesic.B(0.0).T).expand(3, -1, -1))

    action = integral(lambda p: geodesic.W(p).square().sum((1, 2))) / (2 * c)
    assert geodesic.action == pytest.approx(action, rel=1e-12)
    cross = integral(lambda p: geodesic.V(p).diagonal(dim1=1, dim2=2).sum(1))
    assert cross == pytest.approx(float(torch.linalg.slogdet(M).logabsdet), abs=1e-9)
    for A_p, B_p in zip(A, B, strict=True):
        H = hamiltonian(
            A_p, B_p, effective_depth=effective_depth, activation="identity", bias=False
        )
        assert float(H) == pytest.approx(geodesic.hamiltonian, rel=1e-10, abs=1e-10)


def action_of(M, generator, effective_depth):
    """Action of a curve M(p) that `generator` gives with its derivative."""

    def density(p):
        curve, velocity = generator(p)
        V = torch.linalg.solve(curve, velocity).mT
        return (V + effective_depth * torch.eye(len(M))).square().sum((1, 2))

    return integral(density) / (2 * effective_depth)


@pytest.mark.parametrize("seed", range(4))
def test_no_simpler_path_has_less_action(seed):
    A0, A1, M = ends(3, seed=seed)
    action = linear.between(A0, A1, effective_depth=2.0).action
    X = random(3, 3, seed=seed + 100)  # M = e^X

    def one_parameter(p):
        M_p = torch.linalg.matrix_exp(p[:, None, None] * X)
        return M_p, M_p @ X

    U, s, Vh = torch.linalg.svd(M)
    P = torch.linalg.matrix_exp  # polar: M = (e^turn) (e^stretch)
    stretch = (Vh.T * s.log()) @ Vh
    turn = _skew_logarithm(U @ Vh)

    def polar(p):
        p = p[:, None, None]
        M_p = P(p * turn) @ P(p * stretch)
        return M_p, turn @ M_p + M_p @ stretch

    for curve in (one_parameter, polar):
        torch.testing.assert_close(curve(torch.ones(1).double())[0][0], M)
        assert action < action_of(M, curve, 2.0) - 1e-3


def _skew_logarithm(R):
    values, vectors = torch.linalg.eig(R)
    return (vectors @ torch.diag(values.log()) @ torch.linalg.inv(vectors)).real


def least_discrete_path(M, depth, effective_depth, start):
    """Least Euler action over the nodes M_1..M_{L-1} between I and M, by trust-region Newton."""
    w = len(M)
    eye = torch.eye(w, dtype=torch.float64)

    def action(z):
        nodes = torch.cat([eye[None], z.reshape(-1, w, w), M[None]])
        # M_l = (1 - rho L~) M_{l-1} + rho M_{l-1} W_l^T: the weights that each step needs.
        Wt = torch.linalg.solve(nodes[:-1], nodes.diff(dim=0)) * depth + effective_depth * eye
        return Wt.square().sum() / depth / (2 * effective_depth)

    def of(f):
        return lambda z: f(torch.from_numpy(z)).numpy()

    found = minimize(
        of(action),
        start.flatten().numpy(),
        method="trust-exact",
        jac=of(lambda z: torch.autograd.functional.jacobian(action, z)),
        hess=of(lambda z: torch.autograd.functional.hessian(action, z)),
        options={"gtol": 1e-9},
    )
    # At the end the action no longer tells steps apart, and the search may say so.
    assert np.abs(found.jac).max() < 1e-6
    return torch.from_numpy(found.x).reshape(-1, w, w), found.fun


@pytest.mark.parametrize("width, seed", [(2, 0), (2, 1), (3, 0)])
def test_least_discrete_actions_tend_to_the_geodesic_at_first_order(width, seed):
    _, _, M = ends(width, seed=seed)
    eye = torch.eye(width, dtype=torch.float64)
    geodesic = linear.between(eye, M, effective_depth=2.0)
    # Started on a curve that is far from the geodesic, so that agreement is found and not given.
    X = random(width, width, seed=seed + 100)
    path_errors, action_errors = [], []
    for depth in (8, 16, 32):
        p = torch.arange(1, depth, dtype=torch.float64) / depth
        start = torch.linalg.matrix_exp(p[:, None, None] * X)
        nodes, action = least_discrete_path(M, depth, 2.0, start)
        path_errors.append(float((nodes - geodesic.A(p)).norm(dim=(1, 2)).max()))
        action_errors.append(abs(action - geodesic.action))
    for errors in (path_errors, action_errors):
        assert math.log2(errors[1] / errors[2]) == pytest.approx(1, abs=0.1)


def test_the_path_does_not_depend_on_the_leakage():
    A0, A1, _ = ends(3, seed=5)
    paths = [linear.between(A0, A1, effective_depth=c) for c in (0.0, 1.0, 30.0)]
    for other in paths[1:]:
        torch.testing.assert_close(other.V0, paths[0].V0)


def test_half_a_turn_is_a_rotation():
    A0 = random(4, 2, seed=0)
    geodesic = linear.between(A0, -A0, effective_depth=1.0)
    # V skew with V^2 = -pi^2 I: the norm is sqrt(2) pi, and Tr V = 0.
    assert geodesic.action == pytest.approx((2 * math.pi**2 + 2) / 2)
    torch.testing.assert_close(geodesic.A(1.0), -A0)


A = random(5, 3, seed=0)


@pytest.mark.parametrize(
    "A0, A1, message",
    [
        (A, A @ torch.diag(torch.tensor([1.0, 1.0, -1.0]).double()), "det M < 0"),
        (A, A @ torch.diag(torch.tensor([1.0, 1.0, 0.0]).double()), "A1 must be of rank 3"),
        (A[:2], A[:2], "A0 must be of rank 3, its width, got rank 2"),
        (A, random(5, 3, seed=1), "outside the span"),
        (A, A[:4], "A1 must have shape"),
        (A, A * torch.nan, "A1 must be finite"),
    ],
)
def test_ends_that_no_path_joins_are_refused(A0, A1, message):
    with pytest.raises(ValueError, match=message):
        linear.between(A0, A1, effective_depth=1.0)


def test_ends_too_far_apart_for_the_solver_say_so():
    # Singular values from 1e-6 to 1e6, in general position.
    Q, R = (torch.linalg.matrix_exp(X - X.T) for X in (random(4, 4, seed=3), random(4, 4, seed=4)))
    M = Q @ torch.diag(torch.logspace(-6, 6, 4, dtype=torch.float64)) @ R
    with pytest.raises(RuntimeError, match="condition number of M of 1e"):
        linear.between(torch.eye(4).double(), M, effective_depth=1.0)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(s0=torch.tensor([1.0, -1.0])), "s0 must be positive"),
        (dict(s0=torch.ones(3)), r"\(3,\) and \(2,\)"),
        (dict(left=torch.ones(4, 2)), "left must have 2 orthonormal columns"),
        (dict(right=2 * torch.eye(2)), "right must have 2 orthonormal columns"),
        (dict(effective_depth=-1.0), "effective_depth"),
    ],
)
def test_commuting_refuses_bad_input(options, message):
    arguments = dict(s0=torch.ones(2), s1=torch.ones(2), effective_depth=1.0) | options
    with pytest.raises(ValueError, match=message):
        linear.commuting(**arguments)
