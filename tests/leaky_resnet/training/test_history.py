"""The history of a run against the mechanics of the net."""

import json

import numpy as np
import pytest
from tiny_trainings import classes, net, regression, residuals

from loadpath import fit
from loadpath.leaky_resnet import mechanics
from loadpath.leaky_resnet.training import LBFGS, SGD, Adam


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
