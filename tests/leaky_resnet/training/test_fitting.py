"""`fit`: what it reaches, the words for how it ended, and that an interruption changes nothing."""

import copy
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import exact_paths
import numpy as np
import pytest
import torch
from exact_paths import random
from safetensors.torch import save_file

from loadpath import LeakyResNet, fit
from loadpath.data import Data
from loadpath.leaky_resnet import adjoint, data_term, layer_steps, mechanics, momenta
from loadpath.leaky_resnet.layer_steps import Adaptive
from loadpath.leaky_resnet.training import (
    LBFGS,
    SGD,
    Adam,
    checkpoint,
    default_stages,
    paper_stages,
)
from loadpath.leaky_resnet.training.history import constant_loss

SEED = 7


def regression(n=24):
    """A smooth function of two inputs."""
    x, x_test = random(n, 2, seed=SEED), random(10, 2, seed=SEED + 1)
    y, y_test = (torch.stack([t.sin().sum(1), t.prod(1)], 1) for t in (x, x_test))
    return Data(x, y, x_test, y_test, "regression", {"source": "a test"})


def classes(n=30):
    """Three classes, the sectors of a plane."""
    x, x_test = random(n, 2, seed=SEED), random(30, 2, seed=SEED + 1)
    y, y_test = ((torch.atan2(*t.T) + math.pi).div(2 * math.pi / 3).long() for t in (x, x_test))
    return Data(x, y.clamp(0, 2), x_test, y_test.clamp(0, 2), "classification", {})


def net(data, **options):
    options = {"width": 6, "depth": 4, "effective_depth": 1.0, "dtype": torch.float64, **options}
    return LeakyResNet(data.in_features, data.out_features, seed=SEED, **options)


def residuals(model, data, weight_decay, loss):
    """Stationarity of every layer, from autograd's momenta and `mechanics`."""
    y = data.y_train
    path, B = momenta(model, data.x_train, y, weight_decay=weight_decay, loss=loss)
    _, gain = model.coefficients()
    return [
        float(
            mechanics.stationarity(
                model.weights[l].detach(),
                path[l],
                B[l + 1],
                effective_depth=model.effective_depth,
                gain_ratio=float(gain[l] / model.layer_steps[l]),
                activation=model.activation,
            )
        )
        for l in range(model.depth)
    ]


def assert_same_run(run, other):
    """Weights, mesh and history equal bit for bit, but for the time they took."""
    assert run.status == other.status
    for name, value in run.model.state_dict().items():
        assert torch.equal(value, other.model.state_dict()[name]), name
    assert run.history.drop_vars("seconds").equals(other.history.drop_vars("seconds"))


# What it reaches


