"""Growth as depth: Leaky ResNets of known effective depth, as plain residual streams."""

import math

import numpy as np
import pytest
import torch
from exact_paths import random, square_net
from torch import nn

from loadpath.leaky_resnet import mechanics
from loadpath.measures import StepSums, log_growth, relative_step, turn
from loadpath.measures.step_sums import check_kind
from loadpath.statistics import Grouped, groups_of

WIDTH = 8


def undamped(net, x):
    """The plain residual stream of a Leaky ResNet, run as one: no leakage anywhere.

    With D_l the product of decays d up to l, A^_l = A_l / D_l obeys
    A^_l = A^_{l-1} + (g_l / d_l) phi(A^_{l-1}) W_l^T + (g_l / D_l) b_l, for phi homogeneous.
    """
    decays, gains = net.coefficients()
    A = x @ net.input_map
    stream, D = [A], 1.0
    for W, d, g in zip(net.weights, decays.tolist(), gains.tolist(), strict=True):
        D *= d
        A = A + g / d * net.phi(A) @ W[:, : net.width].T
        if net.bias:
            A = A + g / D * W[:, -1]
        stream.append(A)
    return stream


@torch.no_grad()
def keep_the_norm(net, x):
    """Scale the weights of every layer so that ||A_l||_F is the same in all."""
    A = x @ net.input_map
    decays, gains = net.coefficients()
    for W, d, g in zip(net.weights, decays.tolist(), gains.tolist(), strict=True):
        kept, written = d * A, g * net.features(A) @ W.T
        # ||kept + s written|| = ||A||: the positive root, which is there as ||kept|| < ||A||.
        a, b = written.square().sum(), (kept * written).sum()
        c = kept.square().sum() - A.square().sum()
        W *= (-b + (b * b - a * c).sqrt()) / a
        A = d * A + g * net.features(A) @ W.T
    return net


def step_sums(before, after, n_groups=5):
    groups = Grouped(StepSums, n_groups)
    groups.update(groups_of(torch.arange(len(before)), n_groups), before, after)
    return groups.parts


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("step", ["exponential", "euler"])
@pytest.mark.parametrize("depth_of_net", [0.5, 3.0, 7.0])
def test_a_stream_of_steady_size_has_the_effective_depth_of_its_leaky_net(step, bias, depth_of_net):
    steps = torch.linspace(1, 2, 12, dtype=torch.float64)
    net = square_net(
        WIDTH, 12, effective_depth=depth_of_net, step=step, bias=bias, seed=1,
        layer_steps=steps / steps.sum(),
    )  # fmt: skip
    with torch.no_grad():
        net.weights.add_(0.2 * random(*net.weights.shape, seed=2))  # biases too
    x = random(50, WIDTH, seed=3)
    keep_the_norm(net, x)
    with torch.no_grad():
        stream, leaky = undamped(net, x), net.path(x)
    decays = net.coefficients()[0]
    # The stream is the leaky path, rescaled: the symmetry itself.
    for l, D in enumerate([1.0, *decays.cumprod(0).tolist()]):
        torch.testing.assert_close(stream[l] * D, leaky[l], rtol=1e-11, atol=1e-12)
    found = [
        log_growth(step_sums(a, b), kind="rms").value
        for a, b in zip(stream, stream[1:], strict=False)
    ]
    np.testing.assert_allclose(found, -decays.log(), rtol=1e-11)
    if step == "exponential":  # the leakage treated exactly: layer by layer rho_l L~
        np.testing.assert_allclose(found, depth_of_net * net.layer_steps, rtol=1e-11)
        assert sum(found) == pytest.approx(depth_of_net, rel=1e-12)
    else:  # an Euler step of decay 1 - rho L~ is one of exponential leakage -log(1 - rho L~)
        assert sum(found) > depth_of_net
    whole = log_growth(step_sums(stream[0], stream[-1]), kind="rms")
    assert whole.value == pytest.approx(sum(found), rel=1e-12)


@pytest.mark.parametrize("kind", ["sample", "rms"])
@pytest.mark.parametrize("depth_of_net", [0.0, 2.0, 7.0])
def test_of_any_leaky_net_it_is_the_leakage_and_the_growth_of_the_path(kind, depth_of_net):
    # No steady size: what is invariant is L~ + log(|A_L| / |A_0|), whichever description is used.
    net = square_net(WIDTH, 10, effective_depth=depth_of_net, step="exponential", seed=4)
    x = random(60, WIDTH, seed=5)
    with torch.no_grad():
        stream, leaky = undamped(net, x), net.path(x)
    plain = log_growth(step_sums(stream[0], stream[-1]), kind=kind)
    damped = log_growth(step_sums(leaky[0], leaky[-1]), kind=kind, decay=math.exp(-depth_of_net))
    assert plain.value == pytest.approx(damped.value, rel=1e-11, abs=1e-12)
    assert plain.low == pytest.approx(damped.low, rel=1e-9)
    a, b = leaky[0], leaky[-1]
    growth = (
        (b.norm(dim=1) / a.norm(dim=1)).log().mean()
        if kind == "sample"
        else (b.norm() / a.norm()).log()
    )
    assert plain.value == pytest.approx(depth_of_net + float(growth), rel=1e-11)


