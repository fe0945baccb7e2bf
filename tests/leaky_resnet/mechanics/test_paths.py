"""Length, slow stretches and projections of paths that are known.

Every seed stands in its test.
"""

import math

import pytest
import torch
from exact_paths import random

from loadpath.leaky_resnet import mechanics
from loadpath.measures import spectrum
from loadpath.threads import torch_threads


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


A, NAN = torch.ones(5, 3), torch.full((5, 3), float("nan"))
STEPS = torch.tensor([1.0])


def test_path_length_of_a_linear_ray_is_the_integral_of_its_speed():
    # A_p = e^{ap} A_0, linear, rank 2: speed^2 = a^2 sum s^2 / (s^2 + gamma_0 s_1^2), for all p.
    a, gamma0, A = 0.7, 1e-2, random(9, 2, seed=9)
    s = spectrum(A)
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


def test_relative_speed_is_that_of_the_adaptive_rule():
    path = [torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]])]
    path.append(path[-1])
    speed = mechanics.relative_speed(path, torch.tensor([0.5, 0.25, 0.25]))
    assert float(speed[0]) == pytest.approx(2 / (0.5 * math.sqrt(5)), rel=1e-12)
    assert speed[1:].tolist() == [math.inf, 0.0]


@pytest.mark.parametrize(
    "speed, slow",
    [
        ([9, 8, 5, 1, 1, 1, 1, 6, 9], "000111100"),  # in fast, through the bottleneck, out fast
        ([9, 8, 5, 1, 1, 9, 1, 1, 6, 9], "0001111100"),  # one odd step does not cut a stretch
        ([9, 8, 8, 0, 0, 0, 8, math.inf], "00011100"),  # rest, and a step that ends at zero
        ([3, 2.9, 3.1, 2.0], "0000"),  # no contrast, no stretches
        ([0, 0, 0], "000"),
        ([5.0], "0"),
    ],
)
def test_slow_stretches(speed, slow):
    speed = torch.tensor(speed, dtype=torch.float64)
    found = mechanics.slow_steps(speed, torch.full_like(speed, 1 / len(speed)))
    assert "".join(str(int(f)) for f in found) == slow


def test_projection_of_a_path_in_a_plane_keeps_all_distances():
    frame = torch.linalg.qr(random(6, 2, seed=10))[0]
    flat = [random(100, 2, seed=11 + l) for l in range(4)]
    projection = mechanics.path_projection([A @ frame.T for A in flat], n_samples=10)
    chosen = torch.arange(0, 100, 11)
    points = torch.stack([A[chosen] for A in flat]).flatten(0, 1)
    seen = projection.coordinates.flatten(0, 1)
    torch.testing.assert_close(torch.cdist(seen, seen), torch.cdist(points, points))
    assert projection.coordinates.shape == (4, 10, 2)
    assert projection.explained == pytest.approx(1)


def test_projection_of_one_neuron_has_an_empty_second_component():
    projection = mechanics.path_projection([random(5, 1, seed=12)])
    assert projection.coordinates.shape == (1, 5, 2)
    assert float(projection.coordinates[..., 1].abs().max()) == 0


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda m: m.path_length([A], STEPS, gamma0=1.0),
            r"path must have one representation more than layer_steps \(1\), got 1",
        ),
        (lambda m: m.relative_speed([A], STEPS), "path must have one representation more"),
        (lambda m: m.slow_steps(-STEPS, STEPS), r"speed must not be negative or NaN, got \[-1.0\]"),
        (lambda m: m.slow_steps(STEPS, A), r"layer_steps must have shape \(depth,\), got \(5, 3\)"),
        (
            lambda m: m.path_projection([A], 0),
            "n_samples must be a whole number of at least 1, not 0",
        ),
        (lambda m: m.path_projection([]), "path must hold at least 1 matrices, got 0"),
        (lambda m: m.path_projection([A, NAN]), r"path\[1\] must be finite"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)
