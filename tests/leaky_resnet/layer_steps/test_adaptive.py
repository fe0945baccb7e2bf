"""The adaptive mesh: where it comes to rest, when it moves, and what a net makes of it."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loadpath import LeakyResNet
from loadpath.leaky_resnet import layer_steps


class Curve:
    """A net whose representations lie on a known curve of the plane, whatever its steps are."""

    def __init__(self, curve, steps, *, effective_depth=0.0, step="euler"):
        self.curve, self.depth = curve, len(steps)
        self.effective_depth, self.step = effective_depth, step
        self.layer_steps = torch.as_tensor(steps, dtype=torch.float64)

    def path(self, x):
        nodes = [0.0, *self.layer_steps.cumsum(0).tolist()]
        return [x * torch.as_tensor(self.curve(p), dtype=x.dtype) for p in nodes]

    def set_layer_steps(self, steps):
        self.layer_steps = layer_steps.check(
            steps, depth=self.depth, effective_depth=self.effective_depth, step=self.step
        )


def scalars(*values):
    """A path of 1 x 1 representations."""
    return [torch.tensor([[value]], dtype=torch.float64) for value in values]


ONE = torch.ones(1, 1, dtype=torch.float64)


@pytest.mark.parametrize("depth", [2, 10, 40])
def test_a_mesh_comes_to_rest_where_all_relative_moves_are_equal(depth):
    # |A_p| = 1 + 9 p: moves are equal where |A| grows by one factor per layer, p_l = (10^(l/L)-1)/9
    net = Curve(lambda p: 1 + 9 * p, layer_steps.equidistant(depth))
    mesh = layer_steps.Adaptive(net, every=1, smoothing=0.3)
    for _ in range(300):
        mesh.step(ONE)
    nodes = torch.cat([torch.zeros(1, dtype=torch.float64), net.layer_steps.cumsum(0)])
    exact = (10 ** (torch.arange(depth + 1, dtype=torch.float64) / depth) - 1) / 9
    torch.testing.assert_close(nodes, exact, rtol=0, atol=1e-9)  # where the iteration ends
    norms = 1 + 9 * nodes
    moves = norms.diff() / norms[1:]
    torch.testing.assert_close(moves, moves.mean().expand(depth), rtol=1e-8, atol=0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    norms=st.lists(st.floats(1e-6, 1e6), min_size=3, max_size=30),
    crowding=st.floats(0.05, 0.999),
    start=st.just(0.0) | st.floats(1e-6, 0.99),  # numbers below 1e-100 are refused
    smoothing=st.floats(0.05, 1.0),
)
def test_the_euler_condition_holds_whatever_the_path_does(norms, crowding, start, smoothing):
    depth = len(norms) - 1
    steps = layer_steps.irregular(depth, start)
    effective_depth = crowding / float(steps.max())  # the mesh it starts from is just allowed

    class Jumps(Curve):
        def path(self, x):
            return [x * norm for norm in norms]

    net = Jumps(None, steps, effective_depth=effective_depth)
    mesh = layer_steps.Adaptive(net, every=1, smoothing=smoothing)
    for _ in range(5):
        mesh.step(ONE)  # set_layer_steps refuses rho L~ >= 1 as well
    longest = max(0.9, float(steps.max()) * effective_depth)
    assert float(net.layer_steps.max()) * effective_depth <= longest * (1 + 1e-12)
    assert float(net.layer_steps.min()) > 0
    assert float(net.layer_steps.sum()) == pytest.approx(1, abs=1e-12)


def test_a_step_moves_the_mesh_by_the_smoothing_and_only_when_due():
    net = Curve(lambda p: 1 + 9 * p, layer_steps.equidistant(4))
    mesh = layer_steps.Adaptive(net, every=3, smoothing=0.25, guard=0.1)
    start = net.layer_steps.clone()
    target = layer_steps.adapted(start, net.path(ONE), guard=0.1, longest=1.0)
    assert [mesh.step(ONE) for _ in range(3)] == [False, False, True]
    assert torch.equal(net.layer_steps, 0.75 * start + 0.25 * target)
    assert [mesh.step(ONE) for _ in range(4)] == [False, False, True, False]


def test_the_record_is_the_mesh_at_the_start_and_after_each_move():
    net = Curve(lambda p: 1 + 9 * p, layer_steps.equidistant(4))
    mesh = layer_steps.Adaptive(net, every=2)
    seen = [net.layer_steps.clone()]
    for _ in range(7):
        if mesh.step(ONE):
            seen.append(net.layer_steps.clone())
    record = mesh.record()
    assert record.sizes == {"move": 4, "step": 4}
    assert record["call"].values.tolist() == [0, 2, 4, 6]
    assert record["layer_steps"].values.tolist() == [steps.tolist() for steps in seen]
    assert record["layer_steps"].attrs.keys() == {"long_name", "units"}


def test_a_scheduler_goes_on_from_its_saved_state_exactly():
    def scheduler(steps):
        net = Curve(lambda p: 1 + 9 * p, steps, effective_depth=4.9)
        return net, layer_steps.Adaptive(net, every=3)

    net, mesh = scheduler(layer_steps.equidistant(5))
    for _ in range(7):
        mesh.step(ONE)
    state = mesh.state_dict()
    again, resumed = scheduler(net.layer_steps.clone())
    resumed.load_state_dict(state)
    for _ in range(8):
        mesh.step(ONE)
        resumed.step(ONE)
    assert torch.equal(again.layer_steps, net.layer_steps)
    assert resumed.state_dict().keys() == mesh.state_dict().keys()
    assert resumed.record().identical(mesh.record())
    assert resumed.longest == mesh.longest


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_a_net_takes_the_mesh_and_keeps_its_weights(step):
    net = LeakyResNet(3, 2, width=8, depth=6, effective_depth=3.0, step=step)
    before = net.weights.detach().clone()
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    mesh = layer_steps.Adaptive(net, every=1, smoothing=1.0)
    rule = layer_steps.adapted(net.layer_steps, net.path(x), guard=0.1, longest=mesh.longest)
    mesh.step(x)
    torch.testing.assert_close(net.layer_steps, rule, rtol=1e-12, atol=0)
    assert not torch.equal(net.layer_steps, layer_steps.equidistant(6))
    assert torch.equal(net.weights, before)
    assert mesh.longest == (0.3 if step == "euler" else 1.0)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"every": 0}, "every must be a whole number of at least 1, not 0"),
        ({"every": 1.5}, "every must be a whole number of at least 1, not 1.5"),
        ({"smoothing": 0.0}, r"smoothing must lie in \(0, 1\], got 0.0"),
        ({"smoothing": 1.1}, r"smoothing must lie in \(0, 1\], got 1.1"),
        ({"guard": 0.0}, r"guard must lie in \(0, 1\], got 0.0"),
        ({"guard": math.nan}, r"guard must lie in \(0, 1\], got nan"),
        ({"euler_margin": 1.0}, r"euler_margin must lie in \(0, 1\), got 1.0"),
        ({"overshoot": -0.1}, "overshoot must be finite and at least 0, got -0.1"),
        ({"euler_margin": 0.0}, r"euler_margin must lie in \(0, 1\), got 0.0"),
    ],
)
def test_bad_schedules_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        layer_steps.Adaptive(Curve(lambda p: 1, layer_steps.equidistant(3)), **options)


def test_many_calls_at_once_go_as_far_as_the_moves_that_are_due():
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    net = LeakyResNet(4, 4, width=8, depth=5, effective_depth=2.0, dtype=torch.float64)
    start = net.layer_steps.clone()
    target = layer_steps.adapted(start, net.path(x), guard=0.1, longest=0.45)
    mesh = layer_steps.Adaptive(net, every=20, smoothing=0.3)
    assert mesh.step(x, calls=70) and not mesh.step(x, calls=9) and mesh.step(x)
    (_, first), (call, moved), (last, _) = mesh.history
    assert torch.equal(first, start) and call == 70 and last == 80
    # Three moves towards one target leave 0.7^3 of the way; 1e-12 is rounding.
    torch.testing.assert_close(moved, 0.7**3 * start + (1 - 0.7**3) * target, rtol=1e-12, atol=0)
