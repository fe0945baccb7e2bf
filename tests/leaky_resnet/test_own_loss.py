"""Losses of one's own: equal to those with names where they are the same, and what they must be."""

import json

import numpy as np
import pytest
import torch
from exact_paths import random
from tiny_trainings import assert_same_run, classes, net, regression
from torch.nn.functional import cross_entropy, huber_loss, l1_loss

import loadpath as lp
from loadpath.leaky_resnet.own_loss import OwnLoss, own_loss
from loadpath.leaky_resnet.training import LBFGS, Adam, error

QUIET = dict(weight_decay=0.05, tolerance=1e-12, threads=2, progress=False, seed=3)


def squares(outputs, y):
    return (outputs - y).square().sum(1).mean()


def pinball(outputs, y):
    """Two quantiles of one target."""
    levels = torch.tensor([0.1, 0.9], dtype=outputs.dtype)
    off = y - outputs
    return torch.maximum(levels * off, (levels - 1) * off).sum(1).mean()


CASES = [(regression, "mse", squares), (classes, "cross-entropy", cross_entropy)]


@pytest.mark.parametrize("batch_size", [None, 10])
@pytest.mark.parametrize("make, name, function", CASES)
def test_the_same_loss_trains_to_the_same_net(make, name, function, batch_size):
    data = make()
    stages = [Adam(60, 0.01)]
    one, other = (
        lp.fit(net(data, input_map="learned"), data, loss=loss, stages=stages,
               batch_size=batch_size, **QUIET)
        for loss in (name, function)
    )  # fmt: skip
    # Rounding alone: float64, and derivatives of order one.
    torch.testing.assert_close(other.model.weights, one.model.weights, rtol=0, atol=1e-9)
    np.testing.assert_allclose(other.history["objective"], one.history["objective"], rtol=1e-10)
    found, exact = other.profile(), one.profile()
    np.testing.assert_allclose(found["hamiltonian"], exact["hamiltonian"], rtol=1e-6)
    np.testing.assert_allclose(found["data_term"], exact["data_term"], rtol=1e-9)


@pytest.mark.parametrize("make, name, function", CASES)
def test_curvature_leads_to_the_minimum_too(make, name, function):
    data = make()
    stages = [Adam(100, 0.01), LBFGS(300, chunk=50)]
    named, own = (
        lp.fit(net(data), data, loss=loss, stages=stages, **QUIET) for loss in (name, function)
    )
    # Rounding, and another root of the curvature of cross-entropy, lead there on other ways.
    objectives = [float(run.history["objective"][-1]) for run in (named, own)]
    assert objectives[1] == pytest.approx(objectives[0], rel=1e-3)


def test_other_numbers_of_outputs_and_losses_without_curvature_train():
    x = random(60, 2, seed=5)
    y = x[:, :1].sin() + 0.3 * random(60, 1, seed=6)
    model = lp.LeakyResNet(2, 2, width=6, depth=4, effective_depth=1.0, dtype=torch.float64)
    stages = [Adam(300, 0.02, ramp=0.0), LBFGS(30, chunk=10)]
    run = lp.fit(model, (x, y), loss=pinball, stages=stages, **{**QUIET, "weight_decay": 1e-3})
    low, high = model(x).detach().T
    inside = ((low < y[:, 0]) & (y[:, 0] < high)).double().mean()
    assert 0.6 < inside < 1  # 0.8 is asked for, of 60 samples with a fifth held back
    assert run.history.attrs["loss"] == "pinball (a function)"
    assert run.history["data_term"].attrs["units"] == "units of pinball (a function)"


