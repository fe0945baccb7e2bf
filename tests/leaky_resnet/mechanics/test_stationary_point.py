"""Stationarity and balancedness of weights that are known."""

import numpy as np
import pytest
import torch

from loadpath.leaky_resnet import mechanics
from loadpath.threads import torch_threads

LEAK = 3.0


@pytest.fixture(autouse=True, scope="module")
def single_thread():
    with torch_threads(1):
        yield


A = torch.ones(5, 3)
STEPS = torch.tensor([1.0])


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


def test_balancedness_of_exponential_steps_of_given_weights():
    # ||W / r||^2 grows by 2 L~ rho ||b||^2 / r a step, taken from middle to middle; ||b|| = r here.
    steps = torch.tensor([0.1, 0.4, 0.5], dtype=torch.float64)
    r = -torch.expm1(-LEAK * steps) / (LEAK * steps)
    growth = 2 * LEAK * steps * r
    between = torch.tensor([0, growth[0] + growth[1], growth[1] + growth[2]]) / 2
    weights = torch.zeros(3, 1, 2, dtype=torch.float64)
    weights[:, 0, 1] = r
    weights[:, 0, 0] = r * between.cumsum(0).sqrt()
    balance = mechanics.balancedness(weights, steps, effective_depth=LEAK, step="exponential")
    np.testing.assert_allclose(balance, 0, atol=1e-14)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda m: m.stationarity(A, A, A, effective_depth=1.0),
            r"W must have shape \(3, 4\), got \(5, 3\)",
        ),
        (
            lambda m: m.balancedness(torch.ones(2, 3, 4), STEPS, effective_depth=1.0),
            r"weights must be .* got \(2, 3, 4\) and \(1,\)",
        ),
        (
            lambda m: m.balancedness(torch.ones(1, 3, 4), STEPS, effective_depth=1.0, step="rk4"),
            "step must be one of euler, exponential, got 'rk4'",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call(mechanics)
    assert "\n" not in str(error.value)