@pytest.mark.parametrize("effective_depth", [0.0, 2.0])
@pytest.mark.parametrize("make", [regression, classes])
@pytest.mark.parametrize("stage", [Adam(150), SGD(150, 0.01), LBFGS(60)], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_every_stage_lowers_the_objective(stage, make, effective_depth, dtype):
    data = make()
    model = net(data, effective_depth=effective_depth, dtype=dtype)
    run = fit(model, data, weight_decay=0.02, stages=[stage], record_every=50)
    objective = run.history["objective"].values
    assert objective[-1] < 0.9 * objective[0]
    assert run.model is model
    if isinstance(stage, LBFGS):  # its line search never accepts a rise
        assert (np.diff(objective) <= 0).all()


@pytest.mark.parametrize("step", ["euler", "exponential"])
@pytest.mark.parametrize("activation", ["softplus", "tanh"])  # a minimum of relu may lie on a kink
def test_lbfgs_converges_to_a_stationary_point(activation, step):
    data = regression()
    model = net(data, activation=activation, step=step, effective_depth=2.0)
    stages = [Adam(200, 0.02), LBFGS(3000)]
    # Fresh coordinates every chunk cost the superlinear end: 1e-5 after 3000 iterations.
    run = fit(model, data, weight_decay=0.05, stages=stages, tolerance=1e-4)
    assert run.status == "converged"
    independent = residuals(model, data, 0.05, "mse")
    assert max(independent) <= 1e-4
    assert run.history["objective"][-1] < 0.5 * constant_loss(data.y_train, "mse")


@pytest.mark.parametrize("make", [regression, classes])
@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_history_is_what_the_mechanics_of_the_model_say(make, step):
    data = make()
    model = net(data, step=step, depth=5, effective_depth=3.0)
    run = fit(model, data, weight_decay=0.05, stages=[Adam(40)], record_every=15)
    last = run.history.isel(record=-1)
    independent = residuals(model, data, 0.05, run.loss)
    assert float(last["stationarity"]) == pytest.approx(sorted(independent)[2], rel=1e-9)
    assert float(last["stationarity_worst"]) == pytest.approx(max(independent), rel=1e-9)

    profile = mechanics.profile(model, data.x_train, data.y_train, weight_decay=0.05, loss=run.loss)
    for name in ("objective", "data_term", "regularizer", "hamiltonian_spread"):
        assert float(last[name]) == pytest.approx(float(profile[name]), rel=1e-9), name
    out = model(data.x_test).detach()
    if run.loss == "mse":
        test_error = float((out - data.y_test).square().sum(1).mean())
    else:
        test_error = float((out.argmax(1) != data.y_test).double().mean())
    assert float(last["test_error"]) == pytest.approx(test_error, rel=1e-12)


def test_history_says_when_and_how():
    data = regression()
    stages = [Adam(20, 0.01), SGD(10, 0.001), LBFGS(12, chunk=5)]
    run = fit(net(data), data, weight_decay=0.05, stages=stages, record_every=8, tolerance=1e-12)
    history = run.history
    assert run.status == "finished all steps" == history.attrs["status"]
    iterations = [0, 8, 16, 20, 28, 30, 35, 40, 42]
    assert history["iteration"].values.tolist() == iterations
    assert history["stage"].values.tolist() == ["Adam"] * 4 + ["SGD"] * 2 + ["LBFGS"] * 3
    assert history["layer_steps"].dims == ("record", "step")
    for variable in history.data_vars.values():
        assert {"long_name", "units"} <= variable.attrs.keys()
    assert (np.diff(history["seconds"]) >= 0).all()
    assert history["seconds"].values[-1] <= run.seconds
    parameters = json.loads(history.attrs["parameters"])
    assert parameters["stages"] == [repr(stage) for stage in stages]
    assert parameters["data"] == {"source": "a test"}


def test_the_weight_decay_rises_to_its_value_and_the_rate_falls():
    stage = Adam(100, 0.5, ramp=0.5, ramp_start=0.01)
    decays = [stage.weight_decay(k / 100, 2.0) for k in range(101)]
    assert decays[0] == pytest.approx(0.02) and decays[25] == pytest.approx(0.2)
    assert decays[50:] == [2.0] * 51  # geometric: 1/100, 1/10 half-way up the ramp, 1
    assert Adam(100, ramp=0.0).weight_decay(0.0, 2.0) == 2.0
    rates = [stage.rate(k / 100, 7.0) for k in range(101)]
    assert rates[0] == 0.5 and rates[50] == pytest.approx(0.25) and rates[100] == 0
    for other in (SGD(10), LBFGS(10)):
        assert other.weight_decay(0.0, 2.0) == 2.0


@pytest.mark.parametrize("stages", [default_stages(), paper_stages()])
def test_offered_stages_are_stages(stages):
    assert all(isinstance(stage, Adam | SGD | LBFGS) for stage in stages)


def test_adam_is_torchs_adam_on_the_objective():
    data = regression()
    model = net(data)
    other = copy.deepcopy(model)
    fit(model, data, weight_decay=0.05, stages=[Adam(30, 0.01, ramp=0.5, ramp_start=0.1)])

    optimizer = torch.optim.Adam(other.parameters(), betas=(0.9, 0.99))
    for k in range(30):
        optimizer.param_groups[0]["lr"] = 0.01 * 0.5 * (1 + math.cos(math.pi * k / 30))
        decay = 0.05 * 0.1 ** max(0.0, 1 - k / 15)
        optimizer.zero_grad()
        C = (other(data.x_train) - data.y_train).square().sum(1).mean()
        (C + decay * other.regularizer()).backward()
        optimizer.step()
    # Rounding of 1e-16 in the gradients, blown up where Adam divides by small second moments.
    torch.testing.assert_close(model.weights, other.weights, rtol=0, atol=1e-9)


def test_mini_batches_see_every_sample_once_an_epoch(monkeypatch):
    data = regression(25)
    seen = []
    load = adjoint.Adjoint.load

    def spy(self, x, y):
        seen.append(x)
        load(self, x, y)

    monkeypatch.setattr(adjoint.Adjoint, "load", spy)
    fit(net(data), data, weight_decay=0.05, stages=[Adam(6)], batch_size=10, seed=1)
    batches = [x for x in seen if len(x) < 25]
    assert [len(x) for x in batches] == [10, 10, 5] * 2
    epochs = [torch.cat(batches[:3]), torch.cat(batches[3:])]
    assert not torch.equal(*epochs)
    for epoch in epochs:
        order = epoch[:, 0].argsort()
        assert torch.equal(epoch[order], data.x_train[data.x_train[:, 0].argsort()])


def test_the_seed_of_the_batches_alone_decides_the_run():
    data = regression()
    options = {"weight_decay": 0.05, "stages": [Adam(20)], "batch_size": 7}
    runs = [fit(net(data), data, seed=seed, **options) for seed in (1, 1, 2)]
    assert_same_run(runs[0], runs[1])
    assert not torch.equal(runs[0].model.weights, runs[2].model.weights)


@pytest.mark.parametrize("step", ["euler", "exponential"])
def test_an_adaptive_mesh_moves_and_history_records_it(step):
    data = regression()
    model = net(data, depth=6, effective_depth=3.0, step=step)
    mesh = Adaptive(model, every=10)
    stages = [Adam(40), LBFGS(20, chunk=10)]
    run = fit(model, data, weight_decay=0.05, stages=stages, mesh=mesh, record_every=10)
    recorded = run.history["layer_steps"].values
    moves = [steps.tolist() for _, steps in mesh.history]
    assert [call for call, _ in mesh.history] == [0, 10, 20, 30, 40, 50]
    assert recorded[:6].tolist() == moves
    assert (np.abs(np.diff(recorded[:6], axis=0)).max(1) > 0).all()
    assert (recorded[6] == recorded[5]).all()  # it rests in the last chunk of L-BFGS
    assert model.layer_steps.tolist() == moves[-1]
    np.testing.assert_allclose(recorded.sum(1), 1, atol=1e-12)


# How it ended


@pytest.mark.parametrize("effective_depth", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("make", [regression, classes])
def test_a_huge_weight_decay_ends_in_the_trivial_minimum(make, effective_depth):
    data = make()
    model = net(data, effective_depth=effective_depth)
    stages = [Adam(400, 0.05, ramp=0.0), LBFGS(100)]
    run = fit(model, data, weight_decay=1e4, stages=stages)
    assert run.status == "trivial minimum" == run.history.attrs["status"]
    # What is left is the linear map of a net without weights, e^{-L~} in the limit of many layers.
    leaked = (1 - effective_depth / 4) ** 4 * data.x_train @ model.input_map @ model.output_map
    expected = float(data_term(leaked, data.y_train, run.loss))
    # Weights of order 1 / lambda move it by as much.
    assert float(run.history["data_term"][-1]) == pytest.approx(expected, rel=1e-2)
    assert float(run.history["regularizer"][-1]) < 1e-6


def test_an_untrained_net_is_not_called_trivial():
    data = regression()
    run = fit(net(data), data, weight_decay=0.05, stages=[Adam(1, 1e-9)])
    assert float(run.history["data_term"][-1]) > constant_loss(data.y_train, "mse")
    assert run.status == "finished all steps"


def test_the_best_constant_is_the_variance_or_the_entropy():
    y = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]], dtype=torch.float64)
    assert constant_loss(y, "mse") == pytest.approx(2 / 3 + 8, rel=1e-15)  # about (2, 2)
    labels = torch.tensor([0, 0, 1, 2])
    assert constant_loss(labels, "cross-entropy") == pytest.approx(1.5 * math.log(2), rel=1e-15)


