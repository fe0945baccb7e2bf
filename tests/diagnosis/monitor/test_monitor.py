"""The monitor: numbers against the measures themselves, and training that does not notice it.

`pytest -m slow -s tests/diagnosis/monitor/test_monitor.py` trains the nets of docs/monitor.md,
healthy ones and ones that collapse, and prints what the monitor said of each.
"""

import contextlib
import json
import math
import pickle
import random as python_random
import re
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pytest
import torch
from exact_paths import random
from monitored_trainings import COLLAPSING, HEALTHY, PROBE, UNTOLD, X, Y, mlp, run
from recorded_models import Shared, seeded
from torch import nn
from torch.utils.data import DataLoader, Dataset

from loadpath import LeakyResNet, measures
from loadpath import load as load_result
from loadpath.diagnosis.monitor import account as account_module
from loadpath.diagnosis.monitor.account import BudgetWarning
from loadpath.diagnosis.monitor.alarms import Collapse, CollapseWarning, CollapseWatch
from loadpath.diagnosis.monitor.monitor import Monitor
from loadpath.diagnosis.monitor.snapshot import LayerSnapshot, Snapshot, spread_of
from loadpath.leaky_resnet import mechanics
from loadpath.measures import separation
from loadpath.record import Reduction, stream
from loadpath.results import save


def labels(n, classes=4):
    return torch.arange(n) % classes


