"""Nulls have the false-alarm rate that they say, and leave alone what they must."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import loadpath as lp
from loadpath.laws import Null, Representations
from loadpath.laws.definitions import BY_NAME
from loadpath.laws.nulls import (
    fresh,
    in_other_orders,
    same_samples,
    settle,
    values_under,
    with_other_labels,
)

ORDERS = 19
"""With as many orders the least p-value is 0.05, and the test is exact at that level."""


def independent_layers(rng, n_layers=7):
    """Layers without anything in common, which are exchangeable; labels that mean nothing."""
    rows = [torch.from_numpy(rng.standard_normal((16, 2))) for _ in range(n_layers)]
    return Representations.from_features(rows, np.arange(16) % 2)


def random_walk(rng, n_steps=6):
    """A walk of small independent steps, whose increments are exchangeable."""
    at = torch.from_numpy(rng.standard_normal((16, 3)))
    steps = torch.from_numpy(0.3 * rng.standard_normal((n_steps, 16, 3)))
    rows = [at, *(at + each for each in steps.cumsum(0))]
    return Representations.from_features(rows, rng.permutation(np.arange(16) % 2))


def short_walk(rng):
    return random_walk(rng, n_steps=3)


def alarms(null, name, make, n, seed):
    """How many of n draws of a null hypothesis have p <= 0.05."""
    rng = np.random.default_rng(seed)
    law, found = BY_NAME[name], 0
    for i in range(n):
        path = make(rng)
        values = values_under(null, [law], path, ORDERS, seed=i)[name]
        found += Null(null, values, law.statistic_of(path)).p_value <= 0.05
    return found


def within(found, n):
    low, high = stats.binom.interval(0.999, n, 0.05)
    return low <= found <= high


CASES = [
    ("depth", "slow middle", independent_layers),
    ("depth", "slow middle", random_walk),
    ("depth", "bottleneck rank", random_walk),
    ("depth", "equal separation", random_walk),  # three steps have six orders, which come up twice
    ("labels", "equal load, bend, trace_ratio", short_walk),
    ("labels", "equal separation", short_walk),
]


@pytest.mark.parametrize("null, name, make", CASES[:2])
def test_few_false_alarms_in_few_draws(null, name, make):
    seed = 20261129
    found = alarms(null, name, make, 40, seed)
    assert within(found, 40), f"{found} of 40, seed {seed}"


@pytest.mark.slow
@pytest.mark.parametrize("null, name, make", CASES)
def test_one_false_alarm_in_twenty(null, name, make):
    seed = 20261130
    found = alarms(null, name, make, 200, seed)
    assert within(found, 200), f"{found} of 200, seed {seed}"


def test_one_false_alarm_in_twenty_untrained_nets():
    # The net is one more untrained net: p is the rank of one among 20 equal draws.
    rng = np.random.default_rng(7)
    draws = rng.standard_normal((2000, 20))
    found = sum(Null("untrained", each[1:], each[0]).p_value <= 0.05 for each in draws)
    assert within(found, 2000), f"{found} of 2000, seed 7"


def begins_anew(falls=6, seed=0):
    """Layers of several widths whose classes part by one factor from each to the next."""
    rng = np.random.default_rng(seed)
    labels = np.arange(300) % 3
    rows = []
    for l in range(falls):
        width = 8 + l % 2
        means = np.zeros((3, width))
        means[:, :3] = 2.0**l * np.eye(3)
        noise = rng.standard_normal((300, width))
        rows.append(torch.from_numpy((means[labels] + noise) @ np.linalg.qr(noise.T @ noise).Q))
    return Representations.from_features(rows, labels)


@pytest.mark.parametrize(
    "name", ["equal separation", "monotone collapse", "equal load, bend, fuzziness"]
)
def test_where_layers_begin_anew_the_order_of_equal_parts_is_held_against_no_law(name):
    path = begins_anew()
    assert not path.adds_to_a_stream
    law, walk = BY_NAME[name], random_walk(np.random.default_rng(0))
    assert "depth" not in law.nulls_for(path) and "depth" in law.nulls_for(walk)
    found = lp.laws.measure_representations(path, n_orders=39, progress=False)[name]
    assert [null.name for null in found.nulls] == ["labels"]
    if law.ideal == -1:  # a straight load curve is near that of other labels, which have no loads
        assert found.estimate.value < -0.99 and found.standing == "holds"


def test_other_orders_keep_ends_and_steps():
    path = random_walk(np.random.default_rng(0))
    for other in in_other_orders(path, 3, seed=0):
        assert torch.allclose(other.rows[0], path.rows[0])
        assert torch.allclose(other.rows[-1], path.rows[-1], atol=1e-12)  # sums in another order
        steps = lambda p: sorted(float(s.norm()) for s in p.increments)  # noqa: E731
        np.testing.assert_allclose(steps(other), steps(path), rtol=1e-9)


def test_other_labels_keep_their_numbers_and_the_rows():
    path = random_walk(np.random.default_rng(0))
    (other,) = with_other_labels(path, 1, seed=0)
    assert other.rows is path.rows
    assert other.answers.bincount().tolist() == path.answers.bincount().tolist()
    assert other.answers.tolist() != path.answers.tolist()


def test_labels_of_rows_that_belong_together_are_shifted():
    rows = [torch.randn(12, 2, generator=torch.Generator().manual_seed(s)) for s in range(3)]
    labels = torch.arange(12) % 5
    path = Representations.from_features(
        rows, labels, answer_kind="tokens", samples=torch.arange(12) // 4
    )
    (other,) = with_other_labels(path, 1, seed=0)
    shifts = [i for i in range(12) if torch.equal(labels.roll(i), other.answers)]
    assert len(shifts) == 1 and shifts[0] > 0


def test_fresh_nets_are_untrained_and_reproducible_and_leave_the_model_alone():
    torch.manual_seed(0)  # not 1 or 2, whose nets are asked for below
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    before = [p.clone() for p in model.parameters()]
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    make = fresh(model)
    one, again, other = make(1), make(1), make(2)
    assert torch.equal(torch.rand(1), wanted)  # the caller's random state stays
    assert all(map(torch.equal, before, model.parameters()))
    assert torch.equal(one[0].weight, again[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)
    assert not torch.equal(one[0].weight, model[0].weight)


def test_norms_that_have_seen_nothing_learn_the_data():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
    net.append(nn.BatchNorm1d(2)).eval()
    x = 5 + 3 * torch.randn(60, 3)
    settle(net, lambda: [net(part) for part in x.split(20)])
    # Unbiased variance of batches of 20 against the whole: they differ by some percent.
    for made in (net[:2](x), net(x)):
        assert made.mean(0).abs().max() < 0.2 and (made.std(0) - 1).abs().max() < 0.2
    assert not net[1].training and net[1].num_batches_tracked == 3
    before = {name: b.clone() for name, b in net.named_buffers()}
    settle(net, lambda: net(10 * x))
    assert all(torch.equal(b, before[name]) for name, b in net.named_buffers())


def test_norms_take_their_statistics_from_one_batch_as_torch_does():
    torch.manual_seed(0)
    x = torch.randn(8, 3, 5, 5)
    net, wanted = nn.BatchNorm2d(3).eval(), nn.BatchNorm2d(3, momentum=None)
    settle(net, lambda: net(x))
    wanted(x)
    assert torch.equal(net.running_mean, wanted.running_mean)
    assert torch.equal(net.running_var, wanted.running_var)


def test_a_batch_of_one_value_gives_norms_no_statistics():
    net = nn.BatchNorm1d(2).eval()
    settle(net, lambda: [net(torch.ones(1, 2)), net(torch.tensor([[1.0, 2], [3, 6]]))])
    assert net.num_batches_tracked == 1
    assert net.running_mean.tolist() == [2, 4] and net.running_var.tolist() == [2, 8]


def test_measure_settles_untrained_nets():
    torch.manual_seed(0)
    parts = [nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU()) for _ in range(4)]
    net = nn.Sequential(*parts)
    loader = [(7 + torch.randn(40, 4), torch.arange(40) % 2)]
    made = []

    def untrained(seed):
        made.append(fresh(net)(seed))
        return made[-1]

    options = dict(layers=["0", "1", "2", "3"], n_untrained=2, n_orders=0, progress=False)
    lp.laws.measure(net, loader, untrained=untrained, **options)
    for each in made:
        each.eval()
        first = each[0][:2](loader[0][0])
        torch.testing.assert_close(first.mean(0), torch.zeros(4), atol=1e-4, rtol=0)  # float32
        # Variances are learned unbiased, by which each layer's input is off by 1 in 80.
        last = each[3][:2](each[:3](loader[0][0]))
        torch.testing.assert_close(last.mean(0), torch.zeros(4), atol=0.1, rtol=0)


def test_fresh_leaky_resnets_have_the_sizes_and_maps_of_the_model():
    model = lp.LeakyResNet(4, 3, width=5, depth=3, effective_depth=2.0, scale=0.7)
    with torch.no_grad():
        model.weights.mul_(0)
    net = fresh(model)(3)
    assert net.weights.shape == model.weights.shape and float(net.weights.detach().norm()) > 0
    assert torch.equal(net.input_map, model.input_map)


def test_a_model_that_cannot_be_reset_is_refused():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(2))

    with pytest.raises(ValueError, match=r"untrained must be a function .*'1' \(Own\)"):
        fresh(nn.Sequential(nn.Linear(2, 2), Own()))


def test_untrained_nets_of_other_layers_are_refused():
    path = random_walk(np.random.default_rng(0))
    other = random_walk(np.random.default_rng(0), n_steps=5)
    with pytest.raises(ValueError, match="untrained must make nets with the layers of the model"):
        same_samples(path, other)
