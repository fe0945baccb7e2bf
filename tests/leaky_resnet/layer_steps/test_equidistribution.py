"""Meshes of equal cost, by hand, against other meshes, and where costs say nothing."""

import math

import pytest
import torch

from loadpath.leaky_resnet import layer_steps


def test_steps_of_equal_cost_by_hand():
    # Densities of layers sqrt|cost| / rho are 2, 6 and 2 over 1/2, 1/4 and 1/4: 1, 3/2, 1/2, in
    # all 3. In three parts of 1: the first step, two thirds of the second, and the rest.
    steps = torch.tensor([1 / 2, 1 / 4, 1 / 4], dtype=torch.float64)
    costs = torch.tensor([1.0, -9 / 4, 1 / 4], dtype=torch.float64)
    new = layer_steps.equal_cost(steps, costs, 3)
    assert new.tolist() == pytest.approx([1 / 2, 1 / 6, 1 / 3], rel=1e-13)
    capped = layer_steps.equal_cost(steps, costs, 3, longest=0.4)
    assert capped.tolist() == pytest.approx([0.4, 0.2, 0.4], rel=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_no_other_mesh_costs_less_than_that_of_equal_cost(seed):
    # With a known density e(p), piecewise constant, rho^2 e is what a step within one piece costs.
    generator = torch.Generator().manual_seed(seed)
    density = 0.1 + torch.rand(4, generator=generator, dtype=torch.float64)
    coarse = layer_steps.equidistant(4)

    def costs(steps):
        p = torch.cat([steps.new_zeros(1), steps.cumsum(0)])
        edges = torch.linspace(0, 1, 5, dtype=torch.float64)
        low = torch.maximum(p[:-1, None], edges[:-1])
        inside = (torch.minimum(p[1:, None], edges[1:]) - low).clamp_min(0)
        return steps * (inside * density).sum(1)

    new = layer_steps.equal_cost(coarse, costs(coarse), 80)
    best = float(costs(new).sum())
    # Equal but for steps that lie across two pieces, of 80 at most 3.
    assert int((costs(new) / costs(new).median() - 1).abs().gt(1e-9).sum()) <= 3
    for _ in range(20):
        shift = 1 + 0.2 * torch.rand(80, generator=generator, dtype=torch.float64)
        other = new * shift
        assert float(costs(other / other.sum()).sum()) > best


def test_a_step_that_seems_to_cost_nothing_does_not_take_the_whole_path():
    steps, nothing = layer_steps.equidistant(4), torch.zeros(4, dtype=torch.float64)
    assert torch.equal(layer_steps.equal_cost(steps, nothing, 5), layer_steps.equidistant(5))
    costs = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=torch.float64)
    # The density of layers is 4 in the last quarter, and counts as 1/2 elsewhere: 3/8 and 1.
    new = layer_steps.equal_cost(steps, costs, 11, guard=0.5)
    assert new.tolist() == pytest.approx([1 / 4] * 3 + [1 / 32] * 8, rel=1e-12)


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"costs": torch.ones(3)}, r"costs must be 2 finite numbers, one for each step, got \[1"),
        ({"costs": torch.tensor([1.0, math.nan])}, "costs must be 2 finite numbers.* nan"),
        ({"steps": torch.ones(2)}, "steps must sum to 1, got a sum of 2"),
        ({"depth": 0}, "depth must be a whole number of at least 1, not 0"),
        ({"guard": 0.0}, r"guard must lie in \(0, 1\], got 0.0"),
        ({"longest": 0.2}, "longest must be at least 1 / depth = 0.25, got 0.2"),
    ],
)
def test_costs_that_say_nothing_are_refused(change, sentence):
    given = {"steps": layer_steps.equidistant(2), "costs": torch.ones(2), "depth": 4}
    with pytest.raises(ValueError, match=sentence):
        layer_steps.equal_cost(**given | change)
