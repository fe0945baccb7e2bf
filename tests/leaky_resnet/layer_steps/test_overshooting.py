"""Euler steps of rho L~ > 1: how far they pass their target, and what the guard makes of it."""

import math

import pytest
import torch
from exact_paths import random, square_net

import loadpath as lp
from loadpath.leaky_resnet import layer_steps
from loadpath.leaky_resnet.layer_steps.overshooting import longest_steps

STEPS = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)


def test_a_step_passes_its_target_by_what_is_left_of_the_way_to_it():
    # L~ = 4: rho L~ = 2 - 1e-9, 0.8 and 1.2, against the targets T = S W^T / L~ themselves.
    steps = STEPS - torch.tensor([1e-9, -1e-9, 0])
    net = square_net(3, 3, effective_depth=4.0, layer_steps=steps, largest_leak=2.0)
    path = net.path(random(9, 3, seed=0))
    with torch.no_grad():
        targets = [net.features(A) @ W.T / 4 for A, W in zip(path, net.weights, strict=False)]
        past = [float((A - T).norm() / A.norm()) for A, T in zip(path[1:], targets, strict=True)]
        found = layer_steps.overshoots(steps, path, effective_depth=4.0)
    assert found[1] == 0
    assert found[[0, 2]].tolist() == pytest.approx([past[0], past[2]], rel=1e-12)


def test_the_longest_step_passes_its_target_by_the_share_that_is_allowed():
    path = [torch.tensor([[a]], dtype=torch.float64) for a in (1.0, 1.02, 1.5, 1.5)]
    longest = longest_steps(STEPS, path, effective_depth=2.0, overshoot=0.1)
    # At the speeds c = |dA| / (rho |A|) of before: (rho L~ - 1) c / L~ = 0.1.
    speed = torch.tensor([0.02 / 1.02 / 0.5, 0.48 / 1.5 / 0.2], dtype=torch.float64)
    past = (longest[:2] * 2 - 1) * speed / 2
    assert past.tolist() == pytest.approx([0.1, 0.1], rel=1e-12)
    assert float(longest[2]) > 1e6  # where nothing moves, nothing is passed


def test_the_adaptive_mesh_takes_long_steps_where_the_path_rests_and_nowhere_else():
    # A net of layers that double A (fast), hold it, hold it, ..., and halve it.
    depth, leak = 10, 5.0
    hold = leak * torch.eye(2, dtype=torch.float64)
    pull = depth * torch.eye(2, dtype=torch.float64)  # moves A by its own size
    meshes = {}
    for largest, overshoot in ((1.0, 0.1), (2.0, 0.0), (2.0, 0.1)):
        net = square_net(
            2, depth, effective_depth=leak, bias=False, activation="identity",
            largest_leak=largest,
        )  # fmt: skip
        with torch.no_grad():
            net.weights.copy_(hold.expand(depth, 2, 2))
            net.weights[0] += pull
            net.weights[-1] -= pull / 2
        x = random(5, 2, seed=0)
        path = net.path(x)
        mesh = layer_steps.Adaptive(net, every=1, smoothing=1.0, guard=0.02, overshoot=overshoot)
        assert mesh.step(x)
        leaks = net.layer_steps * leak
        meshes[largest, overshoot] = leaks
        # Judged by the speeds that the path had: those of the new steps differ.
        speed = torch.stack(
            [(b - a).norm() / b.norm() for a, b in zip(path, path[1:], strict=False)]
        )
        past = (leaks - 1).clamp_min(0) * speed.detach() * depth / leak
        # 1e-12 is rounding, which leaves the layers at rest a speed of its own size.
        assert float(past.max()) <= overshoot + 1e-12
    capped, still, guarded = meshes.values()
    assert float(capped.max()) <= 0.9 + 1e-12
    # With no overshoot allowed, long steps are only where nothing moves at all.
    assert bool((still[[0, -1]] <= 1).all()) and bool((guarded[[0, -1]] <= 1.1).all())


def test_too_few_layers_for_the_guard_stay_within_the_cap_alone():
    net = square_net(3, 3, effective_depth=5.0, largest_leak=2.0)
    before = net.layer_steps.clone()
    x = random(20, 3, seed=0)
    mesh = layer_steps.Adaptive(net, every=1, smoothing=1.0, overshoot=0.0)
    assert mesh.step(x)
    assert not torch.equal(net.layer_steps, before)
    assert float(net.layer_steps.max()) * 5 <= 1.8 + 1e-12


@pytest.mark.parametrize("leak", [2.0, 4.5])
def test_beyond_the_euler_condition_a_linear_net_finds_a_minimum_that_is_no_geodesic(leak):
    # Equal steps between commuting ends: every layer of the geodesic multiplies by m = s^(1/L), so
    # that W = (m - 1 + x) / rho with x = rho L~ = 2/3 and 3/2. Where x > 1 the leakage alone turns
    # the sign of A, twice on the way, and much smaller weights do: the overshoot tells.
    ends = torch.tensor([1.5, 0.8], dtype=torch.float64)
    found = lp.geodesic.solve(
        torch.eye(2, dtype=torch.float64), torch.diag(ends), effective_depth=leak, width=2,
        depth=3, endpoint="fixed", activation="identity", bias=False, largest_leak=2.0,
        tolerance=1e-6, threads=1, progress=False,
    )  # fmt: skip
    W = (ends ** (1 / 3) - 1 + leak / 3) * 3
    action = float(W.square().sum()) / (2 * leak)
    past = layer_steps.overshoots(found.layer_steps, list(found.A), effective_depth=leak)
    told = "shoots past where the leakage draws the representation" in " ".join(found.words())
    assert found.status == "converged" and told == (leak > 3)
    torch.testing.assert_close(found.certificate.overshoot, past, rtol=1e-10, atol=0)
    if leak < 3:
        # The residual of 1e-6 enters squared, but the end is reached to 1e-7 only.
        assert found.action == pytest.approx(action, rel=1e-5)
        assert past.tolist() == [0, 0, 0]
    else:
        assert found.action < 0.5 * action  # 1.63 against 4.75
        assert float(past.max()) > 0.3


def test_the_cap_is_an_option_of_the_net_and_goes_with_its_copies():
    with pytest.raises(ValueError, match=r"rho \* effective_depth < 1 at effective_depth=5;"):
        lp.LeakyResNet(2, 2, width=3, depth=4, effective_depth=5.0)
    net = lp.LeakyResNet(2, 2, width=3, depth=4, effective_depth=5.0, largest_leak=1.5)
    copy = layer_steps.remesh(net, layer_steps.irregular(4, 0.3))
    assert copy.largest_leak == 1.5 and float(copy.layer_steps.max()) * 5 > 1
    with pytest.raises(ValueError, match=r"new_steps .* rho \* effective_depth < 1.5 at"):
        layer_steps.remesh(net, layer_steps.equidistant(3))
    for wrong in (0.9, 2.1, math.nan):
        with pytest.raises(ValueError, match="largest_leak must"):
            lp.LeakyResNet(2, 2, width=3, depth=4, effective_depth=1.0, largest_leak=wrong)


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"steps": torch.ones(2)}, "steps must sum to 1, got a sum of 2"),
        ({"effective_depth": -1.0}, "effective_depth must .* got -1"),
        ({"path": [torch.ones(1, 1)] * 3}, "got 3 A and 3 steps"),
    ],
)
def test_paths_that_do_not_fit_are_refused(change, sentence):
    given = {"steps": STEPS, "path": [torch.ones(1, 1)] * 4, "effective_depth": 2.0}
    with pytest.raises(ValueError, match=sentence):
        layer_steps.overshoots(**given | change)
