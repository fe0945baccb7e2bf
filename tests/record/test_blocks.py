"""Models of Hugging Face's transformers, built from their configs, against the states they tell."""

import pytest
import torch
from exact_paths import random

from loadpath.record import Reduction, stream

transformers = pytest.importorskip("transformers")


def built(kind, config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(config).double().eval()


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_gpt2_has_its_hidden_states(side):
    config = transformers.GPT2Config(n_layer=3, n_head=2, n_embd=8, vocab_size=20, n_positions=16)
    model = built(transformers.GPT2LMHeadModel, config)
    ids = torch.arange(1, 13).reshape(2, 6)
    mask = torch.ones_like(ids)
    mask[1, slice(0, 2) if side == "left" else slice(4, 6)] = 0
    batch = {"input_ids": ids, "attention_mask": mask, "labels": ids}
    (recorded,) = stream(model, [batch])
    assert list(recorded.features) == [f"transformer.h.{l}" for l in range(3)]
    states = model(ids, attention_mask=mask, output_hidden_states=True).hidden_states
    for found, state in zip(list(recorded.features.values())[:2], states[1:3], strict=True):
        expected = [s[m.bool()].mean(0) for s, m in zip(state, mask, strict=True)]
        torch.testing.assert_close(found, torch.stack(expected).detach())
    assert recorded.labels.shape == (2, 6) and recorded.output.loss is None


def test_a_vit_has_its_hidden_states():
    config = transformers.ViTConfig(
        num_hidden_layers=3,
        hidden_size=8,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
    )
    model = built(transformers.ViTModel, config)
    batch = {"pixel_values": random(2, 3, 8, 8, seed=0)}
    (recorded,) = stream(model, [batch], reduction=Reduction(tokens="class_token"))
    layers = list(recorded.features)
    assert layers[0] == "input" and len(layers) == 4
    assert all(recorded.description.layers[name].startswith("output of") for name in layers[1:])
    states = model(**batch, output_hidden_states=True).hidden_states
    for found, state in zip(list(recorded.features.values())[1:3], states[1:3], strict=True):
        torch.testing.assert_close(found, state[:, 0].detach())


def test_a_resnet_has_its_residual_layers():
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 8, 8], depths=[2, 2, 2], layer_type="basic"
    )
    model = built(transformers.ResNetModel, config)
    (recorded,) = stream(model, [{"pixel_values": random(2, 3, 32, 32, seed=1)}])
    names = [f"encoder.stages.{s}.layers.{l}" for s in range(3) for l in range(2)]
    assert list(recorded.features) == ["input", *names]


def test_a_t5_has_the_layers_of_both_its_stacks():
    config = transformers.T5Config(
        num_layers=3,
        d_model=8,
        d_kv=4,
        num_heads=2,
        d_ff=16,
        vocab_size=20,
        decoder_start_token_id=0,
    )
    model = built(transformers.T5Model, config)
    ids = torch.arange(1, 9).reshape(2, 4)
    (recorded,) = stream(model, [{"input_ids": ids, "decoder_input_ids": ids}])
    names = [f"{stack}.block.{l}" for stack in ("encoder", "decoder") for l in range(3)]
    assert list(recorded.features) == names