@pytest.mark.parametrize("make", [regression, classes])
@pytest.mark.parametrize("with_mesh", [False, True])
def test_a_huge_rate_diverges_and_leaves_finite_weights(make, with_mesh, tmp_path):
    data = make()
    model = net(data, dtype=torch.float32)
    options = {
        "weight_decay": 0.05,
        "stages": [SGD(200, 1e6)],
        "record_every": 50,
        "checkpoint": tmp_path / "run",
    }
    mesh = Adaptive(model, every=5) if with_mesh else None
    start = model.weights.detach().clone()
    run = fit(model, data, mesh=mesh, **options)
    assert run.status == "diverged" == run.history.attrs["status"]
    assert torch.equal(model.weights, start)  # of the last finite record, the first
    assert not np.isfinite(run.history["objective"].values[-1])

    fresh = net(data, dtype=torch.float32)
    mesh = Adaptive(fresh, every=5) if with_mesh else None
    again = fit(fresh, data, mesh=mesh, resume=True, **options)
    assert again.status == "diverged"
    assert torch.equal(fresh.weights, start)


def test_lbfgs_that_finds_nothing_lower_says_so():
    data = regression()
    stages = [Adam(100, 0.02), LBFGS(4000)]
    model = net(data, activation="tanh", dtype=torch.float32)
    run = fit(model, data, weight_decay=0.05, stages=stages, tolerance=1e-12)
    assert run.status == "stalled"  # float32 gradients have residuals of 1e-6 or so at best
    assert run.history["stationarity"][-1] < 1e-2


