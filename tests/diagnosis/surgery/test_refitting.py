"""Refitting by least squares: exact where what follows the cut can make up for it, never worse."""

from dataclasses import replace

import pytest
import torch
from redundant_nets import Listed, Residual, built, labelled, residual_net, rows
from torch import nn

import loadpath as lp
from loadpath.diagnosis.surgery import Cut, correcting
from tests.diagnosis.surgery.test_surgery import batches, bert, llama

X = rows(400)
BATCHES = list(X.split(20))
HELD_OUT = list(rows(100, seed=1).split(20))


def refitted(model, batches, drop=1, behind=1, gone=None, **options):
    """A plan, the model that it cuts, and what refitting makes of that."""
    plan = lp.surgery.plan(model, batches, drop=drop, **options)
    plan = plan if gone is None else replace(plan, cut=Cut((gone,)))
    smaller = lp.surgery.cut(model, plan)
    return plan, smaller, lp.surgery.refit(model, smaller, batches, plan, behind=behind)


def apart(model, other, x):
    with torch.no_grad():
        f, g = model(x), other(x)
        return float((g - f).norm() / f.norm())


def chain(count=5):
    model = built(lambda: nn.Sequential(*(nn.Linear(6, 6) for _ in range(count))))
    for layer in model:  # well-conditioned, so that the penalty hardly shows
        nn.init.orthogonal_(layer.weight, generator=torch.Generator().manual_seed(0))
    return model


@pytest.mark.parametrize("gone", ["1", "4"])
def test_a_linear_layer_that_goes_is_taken_up_by_the_next(gone):
    model = nn.Sequential(*chain(), nn.Linear(6, 2).double())  # behind layer 4 is the head
    _, smaller, found = refitted(model, BATCHES, layers="[1234]", gone=gone)
    (each,) = found.refits
    number = int(gone)
    # The one behind moves up, and now does what both did.
    assert each.layer == str(number + 1) and each.module == gone
    exact = model[number + 1].weight @ model[number].weight
    torch.testing.assert_close(found.model[number].weight, exact, rtol=1e-4, atol=1e-4)
    assert apart(model, smaller, X) > 0.1 and apart(model, found.model, rows(50, seed=2)) < 1e-4
    assert each.status == "refitted" and each.explained > 1 - 1e-6
    assert (each.before, each.after) == (found.before, found.after)


class Spanning(nn.Module):
    """h + outer(relu([h, -h])): what it writes can have any linear map of h in it."""

    def __init__(self, width):
        super().__init__()
        self.inner, self.outer = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        with torch.no_grad():
            eye = torch.eye(width)
            self.inner.weight.copy_(torch.cat([eye, -eye]))
            self.inner.bias.zero_()

    def forward(self, h):
        return h + self.outer(torch.relu(self.inner(h)))


class Stretch(nn.Module):
    """h times a positive number for each feature, which relu lets through."""

    def __init__(self, width):
        super().__init__()
        self.scale = nn.Parameter(torch.linspace(0.5, 2.0, width))

    def forward(self, h):
        return h * self.scale


def test_the_map_back_to_the_stream_makes_up_for_a_block_where_it_can():
    model = built(lambda: Listed([Residual(6), Stretch(6), Spanning(6), Residual(6)]))
    _, smaller, found = refitted(model, BATCHES, layers="blocks.*", gone="blocks.1")
    assert [each.module for each in found.refits] == ["blocks.1.outer"]
    assert apart(model, smaller, X) > 0.1
    assert apart(model, found.model, rows(50, seed=2)) < 1e-4
    # Only that map has changed.
    changed = {
        name
        for name, p in found.model.named_parameters()
        if not torch.equal(p, dict(smaller.named_parameters())[name])
    }
    assert changed == {"blocks.1.outer.weight", "blocks.1.outer.bias"}


class Stem(nn.Module):
    """A convolution over stretched images."""

    def __init__(self, **options):
        super().__init__()
        self.stretch = nn.Conv2d(3, 3, 1, bias=False)
        self.conv = nn.Conv2d(3, 4, 3, **options)

    def forward(self, x):
        return self.conv(self.stretch(x))


@pytest.mark.parametrize(
    "options",
    [dict(), dict(padding=1, stride=2), dict(padding="same", dilation=2), dict(bias=False)],
)
def test_a_convolution_makes_up_for_a_map_of_channels(options):
    model = built(lambda: Stem(**options))
    images = rows(60, 3 * 49).reshape(60, 3, 7, 7)
    _, smaller, found = refitted(model, list(images.split(10)), layers="stretch")
    assert [each.module for each in found.refits] == ["conv"]
    exact = torch.einsum("ocij,cd->odij", model.conv.weight, model.stretch.weight[:, :, 0, 0])
    torch.testing.assert_close(found.model.conv.weight, exact, rtol=1e-3, atol=1e-4)
    assert apart(model, smaller, images) > 0.1 and apart(model, found.model, images) < 1e-4
    assert (found.model.conv.bias is None) == (options == dict(bias=False))


@pytest.mark.parametrize("bare", [False, True])
@pytest.mark.parametrize("behind", [1, None])
def test_refitting_lowers_the_harm_on_samples_that_nothing_has_seen(bare, behind):
    model = residual_net((1.0, 0.6, 1.0, 0.8, 1.0))
    search, held_out = labelled(model, X), labelled(model, rows(400, seed=1), seed=5)
    if bare:
        search, held_out = ([x for x, _ in part] for part in (search, held_out))
    plan, smaller, found = refitted(model, search, drop=2, behind=behind, layers="blocks.*")
    first, last = (
        lp.surgery.prove(model, m, held_out, plan, batch_sizes=()) for m in (smaller, found.model)
    )
    assert last.output_change.high < first.output_change.low
    assert found.after.distance < found.before.distance / 2
    if bare:
        assert found.after.harm < found.before.harm
        assert found.before.harm == pytest.approx(plan.loss_change.value, rel=1e-9)
    stay = {f"blocks.{l}" for l in range(5)} - set(plan.cut.layers)
    tried = [each.layer for each in found.refits]
    assert set(tried) <= stay | {"head"} and ("head" in tried) >= (behind is None)
    # Two passes for each module, and one to see whether it stands.
    assert found.passes == pytest.approx(3 * len(found.refits))


