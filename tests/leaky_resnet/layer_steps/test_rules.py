"""Layer steps: sums and shapes, and the adaptive rule against hand-made paths."""

import math

import pytest
import torch

from loadpath.leaky_resnet import layer_steps


def scalars(*values):
    """A path of 1 x 1 representations."""
    return [torch.tensor([[value]], dtype=torch.float64) for value in values]


ONE = torch.ones(1, 1, dtype=torch.float64)


@pytest.mark.parametrize("depth", [1, 2, 7, 100])
def test_equidistant_steps_are_equal(depth):
    steps = layer_steps.equidistant(depth)
    assert steps.dtype == torch.float64
    assert steps.tolist() == [1 / depth] * depth


@pytest.mark.parametrize("depth", [1, 2, 3, 8, 21, 100])
@pytest.mark.parametrize("a", [0.1, 0.5, 0.99])
def test_irregular_steps_are_small_at_both_ends_and_largest_in_the_middle(depth, a):
    steps = layer_steps.irregular(depth, a)
    assert steps.shape == (depth,)
    assert float(steps.sum()) == pytest.approx(1, abs=1e-14)  # rounding of `depth` additions
    middle = depth // 2  # l = depth / 2 has index depth / 2 - 1
    if depth % 2 == 0:
        assert int(steps.argmax()) == middle - 1
        # rho depends on |l/L - 1/2| alone: l and L - l have the same step.
        torch.testing.assert_close(steps[:-1], steps[:-1].flip(0), rtol=1e-13, atol=0)
    rising, falling = steps.diff()[: middle - 1], steps.diff()[middle:]
    assert bool((rising > 0).all()) and bool((falling < 0).all())


