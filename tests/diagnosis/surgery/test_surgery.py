"""Surgery on models of Hugging Face's transformers."""

import pytest
import torch
from torch import nn

import loadpath as lp
from loadpath.diagnosis.surgery import Cut

transformers = pytest.importorskip("transformers")


def built(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


def llama(layers=4):
    config = transformers.LlamaConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=32,
    )
    return built(lambda: transformers.LlamaForCausalLM(config))


def bert(layers=4):
    config = transformers.BertConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=32,
        num_labels=3,
    )
    return built(lambda: transformers.BertForSequenceClassification(config))


def batches(count=4):
    ids = torch.randint(1, 40, (8 * count, 10), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[:, 8:] = 0
    return [
        {"input_ids": i, "attention_mask": m}
        for i, m in zip(ids.split(8), mask.split(8), strict=True)
    ]


def test_a_language_model_loses_layers_and_still_has_its_cache():
    model = llama()
    smaller = lp.surgery.cut(model, Cut(("model.layers.1", "model.layers.2")), batches())
    assert smaller.config.num_hidden_layers == 2 and model.config.num_hidden_layers == 4
    assert [layer.self_attn.layer_idx for layer in smaller.model.layers] == [0, 1]
    ids = batches()[0]["input_ids"]
    smaller.generation_config.eos_token_id = None
    with torch.no_grad():
        step = smaller.generate(ids, max_new_tokens=3, do_sample=False, pad_token_id=0)
        whole = ids
        for _ in range(3):  # without a cache
            logits = smaller(whole, use_cache=False).logits
            whole = torch.cat([whole, logits[:, -1:].argmax(-1)], dim=1)
    assert torch.equal(step, whole)


@pytest.mark.parametrize("ways", ["drop", "linear", "merge"])
def test_an_encoder_is_planned_cut_and_proven(ways):
    model = bert()
    names = [f"bert.encoder.layer.{l}" for l in range(4)]
    labelled = [{**b, "labels": torch.arange(8) % 3} for b in batches(6)]
    plan = lp.surgery.plan(model, labelled[:4], drop=2, ways=ways)
    assert set(plan.cut.layers) <= set(names) and len(plan.cut.layers) == 2
    smaller = lp.surgery.cut(model, plan)
    proof = lp.surgery.prove(model, smaller, labelled[4:], plan, batch_sizes=(1,))
    assert proof.n_samples == 16 and proof.loss_change.known
    assert proof.costs[0][1].parameters < proof.costs[0][0].parameters
    left = [m for m in smaller.bert.encoder.layer if not type(m).__name__ == "Gap"]
    assert len(left) == 2


def test_layers_of_which_the_first_is_needed_are_refused():
    config = transformers.T5Config(
        vocab_size=40, d_model=16, d_kv=8, d_ff=24, num_layers=3, num_heads=2
    )
    model = built(lambda: transformers.T5EncoderModel(config))
    with pytest.raises(ValueError, match="encoder.block.0 cannot be removed"):
        lp.surgery.cut(model, Cut(("encoder.block.0",)), batches())
    smaller = lp.surgery.cut(model, Cut(("encoder.block.1",)), batches())
    assert isinstance(smaller.encoder.block, nn.ModuleList) and len(smaller.encoder.block) == 2
