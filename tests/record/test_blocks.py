"""Which blocks are found: those of Hugging Face's models, and chains of several classes."""

import pytest
import torch
from exact_paths import random
from recorded_models import seeded
from torch import nn

import loadpath as lp
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


class Translates(nn.Module):
    """An encoder and a decoder whose layers are of two classes, and two heads."""

    def __init__(self, encoder, decoder):
        super().__init__()
        self.net = nn.Transformer(4, 2, encoder, decoder, 8, 0.0, batch_first=True)
        self.heads = nn.ModuleList(nn.Linear(4, 3) for _ in range(2))

    def forward(self, src, tgt):
        out = self.net(src, tgt).mean(1)
        return sum(head(out) for head in self.heads)


@pytest.mark.parametrize("encoder, decoder", [(2, 3), (3, 2), (2, 2)])
def test_layers_of_a_decoder_of_another_class_are_named(encoder, decoder):
    """transformers 23179: half of a model was measured without a word of the other half."""
    model = seeded(Translates, encoder, decoder)
    x = random(30, 5, 4, seed=0)
    batches = [({"src": x, "tgt": x[:, :4]}, torch.arange(30) % 3)]
    (recorded,) = stream(model, batches)
    one, other = ("encoder", "decoder") if encoder >= decoder else ("decoder", "encoder")
    count = {"encoder": encoder, "decoder": decoder}
    assert list(recorded.features)[1:] == [f"net.{one}.layers.{l}" for l in range(count[one])]
    kinds = [f"Transformer{side.capitalize()}Layer" for side in (one, other)]
    words = (
        f"{count[other]} {kinds[1]} beside the {kinds[0]} that are taken, name both with layers="
    )
    assert recorded.description.left_out == {f"net.{other}.layers.*": words}
    both = ["net.encoder.layers.*", "net.decoder.layers.*"]
    (recorded,) = stream(model, batches, layers=both)
    assert len(recorded.features) == 1 + encoder + decoder and not recorded.description.left_out
    if encoder == 2 == decoder:
        ds = lp.diagnose(model, batches, measures=["steps"])
        said = f"This is left out: net.decoder.layers.* ({words})."
        assert said in lp.diagnosis.summary(ds)
        skipped = lp.diagnosis.skip_layers(model, batches)
        assert skipped.attrs["layers_left_out"] == f"net.decoder.layers.*: {words}"
        assert said in lp.diagnosis.verdict(ds, skipped).sentences


class Stages(nn.Module):
    """Stages of blocks, each block with two parts, and a chain of another class beside them."""

    def __init__(self, beside):
        super().__init__()
        self.stages = nn.Sequential(*(nn.Sequential(Block(), Block()) for _ in range(3)))
        self.others = nn.Sequential(*(nn.Sequential(Other(), Other()) for _ in range(beside)))

    def forward(self, x):
        return self.others(self.stages(x))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleList(Part() for _ in range(2))

    def forward(self, x):
        return x + self.parts[1](self.parts[0](x))


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(4, 4)

    def forward(self, x):
        return self.mix(x).tanh()


class Other(Part):
    pass


def test_neither_what_holds_blocks_nor_what_is_in_them_is_called_left_out():
    x = random(6, 4, seed=1)
    (recorded,) = stream(seeded(Stages, 0), [x])
    assert len(recorded.features) == 7 and not recorded.description.left_out
    (recorded,) = stream(seeded(Stages, 1), [x])
    words = "2 Other beside the Block that are taken, name both with layers="
    assert recorded.description.left_out == {"others.0.*": words}
