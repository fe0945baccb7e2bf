"""Energies, momenta and conservation laws against direct formulas, closed forms, exact geodesics.

Every seed is a parameter of its test, so that a failure shows it.
"""

import math

import numpy as np
import pytest
import torch
from exact_paths import random, relu_stationary_net, smooth_stationary_net, stationary_net
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.kernel_ridge import KernelRidge

from loadpath import LeakyResNet
from loadpath.leaky_resnet import mechanics
from loadpath.record import Moments, features
from loadpath.threads import torch_threads

SEEDS = st.integers(0, 10_000)
LEAK = 3.0


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


def plain(seed, n=60, w=8):
    return random(n, w, seed=seed), random(n, w, seed=seed + 1)


def bottleneck(seed, n=200, w=20):
    """Rank 3 plus 1e-4 noise, like a trained bottleneck: K is ill-conditioned."""
    low = random(n, 3, seed=seed).abs() @ random(3, w, seed=seed + 1)
    dA = low @ random(w, w, seed=seed + 2) / w
    return low + 1e-4 * random(n, w, seed=seed + 3), dA + 1e-4 * random(n, w, seed=seed + 4)


def direct(S, M1, M2, gamma):
    """<M1, M2>_{K + gamma} with K formed and diagonalized: N x N, O(N^3)."""
    values, U = torch.linalg.eigh(S @ S.T)
    return ((U.T @ M1) * (U.T @ M2) / (values.clamp_min(0) + gamma)[:, None]).sum()


@pytest.mark.parametrize("gamma0", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("data", [plain, bottleneck])
@pytest.mark.parametrize("activation, bias", [("relu", True), ("identity", False)])
def test_energies_equal_those_with_k_formed(data, activation, bias, gamma0):
    A, dA = data(0)
    S = features(A, activation=activation, bias=bias)
    options = dict(activation=activation, bias=bias)
    gamma = mechanics.kernel_gamma(A, gamma0, **options)
    assert gamma == pytest.approx(gamma0 * np.linalg.svd(S.numpy())[1][0] ** 2, rel=1e-12)

    moments = Moments(A.shape[1], **options)
    for a, d in zip(A.split(33), dA.split(33), strict=True):
        moments.update(a, d)
    from_tensors = mechanics.energies(A, dA, effective_depth=LEAK, gamma=gamma, **options)
    streamed = mechanics.energies_from_moments(moments, effective_depth=LEAK, gamma=gamma)

    COI, kinetic = direct(S, A, A, gamma), direct(S, dA, dA, gamma) / (2 * LEAK)
    cross, stable = direct(S, dA, A, gamma), kinetic - LEAK / 2 * COI
    # K + gamma has condition 1/gamma0, so the direct side itself is good to eps/gamma0 = 2e-10.
    # Sums of terms of both signs are held to the size of their terms.
    size = {"cross_term": math.sqrt(COI * kinetic * 2 * LEAK), "stable_hamiltonian": kinetic + COI}
    for name, expected in [
        ("cost_of_identity", COI),
        ("kinetic_energy", kinetic),
        ("cross_term", cross),
        ("stable_hamiltonian", stable),
    ]:
        for result in (from_tensors, streamed):
            error = abs(float(getattr(result, name) - expected))
            assert error <= 1e-8 * float(size.get(name, expected)), (name, result)
    one = dict(gamma=gamma, **options)
    assert mechanics.cost_of_identity(A, **one) == pytest.approx(float(COI), rel=1e-8)
    for function, expected in (
        (mechanics.kinetic_energy, from_tensors.kinetic_energy),
        (mechanics.stable_hamiltonian, from_tensors.stable_hamiltonian),
    ):
        assert function(A, dA, effective_depth=LEAK, **one) == pytest.approx(
            float(expected), rel=1e-8
        )
    assert mechanics.cross_term(A, dA, **one) == pytest.approx(
        float(cross), abs=1e-8 * size["cross_term"]
    )


def test_cost_of_identity_equals_a_kernel_ridge_of_scikit_learn():
    A, _ = plain(2)
    S, gamma = features(A).numpy(), 0.7
    dual = KernelRidge(alpha=gamma, kernel="linear").fit(S, A.numpy()).dual_coef_
    ours = mechanics.cost_of_identity(A, gamma=gamma)
    assert float(ours) == pytest.approx((A.numpy() * dual).sum(), rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, gamma=st.floats(1e-3, 1e3))
def test_energies_do_not_see_the_order_of_samples_nor_of_neurons(seed, gamma):
    A, dA = plain(seed)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(A), generator=generator)
    columns = torch.randperm(A.shape[1], generator=generator)
    before = mechanics.energies(A, dA, effective_depth=LEAK, gamma=gamma)
    after = mechanics.energies(
        A[rows][:, columns], dA[rows][:, columns], effective_depth=LEAK, gamma=gamma
    )
    assert after.cost_of_identity == pytest.approx(float(before.cost_of_identity), rel=1e-10)
    assert after.kinetic_energy == pytest.approx(float(before.kinetic_energy), rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, scale=st.floats(1e-3, 1e3))
