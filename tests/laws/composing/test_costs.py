"""Costs of maps whose answer is known, and orders of convergence of an ODE and of noise."""

import math

import numpy as np
import pytest
import torch

from loadpath.laws.composing.blocks import Blocks
from loadpath.laws.composing.costs import (
    Costs,
    halved,
    mesh,
    order_of_convergence,
    together,
)


def turns(n, angle=1.0):
    """Euler steps of a turn of the plane."""
    J = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    return tuple(lambda A: A + angle / n * A @ J for _ in range(n))


def costs_of(maps, start):
    costs = Costs(2, 0)
    costs.add(Blocks(start, maps))
    return costs


START = torch.randn(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_blocks_that_add_constants_go_together_in_any_order():
    shifts = torch.randn(6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    costs = costs_of(tuple(lambda A, s=s: A + s for s in shifts), START)
    # Rounding of sums in another order.
    for kind in ("swap", "shuffle", "parallel", "meshes"):
        np.testing.assert_allclose(costs.cost(kind), 0, atol=1e-14)
    wanted = shifts.norm(dim=1) / shifts.sum(0).norm()
    np.testing.assert_allclose(costs.cost("skip"), wanted, rtol=1e-12)
    unit = (shifts / shifts.norm(dim=1, keepdim=True)).numpy()
    np.testing.assert_allclose(costs.cosines(), unit @ unit.T, rtol=1e-9)


def test_an_ode_converges_with_order_one():
    coarse, fine = order_of_convergence(costs_of(turns(64), START).cost("meshes"))
    assert coarse == pytest.approx(1, abs=0.05) and fine == pytest.approx(1, abs=0.05)


def test_independent_steps_converge_with_order_one_half():
    draw = torch.Generator().manual_seed(3)
    W = torch.randn(128, 20, 20, generator=draw, dtype=torch.float64) / math.sqrt(128 * 20)
    start = torch.randn(20, 20, generator=draw, dtype=torch.float64)
    costs = Costs(1, 0)
    costs.add(Blocks(start, tuple(lambda A, w=w: A + A @ w for w in W)))
    coarse, _ = order_of_convergence(costs.cost("meshes"))
    assert coarse == pytest.approx(0.5, abs=0.15)


def test_changes_within_rounding_have_no_order():
    assert math.isnan(order_of_convergence(np.array([1e-9, 1e-9, 1e-9]))[0])


def test_meshes_have_the_steps_that_they_say():
    maps = turns(6)
    assert [len(mesh(maps, name)) for name in ("quarter", "half", "plain", "double")] == [
        2,
        3,
        6,
        12,
    ]
    both = together(maps[:2])(START)
    assert torch.allclose(both, START + (maps[0](START) - START) + (maps[1](START) - START))
    first, second = halved(maps[0])
    half = START + (maps[0](START) - START) / 2
    assert torch.allclose(second(first(START)), half + (maps[0](half) - half) / 2)


def test_a_net_that_goes_nowhere_has_no_costs():
    costs = costs_of(tuple(lambda A: A for _ in range(4)), START)
    assert costs.cost("skip").tolist() == [0.0] * 4 and costs.cosines().tolist() == [[0.0] * 4] * 4
