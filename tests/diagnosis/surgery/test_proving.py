"""Proofs against what skipping measures, and samples that the search has seen."""

import numpy as np
import pytest
import torch
from redundant_nets import labelled, residual_net, rows
from torch import nn

import loadpath as lp
from loadpath.diagnosis.surgery import Cut
from loadpath.diagnosis.surgery.running_costs import running_costs, with_samples
from loadpath.record import prepare

MODEL = residual_net((1.0, 0.6, 1.0))
SEARCH, HELD_OUT = (labelled(MODEL, rows(60, seed=s)) for s in (0, 1))


def test_the_proof_of_one_layer_is_what_skipping_it_measures():
    smaller = lp.surgery.cut(MODEL, Cut(("blocks.1",)), SEARCH)
    proof = lp.surgery.prove(MODEL, smaller, HELD_OUT, batch_sizes=())
    skipped = lp.diagnosis.skip_layers(MODEL, HELD_OUT).sel(layer="blocks.1")
    for name in ("loss_change", "accuracy_change", "agreement", "output_change"):
        found = getattr(proof, name)
        expected = [float(skipped[f"{name}{end}"]) for end in ("", "_low", "_high")]
        # The cut model adds up the same numbers in the same order.
        np.testing.assert_allclose([found.value, found.low, found.high], expected, rtol=1e-12)
    assert proof.loss == pytest.approx(float(skipped["loss"]), rel=1e-12)
    assert proof.accuracy == float(skipped["accuracy"]) and proof.n_samples == 60


def test_samples_of_the_search_do_not_count():
    plan = lp.surgery.plan(MODEL, SEARCH, drop=1)
    smaller = lp.surgery.cut(MODEL, plan)
    alone = lp.surgery.prove(MODEL, smaller, HELD_OUT, plan, batch_sizes=())
    both = lp.surgery.prove(MODEL, smaller, [*SEARCH, *HELD_OUT], plan, batch_sizes=())
    assert (both.n_samples, both.n_seen) == (60, 60)
    assert both.loss_change == alone.loss_change and both.loss == alone.loss
    with pytest.raises(ValueError, match="at least two samples that the search has not seen"):
        lp.surgery.prove(MODEL, smaller, SEARCH, plan)


def test_padding_does_not_hide_a_sample_that_was_seen():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(9, 6)
            self.blocks = nn.ModuleList(nn.Linear(6, 6) for _ in range(2))

        def forward(self, input_ids, attention_mask):
            h = self.embedding(input_ids)
            for block in self.blocks:
                h = block(h)
            return (h * attention_mask[..., None]).sum(1)

    ids = torch.randint(1, 9, (6, 4), generator=torch.Generator().manual_seed(0))

    def padded(rows, more):
        wide = nn.functional.pad(rows, (0, more))
        return {"input_ids": wide, "attention_mask": (wide != 0).long()}

    model = Tokens().eval()
    plan = lp.surgery.plan(model, [padded(ids[:4], 0)], drop=1, layers="blocks.*")
    smaller = lp.surgery.cut(model, plan)
    proof = lp.surgery.prove(model, smaller, [padded(ids, 3)], plan, batch_sizes=())
    assert (proof.n_seen, proof.n_samples) == (4, 2)


def test_halves_share_no_batch():
    search, held_out = lp.surgery.halves([*SEARCH, *HELD_OUT], share=0.25, seed=3)
    assert (len(search), len(held_out)) == (3, 9)
    ids = [id(batch) for batch in [*search, *held_out]]
    assert len(set(ids)) == 12
    with pytest.raises(ValueError, match="batches must be at least 2"):
        lp.surgery.halves(SEARCH[:1])
    with pytest.raises(ValueError, match="share must lie in"):
        lp.surgery.halves(SEARCH, share=1.0)


def test_costs_are_of_the_models_and_the_batch():
    plan = lp.surgery.plan(MODEL, SEARCH, drop=2)
    smaller = lp.surgery.cut(MODEL, plan)
    proof = lp.surgery.prove(MODEL, smaller, HELD_OUT, plan, batch_sizes=(1, 64))
    for size, (original, less) in zip((1, 64), proof.costs, strict=True):
        assert original.n_samples == less.n_samples == size
        assert original.parameters - less.parameters == 2 * 84
        assert original.model_bytes == 8 * original.parameters
        assert 0 < less.fastest <= less.milliseconds <= less.slowest
    ds = proof.dataset()
    assert float(ds["parameters"].sel(batch=64, model="smaller")) == less.parameters
    assert any("ms and the original" in each for each in proof.sentences())


def test_peak_memory_is_that_of_what_lives_at_once():
    model = nn.Sequential(nn.Linear(10, 1000, bias=False), nn.ReLU(), nn.Linear(1000, 1))
    batch = prepare(torch.ones(8, 10), 0, device=torch.device("cpu"))
    (costs,) = running_costs([model], batch, 8)
    # Two tensors of 8 x 1000 numbers: before and after relu; what Sequential was given goes on.
    assert costs.peak_bytes == pytest.approx(2 * 8 * 1000 * 4, rel=0.01)


def test_batches_are_repeated_or_cut_to_any_size():
    batch = prepare(
        (torch.arange(6.0).reshape(3, 2), torch.arange(3)), 0, device=torch.device("cpu")
    )
    bigger = with_samples(batch, 7)
    assert bigger.count == 7 and torch.equal(bigger.args[0][:, 0] / 2, bigger.labels.float())
    assert with_samples(batch, 1).args[0].shape == (1, 2)


def test_models_that_do_not_answer_alike_are_refused():
    with pytest.raises(ValueError, match="smaller must answer in the shape of the original"):
        lp.surgery.prove(MODEL, nn.Linear(6, 4).double(), HELD_OUT)
    odd = nn.Linear(6, 3).double()
    nn.init.constant_(odd.bias, float("nan"))
    with pytest.raises(ValueError, match="smaller must answer in finite numbers, and in batch 0"):
        lp.surgery.prove(MODEL, odd, HELD_OUT)