def test_irregular_steps_are_the_printed_rule():
    # L = 4, a = 1/2: 1 + a (1/4 - |l/4 - 1/2|) = 1, 9/8, 1, 7/8 for l = 1..4, and they add to 4.
    expected = torch.tensor([8, 9, 8, 7], dtype=torch.float64) / 32
    torch.testing.assert_close(layer_steps.irregular(4, 0.5), expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("depth", [1, 5, 30])
def test_irregular_steps_with_a_of_0_are_equidistant(depth):
    torch.testing.assert_close(
        layer_steps.irregular(depth, 0.0), layer_steps.equidistant(depth), rtol=1e-14, atol=0
    )


def test_the_adaptive_rule_by_hand():
    # |A| = 1, 2, 3, 6 and rho = .5, .3, .2 give c = 1/(.5*2), 1/(.3*3), 3/(.2*6) = 1, 10/9, 5/2,
    # so 1/c = 1, 0.9, 0.4, which add to 2.3.
    rho = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    new = layer_steps.adapted(rho, scalars(1.0, 2.0, 3.0, 6.0), guard=1e-9, longest=1.0)
    expected = torch.tensor([1.0, 0.9, 0.4], dtype=torch.float64) / 2.3
    torch.testing.assert_close(new, expected, rtol=1e-14, atol=0)


def test_the_adaptive_rule_takes_frobenius_norms():
    generator = torch.Generator().manual_seed(0)
    path = [torch.randn(7, 5, generator=generator, dtype=torch.float64) for _ in range(6)]
    rho = layer_steps.irregular(5, 0.8)
    c = [
        math.sqrt(float(((path[l] - path[l - 1]) ** 2).sum()))
        / (float(rho[l - 1]) * math.sqrt(float((path[l] ** 2).sum())))
        for l in range(1, 6)
    ]
    total = sum(1 / value for value in c)
    expected = torch.tensor([1 / value / total for value in c], dtype=torch.float64)
    new = layer_steps.adapted(rho, path, guard=1e-9, longest=1.0)
    torch.testing.assert_close(new, expected, rtol=1e-13, atol=0)


def test_the_guard_keeps_a_layer_that_does_nothing_from_taking_the_whole_path():
    # Speeds are 1, 1/2, 0, 1/4 (|A| doubles, doubles, stays, and grows by 4/3 in steps of 1/4 each
    # is 2, 2, 0, 1): mean 5/4, and a guard of 1/10 counts the 0 as 1/8.
    rho = layer_steps.equidistant(4)
    path = scalars(1.0, 2.0, 4.0, 4.0, 16 / 3)
    expected = torch.tensor([1 / 2, 1 / 2, 8, 1], dtype=torch.float64) / 10
    new = layer_steps.adapted(rho, path, guard=0.1, longest=1.0)
    torch.testing.assert_close(new, expected, rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    "path",
    [
        scalars(3.0, 3.0, 3.0, 3.0),
        scalars(0.0, 0.0, 0.0, 0.0),
        scalars(1.0, math.nan, 2.0, 3.0),
        scalars(1.0, math.inf, math.inf, math.inf),
    ],
    ids=["at rest", "dead", "nan", "inf"],
)
def test_a_path_that_says_nothing_leaves_steps_that_a_net_can_take(path):
    rho = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    assert torch.equal(layer_steps.adapted(rho, path, guard=0.1, longest=1.0), rho)


def test_a_path_that_dies_gives_a_valid_mesh():
    rho = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    new = layer_steps.adapted(rho, scalars(1.0, 0.0, 0.0, 0.0), guard=0.1, longest=1.0)
    # All of the speed is in the first layer: it is 3 times the mean, the others 1/10 of it.
    expected = torch.tensor([1 / 3, 10, 10], dtype=torch.float64) / (61 / 3)
    torch.testing.assert_close(new, expected, rtol=1e-13, atol=0)


def test_most_layers_at_rest_still_give_a_valid_mesh():
    rho = layer_steps.equidistant(5)
    path = scalars(1.0, 1.0, 1.0, 1.0, 1.0, 2.0)
    new = layer_steps.adapted(rho, path, guard=0.1, longest=1.0)
    # Speed 5/2 in the last layer, mean 1/2: the others count as 1/20, fifty times slower.
    expected = torch.tensor([50, 50, 50, 50, 1], dtype=torch.float64) / 201
    torch.testing.assert_close(new, expected, rtol=1e-13, atol=0)


def test_capped_steps_hand_their_excess_to_the_others_in_proportion():
    # 1/c ~ 8, 4, 2, 1, 1 / 16 with a cap of 0.3: 0.5 -> 0.3, its 0.2 makes 0.25 -> 0.35 -> 0.3,
    # and the other three share the remaining 0.4 as 2 : 1 : 1.
    rho = layer_steps.equidistant(5)
    path = [torch.tensor([[1.0]], dtype=torch.float64)]
    for weight in (8, 4, 2, 1, 1):
        path.append(path[-1] / (1 - 1 / (64 * weight)))  # |dA| / |A| is 1 / (64 weight)
    new = layer_steps.adapted(rho, path, guard=1e-9, longest=0.3)
    expected = torch.tensor([0.3, 0.3, 0.2, 0.1, 0.1], dtype=torch.float64)
    torch.testing.assert_close(new, expected, rtol=1e-11, atol=0)  # differences of 1/512 of |A|


@pytest.mark.parametrize(
    "call, sentence",
    [
        (lambda: layer_steps.equidistant(0), "depth must be a whole number of at least 1, not 0"),
        (lambda: layer_steps.equidistant(2.5), "depth must be a whole number .* not 2.5"),
        (lambda: layer_steps.irregular(-1, 0.5), "depth must be a whole number .* not -1"),
        (lambda: layer_steps.irregular(4, 1.0), r"a must lie in \[0, 1\), got 1.0"),
        (lambda: layer_steps.irregular(4, -0.1), r"a must lie in \[0, 1\), got -0.1"),
        (lambda: layer_steps.irregular(4, math.nan), r"a must lie in \[0, 1\), got nan"),
    ],
)
def test_bad_rules_are_refused(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


@pytest.mark.parametrize(
    "steps, sentence",
    [
        ([0.5, 0.5], r"layer_steps must have shape \(3,\), got \(2,\)"),
        ([[0.5, 0.3, 0.2]], r"layer_steps must have shape \(3,\), got \(1, 3\)"),
        ([0.5, 0.75, -0.25], r"must be finite and positive, got \[0.5, 0.75, -0.25\]"),
        ([0.5, 0.5, 0.0], "layer_steps must be finite and positive, got .*0.0"),
        ([0.5, math.nan, 0.5], "layer_steps must be finite and positive, got .*nan"),
        ([0.5, math.inf, 0.5], "layer_steps must be finite and positive, got .*inf"),
        ([0.5, 0.3, 0.1], "layer_steps must sum to 1, got a sum of 0.9"),
        ([0.5, 0.3, 0.2], "longest step of 0.5 break the Euler condition .* effective_depth=2;"),
    ],
)
def test_steps_that_a_net_cannot_take_are_refused(steps, sentence):
    with pytest.raises(ValueError, match=sentence):
        layer_steps.check(torch.tensor(steps), depth=3, effective_depth=2.0, step="euler")


def test_the_euler_condition_binds_the_euler_step_alone():
    steps = torch.tensor([0.5, 0.3, 0.2])
    taken = layer_steps.check(steps, depth=3, effective_depth=50.0, step="exponential")
    assert taken.dtype == torch.float64
    torch.testing.assert_close(taken, steps.double(), rtol=0, atol=0)
    layer_steps.check(steps, depth=3, effective_depth=1.99, step="euler")
