"""A diagnosis that ranks by prediction, by default on its first batches; what it says where not."""

import copy

import numpy as np
import pytest
import torch
from redundant_nets import Listed, Residual, built, labelled, residual_net, rows
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import loadpath as lp
from loadpath.diagnosis.profile.passes import predicted
from tests.diagnosis.surgery.test_predicting import Frozen
from tests.diagnosis.surgery.test_surgery import llama

X = rows(200)
MODEL = residual_net((1.0, 0.2, 0.6, 0.05, 1.4))
BATCHES = labelled(MODEL, X, size=20)
NAMES = [f"blocks.{l}" for l in range(5)]
CHEAP = dict(layers="blocks.*", measures=["steps"])


def long_batches(count=500, size=100):
    return labelled(MODEL, rows(count, seed=4), size=size)


def test_ranking_by_movement_makes_no_pass_beside_its_own_and_says_what_it_ranks_by():
    calls = []
    hook = MODEL.register_forward_hook(lambda *_: calls.append(1))
    ds = lp.diagnose(MODEL, BATCHES, rank="movement", **CHEAP)
    hook.remove()
    assert len(calls) <= len(BATCHES) + 2  # the first batch is looked at before
    assert ds.attrs["ranked_by"] == "movement" and "predicted_harm" not in ds
    skipped = lp.diagnosis.skip_layers(MODEL, BATCHES, layers="blocks.*")
    found = ds.verdict(skipped)
    assert found.measure == "own_step"
    assert any(
        line.startswith("Layers are ranked by own step, which takes no pass of its own")
        and "diagnose without a rank ranks them by the harm" in line
        for line in found.sentences
    )
    chosen = ds.verdict(skipped, by="own_step")  # by the user, who need not be told
    assert not any(line.startswith("Layers are ranked by") for line in chosen.sentences)


def test_by_default_harm_is_predicted_on_the_first_batches_of_the_one_pass():
    batches = long_batches()
    read = []

    def once():
        for number, batch in enumerate(batches):
            read.append(number)
            yield batch

    calls = []
    hook = MODEL.register_forward_hook(lambda *_: calls.append(1))
    ds = lp.diagnose(MODEL, once(), **CHEAP)
    hook.remove()
    assert read == [0, 1, 2, 3, 4]
    # The pass; then the two batches that make 200 samples, a third would make more than 256; and a
    # few trials of the first batch.
    assert len(batches) + 2 < len(calls) <= len(batches) + 2 + 5
    own = lp.diagnosis.predict_harm(MODEL, batches[:2], layers="blocks.*")
    found = ds["predicted_harm"].sel(layer=NAMES)
    np.testing.assert_array_equal(found, own["predicted_harm"].sel(layer=NAMES))
    assert ds.attrs["ranked_by"].startswith("prediction: change of the mean cross-entropy")
    assert ds.attrs["ranked_by"].endswith("over the samples (the first 200 samples)")
    assert 0 < ds.attrs["seconds_of_prediction"] < ds.attrs["seconds_in_all"]
    few = lp.diagnose(MODEL, batches, max_batches=1, **CHEAP)
    assert few.attrs["ranked_by"].endswith("over the samples (100 samples)")
    # A first batch of more samples is predicted on as a whole.
    large = lp.diagnose(MODEL, labelled(MODEL, rows(300), size=300), **CHEAP)
    assert large.attrs["ranked_by"].endswith("(the first 300 samples)")


def test_a_verdict_by_both_is_the_mean_of_the_ranks():
    ds = lp.diagnose(MODEL, BATCHES, **CHEAP)
    skipped = lp.diagnosis.skip_layers(MODEL, BATCHES, layers="blocks.*")
    found = ds.verdict(skipped, by="both")
    assert found.measure == "both" and set(found.ranking) == set(NAMES)
    ranks = (
        ds["predicted_harm"].sel(layer=NAMES).to_series().rank()
        + skipped["own_step"].sel(layer=NAMES).to_series().rank()
    ) / 2
    np.testing.assert_array_equal(found.movement.value, ranks[list(found.ranking)])
    text = " ".join(found.sentences)
    assert "Block 3 is ranked first by predicted harm and own step together (mean rank 1" in text
    assert "Layers are ranked by" not in text  # by the user, who need not be told
    chosen = " ".join(ds.verdict(skipped).sentences)
    assert (
        "Layers are ranked by predicted harm: change of the mean cross-entropy of classes over "
        "samples, predicted from one forward and 3 backward passes over the samples (200 samples)."
    ) in chosen


@pytest.mark.parametrize("rank", [None, "prediction"])
def test_the_same_samples_are_predicted_alike_however_they_are_given(rank):
    x, y = (torch.cat(part) for part in zip(*BATCHES, strict=True))
    options = dict(rank=rank, seed=3, **CHEAP)
    wanted = lp.diagnose(MODEL, BATCHES, **options)["predicted_harm"].values
    assert np.isfinite(wanted[1:]).all()

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks, self.head = MODEL.blocks, MODEL.head

        def forward(self, values):
            return {"features": values, "logits": MODEL(values)}

    as_dicts = [{"values": a, "labels": b} for a, b in BATCHES]
    as_triples = [(a, b, "name") for a, b in BATCHES]
    for model, loader, more in (
        (MODEL, DataLoader(TensorDataset(x, y), batch_size=20), {}),
        (Named(), as_dicts, {}),
        (Named(), as_dicts, dict(answer="logits", device="cpu")),
        (MODEL, as_triples, dict(split=lambda raw: raw[:2])),
        (MODEL, BATCHES + [(x[:20], y[:20])], dict(max_batches=10)),
    ):
        found = lp.diagnose(model, loader, **options, **more)["predicted_harm"].values
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


