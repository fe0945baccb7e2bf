"""Predicted harm against exact answers, against skipping, and what it leaves as it was."""

import numpy as np
import pytest
import torch
from redundant_nets import Listed, Residual, built, labelled, residual_net, rows
from scipy import stats
from torch import nn
from torch.nn import functional

import loadpath as lp
from loadpath.diagnosis.surgery.predicting import predict_harm
from tests.diagnosis.surgery.test_surgery import llama

X = rows(400)


def test_of_a_quadratic_loss_the_prediction_is_exact_up_to_the_draws():
    # f = x W^T B^T; without the second map f moves by d, and the mean squared error by
    # its slope times d and the square of d, which Gauss and Newton have exactly.
    model = built(lambda: nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6)))
    with torch.no_grad():
        y = model(X) + 0.3 * rows(400, 6, seed=8)
        moved = model[0](X) - model(X)
        slope = 2 * ((model(X) - y) * moved).mean(1)
        exact = functional.mse_loss(model[0](X), y) - functional.mse_loss(model(X), y)
    found = predict_harm(model, list(zip(X.split(50), y.split(50), strict=True)), layers="1")
    assert (
        float(found["predicted_harm_low"][0])
        < float(exact)
        < float(found["predicted_harm_high"][0])
    )
    # The slope has no draws in it: the curvature is what is left, and is not negative.
    assert float(found["predicted_harm"][0]) > float(slope.mean())
    assert float(found["predicted_harm"][0]) == pytest.approx(float(exact), rel=0.15)


def test_a_block_that_is_the_identity_is_predicted_to_do_no_harm():
    model = residual_net()
    found = predict_harm(model, labelled(model, X), layers=["blocks.*", "head"])
    column = found["predicted_harm"].to_series()
    assert column["blocks.1"] == 0 and column.drop(["blocks.1", "head"]).min() > 0
    assert found["predicted_harm_status"].sel(layer="head").item().startswith("stays: its input")
    assert np.isnan(column["head"]) and found.attrs["n_samples"] == 400
    plan = lp.surgery.plan(model, labelled(model, X), drop=1, layers="blocks.*")
    assert set(plan.dataset["layer"].values) == set(column.index) - {"head"}


def test_the_ranking_agrees_with_what_skipping_does():
    scales = (1.0, 0.2, 0.6, 0.05, 1.4, 0.4, 0.8, 0.1)
    model = residual_net(scales, seed=3)
    batches = labelled(model, X, size=40)
    found = predict_harm(model, batches, layers="blocks.*")
    truth = lp.diagnosis.skip_layers(model, batches, layers="blocks.*")
    rho = stats.spearmanr(found["predicted_harm"], truth["loss_change"]).statistic
    assert rho > 0.9


@pytest.mark.parametrize("size", [1, 7, 400])
def test_how_samples_are_batched_changes_no_slope_and_little_else(size):
    model = residual_net((1.0, 0.3, 0.6))
    whole = labelled(model, X, size=400)
    x, y = whole[0]
    batches = list(zip(x[:56].split(size), y[:56].split(size), strict=True))
    found = predict_harm(model, batches, layers="blocks.*")
    assert found.attrs["n_samples"] == 56
    other = predict_harm(model, [(x[:56], y[:56])], layers="blocks.*", seed=1)
    # Draws differ; the intervals of both hold both.
    assert (found["predicted_harm"] < other["predicted_harm_high"]).all()
    assert (found["predicted_harm"] > other["predicted_harm_low"]).all()


def test_the_model_and_the_random_numbers_are_left_as_they_were():
    model = residual_net().train()
    learned = [p.requires_grad_(l % 2 == 0).requires_grad for l, p in enumerate(model.parameters())]
    state = torch.get_rng_state()
    predict_harm(model, labelled(model, X), layers="blocks.*")
    assert torch.equal(torch.get_rng_state(), state) and model.training
    assert [p.requires_grad for p in model.parameters()] == learned
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_language_model_with_its_own_loss_is_weighted_by_samples():
    pytest.importorskip("transformers")
    model = llama()
    ids = torch.randint(1, 40, (24, 10), generator=torch.Generator().manual_seed(0))
    batches = [{"input_ids": part, "labels": part} for part in ids.split(8)]
    found = predict_harm(model, batches, layers="model.layers.*", pass_labels=True)
    assert np.isfinite(found["predicted_harm"]).all() and found.attrs["by_loss"] == 1


class Frozen(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    @torch.no_grad()
    def forward(self, x):
        return self.inner(x)


def test_what_cannot_be_predicted_is_refused_in_a_sentence():
    model = Frozen(residual_net())
    with pytest.raises(ValueError, match="model must allow gradients at its layers"):
        predict_harm(model, [X])
    with pytest.raises(ValueError, match="loader must be one that can be read twice .* generator"):
        predict_harm(residual_net(), (x for x in X.split(10)))
    with pytest.raises(ValueError, match="layers has none that can be removed: head stays"):
        predict_harm(residual_net(), [X], layers="head")
    with pytest.raises(ValueError, match="level must "):
        predict_harm(residual_net(), [X], level=1.0)


def test_without_labels_it_is_the_squared_change_of_the_outputs():
    model = built(lambda: Listed([Residual(6, s) for s in (0.02, 0.05, 0.1)]))
    found = predict_harm(model, list(X.split(50)), layers="blocks.*")
    truth = lp.diagnosis.skip_layers(model, list(X.split(50)), layers="blocks.*")
    assert found.attrs["by_loss"] == 0
    # Small steps: second order is nearly all of it.
    squared = truth["output_change"].values ** 2
    np.testing.assert_allclose(found["predicted_harm"], squared, rtol=0.25)
