"""Layers of a trained net are cut anew: what that keeps exactly, and what it converges to."""

import copy
import math

import numpy as np
import pytest
import torch
from exact_paths import random, square_net
from scipy.integrate import solve_ivp

from loadpath import LeakyResNet, data, fit
from loadpath.leaky_resnet import layer_steps
from loadpath.leaky_resnet.training import LBFGS, Adam

STEPS = ["euler", "exponential"]


def random_net(depth=6, *, seed=0, steps=None, dtype=torch.float64, **options):
    """A small net with random weights and biases."""
    options = {"effective_depth": 2.0, "dtype": dtype, **options}
    net = LeakyResNet(4, 3, width=5, depth=depth, layer_steps=steps, seed=seed, **options)
    with torch.no_grad():
        net.weights.copy_(random(*net.weights.shape, seed=seed))
    return net


def random_steps(depth, *, seed):
    steps = random(depth, seed=seed).abs() + 0.3
    return steps / steps.sum()


# --- remesh: what is kept ---


def test_a_new_layer_has_the_mean_of_the_old_weights_over_its_step():
    # Nodes 0, 1/2, 3/4, 1 and 0, 1/3, 2/3, 1: the second new step is half in the first old one,
    # and a quarter of the third, 2/3 to 3/4, is in the second old one.
    net = random_net(3, steps=torch.tensor([1 / 2, 1 / 4, 1 / 4]), effective_depth=1.0)
    W = net.weights.detach()
    new = layer_steps.remesh(net, layer_steps.equidistant(3))
    expected = torch.stack([W[0], W[0] / 2 + W[1] / 2, W[1] / 4 + 3 * W[2] / 4])
    torch.testing.assert_close(new.weights.detach(), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_its_own_steps_give_the_same_net(step, dtype):
    net = random_net(7, steps=random_steps(7, seed=1), step=step, dtype=dtype)
    again = layer_steps.remesh(net, net.layer_steps)
    assert torch.equal(again.weights, net.weights)
    x = random(10, 4, seed=2)
    assert torch.equal(again(x), net(x))
    # Steps that went through float32 have nodes that are off by rounding: nothing leaks over.
    rounded = layer_steps.remesh(net, net.layer_steps.float())
    assert torch.equal(rounded.weights, net.weights)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_splitting_and_merging_the_parts_gives_the_weights_back(parts, seed):
    # The means are taken in float64, so that float32 weights come back bit for bit.
    net = random_net(6, seed=seed, steps=random_steps(6, seed=seed), dtype=torch.float32)
    finer = layer_steps.remesh(net, layer_steps.split(net.layer_steps, parts))
    assert finer.depth == 6 * parts and len(finer.path(random(2, 4, seed=0))) == 6 * parts + 1
    assert torch.equal(finer.weights, net.weights.repeat_interleave(parts, 0))
    back = layer_steps.remesh(finer, layer_steps.merged(finer.layer_steps, parts))
    assert torch.equal(back.weights, net.weights)
    torch.testing.assert_close(back.layer_steps, net.layer_steps, rtol=1e-14, atol=0)


@pytest.mark.parametrize("seed", range(3))
def test_splitting_keeps_the_regularizer_and_merging_lowers_it_by_the_variance(seed):
    net = random_net(6, seed=seed, steps=random_steps(6, seed=seed))
    path = net.path(random(20, 4, seed=seed))
    steps = net.layer_steps
    for finer in (layer_steps.split(steps, 3), layer_steps.refined(steps, path, 5)):
        kept = layer_steps.remesh(net, finer).regularizer()
        torch.testing.assert_close(kept, net.regularizer(), rtol=1e-13, atol=0)
    coarse = layer_steps.remesh(net, layer_steps.merged(net.layer_steps))
    apart = (net.weights - coarse.weights.repeat_interleave(2, 0)).square().sum((1, 2))
    variance = (net.layer_steps * apart).sum() / (2 * net.effective_depth)
    expected = net.regularizer() - variance
    torch.testing.assert_close(coarse.regularizer(), expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize("seed", range(5))
def test_the_integral_of_the_weights_never_changes(seed):
    net = random_net(6, seed=seed, steps=random_steps(6, seed=seed))
    new = layer_steps.remesh(net, random_steps(9, seed=seed + 10))
    before, after = (torch.tensordot(m.layer_steps, m.weights, 1) for m in (net, new))
    torch.testing.assert_close(after, before, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("step", STEPS)
def test_layers_at_rest_stay_at_rest(step):
    # Linear, W = L~ I: S W^T = L~ A, so that no layer moves anything, however long.
    net = square_net(4, 3, effective_depth=2.5, step=step, activation="identity", bias=False)
    with torch.no_grad():
        net.weights.copy_(2.5 * torch.eye(4))
    x = random(6, 4, seed=0)
    for steps in (layer_steps.split(net.layer_steps, 4), layer_steps.irregular(8, 0.9)):
        out = layer_steps.remesh(net, steps)(x)
        torch.testing.assert_close(out, x, rtol=1e-13, atol=1e-13)


def test_leakage_alone_is_kept_by_exponential_steps_and_not_by_euler_ones():
    x = random(6, 4, seed=0)
    for step, expected in (("exponential", math.exp(-2.0)), ("euler", (1 - 2.0 / 12) ** 12)):
        net = square_net(4, 4, effective_depth=2.0, step=step)
        with torch.no_grad():
            net.weights.zero_()
        out = layer_steps.remesh(net, layer_steps.split(net.layer_steps, 3))(x)
        torch.testing.assert_close(out, expected * x, rtol=1e-13, atol=0)


# --- remesh: what it converges to ---

LEAK = 2.0


def weights_at(p):
    """A smooth W(p) for a net of width 3."""
    a, b, c = (random(3, 4, seed=i).numpy() for i in range(3))
    return a + b * np.sin(3 * p) + c * np.cos(2 * p)


def net_of_means(depth, step):
    """A net whose weights are the means of W(p) over equidistant steps."""
    nodes, q = np.polynomial.legendre.leggauss(8)  # exact to rounding for so smooth a W
    at = (np.arange(depth)[:, None] + (nodes + 1) / 2) / depth
    means = [sum(w / 2 * weights_at(p) for p, w in zip(row, q, strict=True)) for row in at]
    net = square_net(3, depth, effective_depth=LEAK, step=step, activation="tanh")
    with torch.no_grad():
        net.weights.copy_(torch.tensor(np.array(means)))
    return net


def flow(A, weights, start=0.0, end=1.0):
    """dA/dp = -L~ A + [tanh A, 1] W(p)^T from `start` to `end`, by DOP853."""

    def speed(p, a):
        a = a.reshape(-1, 3)
        S = np.hstack([np.tanh(a), np.ones((len(a), 1))])
        return (-LEAK * a + S @ weights(p).T).ravel()

    found = solve_ivp(speed, (start, end), A.ravel(), method="DOP853", rtol=1e-11, atol=1e-12)
    return found.y[:, -1].reshape(-1, 3)


def orders(errors):
    return np.log2(np.array(errors[:-1]) / errors[1:])


@pytest.mark.parametrize("step", STEPS)
def test_a_refined_net_converges_to_the_flow_of_its_own_weights_at_first_order(step):
    net, x = net_of_means(8, step), random(5, 3, seed=9)
    exact = x.numpy()
    for l, W in enumerate(net.weights.detach().numpy()):
        exact = flow(exact, lambda p, W=W: W, l / 8, (l + 1) / 8)
    errors = []
    for parts in (8, 16, 32, 64):
        out = layer_steps.remesh(net, layer_steps.split(net.layer_steps, parts))(x)
        errors.append(np.abs(out.detach().numpy() - exact).max())
    assert orders(errors) == pytest.approx(1, abs=0.1)


def test_reading_weights_as_constant_over_their_steps_costs_second_order():
    # Means over the steps leave an error that integrates to 0 over each of them.
    x, fine = random(5, 3, seed=9), layer_steps.equidistant(1024)
    reference = net_of_means(1024, "exponential")(x)
    errors = []
    for depth in (4, 8, 16, 32):
        out = layer_steps.remesh(net_of_means(depth, "exponential"), fine)(x)
        errors.append(float((out - reference).detach().abs().max()))
    assert orders(errors) == pytest.approx(2, abs=0.2)
    # and the reference is the flow of W(p) itself, to first order in 1/1024
    exact = flow(x.numpy(), weights_at)
    scale = np.abs(exact).max()
    assert np.abs(reference.detach().numpy() - exact).max() < 5e-3 * scale


@pytest.fixture(scope="module")
def trained():
    teacher = data.teacher((6, 2, 6), n_train=200, n_test=200, seed=0)
    net = LeakyResNet(6, 6, width=16, depth=10, effective_depth=2.0, seed=0)
    fit(net, teacher, weight_decay=0.06, stages=(Adam(100), LBFGS(60)), threads=1, progress=False)
    return net, teacher


def test_halving_a_trained_net_costs_less_than_to_drop_its_two_slowest_layers(trained):
    net, teacher = trained

    def error(model):
        with torch.no_grad():
            return float((model(teacher.x_test) - teacher.y_test).square().sum(1).mean())

    path = net.path(teacher.x_train)
    start = error(net)
    assert start < 0.5 * 6  # it has learned something: outputs have variance 6
    steps = net.layer_steps
    for new in (
        layer_steps.split(steps),
        layer_steps.refined(steps, path, 5),
        layer_steps.equal_arclength(steps, path, 20),
    ):
        # First order at rho L~ = 0.2: 5 to 15 % was seen, of an error that is 11 % of the variance.
        assert error(layer_steps.remesh(net, new)) == pytest.approx(start, rel=0.2)
    moves = torch.stack([(b - a).norm() / b.norm() for a, b in zip(path, path[1:], strict=False)])
    order = moves.argsort().tolist()
    slow, fast = (error(layer_steps.without(net, layers)) for layers in (order[:2], order[-2:]))
    # Seen: 0.64 at first, 0.95, 1.9 and 3.3.
    assert error(layer_steps.remesh(net, layer_steps.merged(steps))) < slow < fast


# --- without ---


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("effective_depth", [0.0, 2.0])
@pytest.mark.parametrize("seed", range(2))
def test_dropped_layers_are_skipped_and_the_others_do_what_they_did(effective_depth, step, seed):
    steps = random_steps(6, seed=seed)
    net = random_net(6, seed=seed, steps=steps, step=step, effective_depth=effective_depth)
    dropped = [0, 3, 4]
    short = layer_steps.without(net, dropped)
    A = x = random(8, 4, seed=seed)
    A = x @ net.input_map
    path, (decay, gain) = [A], net.coefficients()
    for l in range(6):
        if l not in dropped:
            A = decay[l] * A + gain[l] * net.features(A) @ net.weights[l].T
            path.append(A)
    assert short.depth == 3
    for found, expected in zip(short.path(x), path, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)
    left = [1, 2, 5]
    assert short.effective_depth == pytest.approx(effective_depth * float(steps[left].sum()))
    squares = net.weights.square().sum((1, 2))
    # At L~ = 0 the prefactor 1/2 of the regularizer does not stretch along.
    factor = 1 / (2 * effective_depth) if effective_depth else float(steps[left].sum()) / 2
    share = factor * (net.layer_steps * squares)[left].sum()
    torch.testing.assert_close(short.regularizer(), share, rtol=1e-12, atol=0)


# --- the copy ---


def test_the_copy_has_the_maps_dtype_and_training_of_the_net_but_shares_nothing():
    net = random_net(4, input_map="learned", dtype=torch.float32, step="exponential", bias=False)
    with torch.no_grad():
        net.input_map.mul_(1.7)
    net.weights.grad = torch.ones_like(net.weights)
    before = copy.deepcopy(net.state_dict())
    x = random(5, 4, seed=3)
    for new in (
        layer_steps.remesh(net, layer_steps.equidistant(7)),
        layer_steps.without(net, [1]),
        layer_steps.remesh(net, net.layer_steps),
    ):
        assert isinstance(new, LeakyResNet) and new.settings() | {"depth": 0} == (
            net.settings() | {"depth": 0, "effective_depth": new.effective_depth}
        )
        assert [name for name, _ in new.named_parameters()] == ["input_map", "weights"]
        assert new.weights.dtype == torch.float32 and new.weights.grad is None
        assert torch.equal(new.input_map, net.input_map)
        assert torch.equal(new.output_map, net.output_map)
        assert new.weights.shape == (new.depth, 5, 5) and new.p[-1] == pytest.approx(1)
        new(x).square().sum().backward()
        with torch.no_grad():
            new.weights.sub_(new.weights.grad)
            new.input_map.zero_()
            new.output_map.zero_()
        new.set_layer_steps(layer_steps.irregular(new.depth, 0.5))
    after = net.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_frozen_weights_stay_frozen():
    net = random_net(4)
    net.weights.requires_grad_(False)
    assert not layer_steps.remesh(net, layer_steps.equidistant(5)).weights.requires_grad


# --- steps ---


def scalars(*values):
    return [torch.tensor([[value]], dtype=torch.float64) for value in values]


def test_split_and_merged_by_hand():
    steps = torch.tensor([0.5, 0.2, 0.2, 0.1])
    expected = torch.tensor([0.25, 0.25, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05], dtype=torch.float64)
    # 1e-7: the steps are float32 numbers
    torch.testing.assert_close(layer_steps.split(steps), expected, rtol=1e-7, atol=0)
    torch.testing.assert_close(
        layer_steps.merged(steps),
        torch.tensor([0.7, 0.3], dtype=torch.float64),
        rtol=1e-7,
        atol=0,
    )
    assert torch.equal(layer_steps.merged(steps, 1), steps.double())


def test_refined_halves_the_layer_that_moves_farthest_each_time():
    # Moves |dA| / |A| of 1/2, 1/8 and 1/5: first the first layer is cut, into halves that move 1/4
    # each, then one of those, then the other, and then the third.
    path = scalars(1.0, 2.0, 16 / 7, 20 / 7)
    steps = torch.tensor([0.2, 0.4, 0.4], dtype=torch.float64)
    cuts = [
        [0.2, 0.4, 0.4],
        [0.1, 0.1, 0.4, 0.4],
        [0.05, 0.05, 0.1, 0.4, 0.4],
        [0.05] * 4 + [0.4, 0.4],
        [0.05] * 4 + [0.4, 0.2, 0.2],
    ]
    for count, expected in enumerate(cuts):
        new = layer_steps.refined(steps, path, count, guard=0.01)
        assert new.tolist() == pytest.approx(expected, rel=1e-15)


def test_equal_arclength_by_hand():
    # Speeds |dA| / (rho |A|) of 1, 3 and 1 over 1/2, 1/4 and 1/4: an arclength of 3/2 in all.
    steps = torch.tensor([1 / 2, 1 / 4, 1 / 4], dtype=torch.float64)
    path = scalars(1.0, 2.0, 8.0, 32 / 3)
    # In two: 3/4 is 1/4 into the second step's 3/4, a third of its length on.
    new = layer_steps.equal_arclength(steps, path, 2)
    assert new.tolist() == pytest.approx([1 / 2 + 1 / 12, 1 / 4 + 1 / 6], rel=1e-13)
    new = layer_steps.equal_arclength(steps, path, 6)  # a quarter each
    assert new.tolist() == pytest.approx([1 / 4, 1 / 4, 1 / 12, 1 / 12, 1 / 12, 1 / 4], rel=1e-13)
    capped = layer_steps.equal_arclength(steps, path, 6, longest=0.2)
    assert float(capped.max()) == pytest.approx(0.2) and float(capped.sum()) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(3))
def test_equal_arclength_is_where_the_adaptive_rule_rests(seed):
    # On its steps, a path of the same arclength has c_l rho_l all equal: `adapted` keeps them.
    steps = random_steps(8, seed=seed)
    speed = random(8, seed=seed + 5).abs() + 0.5
    path = [torch.ones(1, 1, dtype=torch.float64)]
    for move in steps * speed / 10:
        path.append(path[-1] / (1 - move))
    new = layer_steps.equal_arclength(steps, path, 8, guard=1e-6)
    p, q = (torch.cat([s.new_zeros(1), s.cumsum(0)]).numpy() for s in (steps, new))
    arclength = np.interp(q, p, np.r_[0, np.cumsum((steps * speed).numpy())])
    moves = torch.tensor(np.diff(arclength))
    torch.testing.assert_close(moves, moves.mean().expand(8), rtol=1e-12, atol=0)


@pytest.mark.parametrize("values", [(3.0, 3.0, 3.0), (0.0, 0.0, 0.0), (1.0, math.nan, 1.0)])
def test_a_path_that_says_nothing_gives_even_steps(values):
    steps, path = torch.tensor([0.6, 0.4]), scalars(*values)
    assert torch.equal(layer_steps.equal_arclength(steps, path, 5), layer_steps.equidistant(5))
    assert layer_steps.refined(steps, path, 1).tolist() == pytest.approx([0.3, 0.3, 0.4])


# --- bad input ---


def infinite_net():
    net = random_net(3)
    with torch.no_grad():
        net.weights[1, 0, 0] = math.inf
    return net


@pytest.mark.parametrize(
    "call, sentence",
    [
        (
            lambda: layer_steps.remesh(random_net(), [0.5, 0.6]),
            "new_steps must sum to 1, got .*1.1",
        ),
        (
            lambda: layer_steps.remesh(random_net(), [1.5, -0.5]),
            r"new_steps must be finite and positive, got \[1.5, -0.5\]",
        ),
        (
            lambda: layer_steps.remesh(random_net(), [0.6, 0.4]),
            "new_steps with a longest step of 0.6 break the Euler condition .* effective_depth=2;",
        ),
        (
            lambda: layer_steps.remesh(random_net(), torch.ones(2, 2) / 4),
            r"new_steps must have shape \(depth,\), got \(2, 2\)",
        ),
        (
            lambda: layer_steps.remesh(infinite_net(), layer_steps.equidistant(4)),
            "model must have finite weights",
        ),
        (
            lambda: layer_steps.without(random_net(3), [0, 0]),
            r"layers must be different numbers from 0 to 2, not all, got \[0, 0\]",
        ),
        (lambda: layer_steps.without(random_net(3), [3]), r"from 0 to 2, not all, got \[3\]"),
        (
            lambda: layer_steps.without(random_net(3), [-1]),
            "layers must be a whole number of at least 0, not -1",
        ),
        (lambda: layer_steps.without(random_net(3), range(3)), r"not all, got \[0, 1, 2\]"),
        (lambda: layer_steps.split(torch.ones(1), 0), "parts must be a whole number .* not 0"),
        (
            lambda: layer_steps.merged(layer_steps.equidistant(5)),
            "layers must divide the depth, 5, got 2",
        ),
        (
            lambda: layer_steps.refined(torch.ones(1), scalars(1.0, 2.0), -1),
            "count must be a whole number of at least 0, not -1",
        ),
        (
            lambda: layer_steps.refined(torch.ones(1), scalars(1.0, 2.0), 1, guard=0.0),
            r"guard must lie in \(0, 1\], got 0.0",
        ),
        (
            lambda: layer_steps.refined(torch.ones(1), scalars(1.0, 2.0, 3.0), 1),
            "path must have one step between every two A: got 3 A and 1 steps",
        ),
        (
            lambda: layer_steps.equal_arclength(torch.ones(1), scalars(1.0, 2.0), 0),
            "depth must be a whole number of at least 1, not 0",
        ),
        (
            lambda: layer_steps.equal_arclength(torch.ones(1), scalars(1.0, 2.0), 4, longest=0.2),
            "longest must be at least 1 / depth = 0.25, got 0.2",
        ),
        (
            lambda: layer_steps.equal_arclength(torch.ones(1), scalars(1.0, 2.0), 4, guard=1.5),
            r"guard must lie in \(0, 1\], got 1.5",
        ),
        (
            lambda: random_net(3).with_layers(torch.ones(1), torch.zeros(2, 5, 6)),
            r"weights must have shape \(1, 5, 6\), got \(2, 5, 6\)",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