class Writing(Listed):
    """A net that writes into what it is given."""

    def forward(self, h):
        return super().forward(h.mul_(2.0))


def test_batches_are_kept_as_they_were_before_the_model_wrote_to_them():
    model = built(lambda: Writing([Residual(6, s) for s in (1.0, 0.2, 0.6)]))
    x = rows(60)
    with torch.no_grad():
        y = model(x.clone()).argmax(1)
    plain, given = ([(x.clone(), y)] for _ in range(2))
    own = lp.diagnosis.predict_harm(model, plain, layers="blocks.*")
    ds = lp.diagnose(model, given, layers="blocks.*", measures=["steps", "costs"])
    assert not torch.equal(given[0][0], x)  # which is the model's own doing
    found = ds["predicted_harm"].sel(layer=own["layer"])
    np.testing.assert_array_equal(found, own["predicted_harm"])


@pytest.mark.parametrize("measures", [["steps"], None])
def test_the_default_leaves_the_model_and_all_random_numbers_as_they_were(measures):
    model = copy.deepcopy(MODEL).train()
    model.blocks.insert(1, nn.Dropout(0.5))
    parameters = list(model.parameters())
    learned = [p.requires_grad_(l % 2 == 0).requires_grad for l, p in enumerate(parameters)]
    parameters[0].grad = torch.ones_like(parameters[0])
    before = copy.deepcopy(model.state_dict())
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    hook = model.blocks[0].register_forward_hook(lambda *_: None)
    ds = lp.diagnose(model, iter(BATCHES[:2]), layers="blocks.*", measures=measures)
    assert list(model.blocks[0]._forward_hooks.values()) != []
    hook.remove()
    assert ds.attrs["ranked_by"].startswith("prediction: ")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()
    assert all(module.training for module in model.modules())
    assert [p.requires_grad for p in parameters] == learned and torch.is_grad_enabled()
    assert torch.equal(parameters[0].grad, torch.ones_like(parameters[0]))
    assert all(p.grad is None for p in parameters[1:])
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_a_language_model_is_ranked_by_both_with_its_own_loss():
    pytest.importorskip("transformers")
    model = llama()
    ids = torch.randint(1, 40, (12, 10), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[::2, 8:] = 0
    batches = [
        {"input_ids": a, "attention_mask": m, "labels": a.masked_fill(m == 0, -100)}
        for a, m in zip(ids.split(4), mask.split(4), strict=True)
    ]
    options = dict(layers="model.layers.*", pass_labels=True)
    ds = lp.diagnose(model, iter(batches), measures=["steps"], **options)
    own = lp.diagnosis.predict_harm(model, batches, **options)
    found = ds["predicted_harm"].sel(layer=own["layer"])
    np.testing.assert_allclose(found, own["predicted_harm"], rtol=1e-12)
    assert "cross-entropy" in ds.attrs["ranked_by"]
    # Labels that the model shifts itself are no labels of ours: the sentence says what to pass.
    ds = lp.diagnose(model, batches, measures=["steps"], layers="model.layers.*")
    assert "movement, as no harm can be predicted" in ds.attrs["ranked_by"]
    assert "pass_labels=True" in ds.attrs["ranked_by"]


def test_a_loss_of_ones_own_is_predicted():
    def squared(output, labels):
        return (output.softmax(-1)[:, 0] - (labels == 0).double()).square()

    ds = lp.diagnose(MODEL, BATCHES, loss=squared, **CHEAP)
    assert "mean of the loss that was given, squared" in ds.attrs["ranked_by"]
    assert np.isfinite(ds["predicted_harm"].sel(layer=NAMES)).all()


def test_a_diagnosis_ranks_by_predicted_harm_where_it_is_asked_to():
    batches = long_batches()
    ds = lp.diagnose(MODEL, batches, rank="prediction", **CHEAP)
    own = lp.diagnosis.predict_harm(MODEL, batches, layers="blocks.*")
    column = ds["predicted_harm"].sel(layer=NAMES)
    np.testing.assert_allclose(column, own["predicted_harm"].sel(layer=NAMES), rtol=1e-12)
    assert ds.attrs["ranked_by"].startswith("prediction: change of the mean cross-entropy")
    skipped = lp.diagnosis.skip_layers(MODEL, batches, layers="blocks.*")
    found = ds.verdict(skipped)
    assert found.measure == "predicted_harm"
    assert list(found.ranking) == list(column.to_series().sort_values().index)
    assert found.agreement.spearman >= ds.verdict(skipped, by="own_step").agreement.spearman
    text = " ".join(found.sentences)
    assert "Block 3 is predicted to do the least harm (predicted harm" in text
    assert "one forward and 3 backward passes over the samples (500 samples)" in text
    assert "predicted_harm" in ds.table().columns
    assert ds.verdict(skipped, by="both").measure == "both"


class Unfit(nn.Module):
    """An operation whose gradient fails in a way of its own."""

    class Operation(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise LookupError("there is no gradient table.\nSecond line")

    def forward(self, x):
        return self.Operation.apply(x)


BROKEN = nn.Sequential(MODEL, Unfit())


@pytest.mark.parametrize("rank", [None, "prediction"])
@pytest.mark.parametrize(
    "model, batches, reason",
    [
        (MODEL, list(X.split(20)), "movement, as there is no loss to predict: the loader has no l"),
        (Frozen(MODEL), BATCHES, "movement, as no harm can be predicted: model must allow grad"),
    ],
)
def test_where_nothing_can_be_predicted_layers_are_ranked_by_movement_and_it_says_why(
    model, batches, reason, rank
):
    prefix = "inner." if isinstance(model, Frozen) else ""
    options = dict(layers=f"{prefix}blocks.*", measures=["steps"])
    ds = lp.diagnose(model, batches, rank=rank, **options)
    assert ds.attrs["ranked_by"].startswith(reason) and "predicted_harm" not in ds
    skipped = lp.diagnosis.skip_layers(model, batches, layers=options["layers"])
    found = ds.verdict(skipped)
    assert found.measure == "own_step"
    assert any(line.startswith("Layers are ranked by own step, as ") for line in found.sentences)


def test_the_default_survives_whatever_a_prediction_meets():
    options = dict(layers="0.blocks.*", measures=["steps"])
    ds = lp.diagnose(BROKEN, BATCHES, **options)
    why = "movement, as no harm can be predicted: LookupError: there is no gradient table"
    assert ds.attrs["ranked_by"] == why and "relative_step" in ds
    with pytest.raises(LookupError):  # of what was asked for
        lp.diagnose(BROKEN, BATCHES, rank="prediction", **options)


def test_outputs_that_are_no_class_scores_have_no_harm_predicted():
    ds = lp.diagnose(MODEL, BATCHES, class_scores=False, **CHEAP)
    why = "no loss to predict: outputs are not taken for class scores, as class_scores is False"
    assert ds.attrs["ranked_by"] == f"movement, as there is {why}"
    bounded = nn.Sequential(MODEL, nn.Sigmoid())
    ds = lp.diagnose(bounded, BATCHES, layers="0.blocks.*", measures=["steps"])
    assert "outputs lie between 0 and 1, as sigmoids do" in ds.attrs["ranked_by"]
    # A loss that is given does not ask what the outputs are.
    ds = lp.diagnose(MODEL, BATCHES, class_scores=False, loss=nn.CrossEntropyLoss(), **CHEAP)
    assert ds.attrs["ranked_by"].startswith("prediction: change of the mean of the loss that was")


def test_layers_without_a_prediction_say_why():
    ds = lp.diagnose(MODEL, BATCHES, layers=["blocks.*", "head"], measures=["steps"])
    status = ds["predicted_harm_status"].to_series()
    assert status["input"] == "no layer that can be left out" and status["blocks.0"] == "estimated"
    assert status["head"].startswith("stays: its input") and np.isnan(ds["predicted_harm"][-1])


def test_bad_choices_are_refused_before_anything_runs():
    class Untouched(torch.nn.Module):
        def forward(self, x):
            raise AssertionError("it ran")

    model = Untouched()
    with pytest.raises(ValueError, match="rank must be one of movement, prediction, got 'place'"):
        lp.diagnose(model, BATCHES, rank="place")
    with pytest.raises(ValueError, match="loss is given, and rank is 'movement', which needs none"):
        lp.diagnose(model, BATCHES, rank="movement", loss=torch.nn.functional.cross_entropy)
    with pytest.raises(ValueError, match="loss must be a function of output and labels, .* a str"):
        lp.diagnose(model, BATCHES, loss="mse")
    with pytest.raises(ValueError, match="loader must be one that can be read twice"):
        lp.diagnose(model, iter(BATCHES), rank="prediction")


def test_what_may_take_much_memory_is_predicted_only_if_that_is_asked_for(monkeypatch):
    many = labelled(MODEL, rows(1100), size=1100)
    ds = lp.diagnose(MODEL, many, **CHEAP)
    assert ds.attrs["ranked_by"] == (
        "movement, as gradients of the 1,100 samples of the first batch may take much memory: "
        "rank='prediction' predicts harm all the same"
    )
    assert "predicted_harm" not in ds
    assert "predicted_harm" in lp.diagnose(MODEL, many, rank="prediction", **CHEAP)
    monkeypatch.setattr(predicted, "LARGEST_MODEL", 100)
    ds = lp.diagnose(MODEL, BATCHES, **CHEAP)
    assert "parameters may take much memory" in ds.attrs["ranked_by"]
    assert "predicted_harm" in lp.diagnose(MODEL, BATCHES, rank="prediction", **CHEAP)
