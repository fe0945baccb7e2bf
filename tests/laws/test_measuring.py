"""All laws on one net: what is measured, against which nulls, and the same again."""

import measured_laws
import numpy as np
import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath.laws import DEFINITIONS, Representations, measure, measure_representations
from tests.laws.test_definitions import EQUAL, LATE

QUICK = dict(n_untrained=2, n_orders=3, progress=False)


@pytest.fixture(scope="module")
def equal():
    return measured_laws.equal()


def test_a_path_that_obeys_is_told_from_its_nulls(equal):
    law = equal["equal separation"]
    assert law.estimate.value == pytest.approx(-1, abs=1e-9)
    # Its untrained nets here are itself, and come as near. Orders and labels do not, but that one
    # of 19 orders may be the path's own: it is one of 120.
    found = {null.name: null.p_value for null in law.nulls}
    assert found == {"untrained": 1.0, "depth": pytest.approx(0.075, abs=0.03), "labels": 1 / 20}
    assert law.standing == "not told from chance"


def test_steps_of_one_direction_fall_in_any_order(equal):
    law = equal["monotone collapse"]
    assert law.estimate.value == pytest.approx(-1, abs=1e-9)
    assert next(null for null in law.nulls if null.name == "depth").p_value == 1.0


def test_a_path_that_breaks_it_does_not_hold():
    found = measure_representations(LATE, n_orders=5, progress=False)
    assert found["equal separation"].standing != "holds"
    assert found["equal load, bend, fuzziness"].standing != "holds"


def test_intervals_cover_what_resampling_moves(equal):
    # The path is exact for all its samples and not for nine tenths of them: an interval has width.
    e = equal["equal load, bend, trace_ratio"].estimate
    assert e.low < e.value < e.high and e.n == 60


def test_intervals_end_where_the_statistic_does():
    # Five classes that nearly fall in line: a symmetric interval would go past a correlation of -1.
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 5
    means = rng.standard_normal((5, 8))
    path = [means[labels] + 0.6**l * rng.standard_normal((60, 8)) for l in range(6)]
    rows = [torch.from_numpy(A) for A in path]
    path = Representations.from_features(rows, torch.from_numpy(labels))
    found = measure_representations(path, n_orders=3, progress=False)
    for definition in DEFINITIONS:
        e = found[definition.name].estimate
        assert definition.ideal - 1e-9 <= e.low <= e.value <= e.high <= definition.most
    assert found["equal separation"].estimate.low == pytest.approx(-1, abs=0.01)
    assert found["equal load, bend, trace_ratio"].estimate.low == 0.0


def test_untrained_nets_are_a_null_and_the_model_is_left_alone():
    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(4, 4) for _ in range(4)))
    before = [p.clone() for p in net.parameters()]
    loader = [(torch.randn(40, 4), torch.arange(40) % 2)]
    found = measure(net, loader, seed=3, **QUICK)
    again = measure(net, loader, seed=3, **QUICK)
    assert all(map(torch.equal, before, net.parameters()))
    assert found.dataset.drop_attrs().identical(again.dataset.drop_attrs())
    untrained = next(n for n in found["bottleneck rank"].nulls if n.name == "untrained")
    made = [measure(net, loader, seed=3, **QUICK | {"n_untrained": 0})]
    assert len(untrained.values) == 2 and len(made[0]["equal spacing"].nulls) == 0
    assert made[0]["equal spacing"].standing == "not measured"


def test_nets_of_the_users_own_are_untrained_ones():
    loader = [(torch.randn(40, 4), torch.arange(40) % 2)]

    def make(seed):
        torch.manual_seed(seed)
        return nn.Sequential(*(nn.Linear(4, 4) for _ in range(3)))

    found = measure(make(0), loader, untrained=make, **QUICK)
    assert found["bottleneck rank"].estimate is not None
    with pytest.raises(ValueError, match="untrained must make nets with the layers of the model"):
        measure(make(0), loader, untrained=lambda seed: make(seed)[:2].append(nn.ReLU()).append(
            nn.Linear(4, 4)), **QUICK)  # fmt: skip
    with pytest.raises(ValueError, match="untrained must be a function"):
        measure(make(0), loader, untrained=3, **QUICK)


def test_a_leaky_resnet_has_laws_of_its_own_steps():
    net = lp.LeakyResNet(4, 2, width=5, depth=5, effective_depth=1.0, seed=1)
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    found = measure(net, [(x, x[:, :2])], **QUICK)
    assert found["monotone collapse"].reason == "labels are no classes"
    with torch.no_grad():
        path = [A.double() for A in net.path(x)]
    speed = lp.mechanics.relative_speed(path, net.layer_steps).numpy()
    wanted = speed[1:-1].mean() / (speed[0] + speed[-1]) * 2
    # The net computes in float32.
    assert found["slow middle"].estimate.value == pytest.approx(wanted, rel=1e-5)


def test_what_cannot_be_measured_says_why_and_the_rest_stands():
    rows = [torch.randn(30, w, generator=torch.Generator().manual_seed(w)) for w in (3, 4, 3)]
    found = measure_representations(Representations.from_features(rows), n_orders=3, progress=False)
    reasons = {name: law.reason for name, law in found.items() if law.standing == "not measured"}
    assert reasons["slow middle"] == "fewer than 3 steps between layers of one width"
    assert reasons["equal readout"] == "no labels"
    assert set(reasons) == {each.name for each in DEFINITIONS} - {"bottleneck rank"}


def test_laws_of_steps_are_of_the_longest_run_of_one_width():
    wide = torch.randn(60, 9, generator=torch.Generator().manual_seed(1)).double()
    rows = [wide, *EQUAL.rows, wide[:, :3]]
    path = Representations.from_features(rows, EQUAL.answers, p=np.arange(8))
    found = measure_representations(path, n_orders=3, progress=False)
    alone = Representations.from_features(EQUAL.rows, EQUAL.answers, p=np.arange(1, 7))
    for name in ("slow middle", "equal spacing", "geometric growth"):
        wanted = found[name].definition.statistic_of(alone)
        assert found[name].estimate.value == pytest.approx(wanted, rel=1e-12)
    known = np.isfinite(found.dataset["curve"])
    assert known.sel(law="slow middle").values.tolist() == [0, 0, 1, 1, 1, 1, 1, 0]
    assert known.sel(law="geometric growth").values.tolist() == [0, 1, 1, 1, 1, 1, 1, 0]
    assert known.sel(law="equal separation").values.all()
    assert [null.name for null in found["slow middle"].nulls] == ["depth"]


def test_a_law_whose_curve_is_not_finite_is_not_measured():
    # Every sample at its class mean in the last layer: nothing is left within classes.
    labels = torch.arange(20) % 2
    rows = [*EQUAL.rows[:3]]
    rows = [H[:20] for H in rows] + [torch.stack([labels, labels], 1).double()]
    path = Representations.from_features(rows, labels)
    found = measure_representations(path, n_orders=3, progress=False)
    law = found["equal separation"]
    assert law.standing == "not measured" and law.reason == "its curve is not finite"
    assert np.isnan(found.dataset["statistic"].sel(law="equal separation"))


@pytest.mark.parametrize(
    "options, words",
    [
        ({"n_orders": -1}, "n_orders must be"),
        ({"level": 1.0}, "level must be between 0 and 1"),
        ({"seed": 1.5}, "seed must be"),
        ({"untrained": [3]}, "untrained must be"),
    ],
)
def test_options_out_of_range_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        measure_representations(EQUAL, **options)
