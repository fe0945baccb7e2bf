"""The momenta of a path, for both kinds of step."""

import math

import numpy as np
import pytest
import torch
from exact_paths import random, relu_stationary_net, smooth_stationary_net, square_net

from loadpath.leaky_resnet import mechanics

LEAK = 2.0
STEPS = torch.tensor([0.1, 0.35, 0.3, 0.05, 0.2], dtype=torch.float64)


def ratios(step):
    """g / rho from its formula, for l = 1..L."""
    if step == "euler":
        return [1.0] * len(STEPS)
    return [-math.expm1(-rho * LEAK) / (rho * LEAK) for rho in STEPS.tolist()]


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_momenta_are_those_of_backpropagation_times_the_ratio_of_gain_and_step(step):
    net = square_net(3, 5, effective_depth=LEAK, step=step, layer_steps=STEPS)
    B = random(6, 7, 3, seed=0)
    found = mechanics.step_momenta(net, B)
    r = ratios(step)
    for mine, theirs, ratio in zip(found, B, [r[0], *r], strict=True):
        if step == "euler":
            assert torch.equal(mine, theirs)  # the same bits
        torch.testing.assert_close(mine, ratio * theirs, rtol=1e-14, atol=0)


def test_a_plain_resnet_has_one_kind_of_step():
    net = square_net(3, 5, effective_depth=0.0, step="exponential", layer_steps=STEPS)
    B = random(6, 7, 3, seed=0)
    assert torch.equal(torch.stack(mechanics.step_momenta(net, B)), B)


Q = (torch.arange(24, dtype=torch.float64) + 0.5) / 24
TENT = (1.5 - 2 * (Q - 0.5).abs()) / (1.5 - 2 * (Q - 0.5).abs()).sum()
"""Steps from 0.022 to 0.061, of sum 1."""
PATHS = {
    "smooth, exponential": lambda: smooth_stationary_net(
        24, seed=3, effective_depth=3.0, step="exponential", layer_steps=TENT
    ),
    "smooth, equal": lambda: smooth_stationary_net(
        32, seed=3, effective_depth=4.0, step="exponential"
    ),
    "smooth, Euler": lambda: smooth_stationary_net(16, seed=3),
    "relu, Euler": lambda: relu_stationary_net(12, seed=3),
}


@pytest.mark.parametrize("make", PATHS.values(), ids=PATHS)
def test_on_a_stationary_net_profile_and_momenta_obey_the_theory_at_every_node(make):
    net, y, path, B = make()
    ds = mechanics.profile(net, path[0], y, weight_decay=0.1, gamma0=1e-2)
    assert float(ds["stationarity"].max()) < 1e-11
    leak, kind = net.effective_depth, dict(activation=net.activation, bias=net.bias)
    momenta = mechanics.step_momenta(net, B)
    for l, (W, A) in enumerate(zip(net.weights.detach(), path, strict=False)):
        S, P = net.features(A), momenta[l + 1]
        # Rounding of a few products; the relations are exact.
        torch.testing.assert_close(W, leak * P.T @ S, rtol=0, atol=1e-10)
        dA = S @ W.T - leak * A
        torch.testing.assert_close(dA, leak * (S @ (S.T @ P) - A), rtol=0, atol=1e-9)
        gamma = float(ds["gamma"][l])
        left, right = mechanics.on_shell_identity(
            A, dA, P, effective_depth=leak, gamma=gamma, **kind
        )
        cost = float(ds["cost_of_identity"][l])
        assert float(left) == pytest.approx(float(right), abs=1e-9 * cost)
        assert float(ds["dimension"][l]) == pytest.approx(float(right), abs=1e-9 * cost)
        assert float(ds["kinetic_energy"][l]) == pytest.approx(
            float(mechanics.kinetic_energy(A, dA, effective_depth=leak, gamma=gamma, **kind)),
            rel=1e-9,
        )
    if net.activation == "relu":
        return
    # A and dA lie in the span of S here. The least weights for a move then cost the sum of the
    # three energies as gamma vanishes, and the two Hamiltonians are one; both but for gamma0.
    fine = mechanics.profile(net, path[0], y, weight_decay=0.1, gamma0=1e-10)
    parts = fine["kinetic_energy"] + fine["cross_term"]
    parts = parts + leak / 2 * fine["cost_of_identity"].values[:-1]
    np.testing.assert_allclose(parts, fine["weight_norm"] ** 2 / (2 * leak), rtol=1e-6)
    np.testing.assert_allclose(fine["hamiltonian"], fine["stable_hamiltonian"], rtol=1e-5)


@pytest.mark.parametrize(
    "B, sentence",
    [
        (torch.ones(5, 7, 3), "B must hold 6 matrices, got 5"),
        (torch.ones(6, 7), r"B\[0\]"),
        (torch.full((6, 7, 3), math.nan), r"B\[0\] must be finite"),
        (3.0, "B must be a list of matrices"),
    ],
)
def test_bad_input_is_one_sentence(B, sentence):
    net = square_net(3, 5, effective_depth=LEAK, step="exponential")
    with pytest.raises(ValueError, match=sentence) as error:
        mechanics.step_momenta(net, B)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="model must be a LeakyResNet"):
        mechanics.step_momenta(None, torch.ones(6, 7, 3))
