"""Plans on nets in which it is known which layers can go, and the sentences about bad input."""

from itertools import combinations

import numpy as np
import pytest
import torch
from redundant_nets import (
    built,
    cancelling_net,
    labelled,
    linear_inside_net,
    residual_net,
    rows,
)
from torch import nn
from torch.nn import functional

import loadpath as lp
from loadpath.diagnosis.surgery.searching import PASSES

X = rows(120)


def names(*numbers):
    return tuple(f"blocks.{n}" for n in numbers)


def test_a_block_that_is_the_identity_goes_at_no_cost():
    model = residual_net()
    plan = lp.surgery.plan(model, labelled(model, X), drop=1)
    assert plan.cut.layers == names(1)
    assert (plan.loss_change.low, plan.loss_change.value, plan.loss_change.high) == (0, 0, 0)
    smaller = lp.surgery.cut(model, plan)
    assert torch.equal(smaller(X), model(X)) and len(smaller.blocks) == 4


def test_a_pair_that_cancels_goes_though_each_of_it_alone_does_the_most_harm():
    model = cancelling_net()
    batches = list(X.split(10))
    alone = lp.diagnosis.skip_layers(model, batches, layers="blocks.*")["output_change"].to_series()
    assert set(alone.nlargest(2).index) == set(names(2, 3))
    plan = lp.surgery.plan(model, batches, drop=2, layers="blocks.*")
    assert plan.cut.layers == names(2, 3) and abs(plan.loss_change.value) < 1e-12
    torch.testing.assert_close(lp.surgery.cut(model, plan)(X), model(X))


def test_layers_that_one_linear_map_replaces_are_replaced_by_it():
    model = linear_inside_net()
    ways = ["drop", "linear", "merge"]
    plan = lp.surgery.plan(model, list(X.split(10)), drop=2, ways=ways, layers="blocks.*")
    assert plan.cut.layers == names(2, 3) and plan.cut.way == "linear"
    (linear,) = plan.cut.maps
    assert linear.run == names(2, 3) and linear.explained > 1 - 1e-9
    # The penalty draws the map to the identity by about its size.
    smaller = lp.surgery.cut(model, plan)
    torch.testing.assert_close(smaller(X), model(X), rtol=1e-4, atol=1e-4)
    assert len(smaller.blocks) == 5
    exact = model.blocks[3].map.weight @ model.blocks[2].map.weight
    torch.testing.assert_close(smaller.blocks[2].linear.weight, exact, rtol=1e-4, atol=1e-4)


def test_the_best_of_all_sets_is_found_and_its_harm_is_that_of_really_skipping():
    model = residual_net((1.0, 0.3, 1.0, 0.5, 0.8, 0.2, 1.2), seed=3)
    x = rows(200, seed=5)
    batches = labelled(model, x, size=20)
    y = torch.cat([labels for _, labels in batches])

    @torch.no_grad()
    def loss_without(gone):
        h = x
        for l, block in enumerate(model.blocks):
            h = h if l in gone else block(h)
        return float(functional.cross_entropy(model.head(h), y))

    whole = loss_without(())
    for size in (1, 2, 3):
        plan = lp.surgery.plan(model, batches, drop=size)
        best = min(combinations(range(7), size), key=loss_without)
        assert plan.cut.layers == names(*best)
        assert plan.loss_change.value == pytest.approx(loss_without(best) - whole, abs=1e-12)
        assert plan.passes <= PASSES * 7 and plan.n_layers == 7


def test_the_most_layers_go_that_a_budget_allows():
    model = residual_net((1.0, 0.0, 1.0, 0.01, 1.0))
    batches = labelled(model, X)
    plan = lp.surgery.plan(model, batches, budget=1e-2)
    assert plan.cut.layers == names(1, 3) and plan.loss_change.high <= 1e-2
    plan = lp.surgery.plan(model, batches, budget=5.0, budget_in="accuracy")
    assert plan.cut.layers == names(1, 3) and plan.accuracy_change.low >= -0.05
    with pytest.raises(ValueError, match=r"budget is met by no cut: the least harmful layer, 'bl"):
        harmed = residual_net((1.0, 1.0, 1.0))
        lp.surgery.plan(harmed, labelled(harmed, X), budget=0.0)