def test_energies_are_homogeneous_without_bias(seed, scale):
    # phi(cA) = c phi(A): with gamma in the units of K nothing dimensionless may change.
    A, dA = plain(seed)
    options = dict(effective_depth=LEAK, bias=False)
    before = mechanics.energies(A, dA, gamma=0.3, **options)
    after = mechanics.energies(scale * A, scale * dA, gamma=0.3 * scale**2, **options)
    assert after.kinetic_energy == pytest.approx(float(before.kinetic_energy), rel=1e-9)
    assert after.cost_of_identity == pytest.approx(float(before.cost_of_identity), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_rotations_of_samples_and_neurons_leave_linear_energies_alone(seed):
    A, dA = plain(seed)
    P = torch.linalg.qr(random(len(A), len(A), seed=seed))[0]
    Q = torch.linalg.qr(random(8, 8, seed=seed))[0]
    options = dict(effective_depth=LEAK, gamma=0.3, activation="identity", bias=False)
    before = mechanics.energies(A, dA, **options)
    after = mechanics.energies(P @ A @ Q, P @ dA @ Q, **options)
    assert after.cost_of_identity == pytest.approx(float(before.cost_of_identity), rel=1e-10)
    assert after.cross_term == pytest.approx(float(before.cross_term), rel=1e-9, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, rank=st.integers(1, 5))
def test_nuclear_stable_rank_bounds_the_plain_cost_of_identity_from_below(seed, rank):
    # Proposition 1, without bias as in the paper, with more neurons than samples so that K has
    # full rank and the plain cost is finite. gamma_0 = 1e-10 stands for the pseudo-inverse: it
    # lowers the cost of identity, and the bound by no more than a factor 1 + 6e-10.
    A = random(6, rank, seed=seed) @ random(rank, 20, seed=seed + 1)
    gamma = mechanics.kernel_gamma(A, 1e-10, bias=False)
    COI = mechanics.cost_of_identity(A, gamma=gamma, bias=False)
    assert float(mechanics.stable_rank(A)) <= float(COI) * (1 + 1e-8)


def test_cost_of_identity_of_a_nonnegative_matrix_without_bias_is_its_stabilized_rank():
    A = random(50, 3, seed=4).abs() @ random(3, 7, seed=5).abs()
    s = mechanics.spectrum(A)
    ours = mechanics.cost_of_identity(A, gamma=0.2, bias=False)
    assert float(ours) == pytest.approx(float((s**2 / (s**2 + 0.2)).sum()), rel=1e-10)


@pytest.mark.parametrize("seed", [0, 1])
def test_on_shell_identity_holds_on_a_stationary_path_and_only_there(seed):
    depth, leak = 16, 2.0
    _, _, path, B = relu_stationary_net(depth, seed=seed)
    for l in range(depth):
        dA = (path[l + 1] - path[l]) * depth
        gamma = mechanics.kernel_gamma(path[l], 1e-2)
        left, right = mechanics.on_shell_identity(
            path[l], dA, B[l + 1], effective_depth=leak, gamma=gamma
        )
        # Terms of either sign and of the size of gamma ||B||^2 and more cancel.
        size = float(gamma * B[l + 1].square().sum() + abs(left))
        assert abs(float(left - right)) <= 1e-9 * size
        off, _ = mechanics.on_shell_identity(
            path[l], dA, 1.1 * B[l + 1], effective_depth=leak, gamma=gamma
        )
        assert abs(float(off - right)) > 1e-3 * size


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("gamma", [1e-3, 0.1, 10.0])
def test_theorem_4_holds_on_stationary_paths(seed, gamma):
    depth, leak = 64, 2.0
    _, _, path, B = smooth_stationary_net(depth, seed=seed)
    steps = torch.full((depth,), 1 / depth, dtype=torch.float64)
    dA = [(b - a) * depth for a, b in zip(path, path[1:], strict=False)]
    bounds = mechanics.theorem_bounds(
        path[:-1], dA, B[1:], steps, effective_depth=leak, gamma=gamma, activation="identity"
    )
    COI = [mechanics.cost_of_identity(A, gamma=gamma, activation="identity") for A in path[:-1]]
    speed = [
        mechanics.kinetic_energy(A, d, effective_depth=0.5, gamma=gamma, activation="identity")
        for A, d in zip(path, dA, strict=False)
    ]
    assert float(bounds.middle[int(torch.stack(COI).argmin())]) <= float(bounds.upper)
    assert float(bounds.middle[int(torch.stack(speed).argmin())]) >= float(bounds.lower)
    assert bool((bounds.speed_middle >= bounds.speed_lower).all())
    assert bool((bounds.speed_middle <= bounds.speed_upper).all())
    assert float(bounds.speed_upper) == pytest.approx(-2 * float(bounds.speed_lower))
    assert float(bounds.upper) == pytest.approx(
        gamma * max(float(b.square().sum()) for b in B[1:]), rel=1e-12
    )
    # A bound that lets the dimension be 0 says nothing.
    assert bounds.vacuous == (float(bounds.lower) <= -min(map(float, COI)))
    by_step = mechanics.theorem_bounds(
        path[:-1], dA, B[1:], steps, effective_depth=leak, gamma=[gamma] * depth,
        activation="identity",
    )  # fmt: skip
    for name in ("lower", "middle", "upper", "speed_middle"):
        assert torch.equal(getattr(by_step, name), getattr(bounds, name))


def test_a_bound_of_theorem_4_can_be_sharp_and_is_then_not_called_vacuous():
    # A linear path at rest: dA = 0 needs W = L~, so the path length is 0 and only gamma c is left.
    A = random(20, 3, seed=8)
    B = torch.linalg.pinv(A).T  # then L~ B^T A = L~
    _, _, path, momenta = stationary_net(
        A, B, depth=32, effective_depth=LEAK, activation="identity", bias=False
    )
    steps = torch.full((32,), 1 / 32, dtype=torch.float64)
    bounds = mechanics.theorem_bounds(
        path[:-1], [0 * A] * 32, momenta[1:], steps, effective_depth=LEAK, gamma=1e-6,
        activation="identity", bias=False,
    )  # fmt: skip
    assert not bounds.vacuous
    assert bool(bounds.speed_vacuous.all())  # of a speed of 0 nothing can be said from below
    assert float(bounds.lower) <= float(bounds.middle[0]) <= float(bounds.upper) < 1e-5


def test_hamiltonian_and_norms_of_a_small_case_by_hand():
    A, B = torch.tensor([[2.0, -1.0]]), torch.tensor([[3.0, 0.5]])
    # S = [2, 0, 1]: ||B^T S||^2 = ||B||^2 ||S||^2 = 9.25 * 5 and Tr[B^T A] = 6 - 0.5.
    assert float(mechanics.hamiltonian(A, B, effective_depth=4.0)) == 2 * 9.25 * 5 - 4 * 5.5
    assert float(mechanics.hamiltonian(A, B, effective_depth=0.0)) == 0.5 * 9.25 * 5
    assert float(mechanics.momentum_norm(B)) == pytest.approx(math.sqrt(9.25))
    assert float(mechanics.momentum_activation_norm(A, B)) == pytest.approx(math.sqrt(9.25 * 5))
    W = 4 * B.double().T @ torch.tensor([[2.0, 0.0, 1.0]], dtype=torch.float64)
    assert float(mechanics.stationarity(W, A, B, effective_depth=4.0)) < 1e-15
    assert float(mechanics.stationarity(2 * W, A, B, effective_depth=4.0)) == pytest.approx(0.5)
    ratio = mechanics.stationarity(W, A, B, effective_depth=4.0, gain_ratio=0.75)
    assert float(ratio) == pytest.approx(0.25)


def test_zero_weights_and_momenta_are_stationary_and_balanced_not_nan():
    A = torch.ones(3, 2)
    assert float(mechanics.stationarity(torch.zeros(2, 3), A, 0 * A, effective_depth=1.0)) == 0
    steps = torch.full((4,), 0.25)
    balance = mechanics.balancedness(torch.zeros(4, 2, 3), steps, effective_depth=1.0)
    assert balance.tolist() == [0, 0, 0, 0]
    assert float(mechanics.hamiltonian_spread(torch.zeros(4))) == 0


def test_balancedness_of_given_weights():
    # ||W||^2 = 1 + 2 L~ ||b||^2 p at the middles of the steps, with ||b|| = 1 and L~ = 3.
    steps = torch.tensor([0.1, 0.4, 0.5], dtype=torch.float64)
    middles = torch.tensor([0.05, 0.3, 0.75], dtype=torch.float64)
    weights = torch.zeros(3, 1, 2, dtype=torch.float64)
    weights[:, 0, 1] = 1
    weights[:, 0, 0] = (2 * LEAK * (middles - 0.05)).sqrt()
    balance = mechanics.balancedness(weights, steps, effective_depth=LEAK)
    np.testing.assert_allclose(balance, 0, atol=1e-14)
    without = mechanics.balancedness(weights, steps, effective_depth=LEAK, bias=False)
    np.testing.assert_allclose(without, 2 * LEAK * (middles - 0.05), rtol=1e-12)


def test_path_length_of_a_linear_ray_is_the_integral_of_its_speed():
    # A_p = e^{ap} A_0, linear, rank 2: speed^2 = a^2 sum s^2 / (s^2 + gamma_0 s_1^2), for all p.
    a, gamma0, A = 0.7, 1e-2, random(9, 2, seed=9)
    s = mechanics.spectrum(A)
    exact = a * float((s**2 / (s**2 + gamma0 * s[0] ** 2)).sum().sqrt())
    errors = []
    for depth in (64, 128):
        p = torch.arange(depth + 1) / depth
        path, steps = [A * math.exp(a * q) for q in p], torch.full((depth,), 1 / depth)
        options = dict(gamma0=gamma0, activation="identity", bias=False)
        errors.append(float(mechanics.path_length(path, steps, **options)) - exact)
    # Differences from the start of each step: a is replaced by (e^{a rho} - 1) / rho.
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.02)
    assert errors[1] == pytest.approx(exact * a / 128 / 2, rel=0.01)


