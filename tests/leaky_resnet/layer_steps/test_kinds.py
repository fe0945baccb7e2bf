"""What a layer of either kind keeps and adds, against the formulas and their limits."""

import math

import numpy as np
import pytest
import torch

from loadpath.leaky_resnet.layer_steps import coefficients, gain_ratios, lags

STEPS = torch.tensor([0.3, 0.1, 0.6], dtype=torch.float64)


@pytest.mark.parametrize("kind", ["euler", "exponential"])
@pytest.mark.parametrize("leak", [0.0, 1.2])
def test_a_layer_leaks_as_much_as_its_gain_says(kind, leak):
    decay, gain = coefficients(STEPS, effective_depth=leak, kind=kind)
    torch.testing.assert_close(1 - decay, leak * gain, rtol=1e-14, atol=1e-16)
    if kind == "exponential":
        for d, rho in zip(decay.tolist(), STEPS.tolist(), strict=True):
            assert d == pytest.approx(math.exp(-rho * leak), rel=1e-14)


def test_the_ratio_is_exactly_one_for_euler_steps_and_without_leakage():
    assert gain_ratios(STEPS, effective_depth=1.2, kind="euler").tolist() == [1.0] * 3
    assert gain_ratios(STEPS, effective_depth=0.0, kind="exponential").tolist() == [1.0] * 3


@pytest.mark.parametrize("leak", [1e-12, 1e-4, 2.0, 50.0])
def test_the_ratio_of_an_exponential_step_is_the_mean_of_its_decay(leak):
    # The mean of exp(-t) over t from 0 to rho L~; its series where that is small.
    found = gain_ratios(STEPS, effective_depth=leak, kind="exponential")
    for r, rho in zip(found.tolist(), STEPS.tolist(), strict=True):
        t = rho * leak
        exact = 1 - t / 2 + t * t / 6 if t < 1e-4 else (1 - math.exp(-t)) / t
        assert r == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("leak", [1e-9, 0.011, 0.099, 2.0, 50.0])
def test_the_lag_of_an_exponential_step_is_the_mean_time_by_what_is_left_at_the_end(leak):
    nodes, weights = np.polynomial.legendre.leggauss(60)  # exact to rounding for exp(-30 t)
    t, w = (nodes + 1) / 2, weights / 2
    found = lags(STEPS, effective_depth=leak, kind="exponential")
    for lag, rho in zip(found.tolist(), STEPS.tolist(), strict=True):
        left = w * np.exp(-rho * leak * (1 - t))
        assert lag == pytest.approx((left * t).sum() / left.sum(), rel=1e-12)


def test_the_lag_is_exactly_half_for_euler_steps_and_without_leakage():
    assert lags(STEPS, effective_depth=1.2, kind="euler").tolist() == [0.5] * 3
    assert lags(STEPS, effective_depth=0.0, kind="exponential").tolist() == [0.5] * 3
