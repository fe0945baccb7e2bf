"""Nets whose kind is known by construction are told, or said to be undecided."""

from collections import Counter

import depth_controls
import numpy as np
import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath.laws import Composition, composition

EXPECTED = {
    "ODE": "like an ODE",
    "random walk": "like a random walk",
    "ensemble": "like an ensemble",
}
TRIED = 5000
"""First seed of the draws here; thresholds were chosen on those from 1000 to 1039."""


def verdicts(kind, n):
    found = Counter()
    for seed in range(TRIED, TRIED + n):
        net, x = depth_controls.draw(kind, seed)
        found[composition(net, [x], layers=depth_controls.Block).verdict] += 1
    return found


@pytest.mark.parametrize("kind", depth_controls.KINDS)
def test_kinds_that_are_known_come_out_right(kind):
    assert set(verdicts(kind, 3)) <= {EXPECTED[kind], "undecided"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", depth_controls.KINDS)
def test_kinds_that_are_known_come_out_right_in_95_of_100_draws(kind):
    found = verdicts(kind, 100)
    assert found[EXPECTED[kind]] >= 95, f"{found}, seeds from {TRIED}"


def test_a_net_of_independent_small_layers_is_not_called_a_path():
    # Steps of size 1/L of independent layers: no path, though the net is nearly the identity.
    net, x = depth_controls.draw("random walk", TRIED)
    for block in net:
        block.scale /= np.sqrt(len(net))
    assert composition(net, [x], layers=depth_controls.Block).verdict != "like an ODE"


@pytest.fixture(scope="module")
def leaky():
    net = lp.LeakyResNet(4, 4, width=6, depth=16, effective_depth=1.0, dtype=torch.float64)
    with torch.no_grad():
        p = torch.linspace(0, 1, 16, dtype=torch.float64)[:, None, None]
        first, second = net.weights[0].clone(), net.weights[1].clone()
        net.weights.copy_((1 - p) * first + p * second)
    x = torch.randn(30, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return net, x, composition(net, [x])


def test_a_leaky_resnet_of_smooth_weights_is_like_an_ode(leaky):
    _, _, found = leaky
    assert found.verdict == "like an ODE"
    assert found.dataset.sizes["block"] == 16


def test_costs_are_those_of_nets_made_anew(leaky):
    net, x, found = leaky
    with torch.no_grad():
        path = net.path(x)
        reach = (path[-1] - path[0]).norm()
        swapped = lp.LeakyResNet(4, 4, width=6, depth=16, effective_depth=1.0, dtype=torch.float64)
        swapped.weights.copy_(net.weights[[1, 0, *range(2, 16)]])
        end = swapped.path(x)[-1]
        skipped = path[0]
        for l in range(1, 16):
            d, g = (each[l] for each in net.coefficients())
            skipped = d * skipped + g * net.features(skipped) @ net.weights[l].T
    # Sums of float64 in another order.
    assert float(found.dataset["swap_cost"][0]) == pytest.approx(
        float((end - path[-1]).norm() / reach), rel=1e-9
    )
    assert float(found.dataset["skip_cost"][0]) == pytest.approx(
        float((skipped - path[-1]).norm() / reach), rel=1e-9
    )


def test_batches_do_not_matter(leaky):
    net, x, found = leaky
    other = composition(net, [x[:11], x[11:]]).dataset
    for name in ("swap_cost", "mesh_change", "near_cosine", "shuffle_cost"):
        np.testing.assert_allclose(other[name], found.dataset[name], rtol=1e-9)


def test_the_sentences_have_the_verdict_and_its_numbers(leaky):
    found = leaky[2]
    first, steps, *_ = found.summary()
    assert first == "The blocks go together like an ODE."
    assert f"{float(found.dataset['near_cosine']):.2g}" in steps
    assert repr(found).startswith("Composition(verdict: like an ODE; blocks: 16; near cosine: ")


def test_numbers_between_the_thresholds_are_undecided(leaky):
    ds = leaky[2].dataset.assign(near_cosine=0.6, shuffle_cost=0.2)
    found = Composition(ds)
    assert found.verdict == "undecided"
    assert found.summary()[0] == "It is undecided how the blocks go together."


def test_blocks_that_do_nothing_are_no_ensemble():
    net, x = depth_controls.draw("ensemble", TRIED)
    for block in net:
        block.scale = 0.0
    assert composition(net, [x], layers=depth_controls.Block).verdict == "undecided"


class Attended(nn.Module):
    """A block that is given something beside its input, and returns a tuple."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, hidden, weight):
        return hidden + weight * self.linear(hidden).tanh(), None


class Encoder(nn.Module):
    def __init__(self, norm=False):
        super().__init__()
        self.blocks = nn.ModuleList(Attended() for _ in range(5))
        self.norm, self.head = norm, nn.Linear(4, 2)

    def forward(self, x):
        for block in self.blocks:
            x = block(x, weight=torch.tensor(0.3))[0]
            x = x / x.norm() if self.norm else x
        return self.head(x)


def test_blocks_that_are_given_more_and_return_more():
    torch.manual_seed(0)
    net, x = Encoder(), torch.randn(12, 4)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = composition(net.train(), [x], layers=Attended)
    assert found.dataset["block"].values.tolist() == [f"blocks.{l}" for l in range(5)]
    assert net.training and all("forward" not in vars(b) for b in net.blocks)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())
    with torch.no_grad():
        A = x
        for block in net.blocks[1:]:
            A = block(A, torch.tensor(0.3))[0]
        whole = x
        for block in net.blocks:
            whole = block(whole, torch.tensor(0.3))[0]
    wanted = float((A - whole).norm() / (whole - x).norm())
    # float32.
    assert float(found.dataset["skip_cost"][0]) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize(
    "net, options, words",
    [
        (Encoder(norm=True), {"layers": Attended}, "something stands between 'blocks.0'"),
        (Encoder(), {}, "layers must name the residual blocks"),
        (Encoder(), {"layers": "blocks.[01]"}, "layers must be at least 4 residual blocks, got 2"),
        (Encoder(), {"layers": ["head", "blocks.*"]}, "that keep the shape, and 'head'"),
        (Encoder(), {"layers": Attended, "n_shuffles": 0}, "n_shuffles must be"),
        (
            lp.LeakyResNet(4, 2, width=3, depth=3, effective_depth=1.0),
            {},
            "model must have at least 4 steps, got 3",
        ),
        (
            lp.LeakyResNet(4, 2, width=3, depth=4, effective_depth=1.0),
            {"layers": "*"},
            "layers must be left out for a LeakyResNet",
        ),
    ],
)
def test_what_are_no_residual_blocks_is_refused(net, options, words):
    with pytest.raises(ValueError, match=words):
        composition(net, [torch.randn(6, 4)], **options)


def test_a_block_that_runs_twice_is_refused():
    block = depth_controls.Block(torch.eye(3), torch.zeros(3), torch.eye(3), 0.1, torch.tanh)
    with pytest.raises(ValueError, match="layers must be blocks that run once"):
        composition(nn.Sequential(*[block] * 4), [torch.randn(6, 3)], layers=depth_controls.Block)