@pytest.mark.parametrize("make, name, function", CASES)
def test_values_slopes_curvatures_and_constants_are_those_of_the_losses_with_names(
    make, name, function
):
    data = make()
    y, k = data.y_train, data.out_features
    loss = own_loss(function, y, k)
    outputs = random(len(y), k, seed=4)
    value, slope = loss.value_and_slope(outputs, y, n_total=2 * len(y))
    at = outputs.clone().requires_grad_()
    exact = lp.leaky_resnet.data_term(at, y, name, n_total=2 * len(y))
    assert float(value) == pytest.approx(float(exact.detach()), rel=1e-12)
    torch.testing.assert_close(slope, torch.autograd.grad(exact, at)[0])
    # Of many draws the covariance is the second derivative, to 1/sqrt(draws).
    some, draws = slice(0, 1), 20000
    noise = torch.randn(draws, k, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    drawn = loss.with_curvature(
        noise, outputs[some].expand(draws, -1), y[some].expand(draws, *y.shape[1:])
    )
    one = OwnLoss(function, loss.task, k)
    H = torch.autograd.functional.hessian(
        lambda f: one.mean(f[None], y[some]), outputs[0], create_graph=False
    )
    torch.testing.assert_close(drawn.T @ drawn / draws, H, rtol=0, atol=0.05)
    from loadpath.leaky_resnet.training.baseline import constant_loss

    # L-BFGS stops at changes of 1e-9.
    assert constant_loss(y, loss) == pytest.approx(constant_loss(y, name), rel=1e-6)


def test_errors_are_the_loss_beside_the_best_constant():
    data = regression()
    run = lp.fit(net(data), data, loss=huber_loss, stages=[Adam(20)], **QUIET)
    expected = float(huber_loss(run.model(data.x_test).detach(), data.y_test))
    assert float(run.history["test_error"][-1]) == pytest.approx(expected, rel=1e-9)
    assert error(run.model, data.x_test, data.y_test, run.loss) == pytest.approx(expected, rel=1e-9)
    attrs = run.history["test_error"].attrs
    constants = torch.linspace(-2, 2, 401, dtype=torch.float64)
    column = [
        min(float(huber_loss(c.expand(10), data.y_test[:, j])) for c in constants) for j in (0, 1)
    ]
    assert attrs["baseline"] == pytest.approx(sum(column) / 2, rel=1e-3)  # a grid of 0.01
    assert attrs["baseline_meaning"] == "the best constant answer that was found"
    assert json.loads(run.history.attrs["parameters"])["loss"] == "huber_loss (a function)"


def test_a_resumed_run_is_the_same_and_another_loss_is_refused(tmp_path):
    data, path = regression(), tmp_path / "run.safetensors"
    options = dict(stages=[Adam(30, 0.01), LBFGS(10, chunk=5)], **QUIET)
    whole = lp.fit(net(data), data, loss=squares, **options)
    lp.fit(net(data), data, loss=squares, checkpoint=path, max_seconds=1e-9, **options)
    resumed = lp.fit(net(data), data, loss=squares, checkpoint=path, resume=True, **options)
    assert_same_run(resumed, whole)
    with pytest.raises(
        ValueError, match="of a run with loss='squares .a function., digest .*, not"
    ):
        lp.fit(net(data), data, loss=l1_loss, checkpoint=path, resume=True, **options)


def test_a_certificate_takes_the_loss_too():
    data = regression()
    model = net(data, activation="tanh")
    exact = lp.geodesic.certify(model, data, weight_decay=0.1, threads=1)
    found = lp.geodesic.certify(model, data, weight_decay=0.1, loss=squares, threads=1)
    torch.testing.assert_close(found.residual, exact.residual, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "loss, message",
    [
        ("mae", "loss must be one of mse, cross-entropy, got 'mae'"),
        (3, "loss must be one of mse, cross-entropy, got 3"),
        (torch.nn.MSELoss, "loss must be one of mse, cross-entropy, got <class"),
        (lambda f, y: (f - y).square().sum(), "is none: .* on 16 samples, of which two halves"),
        (lambda f, y: (f - y).square().sum(1), r"returns \(16,\) where one number is wanted"),
        (lambda f, y: 1.0, "returns float where one number is wanted"),
        (lambda f, y: f.detach().mean(), "fails on some: .*does not require grad"),
        (lambda f, y: (f - y).sqrt().mean(), "is nan on some"),
        (lambda f: f.mean(), "fails on some: .*takes 1 positional argument"),
    ],
)
def test_what_is_no_loss_is_one_sentence_before_any_work(loss, message):
    data = regression()
    model = net(data)
    before = model.weights.clone()
    with pytest.raises(ValueError, match=message):
        lp.fit(model, data, loss=loss, **QUIET)
    assert torch.equal(model.weights, before)


def test_a_weight_decay_in_the_units_of_the_loss_must_be_given():
    data = regression()
    with pytest.raises(ValueError, match="weight_decay must be given with a loss of your own"):
        lp.fit(net(data), data, loss=squares)