def test_a_layer_without_any_activation_costs_more_than_any_other_but_is_no_nan():
    A = -torch.ones(4, 2)
    gamma = mechanics.kernel_gamma(A, 1e-2, bias=False)
    assert 1e50 < float(mechanics.cost_of_identity(A, gamma=gamma, bias=False)) < math.inf
    assert float(mechanics.cost_of_identity(0 * A, gamma=gamma, bias=False)) == 0


A, NAN = torch.ones(5, 3), torch.full((5, 3), float("nan"))
STEPS = torch.tensor([1.0])


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda m: m.cost_of_identity(A, gamma=0.0), "gamma must be finite and above 0, got 0.0"),
        (lambda m: m.cost_of_identity(A, gamma=math.nan), "gamma must be finite and above 0, got nan"),
        (lambda m: m.cost_of_identity(A, gamma=1e-20), "gamma must be at least .* got 1e-20"),
        (lambda m: m.cost_of_identity(NAN, gamma=1.0), "A must be finite, got 15 entries"),
        (lambda m: m.cost_of_identity(A[0], gamma=1.0), r"A must be a non-empty .* got \(3,\)"),
        (
            lambda m: m.cost_of_identity(A, gamma=1.0, activation="cube"),
            "activation must be one of .* got 'cube'",
        ),
        (
            lambda m: m.kinetic_energy(A, A, effective_depth=-1.0, gamma=1.0),
            "effective_depth must be finite and at least 0, got -1.0",
        ),
        (
            lambda m: m.kinetic_energy(A, A.T, effective_depth=1.0, gamma=1.0),
            r"dA must have shape \(5, 3\), got \(3, 5\)",
        ),
        (lambda m: m.cross_term(A, NAN, gamma=1.0), "dA must be finite"),
        (
            lambda m: m.stable_hamiltonian(A, A, effective_depth=math.inf, gamma=1.0),
            "effective_depth must be finite .* got inf",
        ),
        (lambda m: m.inner_product(A, A[:4], A[:4], gamma=1.0), "S must have as many rows as M1"),
        (
            lambda m: m.energies_from_moments(Moments(3), effective_depth=1.0, gamma=1.0),
            "moments must have seen at least one sample",
        ),
        (lambda m: m.kernel_gamma(A, -1.0), "gamma0 must be finite and above 0, got -1.0"),
        (lambda m: m.hamiltonian(A, A.T, effective_depth=1.0), r"B must have shape \(5, 3\)"),
        (
            lambda m: m.symmetric_hamiltonian([A], [A], effective_depth=1.0),
            "path and momenta must be of one length of at least 2, got 1 and 1",
        ),
        (
            lambda m: m.stationarity(A, A, A, effective_depth=1.0),
            r"W must have shape \(3, 4\), got \(5, 3\)",
        ),
        (
            lambda m: m.balancedness(torch.ones(2, 3, 4), STEPS, effective_depth=1.0),
            r"weights must be .* got \(2, 3, 4\) and \(1,\)",
        ),
        (
            lambda m: m.path_length([A], STEPS, gamma0=1.0),
            r"path must have one representation more than layer_steps \(1\), got 1",
        ),
        (
            lambda m: m.on_shell_identity(A, A, A, effective_depth=0.0, gamma=1.0),
            "effective_depth must be finite and above 0, got 0.0",
        ),
        (
            lambda m: m.theorem_bounds([A], [A], [], STEPS, effective_depth=1.0, gamma=1.0),
            r"must be of one length, got \(1, 1, 0, 1\)",
        ),
        (
            lambda m: m.theorem_bounds([A], [A], [A], STEPS, effective_depth=1.0, gamma=[1.0, 2.0]),
            "gamma must be one number or 1, one a step, got 2",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)


