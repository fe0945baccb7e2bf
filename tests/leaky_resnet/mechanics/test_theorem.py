"""Theorem 4 and its identity on exact stationary paths.

Every seed is a parameter of its test, so that a failure shows it.
"""

import pytest
import torch
from exact_paths import random, relu_stationary_net, smooth_stationary_net, stationary_net

from loadpath.leaky_resnet import mechanics
from loadpath.threads import torch_threads

LEAK = 3.0


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


A = torch.ones(5, 3)
STEPS = torch.tensor([1.0])


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


@pytest.mark.parametrize(
    "call, sentence",
    [
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