# Interruptions


RUN = {
    "weight_decay": 0.05,
    "stages": [Adam(60, 0.01), LBFGS(40, chunk=5), SGD(20, 0.001)],
    "batch_size": 10,
    "record_every": 7,
    "tolerance": 1e-12,
    "seed": 3,
}


def meshed_net(data):
    model = net(data, depth=5, effective_depth=2.0, output_map="learned")
    return model, Adaptive(model, every=9)


@pytest.mark.parametrize("make", [regression, classes])
@pytest.mark.parametrize("sittings", [3, 40])
def test_a_run_in_many_sittings_is_the_unbroken_run(make, sittings, tmp_path):
    data = make()
    model, unbroken_mesh = meshed_net(data)
    unbroken = fit(model, data, mesh=unbroken_mesh, **RUN)
    assert unbroken.status == "finished all steps"
    seen = 0
    for k in range(sittings + 1):
        model, mesh = meshed_net(data)
        if k > 0:
            for tensor in (model.weights.data, model.input_map, model.output_map.data):
                tensor.zero_()  # what it goes on from comes from the checkpoint alone
        # Out of time after one iteration, however fast, until the last sitting.
        limit = None if k == sittings else 1e-9
        options = {"checkpoint": tmp_path / "run", "resume": True, "max_seconds": limit}
        run = fit(model, data, mesh=mesh, **RUN, **options)
        if k < sittings:
            assert run.status == "out of time"
            iteration = checkpoint.read(tmp_path / "run")["place"][2]
            assert iteration > seen
            seen = iteration
    assert_same_run(run, unbroken)
    assert mesh.record().identical(unbroken_mesh.record())


SCRIPT = """
import sys, torch
torch.set_num_threads(1)
sys.path[:0] = sys.argv[3:]
import test_fitting
data = test_fitting.regression()
model, mesh = test_fitting.meshed_net(data)
test_fitting.fit(model, data, mesh=mesh, checkpoint=sys.argv[2], checkpoint_seconds=0.0,
                 resume=True, **test_fitting.KILLED)
"""
FOUND_IN = [str(Path(__file__).parent), str(Path(exact_paths.__file__).parent)]
KILLED = {**RUN, "stages": [Adam(200, 0.01), LBFGS(300, chunk=3), SGD(50, 0.001)]}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_a_run_killed_anywhere_ends_in_the_same_numbers(tmp_path):
    data = regression()
    path = tmp_path / "run"
    for stage, iteration in ((0, 20), (0, 100), (1, 206)):
        command = [sys.executable, "-W", "error", "-c", SCRIPT, "", path, *FOUND_IN]
        with subprocess.Popen(command) as process:
            try:
                place = [0, 0, 0]
                while process.poll() is None and (place[0] < stage or place[2] < iteration):
                    time.sleep(0.002)
                    if path.exists():
                        place = checkpoint.read(path)["place"]  # whole at every moment
            finally:
                process.kill()  # SIGKILL
        assert process.returncode == -signal.SIGKILL, "the run was over before it was killed"
    assert checkpoint.read(path)["place"][0] == 1

    model, mesh = meshed_net(data)
    resumed = fit(model, data, mesh=mesh, checkpoint=path, resume=True, **KILLED)
    model, mesh = meshed_net(data)
    assert_same_run(resumed, fit(model, data, mesh=mesh, **KILLED))


