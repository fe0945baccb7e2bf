"""Steering: chains and nets whose curve is known to cross, records, states, and refusals."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath.diagnosis import BudgetWarning, Knob, Steer
from loadpath.diagnosis.monitor import account
from loadpath.measures.separation import LoadCurve

SEED = 5


def net(dropout=0.1, seed=SEED):
    torch.manual_seed(seed)
    blocks = [part for _ in range(4) for part in (nn.Linear(8, 8), nn.ReLU(), nn.Dropout(dropout))]
    return nn.Sequential(*blocks, nn.Linear(8, 3))


def probe(n=60, classes=3, seed=SEED):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return torch.randn(n, 8, generator=generator) + 2 * nn.functional.one_hot(y, 8), y


def known(curve, value=0.1, low=0.0, high=0.5, **options):
    """A steer of a curve whose concavity is a known function of the knob's value."""
    box = {"value": value}
    knob = Knob(lambda: box["value"], lambda v: box.update(value=v), low, high, "noise")

    def measured(_):
        bent = curve(box["value"])
        # The chord is 1, 2/3, 1/3, 0, and half of the layers lie above it by twice the concavity.
        return LoadCurve([1.0, 2 / 3 + 2 * bent, 1 / 3 + 2 * bent, 0.0])

    return box, Steer(None, measured, knobs=knob, **options)


def test_a_monotone_curve_is_steered_to_its_zero():
    box, steer = known(lambda v: 0.5 * (0.3 - v))
    for _ in range(200):
        steer.step()
    assert box["value"] == pytest.approx(0.3, abs=1e-4)
    assert "straight, with a concavity of 0.000" in steer.words().replace("-0.000", "0.000")


def test_a_curve_that_is_noisy_is_followed_on_the_mean():
    rng = np.random.default_rng(SEED)
    box, steer = known(lambda v: 0.5 * (0.3 - v) + 0.05 * rng.standard_normal(), gain=0.1)
    values = []
    for _ in range(600):
        steer.step()
        values.append(box["value"])
    # Stationary deviation sqrt(g R / (2 k)) s with g R = 0.05, k = 0.5, s = 0.05: 0.011 a look.
    assert np.mean(values[200:]) == pytest.approx(0.3, abs=0.015), f"seed {SEED}"
    assert np.std(values[200:]) < 0.03


@pytest.mark.parametrize(
    "bend, end, words", [(0.1, 0.5, "needs more noise"), (-0.1, 0.0, "needs less noise")]
)
def test_without_a_crossing_it_waits_at_the_limit_and_says_so(bend, end, words):
    box, steer = known(lambda v: bend)
    for _ in range(60):
        steer.step()
    assert box["value"] == end and words in steer.words()


def test_a_curve_that_does_not_fall_holds_the_knob():
    box = {"value": 0.2}
    knob = Knob(lambda: box["value"], lambda v: box.update(value=v), 0.0, 0.5)
    steer = Steer(None, lambda _: LoadCurve([0.0, 1.0, 1.0]), knobs=knob)
    steer.step()
    assert box["value"] == 0.2 and "the curve does not fall (1 looks)" in steer.words()


def test_a_chain_is_steered_to_a_straight_curve_by_its_noise():
    chain = lp.spring_block.Chain(n_blocks=7, friction_right=0.05, friction_left=0.1)
    box = {"noise": 0.02}

    def measured(chain):
        ds = lp.spring_block.simulate(
            chain, noise=box["noise"], dt=0.01, n_steps=4000, n_replicas=100, seed=SEED
        )
        return LoadCurve.from_loads(ds["load"].isel(time=-1).mean("replica").values)

    knob = Knob(lambda: box["noise"], lambda v: box.update(noise=v), 1e-3, 0.1, spacing="log")
    steer = Steer(chain, measured, knobs=knob, gain=2.0)
    for _ in range(12):
        steer.step()
    # By hand: concavity 0.048 at 0.004 and -0.030 at 0.006.
    assert 0.0045 < box["noise"] < 0.006
    assert abs(steer.history()["concavity"].values[-1]) < 0.02


def test_the_knobs_are_all_that_changes():
    model = net()
    model.train()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    state = torch.get_rng_state()
    steer = Steer(model, probe())
    steer.step()
    assert model.training and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    rates = {m.p for m in model.modules() if isinstance(m, nn.Dropout)}
    assert rates == {steer.values["dropout"]}


