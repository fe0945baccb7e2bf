"""Stages: their schedules, and what each does to an objective."""

import copy
import math

import numpy as np
import pytest
import torch
from tiny_trainings import classes, net, regression

from loadpath import fit
from loadpath.leaky_resnet.training import (
    LBFGS,
    SGD,
    Adam,
    default_stages,
    paper_stages,
)


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