def test_without_labels_the_outputs_say_what_can_go():
    model = residual_net()
    plan = lp.surgery.plan(model, list(X.split(30)), drop=1)
    assert plan.cut.layers == names(1) and plan.loss_change.value == 0
    assert plan.harm_kind.startswith("squared change of the outputs")
    with pytest.raises(ValueError, match="budget_in must be 'loss' where there are no classes"):
        lp.surgery.plan(model, list(X.split(30)), budget=1.0, budget_in="accuracy")


def test_a_loss_of_the_users_own_and_one_a_batch_are_followed():
    model = residual_net()
    batches = labelled(model, X)
    for loss in (functional.cross_entropy, lambda f, y: 1 - f.softmax(1)[range(len(y)), y]):
        assert lp.surgery.plan(model, batches, drop=1, loss=loss).cut.layers == names(1)


def test_a_model_without_gradients_is_planned_by_leaving_layers_out():
    class Frozen(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        @torch.no_grad()
        def forward(self, x):
            return self.inner(x)

    model = Frozen(residual_net())
    plan = lp.surgery.plan(model, labelled(model, X), drop=1)
    assert plan.cut.layers == ("inner.blocks.1",)
    assert plan.dataset.attrs["predicted_from"] == "each layer left out"


def test_the_model_and_the_random_numbers_are_left_as_they_were():
    model = residual_net().train()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    learned = [p.requires_grad_(l % 2 == 0).requires_grad for l, p in enumerate(model.parameters())]
    state = torch.get_rng_state()
    lp.surgery.plan(model, labelled(model.eval(), X), drop=2, ways=["drop", "linear", "merge"])
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == learned
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_the_same_seed_gives_the_same_plan():
    model = residual_net((1.0, 0.8, 1.0, 0.9))
    batches = labelled(model, X)
    one, two = (lp.surgery.plan(model, batches, drop=2, seed=4) for _ in range(2))
    assert one.cut.layers == two.cut.layers and one.passes == two.passes
    np.testing.assert_array_equal(one.dataset["predicted_harm"], two.dataset["predicted_harm"])


def test_sentences_name_the_layers_and_the_cost_of_the_search():
    model = residual_net()
    text = " ".join(lp.surgery.plan(model, labelled(model, X), drop=1).sentences())
    assert "Drop blocks.1: 1 of 5 layers" in text and "forward passes over its sample" in text


@pytest.mark.parametrize(
    "options, sentence",
    [
        (dict(), "drop or budget must be given, and not both, got None and None."),
        (dict(drop=1, budget=0.1), "drop or budget must be given, and not both, got 1 and 0.1."),
        (dict(drop=0), "drop must be a whole number of at least 1"),
        (dict(drop=9), "drop must be at most 5, the layers that can go (blocks.0"),
        (dict(drop=1, ways="prune"), "ways must be "),
        (dict(drop=1, ways=()), "ways must have at least one way"),
        (dict(drop=1, layers="head"), "layers has none that can be removed: head stays: its input"),
        (dict(budget=-1.0), "budget must be finite and at least 0"),
        (dict(drop=1, budget_in="time"), "budget_in must be "),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(options, sentence):
    model = residual_net()
    with pytest.raises(ValueError) as refused:
        lp.surgery.plan(model, labelled(model, X), **options)
    assert str(refused.value).startswith(sentence), str(refused.value)


def test_what_can_be_removed_is_told_where_more_is_asked_for():
    model = built(lambda: nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 4), nn.Linear(4, 4)))
    with pytest.raises(ValueError, match=r"at most 2, .*got 3; 1 stays: its input is \(sample, 6"):
        lp.surgery.plan(model, list(X.split(30)), drop=3)


def test_a_linear_map_wants_samples_to_be_judged_on():
    model = residual_net()
    with pytest.raises(ValueError, match="loader must yield at least 2 batches for the way"):
        lp.surgery.plan(model, [X], drop=1, ways="linear")