def test_it_measures_the_curve_of_the_probe():
    model, (x, y) = net(), probe()
    steer = Steer(model, (x, y), layers=["1", "4", "7", "10"], with_input=False)
    steer.step()
    model.eval()
    features, h = [], x
    for i, part in enumerate(model):
        h = part(h)
        if i in (1, 4, 7, 10):
            features.append(h.detach())
    curve = LoadCurve.from_features(features, y)
    ds = steer.history()
    np.testing.assert_allclose(ds["log_separation"].values[0], curve.log_separation, atol=1e-6)
    assert ds["concavity"].item() == pytest.approx(curve.concavity, abs=1e-6)
    assert ds["layer"].values.tolist() == ["1", "4", "7", "10"]


def test_it_looks_at_its_start_and_every_so_many_steps_from_there():
    _, steer = known(lambda v: 0.0, every=5, start=7)
    for _ in range(20):
        steer.step()
    assert steer.history()["step"].values.tolist() == [7, 12, 17]
    _, steer = known(lambda v: 0.0, every=5)
    for number in (4, 5, 5, 12, 21):
        steer.step(number=number)
    assert steer.history()["step"].values.tolist() == [5, 12, 21]
    with pytest.raises(ValueError, match="number must be at least 21, the last, got 20"):
        steer.step(number=20)


def test_a_state_goes_through_json_and_the_run_goes_on_as_if_nothing_had_been():
    box, whole = known(lambda v: 0.5 * (0.3 - v), every=2)
    for _ in range(10):
        whole.step()
    _, first = known(lambda v: 0.5 * (0.3 - v), every=2)
    for _ in range(5):
        first.step()
    state = json.loads(json.dumps(first.state_dict()))
    other, second = known(lambda v: 0.5 * (0.3 - v), every=2, state=state)
    assert other["value"] == first.values["noise"]  # the knob is set again
    for _ in range(5):
        second.step()
    assert other["value"] == box["value"]
    for name in ("step", "concavity", "value"):
        np.testing.assert_array_equal(second.history()[name], whole.history()[name])


def test_a_probe_that_is_too_small_holds_the_knobs_and_says_so():
    x, y = probe(n=20, classes=4)
    noise = torch.randn(20, 8, generator=torch.Generator().manual_seed(1))
    steer = Steer(net(), (noise, y))  # classes that are not apart in the least
    for _ in range(4):
        steer.step()
    said = steer.words()
    assert "held: the probe is too small to say" in said or "the curve does not fall" in said
    assert steer.values["dropout"] == pytest.approx(0.1)
    assert steer.history()["concavity_error"].values[0] > 0.1


def test_errors_are_measured_at_the_first_look_and_ever_more_seldom():
    steer = Steer(net(), probe())
    for _ in range(17):
        steer.step()
    measured = np.isfinite(steer.history()["concavity_error"].values)
    assert (np.flatnonzero(measured) + 1).tolist() == [1, 4, 16]


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: Steer(nn.Sequential(nn.Linear(8, 3)), probe()), "must have Dropout modules"),
        (lambda: Steer(net(), (probe()[0], torch.zeros(60, dtype=torch.int64))), "2 classes"),
        (lambda: Steer(net(), probe()[0]), "2 classes to steer by"),
        (lambda: Steer(net(), probe(n=12)), "at least 20 samples, got 12"),
        (lambda: Steer(net(), probe(n=24, classes=8)), "^$"),
        (lambda: Steer(net(), probe(n=20, classes=7)), "3 samples of every class .*got 2 of"),
        (lambda: Steer(net(), probe(), layers=["1"], with_input=False), "at least 3.*got 1"),
        (lambda: Steer(net(), probe(), every=0), "every must be"),
        (lambda: Steer(net(), probe(), gain=0.0), "gain must be"),
        (lambda: Steer(net(), probe(), kind="best"), "kind must be one of"),
        (lambda: Steer(None, probe()), "model must be an nn.Module"),
        (lambda: known(lambda v: 0.0, layers=["1"]), "layers must not be given where probe is"),
        (lambda: known(lambda v: 0.0, state={"format": 0}), "state must be what state_dict"),
    ],
)
def test_what_cannot_be_steered_is_refused_in_a_sentence(make, words):
    if words == "^$":
        make()  # three of each class are enough
        return
    with pytest.raises(ValueError, match=words):
        make()


def test_a_function_that_returns_no_curve_is_refused():
    knob = Knob(lambda: 0.1, lambda v: None, 0.0, 0.5)
    steer = Steer(None, lambda _: 0.3, knobs=knob)
    with pytest.raises(
        ValueError, match="probe must return a LoadCurve when it is called, got 0.3"
    ):
        steer.step()


