"""Which tensor of what a model returns is its answer, for `diagnose`, `skip_layers`, `Monitor`."""

import numpy as np
import pytest
import torch
from recorded_models import seeded
from torch import nn
from torch.nn import functional

import loadpath as lp
from loadpath.diagnosis import skip_layers

X = torch.randn(60, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
Y = torch.arange(60) % 3
LAYERS = ("body", "head")
OPTIONS = dict(layers=LAYERS)


class Returns(nn.Module):
    """A body and a head, whose results are returned in one way or another."""

    def __init__(self, how, width=5):
        super().__init__()
        self.body, self.head, self.how = nn.Linear(5, width), nn.Linear(width, 3), how

    def forward(self, x):
        features = self.body(x).tanh()
        return self.how(features, self.head(features))


def alone(features, logits):
    return logits


class Boxed(dict):
    pass


WAYS = {
    "second": lambda f, s: (f, s),
    "first": lambda f, s: (s, f),
    "last of three": lambda f, s: [f, f.mean(1), s],
    "named": lambda f, s: {"hidden_states": f, "logits": s},
    "under another name": lambda f, s: {"features": f, "scores": s},
    "beside the last hidden state": lambda f, s: {"last_hidden_state": f, "scores": s},
    "inside": lambda f, s: {"aux": (f, f[:, :1]), "out": {"s": s}},
}


def both(model, loader, **options):
    ds = lp.diagnose(model, loader, measures=["collapse"], **OPTIONS, **options)
    return ds, skip_layers(model, loader, layers="body", **options)


def agree(found, twin, names):
    for one, other in zip(found, twin, strict=True):
        for name in names & set(other.data_vars):
            # The same numbers in the same order.
            np.testing.assert_allclose(one[name], other[name], rtol=1e-12, err_msg=name)


NAMES = {"accuracy", "nc3", "nc4", "loss", "loss_change", "output_change", "agreement"}


@pytest.mark.parametrize("way", WAYS)
def test_the_logits_are_the_answer_wherever_they_are(way):
    """captum 745, of the model's own answer: features before logits were scored."""
    loader = [(X[:40], Y[:40]), (X[40:], Y[40:])]
    twin = both(seeded(Returns, alone), loader)
    found = both(seeded(Returns, WAYS[way]), loader)
    assert {"accuracy", "nc3"} <= set(twin[0].data_vars) and "loss" in twin[1]
    agree(found, twin, NAMES)
    assert (found[0].attrs["answer"] == "") == (way == "named")


def test_the_last_layer_decides_without_labels_and_is_said():
    way = WAYS["second"]
    found = skip_layers(seeded(Returns, way), [X], layers="body")
    twin = skip_layers(seeded(Returns, alone), [X], layers="body")
    np.testing.assert_allclose(found["output_change"], twin["output_change"], rtol=1e-12)
    words = "of the 2 tensors that the model returns, [1] (60, 3) is taken for its answer, which"
    assert found.attrs["answer"] == f"{words} the last layer puts out; answer= names another"
    ds = lp.diagnose(seeded(Returns, way), [X], measures=["steps"])
    assert any("[1] (60, 3) is taken" in line for line in lp.diagnosis.summary(ds))
    verdict = lp.diagnosis.verdict(lp.diagnose(seeded(Returns, way), [X]), found)
    assert any("[1] (60, 3) is taken" in line for line in verdict.sentences)


def test_what_is_no_layers_output_leaves_the_first_which_is_said():
    def way(features, logits):
        return features * 2, logits * 2

    ds = lp.diagnose(seeded(Returns, way), [X], measures=["steps"])
    assert "[0] (60, 5) is taken for its answer, the first;" in ds.attrs["answer"]


@pytest.mark.parametrize("answer", [0, -2, lambda pair: pair[0]])
def test_the_user_names_another(answer):
    head = both(seeded(Returns, lambda f, s: f), [(X, Y)])
    found = both(seeded(Returns, WAYS["second"]), [(X, Y)], answer=answer)
    agree(found, head, NAMES)
    assert found[1].attrs["answer"] == "" and "there are 5 outputs" in found[0].attrs["outputs"]


def test_a_wrong_answer_is_one_sentence():
    model = seeded(Returns, WAYS["second"])
    for run in (lp.diagnose, skip_layers):
        with pytest.raises(ValueError, match="answer must be a key or an index .* got True"):
            run(model, [(X, Y)], answer=True)
        with pytest.raises(ValueError, match="answer is 'no', and the model returns a tuple with"):
            run(model, [(X, Y)], answer="no")
    changing = seeded(Returns, lambda f, s: (f, s) if len(f) > 20 else s)
    with pytest.raises(ValueError, match="once it returns a Tensor without"):
        lp.diagnose(changing, [(X[:40], Y[:40]), (X[40:], Y[40:])])


def test_real_targets_choose_what_has_their_shape():
    loader = [(X, X[:, :3])]
    twin = skip_layers(seeded(Returns, alone), loader, layers="body")
    for way in ("second", "under another name"):
        found = skip_layers(seeded(Returns, WAYS[way]), loader, layers="body")
        agree([found], [twin], NAMES)


def scores_of(model, loader):
    ds = lp.diagnose(model, loader, measures=["steps"], layers="0")
    skipped = skip_layers(model, loader, layers="0")
    return ds, skipped, " ".join(lp.diagnosis.summary(ds))


def stack(*last, outputs=3):
    return seeded(lambda: nn.Sequential(nn.Linear(5, 5), nn.Linear(5, outputs), *last)).eval()


class Normalize(nn.Module):
    def forward(self, x):
        return 7 * functional.normalize(x, dim=1)


@pytest.mark.parametrize("last", [Normalize(), nn.LayerNorm(3, elementwise_affine=False, eps=0)])
def test_a_normalized_embedding_of_as_many_numbers_as_classes_is_not_scored(last):
    """torchmetrics 1393: three numbers and three classes were right on a third."""
    ds, skipped, said = scores_of(stack(last.double()), [(X[:30], Y[:30]), (X[30:], Y[30:])])
    assert "accuracy" not in ds and "loss" not in skipped and "agreement" not in skipped
    assert "they have the same length for every sample, as normalized embeddings" in said
    assert "the same length for every sample" in skipped.attrs["loss_kind"]
    assert "accuracy" in lp.diagnose(stack(last), [(X, Y)], measures=["steps"], class_scores=True)


def test_outputs_that_are_scores_by_their_number_alone_are_hedged():
    ds, skipped, said = scores_of(stack(), [(X, (Y + 1) % 3)])
    good = lp.diagnose(stack(), [(X, stack()(X).argmax(1))], measures=["steps"])
    assert "The outputs are read as class scores because they are as many as the classes" in said
    assert "pass class_scores=False" in said and "accuracy" in ds and "loss" in skipped
    assert "as many as the classes" in skipped.attrs["outputs_hedge"]
    assert float(good["accuracy"]) == 1 and not good.attrs["outputs_hedge"]
    no = lp.diagnose(stack(), [(X, Y)], measures=["steps"], class_scores=False)
    assert "accuracy" not in no and "class_scores is False" in " ".join(lp.diagnosis.summary(no))
    assert "loss" not in skip_layers(stack(), [(X, Y)], layers="0", class_scores=False)
    wide = lp.diagnose(stack(outputs=40), [(X, Y)], measures=["steps"], class_scores=True)
    assert "accuracy" in wide
    with pytest.raises(ValueError, match="class_scores"):
        lp.diagnose(stack(), [(X, Y)], class_scores="yes")


@pytest.mark.parametrize("labels", ["classes", "shares"])
def test_probabilities_have_the_cross_entropy_of_their_logarithms(labels):
    """ignite: the softmax of a softmax."""
    y = Y if labels == "classes" else X[:, :3].softmax(1)
    loader = [(X[:30], y[:30]), (X[30:], y[30:])]
    twin = skip_layers(stack(), loader, layers="0")
    found = skip_layers(stack(nn.Softmax(1)), loader, layers=("0", "2"))
    assert found.attrs["loss_kind"].endswith("of outputs that are probabilities")
    for name in ("loss", "accuracy"):
        # The logarithm of a softmax in float64.
        np.testing.assert_allclose(found[name], twin[name], rtol=1e-12)
    change = float(found["loss_change"].sel(layer="0"))
    assert change == pytest.approx(float(twin["loss_change"][0]), rel=1e-9)
    assert "is not finite" in str(found["status"].sel(layer="2").values)  # logits are none
    sure = skip_layers(
        nn.Sequential(nn.Identity(), nn.Softmax(1)), [(2000 * torch.eye(3), Y[:3].flip(0))]
    )
    assert np.isfinite(float(sure["loss"]))


def test_sigmoids_have_an_accuracy_and_no_cross_entropy():
    _, skipped, _ = scores_of(stack(nn.Sigmoid()), [(X, Y)])
    assert "loss" not in skipped and "accuracy" in skipped
    assert "lie between 0 and 1, as sigmoids do" in skipped.attrs["loss_kind"]
    assert "loss" in skip_layers(
        stack(nn.Sigmoid()), [(X, Y)], layers="0", loss=lambda f, y: f.mean(1)
    )
