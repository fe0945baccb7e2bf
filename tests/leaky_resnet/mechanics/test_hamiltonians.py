"""Hamiltonian and norms of the momenta by hand."""

import math

import pytest
import torch

from loadpath.leaky_resnet import mechanics
from loadpath.threads import torch_threads


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


A = torch.ones(5, 3)


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


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda m: m.hamiltonian(A, A.T, effective_depth=1.0), r"B must have shape \(5, 3\)"),
        (
            lambda m: m.symmetric_hamiltonian([A], [A], effective_depth=1.0),
            "path and momenta must be of one length of at least 2, got 1 and 1",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)