def test_resuming_a_finished_run_gives_it_back(tmp_path):
    data = regression()
    options = {"weight_decay": 0.05, "stages": [Adam(20)], "checkpoint": tmp_path / "run"}
    run = fit(net(data), data, **options)
    before = (tmp_path / "run").read_bytes()
    again = fit(net(data), data, resume=True, **options)
    assert_same_run(again, run)
    assert again.seconds == run.seconds
    assert len((tmp_path / "run").read_bytes()) == len(before)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "change, named",
    [
        (lambda o: o.update(weight_decay=0.06), r"weight_decay=0.05, not 0.06"),
        (lambda o: o.update(stages=[Adam(21)]), r"stages='\(Adam\(steps=20.*not.*steps=21"),
        (lambda o: o.update(batch_size=5), "batch_size=24, not 5"),
        (lambda o: o.update(seed=1), "seed=0, not 1"),
        (lambda o: o["model"].update(width=7), "width=6, not 7"),
        (lambda o: o["model"].update(effective_depth=2.0), "effective_depth=1.0, not 2.0"),
        (lambda o: o["model"].update(activation="tanh"), "activation='relu', not 'tanh'"),
        (lambda o: o["model"].update(step="exponential"), "step='euler', not 'exponential'"),
        (lambda o: o["model"].update(bias=False), "bias=True, not False"),
        (lambda o: o["model"].update(dtype=torch.float32), "dtype='torch.float64', not"),
        (lambda o: o["model"].update(input_map="learned"), "learned="),
        (lambda o: o.update(data=regression(23)), "data="),
        (lambda o: o.update(mesh=True), "mesh="),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_by_what_differs(change, named, tmp_path):
    options = {"weight_decay": 0.05, "stages": [Adam(20)], "checkpoint": tmp_path / "run"}
    fit(net(regression()), regression(), **options)
    new = {**options, "model": {}}
    change(new)
    data = new.pop("data", regression())
    model = net(data, **new.pop("model"))
    if new.pop("mesh", False):
        new["mesh"] = Adaptive(model)
    before = (tmp_path / "run").read_bytes()
    with pytest.raises(ValueError, match=f"the checkpoint is of a run with {named}"):
        fit(model, data, resume=True, **new)
    assert (tmp_path / "run").read_bytes() == before


def test_an_existing_checkpoint_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "run"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="checkpoint '.*run' exists already; pass resume"):
        fit(net(regression()), regression(), checkpoint=path)
    assert path.read_text() == "precious"


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.1, 0.5, 0.99])
def test_a_checkpoint_cut_short_is_refused_in_one_sentence(keep, tmp_path):
    path = tmp_path / "run"
    options = {"weight_decay": 0.05, "stages": [Adam(20)], "checkpoint": path}
    fit(net(regression()), regression(), **options)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(ValueError, match=r"run' is cut short or damaged \(.*\)\.$"):
        fit(net(regression()), regression(), resume=True, **options)


def test_a_checkpoint_is_safetensors_and_holds_nothing_to_execute(tmp_path):
    tree = {
        "tensors": [torch.arange(3), torch.zeros(0, 2, dtype=torch.float64)],
        "numbers": {1: 0.1, "inf": math.inf, "none": None, "yes": True},
        "pair": (1, "two"),
    }
    checkpoint.write(tmp_path / "run", tree)
    back = checkpoint.read(tmp_path / "run")
    assert torch.equal(back["tensors"][0], tree["tensors"][0])
    assert back["tensors"][1].shape == (0, 2) and back["tensors"][1].dtype == torch.float64
    assert back["numbers"] == tree["numbers"] and back["pair"] == [1, "two"]
    data = (tmp_path / "run").read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert header["__metadata__"]["format"] == checkpoint.FORMAT
    with pytest.raises(TypeError):
        checkpoint.write(tmp_path / "other", {"function": print})
    assert not (tmp_path / "other").exists()


def test_files_of_another_kind_are_refused(tmp_path):
    path = tmp_path / "run"
    with pytest.raises(FileNotFoundError, match="There is no checkpoint .*run"):
        checkpoint.read(path)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="has format None, but a checkpoint that .* has 'loadp"):
        checkpoint.read(path)
    save_file({"x": torch.zeros(2)}, path, metadata={"format": "loadpath-checkpoint-0"})
    with pytest.raises(ValueError, match="has format 'loadpath-checkpoint-0', but"):
        checkpoint.read(path)


