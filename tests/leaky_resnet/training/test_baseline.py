"""Errors beside what a prediction that looks at no input would have."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score
from tiny_trainings import classes, net, regression

from loadpath import fit, results
from loadpath.leaky_resnet.training import Adam, errors_in_words
from loadpath.leaky_resnet.training.baseline import baseline, compared, constant_loss


def test_the_best_constant_is_the_variance_or_the_entropy():
    y = torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 6.0]], dtype=torch.float64)
    assert constant_loss(y, "mse") == pytest.approx(2 / 3 + 8, rel=1e-15)  # about (2, 2)
    labels = torch.tensor([0, 0, 1, 2])
    assert constant_loss(labels, "cross-entropy") == pytest.approx(1.5 * math.log(2), rel=1e-15)


@pytest.mark.parametrize("name, samples", [("test_error", "test"), ("train_error", "train")])
def test_a_squared_error_has_the_r_squared_of_scikit_learn(name, samples, tmp_path):
    data = regression()
    model = net(data)
    run = fit(model, data, weight_decay=0.05, stages=[Adam(20)])
    attrs = results.load(results.save(run.history, tmp_path / "history.nc"))[name].attrs
    x, y = getattr(data, f"x_{samples}"), getattr(data, f"y_{samples}")
    known = r2_score(y, model(x).detach(), multioutput="variance_weighted")
    assert attrs["r_squared"] == pytest.approx(known, rel=1e-9)  # sums of float64 in other orders
    assert attrs["baseline_meaning"] == "predicting the mean of the targets"
    assert attrs["units"] == "squared output, summed over outputs"


def test_mistakes_have_the_share_that_the_largest_class_leaves():
    data = classes()
    run = fit(net(data), data, weight_decay=0.05, stages=[Adam(20)])
    largest = np.bincount(data.y_train).argmax()
    attrs = run.history["test_error"].attrs
    assert attrs["baseline"] == float((data.y_test != largest).double().mean())
    said = errors_in_words(run.history)
    share = 100 * float(run.history["test_error"][-1])
    assert list(said) == ["test error", "training error"]
    assert said["test error"] == (
        f"{share:.3g} % wrong, where predicting the largest class of the training samples gives "
        f"{100 * attrs['baseline']:.3g} %"
    )


def test_a_largest_class_that_the_samples_lack_is_all_wrong():
    few = torch.tensor([0, 0, 2])
    assert baseline(few, torch.tensor([1, 1, 0]), "cross-entropy") == 1.0


def test_targets_that_do_not_vary_have_no_r_squared():
    y = torch.ones(4, 2)
    assert math.isnan(compared(0.5, y, y, "mse")["r_squared"])


def test_a_history_of_before_has_errors_without_baselines():
    run = fit(net(regression()), regression(), weight_decay=0.05, stages=[Adam(2)])
    run.history["test_error"].attrs = {"units": "same as the data term"}
    said = errors_in_words(run.history)["test error"]
    assert said.endswith("(squared output, summed over outputs)") and "baseline" not in said
    assert "test error" not in errors_in_words(
        run.history.assign(test_error=np.nan * run.history.test_error)
    )