def net(*widths, seed=0):
    """Linear and ReLU in turn, float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pairs = zip(widths, widths[1:], strict=False)
        parts = [part for a, b in pairs for part in (nn.Linear(a, b), nn.ReLU())]
        return nn.Sequential(*parts[:-1]).double()


@contextlib.contextmanager
def unwarned():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)
        yield


# Numbers


@pytest.mark.parametrize("kind", ["trace_ratio", "fuzziness", "inverse"])
def test_every_number_is_that_of_the_measure_itself(kind):
    # 60 is wider than there are samples: those rows are measured in as many coordinates.
    model, x, y = net(6, 60, 60, 60, 5), 3 + random(48, 6, seed=1), labels(48)
    logged = []
    Monitor(model, (x, y), log=logged.append, kind=kind)
    layers = next(iter(stream(model, [x]))).features
    assert list(layers) == ["input", "0", "1", "2", "3", "4", "5", "6"]
    expected = {"alarms": 0, "step": 0}
    D = [separation.log_separation(H, y, kind) for H in layers.values()]
    curve = separation.LoadCurve(D, kind)
    expected["concavity"] = curve.concavity
    expected |= {f"log_separation/{l}": d for l, d in zip(layers, D, strict=True)}
    expected |= {f"load/{l}": d for l, d in zip(list(layers)[1:], curve.load, strict=True)}
    before = None
    for l, H in layers.items():
        centred = H - H.mean(0)
        s = torch.linalg.svdvals(centred)
        expected[f"stable_rank/{l}"] = float(mechanics.stable_rank(centred))
        expected[f"participation_ratio/{l}"] = measures.participation_ratio_of_spectrum(s)
        dead = float((H.std(0) == 0).double().mean())
        expected[f"dead/{l}"] = dead
        expected[f"spread/{l}"] = spread_of(H)[0]
        if before is not None and before.shape == H.shape:
            expected[f"relative_step/{l}"] = float((H - before).norm() / H.norm())
            growth = (H.norm(dim=1) / before.norm(dim=1)).log().mean()
            expected[f"growth/{l}"] = float(growth)
        before = H
    expected = {
        f"loadpath_{name}" if "/" in name else f"loadpath/{name}": value
        for name, value in expected.items()
    }
    assert logged[0].keys() == expected.keys()
    for name, value in expected.items():
        # Some loads are 0 but for the rounding of log separations that are of order 1.
        assert logged[0][name] == pytest.approx(value, rel=1e-9, abs=1e-10)
        assert type(logged[0][name]) is float


def test_spread_is_the_variation_of_a_typical_feature():
    # +-1 about 3 in every feature: deviation 1, size sqrt(10).
    signs = torch.tensor([1.0, -1.0, 1.0, -1.0]).double()[:, None]
    H = 3 + signs * torch.ones(1, 5).double()
    spread, each = spread_of(H)
    assert spread == pytest.approx(1 / math.sqrt(10))
    assert each.tolist() == pytest.approx([1 / math.sqrt(10)] * 5)
    assert spread_of(1e6 * H)[0] == pytest.approx(spread)
    # A feature that is 0 throughout is left out; a huge one that does not vary is one of many.
    assert spread_of(torch.cat([H, 0 * H], dim=1))[0] == pytest.approx(spread)
    huge = torch.cat([H, torch.full((4, 1), 1e6).double()], dim=1)
    assert spread_of(huge)[0] == pytest.approx(math.sqrt(5 / 6) * spread)
    assert spread_of(0 * H)[0] == 0 and spread_of(0 * H + 7)[0] == 0
    # Small features about 0 vary by all of their own size, which is little of a typical one's.
    small = torch.cat([H, 1e-3 * signs], dim=1)
    assert spread_of(small)[0] == pytest.approx(math.sqrt(5 / 6) * spread, rel=1e-5)


@pytest.mark.parametrize(
    "given, n_classes",
    [
        (labels(40), 4),
        (labels(40)[:, None].int() + 7, 4),  # any whole numbers, also in a column
        (torch.arange(40) % 2 == 0, 2),
        (torch.cat([labels(36), torch.tensor([9, 10, -100, -100])]), 4),  # alone, or no class
        (torch.arange(40), 0),
        (torch.zeros(40).long(), 0),
        (labels(40).double(), 0),
        (labels(40)[:, None].expand(40, 2), 0),
        (None, 0),
    ],
)
def test_separation_is_that_of_the_classes_of_two_samples_or_more(given, n_classes):
    model, x = net(6, 8, 5), random(40, 6, seed=1)
    monitor = Monitor(model, x if given is None else (x, given))
    history = monitor.history()
    assert history.attrs["n_classes"] == n_classes
    D = history["log_separation"].sel(layer="2", look=0)
    if n_classes == 0:
        assert history["log_separation"].isnull().all() and history["concavity"].isnull().all()
        assert history["stable_rank"].notnull().all()
        return
    flat = given.reshape(-1).long()
    known = torch.isin(flat, flat.unique(return_counts=True)[0]) & (flat >= 0)
    counts = Counter(flat.tolist())
    known &= torch.tensor([counts[label] > 1 for label in flat.tolist()])
    numbers = flat[known].unique(return_inverse=True)[1]
    with torch.no_grad():
        H = model(x)[known]
    assert float(D) == pytest.approx(separation.log_separation(H, numbers, "trace_ratio"))


def test_what_cannot_be_measured_is_left_out_of_the_log():
    # The head puts out the same for all: no rank, and a curve that does not go on.
    model, logged = net(6, 8, 8, 4), []
    nn.init.zeros_(model[4].weight)
    Monitor(model, (random(40, 6, seed=1), labels(40)), log=logged.append)
    names = {name.removeprefix("loadpath").removeprefix("_").strip("/") for name in logged[0]}
    assert {"spread/4", "dead/4", "load/3", "stable_rank/3"} <= names
    assert not {"stable_rank/4", "load/4", "log_separation/4", "concavity"} & names
    assert logged[0]["loadpath_spread/4"] == 0 and logged[0]["loadpath_dead/4"] == 1
    assert all(math.isfinite(value) for value in logged[0].values())


def test_layers_are_found_once_and_looked_at_by_name_ever_after(monkeypatch):
    passes = Counter()
    model = seeded(Shared, width=4, times=3)
    model.register_forward_pre_hook(lambda *_: passes.update(["model"]))
    logged = []
    monitor = Monitor(model, (random(40, 5, 4, seed=0), labels(40)), log=logged.append)
    assert passes["model"] == 3  # two of them to find the layers
    monitor.measure()
    assert passes["model"] == 4
    assert logged[0] == logged[1] | {"loadpath/step": 0.0}
    history = monitor.history()
    assert list(history["layer"]) == ["input", "group.0", "group.0#2", "group.0#3"]
    assert "loadpath_load/group.0-3" in logged[0]  # a name that MLflow takes
    assert not history["relative_step"].isel(layer=slice(1, None)).isnull().any()


def test_a_leaky_resnet_is_looked_at_along_its_path():
    model = LeakyResNet(6, 4, width=8, depth=3, effective_depth=2.0, dtype=torch.float64)
    x = random(40, 6, seed=0)
    monitor = Monitor(model, (x, labels(40)))
    monitor.measure()
    path = [A.detach() for A in model.path(x)]
    for l in range(1, 4):
        found = monitor.history()["relative_step"].sel(layer=f"path.{l}")
        expected = float((path[l] - path[l - 1]).norm() / path[l].norm())
        assert found.values == pytest.approx([expected] * 2)


def test_a_module_that_is_called_input_is_a_layer_as_others():
    model = nn.Sequential()
    model.add_module("input", nn.Linear(6, 8))
    model.add_module("head", nn.Linear(8, 4))
    monitor = Monitor(model.double(), random(40, 6, seed=0), every=1, budget=None)
    nn.init.constant_(model.get_submodule("input").weight, math.nan)
    with pytest.warns(CollapseWarning, match="layer 'input' puts out NaN"):
        monitor.step()


@pytest.mark.parametrize("reduction, rows", [(None, 40), (Reduction(tokens="positions"), 80)])
def test_the_first_samples_are_measured_whatever_the_batches(reduction, rows):
    model, x, y = seeded(Shared, width=4), random(60, 5, 4, seed=0), labels(60)
    whole = Monitor(model, (x[:40], y[:40]), reduction=reduction).history()
    for batches in ([(x, y)], list(zip(x.split(16), y.split(16), strict=True))):
        parts = Monitor(model, batches, samples=40, reduction=reduction).history()
        assert parts.attrs["n_samples"] == 40
        for name in ("log_separation", "stable_rank", "spread", "relative_step"):
            np.testing.assert_allclose(parts[name], whole[name], rtol=1e-10)


# Training does not notice


class Augmented(Dataset):
    """Draws from Python's and NumPy's numbers, as some transforms do."""

    def __len__(self):
        return len(X)

    def __getitem__(self, index):
        noise = python_random.gauss(0, 0.1) + np.random.normal(0, 0.1) + 0.1 * torch.randn(())
        return X[index] + noise, Y[index]


class Forgetful(nn.Module):
    """Draws random numbers of three kinds in evaluation, and acts in place on its input."""

    def __init__(self):
        super().__init__()
        self.body = mlp(2, 32, norm=True)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        x += 0.01 * (torch.rand(()) + python_random.random() + np.random.random())
        return self.drop(self.body(x))


def trained(monitored, **options):
    """Return everything that training leaves behind."""
    for seed in (python_random.seed, np.random.seed, torch.manual_seed):
        seed(0)
    model = Forgetful()
    model.drop.eval()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    loader = DataLoader(Augmented(), batch_size=100, shuffle=True)
    monitor = None
    if monitored:
        monitor = Monitor(model, loader, every=1, budget=None, **options)
    losses = []
    for x, y in loader:
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        if monitor is not None:
            monitor.step(loss)
    states = [python_random.getstate(), np.random.get_state()[1], torch.get_rng_state()]
    hooks = [module._forward_hooks for module in model.modules() if module._forward_hooks]
    modes = [module.training for module in model.modules()]
    return losses, model.state_dict(), states, hooks, modes, monitor


@pytest.fixture
def global_random_numbers():
    """Put back what the tests of training draw from."""
    states = python_random.getstate(), np.random.get_state(), torch.get_rng_state()
    yield
    python_random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])


def test_training_is_bit_for_bit_what_it_is_without(global_random_numbers):
    losses, weights, states, hooks, modes, _ = trained(False)
    with_monitor = trained(True)
    assert len(with_monitor[-1].history()["look"]) == len(losses) + 1 > 10
    assert torch.equal(torch.stack(losses), torch.stack(with_monitor[0]))
    for name, tensor in weights.items():
        assert torch.equal(tensor, with_monitor[1][name])
    assert states[0] == with_monitor[2][0]
    assert np.array_equal(states[1], with_monitor[2][1])
    assert torch.equal(states[2], with_monitor[2][2])
    assert hooks == with_monitor[3] == [] and modes == with_monitor[4]
    assert modes.count(False) == 1


def test_the_probe_stays_whatever_happens_to_what_was_passed():
    model, logged = nn.Sequential(nn.ReLU(inplace=True), net(6, 8, 4)), []
    x, y = random(40, 6, seed=0), labels(40)
    before = x.clone()
    monitor = Monitor(model, (x, y), log=logged.append)
    monitor.measure()
    assert torch.equal(x, before)
    x.fill_(7)
    y.fill_(0)
    monitor.measure()
    assert logged[0] == logged[1] == logged[2]


# When


def test_looks_come_at_the_start_and_every_so_many_steps_from_the_last():
    logged = []
    options = {"every": 3, "budget": None, "guaranteed": 0}
    monitor = Monitor(net(6, 8, 4), random(40, 6, seed=0), log=logged.append, **options)
    for _ in range(7):
        monitor.step()
    monitor.measure()
    for _ in range(3):
        monitor.step()
    monitor.step(number=20)
    monitor.step(number=20)
    monitor.step(number=22)
    monitor.step(number=23)
    assert [log["loadpath/step"] for log in logged] == [0, 3, 6, 7, 10, 20, 23]
    assert list(monitor.history()["step"]) == [0, 3, 6, 7, 10, 20, 23]
    with pytest.raises(ValueError, match="number must be at least 23, the last, got 22"):
        monitor.step(number=22)
    later = Monitor(net(6, 8, 4), random(40, 6, seed=0), first_step=100, **options)
    for _ in range(3):
        later.step()
    assert list(later.history()["step"]) == [100, 103]


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A clock in place of the one that a monitor keeps account by."""
    clock = Clock()
    monkeypatch.setattr(account_module, "perf_counter", clock)
    return clock


