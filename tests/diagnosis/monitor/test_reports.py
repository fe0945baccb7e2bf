"""What users reported of monitors elsewhere: steps that go back, runs that are resumed."""

import copy
import io
import json
import pickle
import random as python_random

import numpy as np
import pytest
import torch
from exact_paths import random
from torch import nn

from loadpath.diagnosis import Monitor

PROBE = random(40, 6, seed=0), torch.arange(40) % 4


def net(seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)).double()


class Run:
    """Rows as wandb keeps them (wandb 6269, 10628): an open one, and steps that never go back."""

    def __init__(self):
        self.step, self.rows, self.refused = 0, {}, []

    def log(self, data, step=None, commit=None):
        if step is not None and step < self.step:
            self.refused.append((step, data))
            return
        self.step = self.step if step is None else step
        self.rows.setdefault(self.step, {}).update(data)
        self.step += (step is None) if commit is None else commit

    def looks(self):
        found = {row.get("loadpath/step"): row for row in self.rows.values()}
        return {step: row for step, row in found.items() if step is not None}


@pytest.mark.parametrize("own_step", [True, False])
@pytest.mark.parametrize("every", [1, 3])
def test_looks_keep_their_step_in_a_loop_that_logs_twice_a_step(own_step, every):
    run = Run()
    monitor = Monitor(net(), PROBE, log=run.log, every=every, budget=None, guaranteed=0)
    for step in range(1, 7):
        for name in ("loss", "rate"):
            run.log({name: float(step)}, **({"step": step} if own_step else {}))
            if name == "loss":  # between the two calls
                monitor.step()
    run.log({})
    assert run.refused == []
    history = monitor.history()
    assert sorted(run.looks()) == history["step"].values.tolist() == list(range(0, 7, every))
    for look, step in enumerate(history["step"].values.tolist()):
        spread = float(history["spread"].sel(layer="2").isel(look=look))
        assert run.looks()[step]["loadpath_spread/2"] == spread
    # What the loop logged is all there.
    logged = [row["rate"] for row in run.rows.values() if "rate" in row]
    assert logged == [1, 2, 3, 4, 5, 6]


def test_a_run_that_only_the_monitor_logs_to_has_a_row_a_look():
    run = Run()
    monitor = Monitor(net(), PROBE, log=run.log, every=2, budget=None, guaranteed=0)
    for _ in range(6):
        monitor.step()
    assert sorted(run.looks()) == [0, 2, 4, 6]


def train(monitor, steps, model):
    """Take steps that depend on nothing but the weights."""
    for _ in range(steps):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.1)
        monitor.step(parameter.detach().sum().item())


def as_json(state):
    return json.loads(json.dumps(state))


def as_checkpoint(state):
    file = io.BytesIO()
    torch.save({"monitor": state}, file)
    file.seek(0)
    return torch.load(file, weights_only=True)["monitor"]


def as_pickle(state):
    return pickle.loads(pickle.dumps(state))


@pytest.mark.parametrize("kept", [as_json, as_checkpoint, as_pickle])
def test_a_resumed_run_has_the_history_of_one_that_went_on(kept):
    """Lightning 147: what a callback knows has to be in the checkpoint."""
    model = net()
    options = {"every": 2, "budget": None, "guaranteed": 0}
    whole = Monitor(model, PROBE, **options)
    train(whole, 10, model)

    model = net()
    first = Monitor(model, PROBE, **options)
    train(first, 5, model)
    state, weights = kept(first.state_dict()), copy.deepcopy(model.state_dict())
    train(first, 1, model)  # the state is a copy, and does not go on with the monitor

    model = net(seed=1)
    model.load_state_dict(weights)
    logged = []
    resumed = Monitor(model, PROBE, log=logged.append, state=state, **options)
    assert logged == []  # no look of its own: the step would come twice
    train(resumed, 5, model)
    # Seconds are of this machine at that time; all else is the same arithmetic, bit for bit.
    a, b = (each.history().drop_vars("seconds") for each in (whole, resumed))
    assert a.identical(b.assign_attrs(a.attrs))
    assert b["step"].values.tolist() == [0, 2, 4, 6, 8, 10]
    assert [row["loadpath/step"] for row in logged] == [6, 8, 10]
    assert 0 < resumed.seconds and resumed.number == 10


def test_a_state_can_be_loaded_after_the_monitor_is_made():
    model = net()
    first = Monitor(model, PROBE, every=1, budget=None)
    train(first, 3, model)
    second = Monitor(model, PROBE, every=1, budget=None)
    second.load_state_dict(first.state_dict())
    assert second.history()["step"].values.tolist() == [0, 1, 2, 3]
    train(second, 1, model)
    assert second.history()["step"].values.tolist() == [0, 1, 2, 3, 4]
    assert first.history().sizes["look"] == 4


