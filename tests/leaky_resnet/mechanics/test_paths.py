"""Ranks, slow stretches and projections of paths against NumPy and prescribed spectra.

Every seed is a parameter of its test or stands in it, so that a failure shows it.
"""

import math

import numpy as np
import pytest
import torch
from exact_paths import random

from loadpath.leaky_resnet import mechanics
from loadpath.threads import torch_threads


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


def test_stable_ranks_and_spectra_equal_numpy():
    A = random(60, 8, seed=6)
    s = np.linalg.svd(A.numpy(), compute_uv=False)
    centred = np.linalg.svd(A.numpy() - A.numpy().mean(0), compute_uv=False)
    np.testing.assert_allclose(mechanics.spectrum(A), s, rtol=1e-12)
    np.testing.assert_allclose(mechanics.spectrum(A, centred=True), centred, rtol=1e-12)
    nuclear, operator = s.sum() ** 2 / (s**2).sum(), (s**2).sum() / s.max() ** 2
    assert float(mechanics.stable_rank(A)) == pytest.approx(nuclear, rel=1e-12)
    assert float(mechanics.stable_rank(A, "operator")) == pytest.approx(operator, rel=1e-12)
    assert float(mechanics.stable_rank(1e-200 * A)) == pytest.approx(nuclear, rel=1e-12)
    assert float(mechanics.stable_rank(0 * A)) == 0


def path_with(spectra, n=80, w=20, seed=0):
    path = []
    for l, s in enumerate(spectra):
        U = random(n, w, seed=seed + l)
        U = torch.linalg.qr(U - U.mean(0))[0][:, : len(s)]
        V = torch.linalg.qr(random(w, w, seed=seed + l + 100))[0][:, : len(s)]
        path.append(3 + U @ torch.diag(torch.tensor(s, dtype=torch.float64)) @ V.T)
    return path


WIDE, TAIL = [1.0] * 15, [0.2 * 0.7**k for k in range(12)]


@pytest.mark.parametrize(
    "middle, rank, clear",
    [
        ([1, 0.9, 0.8, *TAIL], 3, True),  # a tail from 4 times smaller on
        ([1, 0.9, 0.8, 0.08, 0.004, 1e-7], 3, True),  # the widest gaps are far down the tail
        ([1, 0.95, 0.9, 0.27, 0.02], 4, True),  # a fourth above a tenth counts
        ([60, 46, 41, 29, 9.2, 0.78, 0.61], 5, True),  # digits, a little uneven at the top
        ([1, 0.5, 0.25, 0.01], 3, True),  # an uneven bottleneck
        ([1, 1e-3], 1, True),
        ([1, 0.8, 0.7, 1e-9, 1e-14], 3, True),  # rank 3 to rounding
        ([0.9**k for k in range(20)], 9, False),  # no gap at all: the rounded dimension
        ([0.0] * 3, 0, True),  # the trivial minimum
    ],
)
def test_bottleneck_rank_of_prescribed_spectra(middle, rank, clear):
    path = path_with([WIDE, WIDE, middle, middle, WIDE, WIDE])
    found = mechanics.bottleneck_rank(path)
    assert (found.rank, found.clear) == (rank, clear)
    assert found.layer in (2, 3)
    if clear and rank and middle[rank] > 1e-7:
        assert found.gap == pytest.approx(middle[rank - 1] / middle[rank], rel=1e-6)


def test_bottleneck_rank_of_a_single_layer_and_of_width_one():
    assert mechanics.bottleneck_rank([random(30, 1, seed=7)]).rank == 1
    assert mechanics.bottleneck_rank(path_with([[2.0, 1.0, 0.01]])).rank == 2


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


A, NAN = torch.ones(5, 3), torch.full((5, 3), float("nan"))
STEPS = torch.tensor([1.0])


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda m: m.relative_speed([A], STEPS), "path must have one representation more"),
        (lambda m: m.slow_steps(-STEPS, STEPS), r"speed must not be negative or NaN, got \[-1.0\]"),
        (lambda m: m.slow_steps(STEPS, A), r"of one length, got \(1,\) and \(5, 3\)"),
        (lambda m: m.path_projection([A], 0), "n_samples must be at least 1, got 0"),
        (lambda m: m.path_projection([]), "path must hold at least one representation"),
        (lambda m: m.path_projection([A, NAN]), r"path\[1\] must be finite"),
        (lambda m: m.stable_rank(A, "trace"), "kind must be 'nuclear' or 'operator', got 'trace'"),
        (lambda m: m.spectrum(NAN), "A must be finite"),
        (lambda m: m.bottleneck_rank([]), "path must hold at least one representation"),
        (lambda m: m.bottleneck_rank([A, A.T]), r"path\[1\] must have shape \(5, 3\)"),
        (lambda m: m.bottleneck_from_spectra(-A), "spectra must not be negative, got -1.0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)