class SlowLog:
    """A log that takes its time, and can be pickled."""

    def __init__(self, clock, seconds):
        self.clock, self.seconds = clock, seconds

    def __call__(self, numbers):
        self.clock.now += self.seconds


def timed(clock, look_seconds, **options):
    """Return a monitor whose looks take so long, by a slow log, which counts as well."""

    return Monitor(net(6, 8, 4), random(40, 6, seed=0), log=SlowLog(clock, look_seconds), **options)


def pickled(monitor, *_):
    """Go on with a copy by way of pickle, which hangs on the same clock."""
    clock = monitor._log.log.clock
    kept = pickle.dumps(monitor)
    clock.now += 1e6  # the time between two runs is nobody's
    again = pickle.loads(kept)
    again._log.log.clock = clock
    return again


def from_state(monitor, clock, look_seconds, options):
    """Go on with a new monitor that has the state of this one."""
    state = json.loads(json.dumps(monitor.state_dict()))
    clock.now += 1e6
    return timed(clock, look_seconds, state=state, **options)


def steps_made(clock, monitor, steps, step_seconds):
    """Make steps that take so long, and return what the monitor has looked at."""
    for _ in range(steps):
        monitor.step()
        clock.now += step_seconds
    return monitor.history()["step"].values.tolist()