def test_a_pre_norm_net_follows_the_leaky_flow_of_its_directions_sample_by_sample():
    # A_l = A_{l-1} + f(A_{l-1} / |A_{l-1}|): directions obey u_l = e^{-g} (u_{l-1} + f / |A_{l-1}|)
    # with g = log(|A_l| / |A_{l-1}|) of that sample, for any f.
    block = nn.Sequential(nn.Linear(WIDTH, 20), nn.GELU(), nn.Linear(20, WIDTH)).double()
    A = 3 * random(40, WIDTH, seed=6)
    with torch.no_grad():
        u = A / A.norm(dim=1, keepdim=True)
        after = A + block(u)
    g = (after.norm(dim=1) / A.norm(dim=1)).log()[:, None]
    follows = (-g).exp() * (u + block(u).detach() / A.norm(dim=1, keepdim=True))
    torch.testing.assert_close(follows, after / after.norm(dim=1, keepdim=True))
    assert log_growth(step_sums(A, after)).value == pytest.approx(float(g.mean()), rel=1e-12)


def test_steps_are_those_of_mechanics():
    net = square_net(WIDTH, 6, effective_depth=2.0, seed=7)
    x = random(30, WIDTH, seed=8)
    with torch.no_grad():
        path = net.path(x)
    speed = mechanics.relative_speed(path, net.layer_steps)
    found = [relative_step(step_sums(a, b)).value for a, b in zip(path, path[1:], strict=False)]
    np.testing.assert_allclose(found, speed * net.layer_steps, rtol=1e-12)


@pytest.mark.parametrize("angle", [1e-6, 0.3, 2.0, math.pi])
def test_a_turn_is_the_angle_whatever_the_growth(angle):
    before = random(20, 2, seed=9)
    cos, sin = math.cos(angle), math.sin(angle)
    after = 4 * before @ torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float64)
    found = turn(step_sums(before, after))
    # The step is 3 |A|: a small angle is what is left of 9 |A|^2, to eps * 9 / angle^2.
    assert found.value == pytest.approx(angle, rel=1e-3 if angle < 1e-3 else 1e-7)
    assert relative_step(step_sums(before, 4 * before)).value == pytest.approx(0.75)
    assert turn(step_sums(before, 4 * before)).value == pytest.approx(0, abs=1e-7)


def test_intervals_cover_the_population():
    # A_l = A + s e: c^2 = s^2 / (1 + s^2) over the population; turn: cos = 1 / sqrt(1 + s^2);
    # rms growth: log(1 + s^2) / 2.
    s = 0.7
    expected = {
        relative_step: math.sqrt(s * s / (1 + s * s)),
        turn: math.acos(1 / math.sqrt(1 + s * s)),
        "rms": math.log(1 + s * s) / 2,
    }
    covered = {measure: 0 for measure in expected}
    for seed in range(200):
        A = random(150, 4, seed=seed)
        parts = step_sums(A, A + s * random(150, 4, seed=seed + 1000), 10)
        for measure, truth in expected.items():
            found = log_growth(parts, kind="rms") if measure == "rms" else measure(parts)
            covered[measure] += found.low <= truth <= found.high
    for count in covered.values():
        assert count / 200 == pytest.approx(0.95, abs=4 * 0.0154)


def test_a_shrinking_stream_has_negative_depth_and_a_dead_one_a_word():
    A = random(20, 3, seed=10)
    assert log_growth(step_sums(A, A / 2)).value == pytest.approx(-math.log(2))
    dead = step_sums(A, 0 * A)
    for measure in (relative_step, turn, log_growth):
        assert measure(dead).status == "constant features"
        assert measure([StepSums()]).status == "not enough samples"
    half = torch.cat([A[:10], 0 * A[10:]])
    # Samples that died are left out of the mean over samples.
    assert log_growth(step_sums(A, half)).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: StepSums().update(torch.ones(3, 2), torch.ones(3, 4)), r"after must have shape"),
        (
            lambda: StepSums().update(torch.ones(3, 2) / 0, torch.ones(3, 2)),
            "before must be finite",
        ),
        (
            lambda: log_growth([StepSums()], decay=0.0),
            "decay must be finite and above 0, got 0.0",
        ),
        (lambda: log_growth([StepSums()], kind="mean"), "kind must be .* got 'mean'"),
        (lambda: check_kind("max"), "kind must be one of sample, rms, got 'max'"),
    ],
)
def test_bad_input_is_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        call()
    assert "\n" not in str(error.value)
