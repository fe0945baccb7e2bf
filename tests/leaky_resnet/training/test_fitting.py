"""`fit`: what it reaches, the words for how it ends, and what it refuses."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from exact_paths import random
from tiny_trainings import SEED, assert_same_run, classes, net, regression, residuals

from loadpath import LeakyResNet, fit
from loadpath.data import Data, as_data
from loadpath.leaky_resnet import adjoint, data_term, layer_steps
from loadpath.leaky_resnet.layer_steps import Adaptive
from loadpath.leaky_resnet.training import LBFGS, SGD, Adam
from loadpath.leaky_resnet.training.baseline import constant_loss
from loadpath.results import Status


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
    assert again.status is Status.DIVERGED  # as text in the checkpoint, and back
    assert torch.equal(fresh.weights, start)


def test_lbfgs_that_finds_nothing_lower_says_so():
    data = regression()
    stages = [Adam(100, 0.02), LBFGS(4000)]
    model = net(data, activation="tanh", dtype=torch.float32)
    run = fit(model, data, weight_decay=0.05, stages=stages, tolerance=1e-12)
    assert run.status == "stalled"  # float32 gradients have residuals of 1e-6 or so at best
    assert run.history["stationarity"][-1] < 1e-2


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"weight_decay": 0.0}, "weight_decay must be finite and above 0, got 0.0"),
        ({"weight_decay": 1e-50}, "weight_decay must be at least 1e-30, got 1e-50"),
        ({"weight_decay": math.nan}, "weight_decay must be finite and above 0, got nan"),
        ({"tolerance": -1.0}, "tolerance must be finite and above 0, got -1.0"),
        ({"max_seconds": 0.0}, "max_seconds must be finite and above 0, got 0.0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number of at least 1, not 2.5"),
        ({"record_every": 0}, "record_every must be a whole number of at least 1, not 0"),
        ({"threads": 0}, "threads must be a whole number of at least 1, not 0"),
        (
            {"checkpoint_seconds": -1.0},
            "checkpoint_seconds must be finite and at least 0, got -1.0",
        ),
        (
            {"checkpoint_seconds": math.nan},
            "checkpoint_seconds must be finite and at least 0, got nan",
        ),
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


@pytest.mark.parametrize("form", ["arrays", "lists", "frame", "bunch"])
def test_data_of_ones_own_are_taken_as_they_are(form):
    x, y = np.random.default_rng(0).normal(size=(2, 20, 3))
    frame = pd.DataFrame(np.hstack([x, y]), columns=list("abcdef"))
    given = {
        "arrays": (x, y),
        "lists": (x.tolist(), y.tolist()),
        "frame": (frame, ["d", "e", "f"]),
        "bunch": {"data": x, "target": y},
    }[form]
    runs = []
    for data in (given, as_data((x, y), normalize=False, seed=5)):
        net = LeakyResNet(3, 3, width=4, depth=3, effective_depth=1.0)
        runs.append(fit(net, data, stages=[Adam(5)], seed=5, threads=1, progress=False))
    assert torch.equal(runs[0].model.weights, runs[1].model.weights)
    assert runs[0].loss == "mse"


def test_whole_numbers_are_classes_unless_the_loss_says_otherwise():
    x, labels = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    options = dict(stages=[Adam(1)], threads=1, progress=False)
    net = LeakyResNet(3, 2, width=4, depth=3, effective_depth=1.0)
    assert fit(net, (x, labels), **options).loss == "cross-entropy"
    net = LeakyResNet(3, 1, width=4, depth=3, effective_depth=1.0)
    assert fit(net, (x, labels), loss="mse", **options).loss == "mse"


@pytest.mark.parametrize("maps", ["orthonormal", "learned"])
@pytest.mark.parametrize("name, phi", [("relu", torch.relu), ("tanh", lambda A: A.tanh())])
def test_a_function_trains_as_the_activation_that_it_is(name, phi, maps):
    data = regression()
    stages = [Adam(30, 0.01), LBFGS(10, chunk=5)]
    nets = [net(data, activation=a, input_map=maps, output_map=maps) for a in (name, phi)]
    nets[1].load_state_dict(nets[0].state_dict())  # rounding in the gain tells them apart
    runs = [
        fit(model, data, stages=stages, weight_decay=0.05, threads=2, progress=False)
        for model in nets
    ]
    for key, value in runs[0].model.state_dict().items():
        # tanh's own backward works from the output, autograd's from the input: other last bits.
        torch.testing.assert_close(runs[1].model.state_dict()[key], value, rtol=0, atol=1e-9)
        assert name != "relu" or torch.equal(runs[1].model.state_dict()[key], value)
    one, other = (run.profile() for run in runs)
    common = [n for n in one.data_vars if n != "balancedness"]
    assert set(one.data_vars) - set(other.data_vars) <= {"balancedness"}  # not known of a function
    xr.testing.assert_allclose(one[common], other[common], rtol=1e-6)
    assert other.attrs["activation"].endswith(" (a function)")


def test_a_checkpoint_tells_functions_of_one_name_apart(tmp_path):
    data, path = regression(), tmp_path / "run.safetensors"
    options = dict(stages=[Adam(30)], weight_decay=0.05, threads=1, progress=False)
    whole = fit(net(data, activation=torch.sin), data, **options)
    options |= dict(checkpoint=path, max_seconds=1e-9)
    fit(net(data, activation=torch.sin), data, **options)
    options |= dict(resume=True, max_seconds=None)
    assert_same_run(fit(net(data, activation=torch.sin), data, **options), whole)

    def sin(A):
        return A.sin() / 2

    with pytest.raises(ValueError, match="activation='sin .a function., digest .*', not 'sin"):
        fit(net(data, activation=sin), data, **options)
