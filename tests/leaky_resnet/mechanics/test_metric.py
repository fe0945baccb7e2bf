"""The metric of the stabilized inverse kernel against K formed and inverted."""

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


A = torch.ones(5, 3)


@pytest.mark.parametrize("gamma", [1e-3, 1.0, 100.0])
def test_the_inner_product_is_that_with_the_kernel_inverted(gamma):
    S, M1, M2 = random(30, 5, seed=0), random(30, 4, seed=1), random(30, 4, seed=2)
    inverse = np.linalg.inv((S @ S.T).numpy() + gamma * np.eye(30))
    expected = np.trace(M1.numpy().T @ inverse @ M2.numpy())
    assert float(mechanics.inner_product(S, M1, M2, gamma=gamma)) == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize("effective_depth, c", [(0.0, 1.0), (0.5, 0.5), (7.0, 7.0)])
def test_the_coupling_is_the_effective_depth_but_for_a_resnet(effective_depth, c):
    assert mechanics.coupling(effective_depth) == c


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda m: m.inner_product(A, A[:4], A[:4], gamma=1.0), "S must have as many rows as M1"),
        (lambda m: m.kernel_gamma(A, -1.0), "gamma0 must be finite and above 0, got -1.0"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)