# Bad input


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"weight_decay": 0.0}, "weight_decay must be finite and above 0, got 0.0"),
        ({"weight_decay": math.nan}, "weight_decay must be finite and above 0, got nan"),
        ({"tolerance": -1.0}, "tolerance must be finite and above 0, got -1.0"),
        ({"max_seconds": 0.0}, "max_seconds must be finite and above 0, got 0.0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 1, not 2.5"),
        ({"record_every": 0}, "record_every must be a whole number of at least 1, not 0"),
        ({"threads": 0}, "threads must be a whole number of at least 1, not 0"),
        ({"checkpoint_seconds": -1.0}, "checkpoint_seconds must be at least 0, got -1.0"),
        ({"checkpoint_seconds": math.nan}, "checkpoint_seconds must be at least 0, got nan"),
        ({"resume": True}, "resume=True needs a checkpoint"),
        ({"stages": []}, r"stages must hold at least one stage, got \(\)"),
        ({"loss": "l1"}, "loss must be one of mse, cross-entropy, got 'l1'"),
        ({"loss": "cross-entropy"}, "'cross-entropy' does not fit data of task 'regression'"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(options, sentence):
    model = net(regression())
    before = model.weights.detach().clone()
    with pytest.raises(ValueError, match=sentence):
        fit(model, regression(), **options)
    assert torch.equal(model.weights, before)


@pytest.mark.parametrize(
    "make, sentence",
    [
        (lambda: Adam(0), "steps must be a whole number of at least 1, not 0"),
        (lambda: Adam(2.5), "steps must be a whole number of at least 1, not 2.5"),
        (lambda: SGD(0), "steps must be a whole number of at least 1, not 0"),
        (lambda: LBFGS(0), "steps must be a whole number of at least 1, not 0"),
        (lambda: Adam(1, 0.0), "learning_rate must be finite and above 0, got 0.0"),
        (lambda: SGD(1, math.nan), "learning_rate must be finite and above 0, got nan"),
        (lambda: Adam(1, betas=(0.9, 1.0)), r"betas must lie in \[0, 1\), got 1.0"),
        (lambda: Adam(1, ramp=1.1), r"ramp must lie in \[0, 1\], got 1.1"),
        (lambda: Adam(1, ramp=math.nan), r"ramp must lie in \[0, 1\], got nan"),
        (lambda: Adam(1, ramp_start=0.0), r"ramp_start must lie in \(0, 1\], got 0.0"),
        (lambda: SGD(1, momentum=1.0), r"momentum must lie in \[0, 1\), got 1.0"),
        (lambda: LBFGS(1, history=0), "history must be a whole number of at least 1, not 0"),
        (lambda: LBFGS(1, chunk=1), "chunk must be a whole number of at least 2, not 1"),
    ],
)
def test_bad_stages_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


def test_data_that_do_not_fit_the_model_are_refused():
    data = regression()
    with pytest.raises(ValueError, match="model has in_features=3, but data has 2"):
        fit(LeakyResNet(3, 2, effective_depth=1.0), data)
    with pytest.raises(ValueError, match="model has out_features=1, but data has 2"):
        fit(LeakyResNet(2, 1, effective_depth=1.0), data)
    with pytest.raises(ValueError, match="loss 'mse' does not fit data of task 'classification'"):
        fit(net(classes()), classes(), loss="mse")


def test_a_mesh_of_another_model_is_refused():
    data = regression()
    with pytest.raises(ValueError, match="mesh must be of the model that is trained"):
        fit(net(data), data, mesh=Adaptive(net(data)))


def test_data_that_are_not_finite_never_reach_a_model():
    x = random(4, 2, seed=SEED)
    x[1, 0] = math.nan
    with pytest.raises(ValueError, match="x_train"):
        Data(x, x, x, x, "regression", {})


def test_a_mesh_need_not_be_even_to_begin_with():
    data = regression()
    model = net(data, layer_steps=layer_steps.irregular(4, 0.9))
    run = fit(model, data, weight_decay=0.05, stages=[LBFGS(50)])
    assert run.history["objective"][-1] < run.history["objective"][0]
    assert (run.history["layer_steps"].values == layer_steps.irregular(4, 0.9).numpy()).all()
