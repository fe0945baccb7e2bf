"""Bottleneck ranks of paths with prescribed spectra."""

import pytest
import torch
from exact_paths import random

from loadpath.leaky_resnet import mechanics
from loadpath.threads import torch_threads


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


def path_with(spectra, n=80, w=20, seed=0):
    path = []
    for l, s in enumerate(spectra):
        U = random(n, w, seed=seed + l)
        U = torch.linalg.qr(U - U.mean(0))[0][:, : len(s)]
        V = torch.linalg.qr(random(w, w, seed=seed + l + 100))[0][:, : len(s)]
        path.append(3 + U @ torch.diag(torch.tensor(s, dtype=torch.float64)) @ V.T)
    return path


WIDE, TAIL = [1.0] * 15, [0.2 * 0.7**k for k in range(12)]
A = torch.ones(5, 3)


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


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda m: m.bottleneck_rank([]), "path must hold at least 1 matrices, got 0"),
        (lambda m: m.bottleneck_rank([A, A.T]), r"path\[1\] must have shape \(5, 3\)"),
        (lambda m: m.bottleneck_from_spectra(-A), "spectra must not be negative, got -1.0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)
