"""A diagnosis that ranks by prediction, and what it says where it cannot."""

import numpy as np
import pytest
import torch
from redundant_nets import labelled, residual_net, rows

import loadpath as lp
from tests.diagnosis.surgery.test_predicting import Frozen

X = rows(200)
MODEL = residual_net((1.0, 0.2, 0.6, 0.05, 1.4))
BATCHES = labelled(MODEL, X, size=20)
CHEAP = dict(layers="blocks.*", measures=["steps"])


def test_the_default_makes_no_pass_beside_its_own_and_says_what_it_ranks_by():
    calls = []
    hook = MODEL.register_forward_hook(lambda *_: calls.append(1))
    ds = lp.diagnose(MODEL, BATCHES, **CHEAP)
    hook.remove()
    assert len(calls) <= len(BATCHES) + 2  # the first batch is looked at before
    assert ds.attrs["ranked_by"] == "movement" and "predicted_harm" not in ds
    skipped = lp.diagnosis.skip_layers(MODEL, BATCHES, layers="blocks.*")
    found = ds.verdict(skipped)
    assert found.measure == "own_step"
    assert any(
        line.startswith("Layers are ranked by own step, which takes no pass of its own")
        and "rank='prediction'" in line
        for line in found.sentences
    )
    chosen = ds.verdict(skipped, by="own_step")  # by the user, who need not be told
    assert not any(line.startswith("Layers are ranked by") for line in chosen.sentences)


def test_a_diagnosis_ranks_by_predicted_harm_where_it_is_asked_to():
    ds = lp.diagnose(MODEL, BATCHES, rank="prediction", **CHEAP)
    own = lp.diagnosis.predict_harm(MODEL, BATCHES, layers="blocks.*")
    names = [f"blocks.{l}" for l in range(5)]
    column = ds["predicted_harm"].sel(layer=names)
    np.testing.assert_allclose(column, own["predicted_harm"].sel(layer=names), rtol=1e-12)
    assert ds.attrs["ranked_by"].startswith("prediction: change of the mean cross-entropy")
    skipped = lp.diagnosis.skip_layers(MODEL, BATCHES, layers="blocks.*")
    found = ds.verdict(skipped)
    assert found.measure == "predicted_harm"
    assert list(found.ranking) == list(column.to_series().sort_values().index)
    assert found.agreement.spearman >= ds.verdict(skipped, by="own_step").agreement.spearman
    text = " ".join(found.sentences)
    assert "Block 3 is predicted to do the least harm (predicted harm" in text
    assert "one forward and 3 backward passes over the samples (200 samples)" in text
    assert "predicted_harm" in ds.table().columns


@pytest.mark.parametrize(
    "model, batches, reason",
    [
        (MODEL, list(X.split(20)), "movement, as there is no loss to predict: "),
        (Frozen(MODEL), BATCHES, "movement, as no harm can be predicted: model must allow grad"),
    ],
)
def test_where_nothing_can_be_predicted_layers_are_ranked_by_movement_and_it_says_why(
    model, batches, reason
):
    prefix = "inner." if isinstance(model, Frozen) else ""
    options = dict(layers=f"{prefix}blocks.*", measures=["steps"])
    ds = lp.diagnose(model, batches, rank="prediction", **options)
    assert ds.attrs["ranked_by"].startswith(reason) and "predicted_harm" not in ds
    skipped = lp.diagnosis.skip_layers(model, batches, layers=options["layers"])
    found = ds.verdict(skipped)
    assert found.measure == "own_step"
    assert any(line.startswith("Layers are ranked by own step, as ") for line in found.sentences)


def test_bad_choices_are_refused_before_anything_runs():
    class Untouched(torch.nn.Module):
        def forward(self, x):
            raise AssertionError("it ran")

    model = Untouched()
    with pytest.raises(ValueError, match="rank must be "):
        lp.diagnose(model, BATCHES, rank="place")
    with pytest.raises(ValueError, match="loss is given, and rank is 'movement', which needs none"):
        lp.diagnose(model, BATCHES, loss=torch.nn.functional.cross_entropy)
    with pytest.raises(ValueError, match="loader must be one that can be read twice"):
        lp.diagnose(model, iter(BATCHES), rank="prediction")
