"""Healing brings a cut model nearer to the original, on samples of the search alone."""

import pytest
import torch
from redundant_nets import labelled, residual_net, rows

import loadpath as lp
from loadpath.diagnosis.surgery.healing import distance_of_answers
from loadpath.record import prepare

MODEL = residual_net((1.0, 0.6, 1.0))
SEARCH, HELD_OUT = (labelled(MODEL, rows(60, seed=s)) for s in (0, 1))


@pytest.mark.parametrize("bare", [False, True])
def test_a_healed_model_answers_more_like_the_original(bare):
    search, held_out = ([x for x, _ in part] if bare else part for part in (SEARCH, HELD_OUT))
    plan = lp.surgery.plan(MODEL, search, drop=1)
    smaller = lp.surgery.cut(MODEL, plan)
    before = {name: p.clone() for name, p in smaller.state_dict().items()}
    healed = lp.surgery.heal(MODEL, smaller, search, plan, steps=60, learning_rate=1e-2)
    assert all(torch.equal(p, before[name]) for name, p in smaller.state_dict().items())
    first, last = (
        lp.surgery.prove(MODEL, m, held_out, plan, batch_sizes=()) for m in (smaller, healed.model)
    )
    assert last.output_change.high < first.output_change.low
    # 60 steps of 10 samples, and the original once on each of 60.
    assert (healed.forward_passes, healed.backward_passes) == (660, 600)
    assert len(healed.distances) == 60 and healed.distances[-1] < healed.distances[0] / 2
    assert ("divergence" in healed.distance_kind) != bare


def test_healing_on_samples_of_the_proof_is_refused():
    plan = lp.surgery.plan(MODEL, SEARCH, drop=1)
    smaller = lp.surgery.cut(MODEL, plan)
    with pytest.raises(ValueError, match="loader must have samples of the search alone"):
        lp.surgery.heal(MODEL, smaller, HELD_OUT, plan)
    with pytest.raises(ValueError, match="learning_rate must "):
        lp.surgery.heal(MODEL, smaller, SEARCH, plan, learning_rate=0.0)


def test_another_net_than_the_one_that_was_planned_is_refused():
    plan = lp.surgery.plan(MODEL, SEARCH, drop=1)
    smaller, other = lp.surgery.cut(MODEL, plan), torch.nn.Linear(4, 4)
    with pytest.raises(ValueError, match="^model must be the one that was planned, and has no la"):
        lp.surgery.heal(other, smaller, SEARCH, plan)
    with pytest.raises(ValueError, match="^model must be the one that was planned, and has no la"):
        lp.surgery.cut(other, plan)
    with pytest.raises(ValueError, match="^smaller must have parameters to train, and has none"):
        lp.surgery.heal(MODEL, torch.nn.Identity(), SEARCH, plan)


def test_distances_leave_padding_out():
    ids = torch.ones(2, 3, dtype=torch.long)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    raw = {"input_ids": ids, "attention_mask": mask}
    batch = prepare(raw, 0, device=torch.device("cpu"))
    f, g = rows(6, 4).reshape(2, 3, 4), rows(6, 4, seed=1).reshape(2, 3, 4)
    kept = mask.bool()
    p, q = f[kept].softmax(-1), g[kept].softmax(-1)
    expected = (p * (p.log() - q.log())).sum(-1).mean()
    torch.testing.assert_close(distance_of_answers(g, f, batch, shares=True), expected)
    apart = (g - f)[kept].square().sum() / (f[kept] - f[kept].mean(0)).square().sum()
    torch.testing.assert_close(distance_of_answers(g, f, batch, shares=False), apart)