def test_moments_without_velocities_have_no_kinetic_energy():
    moments = Moments(3, velocity=False)
    moments.update(A)
    with pytest.raises(ValueError, match="moments must hold dA"):
        mechanics.energies_from_moments(moments, effective_depth=1.0, gamma=1.0)


def test_energies_of_a_path_in_training_need_no_detaching():
    # As `model.path(x)` gives it: with a graph, which the numbers keep.
    net = LeakyResNet(6, 6, width=12, depth=3, effective_depth=2.0, seed=0)
    path = net.path(random(40, 6, seed=0))  # float64 samples into a float32 net
    A, dA = path[1], (path[2] - path[1]) / net.layer_steps[1]
    gamma = mechanics.kernel_gamma(A, 1e-2)
    detached = mechanics.energies(A.detach(), dA.detach(), effective_depth=2.0, gamma=gamma)
    for name in ("cost_of_identity", "kinetic_energy", "cross_term", "stable_hamiltonian"):
        options = {} if name in ("cost_of_identity", "cross_term") else {"effective_depth": 2.0}
        moves = () if name == "cost_of_identity" else (dA,)
        value = getattr(mechanics, name)(A, *moves, gamma=gamma, **options)
        assert value.requires_grad
        # The same sums; but a product's last bits may turn on where its operands lie in memory.
        torch.testing.assert_close(value.detach(), getattr(detached, name), rtol=1e-12, atol=0)
    for kind in ("nuclear", "operator"):
        mechanics.stable_rank(A, kind)
    mechanics.bottleneck_rank(path)
    mechanics.path_length(path, net.layer_steps, gamma0=1e-2)
    mechanics.hamiltonian(A, dA, effective_depth=2.0)
