"""Skipped layers of Hugging Face's models against the same models with the layer taken out."""

import copy

import numpy as np
import pytest
import torch
from exact_paths import random
from torch.nn import functional

from loadpath.diagnosis.skipping.skipping import skip_layers

transformers = pytest.importorskip("transformers")


def built(kind, config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = kind(config).double().eval().requires_grad_(False)
        for parameter in model.parameters():  # fresh weights are so small that layers do little
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def compare(ds, name, before, after):
    np.testing.assert_allclose(float(ds["loss"]), before, rtol=1e-10)
    np.testing.assert_allclose(
        float(ds["loss_change"].sel(layer=name)), after - before, rtol=1e-8, atol=1e-12
    )
    assert float(ds["loss_change_low"].sel(layer=name)) < after - before


def without(model, layers, l):
    rest = copy.deepcopy(model)
    del rest.get_submodule(layers)[l]
    return rest


def test_a_gpt2_is_as_without_its_block_by_its_own_loss_token_by_token():
    config = transformers.GPT2Config(
        n_layer=3,
        n_head=2,
        n_embd=8,
        vocab_size=20,
        n_positions=16,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = built(transformers.GPT2LMHeadModel, config)
    ids = torch.arange(1, 36).reshape(5, 7) % 20
    mask = torch.ones_like(ids)
    mask[1, 5:] = mask[3, 2:] = 0
    labels = torch.where(mask == 1, ids, -100)
    whole = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    batches = [{name: t[part] for name, t in whole.items()} for part in (slice(3), slice(3, 5))]
    ds = skip_layers(model, batches, pass_labels=True)
    assert "next token" in ds.attrs["loss_kind"] and "own loss" in ds.attrs["loss_kind"]
    assert ds.attrs["paired_over"] == "samples"

    def loss(model):
        # Transformers counts layers for its cache, which may have a gap now.
        logits = model(ids, attention_mask=mask, use_cache=False).logits
        entropy = functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        return float(entropy)

    np.testing.assert_allclose(loss(model), float(model(**whole).loss), rtol=1e-6)  # in float32
    for l in range(3):
        compare(ds, f"transformer.h.{l}", loss(model), loss(without(model, "transformer.h", l)))
    with pytest.raises(ValueError, match="labels are the input_ids themselves.*pass_labels=True"):
        skip_layers(model, batches)


def test_a_bert_is_as_without_its_layer():
    config = transformers.BertConfig(
        num_hidden_layers=3,
        hidden_size=8,
        num_attention_heads=2,
        intermediate_size=16,
        vocab_size=20,
        num_labels=3,
    )
    model = built(transformers.BertForSequenceClassification, config)
    ids, y = torch.arange(1, 25).reshape(6, 4) % 20, torch.arange(6) % 3
    mask = torch.ones_like(ids)
    mask[2, 3] = 0
    ds = skip_layers(model, [{"input_ids": ids, "attention_mask": mask, "labels": y}])
    before = functional.cross_entropy(model(ids, attention_mask=mask).logits, y)
    for l in range(3):
        rest = without(model, "bert.encoder.layer", l)
        after = functional.cross_entropy(rest(ids, attention_mask=mask).logits, y)
        compare(ds, f"bert.encoder.layer.{l}", float(before), float(after))
        hidden = model.bert(ids, attention_mask=mask, output_hidden_states=True).hidden_states
        step, end = ((h[mask == 1]).norm() for h in (hidden[l + 1] - hidden[l], hidden[l + 1]))
        own = ds["own_step"].sel(layer=f"bert.encoder.layer.{l}")
        np.testing.assert_allclose(float(own), float(step / end), rtol=1e-10)


def test_a_vit_is_as_without_its_layer():
    config = transformers.ViTConfig(
        num_hidden_layers=3,
        hidden_size=8,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=8,
        patch_size=4,
        num_labels=3,
    )
    model = built(transformers.ViTForImageClassification, config)
    x, y = random(6, 3, 8, 8, seed=0), torch.arange(6) % 3
    ds = skip_layers(model, [{"pixel_values": x, "labels": y}], pass_labels=True)
    assert "classes over samples, which is the model's own" in ds.attrs["loss_kind"]
    before = float(functional.cross_entropy(model(x).logits, y))
    names = list(ds["layer"].values)
    assert len(names) == 3
    for l, name in enumerate(names):
        rest = without(model, name.rpartition(".")[0], l)
        compare(ds, name, before, float(functional.cross_entropy(rest(x).logits, y)))


def test_a_resnet_is_as_without_the_blocks_that_keep_their_shape():
    config = transformers.ResNetConfig(
        embedding_size=4,
        hidden_sizes=[4, 8],
        depths=[2, 2],
        layer_type="basic",
        num_labels=3,
    )
    model = built(transformers.ResNetForImageClassification, config)
    x, y = random(6, 3, 32, 32, seed=1), torch.arange(6) % 3
    ds = skip_layers(model, [{"pixel_values": x, "labels": y}])
    before = float(functional.cross_entropy(model(x).logits, y))
    for stage, l in ((0, 0), (0, 1), (1, 1)):
        layers = f"resnet.encoder.stages.{stage}.layers"
        rest = without(model, layers, l)
        compare(ds, f"{layers}.{l}", before, float(functional.cross_entropy(rest(x).logits, y)))
    narrow = ds["status"].sel(layer="resnet.encoder.stages.1.layers.0")
    assert str(narrow.values) == (
        "not skipped: its input is (sample, 4, 8, 8) and its output (sample, 8, 4, 4)"
    )
