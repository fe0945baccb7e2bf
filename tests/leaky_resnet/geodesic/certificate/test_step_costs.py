"""What a step costs: against thin cuts, split layers and linear geodesics in closed form."""

import pytest
import torch
from exact_paths import random, square_net

import loadpath as lp
from loadpath.leaky_resnet import layer_steps
from loadpath.leaky_resnet.geodesic.certificate.step_costs import step_costs
from loadpath.leaky_resnet.geodesic.certificate.subgradient import least_norm
from loadpath.leaky_resnet.objective import data_term

STEPS = ["euler", "exponential"]
DECAY = 0.1


def cut(steps, layer, share):
    """The steps with one of them cut in two, the first part being `share` of it."""
    parts = steps[layer] * torch.tensor([share, 1 - share], dtype=torch.float64)
    return torch.cat([steps[:layer], parts, steps[layer + 1 :]])


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("leak", [0.0, 2.0])
def test_a_sliver_cut_off_a_step_saves_what_the_step_costs(step, activation, leak):
    # The last eps of a step then sees its end and not its beginning: the objective changes by
    # -eps cost / (lag r), exactly as eps -> 0, at any weights and for steps of any length.
    steps = layer_steps.irregular(5, 0.9)
    net = square_net(
        4, 5, effective_depth=leak, layer_steps=steps, step=step, activation=activation
    )
    with torch.no_grad():
        net.weights[..., -1] = random(5, 4, seed=2)
    x, y = random(20, 4, seed=0), random(20, 4, seed=1)
    found = least_norm(net, x, y, weight_decay=DECAY, iterations=0)
    costs = step_costs(net, found, weight_decay=DECAY)
    whole = layer_steps.lags(steps, effective_depth=leak, kind=step) * net.gain_ratios()

    def objective(model):
        with torch.no_grad():
            return float(data_term(model(x), y, "mse") + DECAY * model.regularizer())

    # 1e-6 is far above the rounding of the objective and its square far below; relu may meet a
    # kink of that width with a chance of 1e-4.
    eps = 1e-6
    for l in range(5):
        thin = layer_steps.remesh(net, cut(steps, l, 1 - eps))
        saved = (objective(net) - objective(thin)) / eps
        assert saved == pytest.approx(float(costs[l] / whole[l]), rel=1e-3, abs=1e-6)


DIAGONAL = torch.diag(torch.tensor([2.0, 0.6], dtype=torch.float64))


def linear_path(step, **options):
    """A commuting geodesic of the linear theory between given ends."""
    return lp.geodesic.solve(
        torch.eye(2, dtype=torch.float64), DIAGONAL, effective_depth=2.0, width=2,
        endpoint="fixed", activation="identity", bias=False, step=step, tolerance=1e-6, threads=1,
        progress=False, **options,
    )  # fmt: skip


@pytest.mark.parametrize("step", STEPS)
def test_a_split_layer_changes_the_minimum_by_its_part_of_the_cost(step):
    # Solved again. Two halves cost half as much as the whole in the limit, and exactly
    # 1 - (g_half / g)^2 / lag of it where the path is straight.
    left = []
    for depth in (8, 16):
        path = linear_path(step, depth=depth)
        steps, gain = path.layer_steps, path.model.coefficients()[1]
        half = layer_steps.coefficients(steps / 2, effective_depth=2.0, kind=step)[1]
        saved = (half / gain) ** 2 / layer_steps.lags(steps, effective_depth=2.0, kind=step)
        expected = path.action - saved * path.certificate.step_costs
        errors = []
        for l in (0, depth - 1):
            again = linear_path(step, layer_steps=cut(steps, l, 0.5))
            change = again.action - path.action
            errors.append(change / (float(expected[l]) - path.action) - 1)
        assert max(map(abs, errors)) < 0.2  # 0.10 and 0.17 at 8 layers
        left.append(errors[0])
    # First order in the step: 0.101 to 0.063 and 0.170 to 0.124 were seen, and half as much again
    # at 32 layers.
    assert 0 < left[1] < 0.8 * left[0]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("uneven", [0.0, 0.9])
def test_costs_add_up_to_the_distance_from_the_closed_form(step, uneven):
    exact = lp.geodesic.linear.between(
        torch.eye(2, dtype=torch.float64), DIAGONAL, effective_depth=2.0
    ).action
    left = []
    for depth in (8, 32):
        path = linear_path(step, layer_steps=layer_steps.irregular(depth, uneven))
        gap, costs = path.action - exact, path.certificate.step_costs
        assert path.certificate.continuum_predicted == pytest.approx(path.action - costs.sum())
        left.append(abs(gap - float(costs.sum())))
        assert left[-1] < 0.15 * abs(gap)
    # Second order over a factor 4, where the gap itself is of first.
    assert left[1] < left[0] / 10
