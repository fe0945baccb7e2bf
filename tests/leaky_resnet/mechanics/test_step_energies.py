"""All energies of a step, from samples and from moments, against K formed and their symmetries.

Every seed is a parameter of its test, so that a failure shows it.
"""

import math

import numpy as np
import pytest
import torch
from exact_paths import random
from hypothesis import given, settings
from hypothesis import strategies as st

from loadpath import LeakyResNet
from loadpath.leaky_resnet import mechanics
from loadpath.measures import stable_rank
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


A = torch.ones(5, 3)


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
        stable_rank(A, kind)
    mechanics.bottleneck_rank(path)
    mechanics.path_length(path, net.layer_steps, gamma0=1e-2)
    mechanics.hamiltonian(A, dA, effective_depth=2.0)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda m: m.stable_hamiltonian(A, A, effective_depth=math.inf, gamma=1.0),
            "effective_depth must be finite .* got inf",
        ),
        (
            lambda m: m.energies_from_moments(Moments(3), effective_depth=1.0, gamma=1.0),
            "moments must have seen at least one sample",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)