def test_alarms_compare_with_the_first_look_of_the_first_run_and_are_told_once():
    model = net()
    first = Monitor(model, PROBE, every=1, budget=None)
    with torch.no_grad():
        model[2].weight.zero_()
    with pytest.warns(match="step 1: layer '2' puts out the same for every sample"):
        first.step()
    state = first.state_dict()
    resumed = Monitor(model, PROBE, every=1, budget=None, state=state)
    resumed.step()  # told already: another warning would be an error here
    assert [str(alarm) for alarm in resumed.alarms] == [str(alarm) for alarm in first.alarms]
    fresh = Monitor(model, PROBE, every=1, budget=None)
    assert fresh.alarms == []
    with torch.no_grad():
        model[0].weight.zero_()
    with pytest.warns(match="layer '0' puts out the same .* varied by"):
        resumed.step()


def test_a_monitor_can_be_pickled_and_copied():
    model = net()
    monitor = Monitor(model, PROBE, every=2, log=print, budget=None, guaranteed=0)
    train(monitor, 3, model)
    for other in (pickle.loads(pickle.dumps(monitor)), copy.deepcopy(monitor)):
        assert other.history().identical(monitor.history().assign_attrs(other.history().attrs))
        assert 0 < other.share <= 1
        other.step()
        assert other.history()["step"].values.tolist() == [0, 2, 4]
    assert monitor.history()["step"].values.tolist() == [0, 2]


def test_time_between_runs_is_nobodys():
    model = net()
    first = Monitor(model, PROBE, every=1, budget=0.5)
    train(first, 3, model)
    state = {**first.state_dict(), "seconds": 1.0, "elapsed": 4.0}
    resumed = Monitor(model, PROBE, every=1, budget=0.5, state=state)
    # One second of four went to looks, and a little to making the second monitor.
    assert resumed.share == pytest.approx(resumed.seconds / (resumed.seconds + 3.0))
    assert resumed.seconds > 1.0


@pytest.mark.parametrize(
    "state, said",
    [
        (3, "state must be what state_dict returned, of format 2, got 3."),
        ({"format": 1}, "state must be what state_dict returned, of format 2, got the format 1."),
        ({"layers": ["input"]}, "state must be of a monitor with the same layers, and it has"),
        ({"kind": "inverse"}, "state must be of a monitor with the same kind, and it has 'inverse"),
        ({"n_samples": 9}, "with the same n samples, and it has 9 where this one has 40."),
    ],
)
def test_a_state_of_something_else_is_refused_in_a_sentence(state, said):
    if isinstance(state, dict):
        state = {**Monitor(net(), PROBE).state_dict(), **state}
    with pytest.raises(ValueError) as caught:
        Monitor(net(), PROBE, state=state)
    assert said in str(caught.value)


class Writer(nn.Module):
    """A layer that writes a buffer as it runs, and draws from all generators there are."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(8, dtype=torch.float64))

    def forward(self, x):
        python_random.random(), np.random.random(), torch.rand(1)
        self.mean += x.mean(0)
        return x - 0.01 * self.mean


def test_a_look_changes_nothing_that_training_uses():
    """litgpt 296, PEFT 1904: measuring must not be a step of its own."""
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*PROBE),
        batch_size=8,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
    )
    model = net()
    model.insert(1, Writer())

    def all_there_is():
        tensors = [t.numpy().tobytes() for t in model.state_dict().values()]
        states = torch.get_rng_state(), loader.generator.get_state()
        others = python_random.getstate(), str(np.random.get_state())
        return tensors, [state.tolist() for state in states], others

    before = all_there_is()
    monitor = Monitor(model, loader, budget=None)
    monitor.measure()
    assert all_there_is() == before
    # Both looks were at the same weights and buffers.
    looks = monitor.history()
    assert looks.isel(look=0)["spread"].equals(looks.isel(look=1)["spread"])


class Tokens(nn.Module):
    """A net on tokens, which come before the samples or after them."""

    def __init__(self, axis, said):
        super().__init__()
        self.axis = axis
        self.blocks = nn.ModuleList(
            nn.GRU(3, 3, batch_first=axis == 1) if said else nn.Linear(3, 3) for _ in range(2)
        )

    def forward(self, x):
        for block in self.blocks:
            out = block(x)
            x = x + (out[0] if isinstance(out, tuple) else out) + x.mean(self.axis, keepdim=True)
        return x.mean(self.axis)


@pytest.mark.parametrize("said", [True, False])
@pytest.mark.parametrize("samples", [256, 25])
def test_a_probe_with_tokens_first_and_no_labels_has_its_samples(said, samples):
    """Captum 427: 40 sentences of 30 tokens counted as 30 samples."""
    x = list(torch.randn(40, 30, 3, generator=torch.Generator().manual_seed(0)).split(20))
    found = []
    for axis in (0, 1):
        torch.manual_seed(0)
        probe = [part.transpose(0, 1) if axis == 0 else part for part in x]
        monitor = Monitor(Tokens(axis, said), probe, samples=samples, layers="blocks.*")
        found.append(monitor.history())
        assert found[-1].attrs["n_samples"] == min(40, samples)
    for name in ("participation_ratio", "relative_step", "spread"):
        # float32, whose sums over tokens go in another order.
        np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-4, err_msg=name)
    few = [part[:, :8] for part in (p.transpose(0, 1) for p in x[:1])]
    with pytest.raises(ValueError, match="probe must have at least 20 samples, got 8"):
        Monitor(Tokens(0, said), few)