def test_values_set_by_hand_are_gone_on_from():
    box, steer = known(lambda v: 0.0)
    steer.set_values({"noise": 0.4})
    steer.step()
    assert box["value"] == pytest.approx(0.4)
    with pytest.raises(ValueError, match="values must name the knobs noise, got dropout"):
        steer.set_values({"dropout": 0.1})


def test_a_record_is_drawn_with_the_numbers_that_it_has():
    _, steer = known(lambda v: 0.5 * (0.3 - v))
    with pytest.raises(ValueError, match="ds must have at least one look|hold numbers"):
        steer.plot()
    for _ in range(5):
        steer.step()
    figure, ds = steer.plot(), steer.history()
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), ds["concavity"].values)
    np.testing.assert_array_equal(figure.axes[1].lines[0].get_ydata(), ds["value"].values[:, 0])
    assert not math.isnan(steer.share) and steer.seconds > 0


@pytest.mark.slow
def test_a_net_whose_curve_crosses_ends_nearer_to_straight_than_it_would_be():
    """Digits: by the panel, slope 0 is straight at dropout 0.18, and 0.11 concave without any."""
    data = lp.data.digits(n_train=300)
    networks = lp.spring_block.networks
    bent = {}
    for steered in (False, True):
        model = networks.MLP(64, 10, width=30, depth=6, slope=0.0, seed=SEED, dropout=0.0)
        x, y = data.x_train.float(), data.y_train
        layers = ["input_norm", "activation"]
        steer = Steer(model, (x, y), layers=layers, with_input=False, every=10, start=40, gain=0.5)
        epoch = steer.step if steered else lambda: None
        recipe = networks.Recipe(epochs=150)
        run = networks.train(
            model, data, recipe, seed=SEED, engine="plain", progress=lambda *_, step=epoch: step()
        )
        bent[steered] = lp.separation.concavity(run.log_separation["fuzziness"])
    assert bent[False] > 0.05 and abs(bent[True]) < bent[False] / 2
    assert steer.values["dropout"] > 0.02


def slow_looks(monkeypatch, budget, steps, state=None):
    """Steps of one second each, and looks of half a second, by a clock that is known."""
    clock = {"now": 0.0}
    monkeypatch.setattr(account, "perf_counter", lambda: clock["now"])

    def curve(v):
        clock["now"] += 0.5
        return 0.5 * (0.3 - v)

    _, steer = known(curve, budget=budget, every=4, state=state)
    clock["now"] += 100.0  # what passes before the first step is nobody's
    for _ in range(steps):
        steer.step()
        clock["now"] += 1.0
    return steer


def test_looks_keep_to_the_budget(monkeypatch):
    free = slow_looks(monkeypatch, None, 40)
    assert free.put_off == 0 and free.history()["step"].values.tolist() == list(range(4, 41, 4))
    assert free.share == pytest.approx(5 / 45)
    assert free.history()["seconds"].values.tolist() == [0.5] * 10
    enough = slow_looks(monkeypatch, 0.2, 40)
    assert enough.put_off == 0 and len(enough.history()["look"]) == 10
    with pytest.warns(BudgetWarning, match=r"step 8: a look is due and is put off.*budget=0.09"):
        kept = slow_looks(monkeypatch, 0.09, 40)
    # A look of half a second wants 5.6 s of all time: at step 12 both looks have them, and so on.
    steps = kept.history()["step"].values.tolist()
    assert steps[:3] == [4, 12, 17] and 6 <= len(steps) < 10 and kept.put_off > 0
    assert kept.share <= 0.09
    assert kept.history().attrs["budget"] == 0.09
    assert kept.history().attrs["put_off"] == kept.put_off


def test_a_budget_goes_on_where_a_run_is_resumed(monkeypatch):
    with pytest.warns(BudgetWarning):
        first = slow_looks(monkeypatch, 0.09, 22)
    state = json.loads(json.dumps(first.state_dict()))
    second = slow_looks(monkeypatch, 0.09, 22, state=state)
    with pytest.warns(BudgetWarning):
        whole = slow_looks(monkeypatch, 0.09, 44)
    assert second.history()["step"].values.tolist() == whole.history()["step"].values.tolist()
    assert second.put_off == whole.put_off and second.seconds == whole.seconds


@pytest.mark.parametrize("budget", [0.0, 1.0, -0.1, math.nan, "0.1"])
def test_a_budget_out_of_range_is_refused(budget):
    with pytest.raises(ValueError, match="budget must"):
        known(lambda v: 0.0, budget=budget)
