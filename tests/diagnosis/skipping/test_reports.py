"""What public bug reports found in `skip_layers`: labels that its losses misread."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from loadpath.diagnosis.skipping.skipping import skip_layers


def net(outputs, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, outputs)
        return nn.Sequential(*layers).double().eval().requires_grad_(False)


def drawn(n, outputs):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    return x, torch.rand(n, outputs, generator=generator, dtype=torch.float64).softmax(1)


def skipped(model, x, y, size=20):
    return skip_layers(model, list(zip(x.split(size), y.split(size), strict=True)), layers="?")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_shares_of_classes_take_their_cross_entropy(dtype):
    """torchmetrics, ignite: soft labels were scored by the squared error of logits."""
    (x, shares), model = drawn(50, 3), net(3)
    shares = shares.to(dtype)
    ds = skipped(model, x, shares)
    assert ds.attrs["loss_kind"] == "mean cross-entropy of shares of classes over samples"
    exact = functional.cross_entropy(model(x), shares.double())
    assert float(ds["loss"]) == pytest.approx(float(exact), rel=1e-12)  # float64, another order
    change = functional.cross_entropy(model[2](x.tanh()), shares.double()) - exact
    assert float(ds["loss_change"].sel(layer="0")) == pytest.approx(float(change), rel=1e-9)
    right = (model(x).argmax(1) == shares.argmax(1)).double().mean()
    assert float(ds["accuracy"]) == pytest.approx(float(right), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.float32])
def test_one_hot_labels_score_as_their_classes(dtype):
    """torchmetrics: labels as zeros and ones are shares too, of any type."""
    x, classes = drawn(40, 4)[0], torch.arange(40) % 4
    hot = functional.one_hot(classes, 4).to(dtype)
    ds, twin = skipped(net(4), x, hot), skipped(net(4), x, classes)
    for name in ("loss", "loss_change", "accuracy", "accuracy_change", "agreement"):
        np.testing.assert_allclose(ds[name], twin[name], rtol=1e-12, atol=1e-15)


def test_targets_that_do_not_sum_to_one_keep_the_squared_error():
    x, shares = drawn(30, 3)
    ds = skipped(net(3), x, 2 * shares)
    assert ds.attrs["loss_kind"] == "mean squared error over samples and outputs"
    negative = shares - torch.tensor([0.5, -0.5, 0.0])
    assert skipped(net(3), x, negative).attrs["loss_kind"] == ds.attrs["loss_kind"]


def test_targets_that_are_not_finite_name_their_batch_and_not_the_model():
    """ignite: NaN among the targets was said to be a loss that is not finite."""
    for outputs, y in ((3, drawn(40, 3)[1]), (2, torch.ones(40, 2))):
        y = y.clone()
        y[25, 0] = math.nan
        with pytest.raises(ValueError, match="labels of batch 1 must be finite, and 1 of "):
            skipped(net(outputs), drawn(40, 3)[0], y)


def test_a_given_loss_of_an_embedding_stands_and_its_predictions_do_not():
    """torchmetrics 1393: a metric loss suits an embedding, and agreement of maxima does not."""
    x, y = drawn(60, 3)[0], torch.arange(60) % 3

    def loss(f, y):
        return f.square().mean(1)

    ds = skip_layers(net(40), [(x, y)], layers="?", loss=loss)
    assert ds["loss_change"].notnull().any() and "accuracy" not in ds and "agreement" not in ds
    assert "accuracy" in skip_layers(net(3), [(x, y)], layers="?", loss=loss)


def test_boolean_tokens_are_classes():
    """torchmetrics: booleans are class numbers of tokens as they are of samples."""
    x = torch.randn(20, 6, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    y = torch.rand(20, 6, generator=torch.Generator().manual_seed(3)) > 0.5
    model = net(2)
    ds = skip_layers(model, [(x, y)], layers="?")
    exact = functional.cross_entropy(model(x).flatten(0, 1), y.long().flatten())
    assert float(ds["loss"]) == pytest.approx(float(exact), rel=1e-12)


def test_a_bar_shows_the_pass_that_skips(capsys):
    x, y = drawn(40, 3)[0], torch.arange(40) % 2
    for shown in (True, False, None):  # what is captured is no terminal
        skip_layers(net(2), [(x, y), (x, y)], layers="?", max_batches=1, progress=shown)
        assert ("skipping: 100%" in capsys.readouterr().err) == bool(shown)