@contextlib.contextmanager
def late_looks_told_once():
    """Look out for one warning that looks are put off, or for none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        told = []
        yield told
    assert all(each.category is BudgetWarning for each in caught) and len(caught) <= 1
    told += [str(each.message) for each in caught]


@pytest.mark.parametrize(
    "look_seconds, step_seconds, steps", [(1.0, 0.01, 20_000), (0.2, 0.1, 1000), (0.4, 0.1, 1000)]
)
def test_looks_beyond_the_guaranteed_ones_stay_within_the_budget(
    clock, look_seconds, step_seconds, steps
):
    monitor = timed(clock, look_seconds, every=50, budget=0.05, guaranteed=0)
    assert monitor.share == 1 and monitor.seconds == monitor.guaranteed_seconds == look_seconds
    clock.now += 1000  # waiting before training starts earns nothing
    shares, looked_at = [], []
    with late_looks_told_once() as told:
        for number in range(1, steps + 1):
            clock.now += step_seconds
            before = monitor.seconds
            monitor.step()
            if monitor.seconds > before:
                looked_at.append(number)
                aside = monitor.guaranteed_seconds
                elapsed = monitor.seconds / monitor.share
                shares.append((monitor.seconds - aside) / (elapsed - aside))
    assert max(shares) <= 0.05
    assert monitor.guaranteed_seconds == look_seconds
    assert monitor.seconds == pytest.approx(look_seconds * (len(shares) + 1))
    # At the cadence if the budget has it, or else when 20 looks' time has gone by since the last
    # one began, one of which is the look itself.
    wait = math.ceil(19 * look_seconds / step_seconds)
    gaps = np.diff(looked_at)
    assert len(gaps) > 5 and abs(gaps - max(50, wait)).max() <= 1
    assert len(told) == (wait > 50)
    if wait > 50:
        assert monitor.put_off >= len(looked_at) - 1
        assert monitor.history().attrs["put_off"] == monitor.put_off
    else:
        assert monitor.put_off == 0


@pytest.mark.parametrize("last_step", [None, 138])
@pytest.mark.parametrize("look_seconds", [0.1, 2.0])
def test_a_short_run_is_looked_at_whatever_looks_cost(clock, look_seconds, last_step):
    """A run of 138 steps of 0.2 s had one look, at its start, and no word."""
    with late_looks_told_once() as told:
        with timed(clock, look_seconds, every=70, last_step=last_step) as monitor:
            looks = steps_made(clock, monitor, 138, 0.2)
    all_looks = monitor.history()["step"].values.tolist()
    assert all_looks[0] == 0 and all_looks[-1] == 138
    assert all_looks[: len(looks)] == looks and len(set(all_looks)) == len(all_looks)
    assert len(all_looks[1:-1]) >= 10
    guaranteed = {*range(11), 20, 40, 80, 138}
    if last_step == 138:
        guaranteed = {i * 138 // 11 for i in range(12)}
    at_cadence = look_seconds == 0.1
    if at_cadence:  # a look of 0.1 s is in the budget after 14 s, and does for a guaranteed one
        guaranteed -= {75, 80}
    assert set(all_looks) == guaranteed | ({70} if at_cadence else set())
    attrs = monitor.history().attrs
    assert attrs["guaranteed_seconds"] == pytest.approx(look_seconds * len(guaranteed))
    assert attrs["guaranteed"] == 10 and attrs["first_step"] == 0
    assert attrs.get("last_step") == last_step
    assert len(told) == (not at_cadence) == monitor.put_off


def test_the_word_about_late_looks_says_why_and_what_can_be_done(clock):
    with pytest.warns(BudgetWarning) as caught:
        steps_made(clock, timed(clock, 1.0, every=20, last_step=440), 50, 0.1)
    assert [str(each.message) for each in caught] == [
        "step 20: a look is due and is put off. One takes about 1 s, and with it looks beyond the "
        "guaranteed ones would have taken 34 % of the time, where budget=0.05. From now on the "
        "monitor looks when the budget has it, and counts in put_off how often it was late. "
        "Whatever the budget, it takes looks at the start, at the end and 10 between. For a look "
        "every 20 steps, pass budget=None; fewer samples= or layers= make looks shorter."
    ]


@pytest.mark.parametrize("kept", [pickled, from_state])
@pytest.mark.parametrize("last_step", [None, 60])
@pytest.mark.parametrize("at", [0, 7, 33, 59])
def test_a_run_that_is_resumed_looks_when_the_whole_one_does(clock, kept, last_step, at):
    options = {"every": 15, "last_step": last_step}
    with late_looks_told_once() as told:
        whole = timed(clock, 0.5, **options)
        looks = steps_made(clock, whole, 60, 0.2)
    # There are looks of all kinds in it: guaranteed, within the budget and late.
    assert whole.put_off > 0 and len(told) == 1 and len(looks) > 11
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BudgetWarning)
        first = timed(clock, 0.5, **options)
        steps_made(clock, first, at, 0.2)
        resumed = kept(first, clock, 0.5, options)
        assert steps_made(clock, resumed, 60 - at, 0.2) == looks
    assert resumed.put_off == whole.put_off
    assert resumed.seconds == pytest.approx(whole.seconds)
    assert resumed.guaranteed_seconds == pytest.approx(whole.guaranteed_seconds)


def test_the_end_is_looked_at_once_and_training_may_go_on_after_it(clock):
    monitor = timed(clock, 0.1, guaranteed=0)
    monitor.close()  # nothing has happened since the look at the start
    for loss in (torch.tensor(3.0), torch.tensor(2.0)):
        monitor.step(loss)
    monitor.close()
    monitor.close()
    assert monitor.history()["step"].values.tolist() == [0, 2]
    assert float(monitor.history()["loss"][-1]) == 2  # that of the last step
    monitor.step()
    monitor.close(1.5)
    assert monitor.history()["step"].values.tolist() == [0, 2, 3]
    assert float(monitor.history()["loss"][-1]) == 1.5


def test_a_block_that_ends_in_an_exception_has_no_look_at_its_end(clock):
    monitor = timed(clock, 0.1, guaranteed=0)
    with pytest.raises(KeyboardInterrupt):
        with monitor as same:
            assert same is monitor
            monitor.step()
            raise KeyboardInterrupt
    assert monitor.history()["step"].values.tolist() == [0]


def test_a_budget_of_a_real_training_holds():
    # A net so small that a look takes as long as hundreds of steps: it has to wait.
    model = mlp(2, 16)
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    monitor = Monitor(model, PROBE, every=1, budget=0.3, guaranteed=0)
    with late_looks_told_once() as told:
        for _ in range(200):
            nn.functional.cross_entropy(model(X[:16]), Y[:16]).backward()
            optimizer.step()
            monitor.step()
    history = monitor.history()
    assert monitor.put_off > 0 and len(told) == 1 and 0 < history.attrs["own_seconds"]
    assert float(history["seconds"].sum()) <= history.attrs["own_seconds"]
    assert len(history["look"]) < 200


# Where to


def test_a_function_of_a_dict_and_a_step_gets_both():
    calls = []

    def log(metrics, step=None, synchronous=None):  # as mlflow.log_metrics
        calls.append((step, metrics))

    monitor = Monitor(net(6, 8, 4), random(40, 6, seed=0), log=log, every=2)
    monitor.measure()
    assert [step for step, _ in calls] == [0, 0]
    assert "loadpath/step" not in calls[0][1] and "loadpath_spread/0" in calls[0][1]


def test_a_tensorboard_writer_gets_every_number(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    logged = []
    model, x = net(6, 8, 4), (random(40, 6, seed=0), labels(40))
    with SummaryWriter(tmp_path) as writer:
        monitor = Monitor(model, x, log=writer, every=5, budget=None, guaranteed=0)
        for _ in range(5):
            monitor.step()
    Monitor(model, x, log=logged.append)
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    names = events.Tags()["scalars"]
    assert set(names) == logged[0].keys() - {"loadpath/step"}
    for name in names:
        assert [event.step for event in events.Scalars(name)] == [0, 5]
        # TensorBoard keeps float32.
        values = [event.value for event in events.Scalars(name)]
        assert values == pytest.approx([logged[0][name]] * 2, rel=1e-6, abs=1e-6)


def test_history_is_labelled_and_comes_back_from_disk(tmp_path):
    model = net(6, 8, 8, 4)
    monitor = Monitor(model, (random(40, 6, seed=0), labels(40)), every=2, layers="?", budget=0.3)
    monitor.measure(torch.tensor(0.7, requires_grad=True))
    nn.init.constant_(model[2].weight, math.inf)
    with pytest.warns(CollapseWarning):
        monitor.measure()
    history = monitor.history()
    assert dict(history.sizes) == {"look": 3, "layer": 6}
    assert history["loss"].values == pytest.approx([math.nan, 0.7, math.nan], nan_ok=True)
    assert history["stable_rank"].sel(layer="2").isnull().values.tolist() == [False, False, True]
    assert history["stable_rank"].sel(layer="1").notnull().all()
    assert all({"units", "long_name"} <= history[name].attrs.keys() for name in history)
    assert history.attrs["every"] == 2 and history.attrs["budget"] == 0.3
    assert history.attrs["n_samples"] == 40 and history.attrs["kind"] == "trace_ratio"
    assert "'2' puts out NaN" in history.attrs["alarms"]
    assert history["collapse"].values.tolist() == [[""] * 6] * 2 + [[""] * 3 + ["not finite"] * 3]
    assert history["alarm"].values.tolist() == ["", "", history.attrs["alarms"]]
    assert "output of 2 (Linear)" in history.attrs["layers"]
    save(history, tmp_path / "history.nc")
    back = load_result(tmp_path / "history.nc")
    assert back.identical(history.assign_attrs(back.attrs))
    assert back.attrs == history.attrs


def test_neither_lightning_nor_tensorboard_is_imported_along():
    code = (
        "import sys, loadpath, loadpath.diagnosis.monitor\n"
        "print([m for m in ('lightning', 'pytorch_lightning', 'tensorboard') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Alarms


def test_activations_that_are_not_finite_are_an_alarm_and_no_crash():
    model, logged, alarms = net(6, 8, 8, 8, 4), [], []
    monitor = Monitor(
        model,
        (random(40, 6, seed=0), labels(40)),
        log=logged.append,
        every=1,
        on_collapse=alarms.append,
        budget=None,
    )
    with torch.no_grad():
        model[2].weight[0] = math.nan
    words = r"step 1: layer '2' puts out NaN or infinity \(40 of 320 numbers\), and 4 layer"
    with pytest.warns(CollapseWarning, match=words) as caught:
        monitor.step()
        monitor.step()  # said once
    assert len(caught) == 1 and monitor.alarms == alarms == [alarms[0]]
    alarm = alarms[0]
    assert (alarm.kind, alarm.layer, alarm.step) == ("not finite", "2", 1)
    assert alarm.others == ("3", "4", "5", "6")
    assert [log["loadpath/alarms"] for log in logged] == [0, 1, 1]
    assert logged[1]["loadpath_alarm/2"] == logged[1]["loadpath_alarm/6"] == 1
    assert "loadpath_alarm/2" not in logged[2]
    assert "loadpath_stable_rank/1" in logged[1] and "loadpath_spread/2" not in logged[1]


def test_on_collapse_may_end_the_training_after_all_is_logged():
    class EnoughError(Exception):
        pass

    def stop(alarm):
        raise EnoughError(str(alarm))

    model, logged = net(6, 8, 4), []
    monitor = Monitor(
        model, random(40, 6, seed=0), log=logged.append, every=1, on_collapse=stop, budget=None
    )
    nn.init.constant_(model[0].bias, math.inf)
    with pytest.raises(EnoughError, match="layer '0' puts out NaN"), unwarned():
        monitor.step()
    assert logged[1]["loadpath/alarms"] == 1 and list(monitor.history()["step"]) == [0, 1]


def test_a_loss_that_is_not_finite_is_an_alarm():
    monitor = Monitor(net(6, 8, 4), random(40, 6, seed=0), every=1, budget=None)
    with pytest.warns(CollapseWarning, match="step 1: the loss is inf") as caught:
        monitor.step(torch.tensor(math.inf))
        monitor.step(math.nan)
    assert len(caught) == 1 and monitor.alarms[0].layer == "loss"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_layer_that_dies_is_named(dtype):
    model = net(6, 8, 8, 8, 4).to(dtype)
    x = random(60, 6, seed=0).to(dtype)
    monitor = Monitor(model, [(x[:37], labels(37)), (x[37:], labels(23))], every=1, budget=None)
    nn.init.constant_(model[2].bias, -5)
    with pytest.warns(CollapseWarning, match="step 1: layer '3' puts out the same for every"):
        monitor.step()
    (alarm,) = monitor.alarms
    assert (alarm.kind, alarm.layer, alarm.others) == ("constant", "3", ("4", "5", "6"))


def test_a_layer_whose_features_hardly_vary_any_more_is_constant_too():
    model = net(6, 8, 8, 4)
    monitor = Monitor(model, random(60, 6, seed=0), every=1, budget=None)
    with torch.no_grad():
        model[2].weight *= 0.5
        monitor.step()
        model[2].weight *= 0.02
    with pytest.warns(CollapseWarning, match="layer '2' puts out the same .* but for 0.0"):
        monitor.step()
    assert monitor.alarms[0].kind == "constant"


def test_a_head_that_starts_at_zero_is_given_until_the_second_look():
    for learns in (True, False):
        model = net(6, 8, 4)
        nn.init.zeros_(model[2].weight)
        monitor = Monitor(model, random(40, 6, seed=0), every=1, budget=None)
        assert monitor.alarms == []
        if learns:
            nn.init.normal_(model[2].weight)
            monitor.step()
            assert monitor.alarms == []
            continue
        with pytest.warns(CollapseWarning, match="layer '2' has put out the same .* first look"):
            monitor.step()


def test_huge_features_that_hardly_vary_hide_neither_the_others_nor_raise_an_alarm():
    # As the residual streams of language models have, here in bfloat16.
    model = nn.Sequential(nn.Linear(6, 64), nn.Identity()).bfloat16()
    with torch.no_grad():
        model[0].bias[0] = 3e4
        model[0].weight[0] = 0
    x = random(60, 6, seed=0).bfloat16()
    monitor = Monitor(model, x, layers="0", every=1, budget=None)
    monitor.step()
    assert monitor.alarms == []
    assert float(monitor.history()["spread"].sel(layer="0").min()) > 0.5


def test_dying_features_are_told_before_the_layer_is_dead():
    model = net(6, 8, 100, 4)
    monitor = Monitor(model, random(60, 6, seed=0), every=1, budget=None)
    with torch.no_grad():
        model[2].bias[:60] = -5
        monitor.step()
        assert monitor.alarms == []
        model[2].bias[:95] = -5
    words = "layer '3' has 9.% of its features the same for every sample, and had "
    with pytest.warns(CollapseWarning, match=words):
        monitor.step()
    assert monitor.alarms[0].kind == "dead features"


def looks(**numbers):
    """Looks at one layer "a", one for each of the values given."""
    count = max(map(len, numbers.values()))
    filled = {
        "spread": [0.5] * count,
        "dead": [0.0] * count,
        "participation_ratio": [20.0] * count,
        "trace_ratio": [1.0] * count,
        "rounding": [1e-6] * count,
    } | numbers
    for values in zip(*filled.values(), strict=True):
        layer = LayerSnapshot(**dict(zip(filled, values, strict=True)))
        yield Snapshot({"a": layer}, math.nan, {}, None)


def kinds(rule, apart=1, **numbers):
    """Kinds of the alarms that come at each look."""
    watch = CollapseWatch(rule, apart)
    return [[a.kind for a in watch.alarms(shot, n)] for n, shot in enumerate(looks(**numbers))]


def test_lost_dimensions_are_fewer_dimensions_and_worse_separation_twice_in_a_row():
    few, worse = [20.0] + [4.0] * 3, [1.0] + [1.8] * 3
    rule = Collapse()
    silent = [[], [], [], []]
    assert kinds(rule, participation_ratio=few, trace_ratio=worse) == [
        [], [], ["lost dimensions"], []
    ]  # fmt: skip
    assert kinds(rule, participation_ratio=few) == silent  # neural collapse
    assert kinds(rule, participation_ratio=few, trace_ratio=[1.0, -5.0, -5.0, -5.0]) == silent
    assert kinds(rule, trace_ratio=worse) == silent
    assert kinds(rule, participation_ratio=few, trace_ratio=[1.0, 1.8, 1.6, 1.8]) == silent
    unlabelled = [math.nan] * 4
    assert kinds(rule, participation_ratio=few, trace_ratio=unlabelled) == silent
    at_once = Collapse(looks=1)
    assert kinds(at_once, participation_ratio=few, trace_ratio=worse)[1] == ["lost dimensions"]
    off = Collapse(dimensions=0)
    assert kinds(off, participation_ratio=few, trace_ratio=worse) == silent


def test_looks_that_are_close_to_each_other_count_as_one():
    few, worse = [20.0] + [4.0] * 7, [1.0] + [1.8] * 7
    told = kinds(Collapse(), 3, participation_ratio=few, trace_ratio=worse)
    assert told == [[]] * 4 + [["lost dimensions"]] + [[]] * 3  # at steps 1 and 4
    few[3] = 20.0  # and found again between the two
    told = kinds(Collapse(), 3, participation_ratio=few, trace_ratio=worse)
    assert told == [[]] * 7 + [["lost dimensions"]]  # at steps 4 and 7
    # So it is with a layer that is constant from the start, which is never seen otherwise.
    constant = {"spread": [0.0] * 5, "participation_ratio": [math.nan] * 5}
    assert kinds(Collapse(), 3, **constant) == [[], [], [], ["constant"], []]


@pytest.mark.parametrize("last_step, told_at", [(None, 100), (220, 20)])
def test_a_head_that_starts_at_zero_is_given_time(clock, last_step, told_at):
    model = net(6, 8, 4)
    nn.init.zeros_(model[2].weight)
    monitor = Monitor(model, random(40, 6, seed=0), last_step=last_step)
    with unwarned():
        steps_made(clock, monitor, 150, 1.0)
    assert [alarm.step for alarm in monitor.alarms] == [told_at]
    assert monitor.history()["look"].size > 3


@pytest.mark.parametrize("name, steps", [("MLP, Adam", 120), ("residual, zero at first", 120)])
def test_nothing_stops_a_training_that_is_well(name, steps):
    assert not run(HEALTHY[name], seed=0, steps=steps, last_step=steps).should_stop


def test_a_training_that_collapses_can_be_stopped_by_a_flag():
    model = net(6, 8, 8, 4)
    monitor = Monitor(model, random(40, 6, seed=0))
    with unwarned():
        for step in range(1, 100):
            if step == 5:
                nn.init.constant_(model[2].weight, math.nan)
            monitor.step()
            if monitor.should_stop:
                break
    assert step == 5 and monitor.alarms[0].step == 5
    # Who goes on with it has been told, and stops for what comes after.
    again = Monitor(model, random(40, 6, seed=0), state=monitor.state_dict())
    again.step()
    assert not again.should_stop and len(again.alarms) == 1
    assert pickle.loads(pickle.dumps(monitor)).should_stop


def test_an_alarm_of_a_layer_is_followed_only_by_worse_ones():
    dead = [0.0, 0.95, 0.95, 1.0, 0.95]
    spread = [0.5, 0.4, 0.4, 0.0, 0.4]
    assert kinds(Collapse(), dead=dead, spread=spread) == [
        [], ["dead features"], [], ["constant"], []
    ]  # fmt: skip
    assert kinds(Collapse(dead=0.96, spread=0), dead=dead, spread=spread)[3] == ["constant"]
    # Half of them were dead when training began.
    assert kinds(Collapse(), dead=[0.5, 0.95]) == [[], []]


@pytest.mark.parametrize(
    "name, steps, share",
    [
        ("MLP of depth 12 without norms", 300, 0.2),
        ("residual, zero at first", 200, 0.8),
        # Longer ones; all kinds are tried by the slow test below.
        pytest.param("MLP with BatchNorm, long after it fits", 300, 0.5, marks=pytest.mark.slow),
        pytest.param("odd or even", 400, 0.15, marks=pytest.mark.slow),
    ],
)
def test_healthy_training_raises_no_alarm(name, steps, share):
    monitor = run(HEALTHY[name], seed=0, steps=steps)  # a warning would fail the test
    history = monitor.history()
    assert monitor.alarms == []
    # There is something to be silent about: dimensions fell while the classes came apart.
    last = history.isel(look=-1)
    ranks = history["participation_ratio"].isel(layer=slice(1, None))
    assert float((ranks.min("look") / ranks.max("look")).min()) < share
    assert (last["log_separation"] < history["log_separation"].max("look"))[1:].all()


@pytest.mark.parametrize(
    "name, steps, kind",
    [
        ("MLP, SGD at 50 times the rate", 100, "not finite"),
        ("MLP, Adam at 100 times the rate", 100, "dead features"),
        ("MLP, weight decay of 0.05", 100, "constant"),
        ("CNN, SGD at 50 times the rate", 50, "constant"),
        ("residual, Adam at 300 times the rate", 150, "lost dimensions"),
    ],
)
def test_training_that_collapses_is_told_of(name, steps, kind):
    with unwarned():
        monitor = run(COLLAPSING[name], seed=0, steps=steps)
    assert kind in [alarm.kind for alarm in monitor.alarms]


UNSEEN = (10, 11, 12)
"""Seeds other than those by which the rules of collapse were chosen."""


@pytest.mark.slow
@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_trainings_of_all_kinds_raise_no_alarm(name):
    for seed in UNSEEN:
        with unwarned():
            monitor = run(HEALTHY[name], seed=seed)
        report(name, seed, monitor)
        assert monitor.alarms == []


@pytest.mark.slow
@pytest.mark.parametrize("name", COLLAPSING)
def test_collapses_of_all_kinds_are_told_of(name):
    told = 0
    for seed in UNSEEN:
        with unwarned():
            monitor = run(COLLAPSING[name], seed=seed)
        report(name, seed, monitor)
        told += bool(monitor.alarms)
    assert told >= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", UNTOLD)
def test_dimensions_lost_without_harm_to_the_classes_are_not_told_of(name):
    for seed in UNSEEN:
        monitor = run(UNTOLD[name], seed=seed)
        report(name, seed, monitor)
        ranks = monitor.history()["participation_ratio"].isel(layer=slice(1, None))
        assert float((ranks / ranks[0]).min()) < 0.25 and monitor.alarms == []


def report(name, seed, monitor):
    history = monitor.history().isel(layer=slice(1, None))
    ranks = history["participation_ratio"] / history["participation_ratio"][0]
    risen = history["log_separation"] - history["log_separation"][0] > math.log(2)
    last = float(history["loss"][-1])
    print(
        f"{name}, seed {seed}: loss {last:.2g}, {len(monitor.alarms)} alarms; least spread "
        f"{float((history['spread'] / history['spread'][0]).min()):.2g} of the first, dead "
        f"{float(history['dead'].max()):.2f} (first {float(history['dead'][0].max()):.2f}), "
        f"dimensions {float(ranks.min()):.2g} of the first, where separation worsened "
        f"{float(ranks.where(risen).min()):.2g}"
    )
    for alarm in monitor.alarms:
        print("   ", alarm)


# Bad input


def make(**options):
    given = {"model": net(6, 8, 4), "probe": random(40, 6, seed=0)} | options
    return Monitor(given.pop("model"), given.pop("probe"), **given)


def nothing():
    yield from ()


@pytest.mark.parametrize(
    "options, words",
    [
        ({"probe": []}, "probe must have at least one batch, got none."),
        ({"probe": nothing()}, "probe must have at least one batch, got none."),
        ({"probe": random(19, 6, seed=0)}, "probe must have at least 20 samples, got 19."),
        ({"probe": None}, "must yield batches, and it is of type NoneType."),
        (
            {"probe": random(40, 6, seed=0) / 0},
            "probe must have finite inputs, got NaN or infinity in 240 of 240",
        ),
        ({"samples": 10}, "samples must be a whole number of at least 20, not 10."),
        ({"every": 0}, "every must be a whole number of at least 1, not 0."),
        ({"every": 2.5}, "every must be a whole number of at least 1, not 2.5."),
        ({"first_step": -1}, "first_step must be a whole number of at least 0, not -1."),
        ({"guaranteed": -1}, "guaranteed must be a whole number of at least 0, not -1."),
        ({"last_step": 0}, "last_step must be a whole number of at least 1, not 0."),
        ({"budget": 0}, "budget must lie in (0, 1), got 0."),
        ({"budget": 1.0}, "budget must lie in (0, 1), got 1.0."),
        ({"log": 7}, "log must be a function of a dict, .* got 7."),
        ({"log": lambda: None}, "log must be a function of a dict, .* got <function"),
        ({"log": lambda data, epoch: None}, "log must be a function of a dict, .* got <function"),
        ({"kind": "fuzzy"}, "kind must be one of fuzziness, trace_ratio, inverse, got 'fuzzy'."),
        ({"on_collapse": "stop"}, "on_collapse must be a function of an alarm, got 'stop'."),
        ({"layers": "blocks.*"}, "layers has the pattern 'blocks.*', which matches no module"),
        ({"model": "net"}, "model must be an nn.Module, and it is a str."),
    ],
)
def test_bad_arguments_are_refused_in_a_sentence(options, words):
    with pytest.raises(ValueError, match=words if ".*" in words else re.escape(words)):
        make(**options)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"spread": 1.5}, "spread must lie in [0, 1], got 1.5."),
        ({"dead": -0.1}, "dead must lie in [0, 1], got -0.1."),
        ({"dimensions": math.nan}, "dimensions must lie in [0, 1], got nan."),
        ({"looks": 0}, "looks must be a whole number of at least 1, not 0."),
    ],
)
def test_bad_rules_of_collapse_are_refused(options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Collapse(**options)


def test_a_model_that_fails_in_a_look_is_left_as_it_was():
    class Fails(nn.Module):
        def forward(self, x):
            if self.training:
                return x
            raise RuntimeError("out of luck")

    model = nn.Sequential(nn.Linear(6, 8), Fails()).double()
    with pytest.raises(RuntimeError, match="out of luck"):
        Monitor(model, random(40, 6, seed=0))
    assert all(module.training and not module._forward_hooks for module in model.modules())
