"""What is measured of a trained classifier, and the Dataset of it."""

import math

import numpy as np
import pytest
import torch

import loadpath as lp
from loadpath.data import digits
from loadpath.measures.separation import log_separation
from loadpath.spring_block.networks import CNN, MLP, Recipe, separation, train
from loadpath.spring_block.networks.trained import accuracy

DATA = digits(n_train=200)
X, LABELS = DATA.x_train.float(), DATA.y_train


def test_separation_is_that_of_the_features_in_evaluation_mode():
    for net in (MLP(64, 10, slope=0.2, dropout=0.5), CNN(64, 10, image_channels=1, dropout=0.5)):
        net.train()
        net.norms[1].eval()
        net(X)  # statistics that are not the initial ones
        found = separation(net, X, LABELS)
        # Modes are as they were, part by part.
        assert net.training and not net.norms[1].training and net.norms[0].training
        assert list(found) == ["fuzziness", "trace_ratio", "inverse"]
        net.eval()
        for kind, D in found.items():
            with torch.no_grad():
                expected = [log_separation(h, LABELS, kind) for h in net.path(X)]
            assert D.tolist() == expected and len(D) == 8


def test_layers_that_are_not_finite_are_nan_and_the_others_are_not():
    net = MLP(64, 10, slope=0.2, depth=4)
    with torch.no_grad():
        net.layers[1].weight[0, 0] = math.inf
    for D in separation(net, X, LABELS).values():
        assert np.isfinite(D[:2]).all() and np.isnan(D[2:]).all()
    assert math.isnan(accuracy(net, X, LABELS))


def test_accuracy_is_the_share_of_right_answers():
    net = MLP(64, 10, slope=0.2, depth=2, batch_norm=False)
    with torch.no_grad():
        net.logits.weight.zero_()
        net.logits.bias.copy_(torch.eye(10)[3])
    assert accuracy(net, X, LABELS) == float((LABELS == 3).double().mean())


def test_the_dataset_holds_the_run_and_comes_back_from_disk(tmp_path):
    recipe = Recipe(epochs=4, batch_size=50, dropout=0.1)
    net = MLP(64, 10, slope=0.2, depth=3, dropout=0.1, seed=5)
    run = train(net, DATA, recipe, seed=5, record_every=2)
    lp.results.save(run.dataset(), tmp_path / "run.nc")
    ds = lp.load(tmp_path / "run.nc")
    assert ds["loss"].values.tolist() == run.losses.tolist()
    assert str(ds["status"].item()) == run.status == "all epochs"
    assert float(ds["test_accuracy"]) == run.test_accuracy
    for kind, D in run.log_separation.items():
        assert ds["log_separation"].sel(kind=kind).values.tolist() == D.tolist()
        along = ds["log_separation_recorded"].sel(kind=kind).values
        assert along.tolist() == run.recorded[kind].tolist()
    assert ds["recorded_epoch"].values.tolist() == [0, 2]
    # All that makes the numbers again.
    for name, value in {"slope": 0.2, "depth": 3, "batch_size": 50, "dropout": 0.1}.items():
        assert ds.attrs[name] == pytest.approx(value)
    assert ds.attrs["seed"] == 5 and ds["loss"].attrs["units"] == "nats"


def test_a_run_without_records_or_options_can_be_saved_too(tmp_path):
    run = train(MLP(64, 10, slope=0.2, depth=3), DATA, Recipe(epochs=1))
    lp.results.save(run.dataset(), tmp_path / "run.nc")
    assert lp.load(tmp_path / "run.nc")["log_separation_recorded"].shape == (3, 0, 3)