def test_a_correction_that_does_harm_is_taken_back_and_told(monkeypatch):
    model = residual_net((1.0, 0.6, 1.0))
    search = labelled(model, X)
    plan = lp.surgery.plan(model, search, drop=1)
    smaller = lp.surgery.cut(model, plan)

    def wrong(*arguments, **options):
        found = correcting.Correction(*RIGHT(*arguments, **options).__dict__.values())
        return correcting.Correction(-20 * found.weight, found.bias, found.explained)

    RIGHT = correcting.correction
    monkeypatch.setattr(correcting, "correction", wrong)
    found = lp.surgery.refit(model, smaller, search, plan)
    assert all(
        torch.equal(p, q)
        for p, q in zip(found.model.parameters(), smaller.parameters(), strict=True)
    )
    assert found.after == found.before
    (each,) = found.refits
    assert each.after.distance > each.before.distance
    assert each.status.startswith("the distance would rise from")
    assert f"What follows at {each.layer} was left as it was" in found.sentences()[1]


def test_a_rise_of_the_harm_on_the_samples_of_the_search_is_told():
    model = residual_net((1.0, 0.6, 1.0))
    with torch.no_grad():  # labels by which the model is worse than a cut one
        plan = lp.surgery.plan(model, BATCHES, drop=1)
        smaller = lp.surgery.cut(model, plan)
        search = [(x, smaller(x).argmax(1)) for x in BATCHES]
    plan = lp.surgery.plan(model, search, drop=1)
    found = lp.surgery.refit(model, lp.surgery.cut(model, plan), search, plan)
    assert found.before.harm < found.after.harm
    assert found.after.distance < found.before.distance
    assert "The harm rises on these samples" in found.sentences()[1]


def test_layers_of_language_models_are_refitted_where_one_module_writes_to_their_output():
    pytest.importorskip("transformers")
    model = llama()
    gone = "model.layers.1"
    _, _, found = refitted(model, batches(8), layers="model.layers.*", gone=gone, behind=None)
    assert [each.layer for each in found.refits] == ["model.layers.2", "model.layers.3", "lm_head"]
    assert found.refits[0].module == "model.layers.1.mlp.down_proj"
    assert found.after.distance < found.before.distance / 2
    model = bert()
    gone = "bert.encoder.layer.1"
    _, _, found = refitted(model, batches(8), layers="bert.encoder.layer.*", gone=gone)
    (each,) = found.refits  # it ends in a norm
    assert each.status == "no module inside the BertLayer alone writes to its output"
    assert found.after == found.before


def test_padding_is_left_out():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(40, 6)
            self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(3))

        def forward(self, input_ids, attention_mask):
            h = self.embedding(input_ids)
            for block in self.blocks:
                h = block(h)
            return (h * attention_mask[..., None]).sum(1)

    model = built(Tokens)
    others = [{**each, "input_ids": each["input_ids"].clone()} for each in batches(8)]
    for each in others:
        each["input_ids"][each["attention_mask"] == 0] = 0
    weights = [
        refitted(model, given, layers="blocks.*", gone="blocks.1")[2].model.blocks[1].weight
        for given in (batches(8), others)
    ]
    assert torch.equal(*weights)


def test_the_smaller_model_and_the_original_stay_as_they_are():
    model = residual_net((1.0, 0.6, 1.0))
    search = labelled(model, X)
    before = [p.clone() for p in model.parameters()]
    plan, smaller, found = refitted(model, search)
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in found.model.modules())
    assert not any("_name_before" in vars(m) for m in found.model.modules())


def test_a_folded_and_refitted_model_is_loaded_again(tmp_path):
    model = chain(6)
    plan = lp.surgery.plan(model, BATCHES, drop=2, ways="linear", layers="[123]")
    folded = lp.surgery.fold(lp.surgery.cut(model, plan), plan)
    found = lp.surgery.refit(model, folded.model, BATCHES, plan)
    assert len(found.model) == 4 and apart(model, found.model, X) < 1e-4
    lp.surgery.export(model, found.model, tmp_path)
    assert torch.equal(lp.surgery.load(model, tmp_path)(X), found.model(X))


def test_what_cannot_be_refitted_is_refused_in_a_sentence():
    model = residual_net((1.0, 0.6, 1.0))
    search = labelled(model, X)
    plan = lp.surgery.plan(model, search, drop=1)
    smaller = lp.surgery.cut(model, plan)
    with pytest.raises(ValueError, match="loader must have samples of the search alone"):
        lp.surgery.refit(model, smaller, labelled(model, rows(20, seed=9)), plan)
    with pytest.raises(ValueError, match="behind must be a whole number of at least 1"):
        lp.surgery.refit(model, smaller, search, plan, behind=0)
    with pytest.raises(ValueError, match="smaller must be a model that loadpath.surgery.cut made"):
        lp.surgery.refit(model, model, search, plan)
    net = lp.LeakyResNet(6, 2, width=8, depth=4, effective_depth=1.0).double()
    plan = lp.surgery.plan(net, BATCHES, drop=1)
    with pytest.raises(ValueError, match="model must have layers that are modules, and these are"):
        lp.surgery.refit(net, lp.surgery.cut(net, plan), BATCHES, plan)
